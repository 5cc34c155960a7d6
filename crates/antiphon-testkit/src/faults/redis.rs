//! Redis for one deployment under faults: a process of its own that syncs each write, as a log has to.

use super::kafka::signal;
use crate::deployment::redis_command;
use crate::process::free_address;
use std::io;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long it may take to listen.
const START: Duration = Duration::from_secs(20);

/// A running Redis. Dropping it kills it and removes what it stored.
pub struct Redis {
    address: String,
    folder: tempfile::TempDir,
    child: Option<Child>,
}

impl Redis {
    /// Starts `redis-server`, empty.
    ///
    /// # Errors
    /// Where it is not there or does not come up.
    pub fn start() -> io::Result<Self> {
        let mut redis = Self { address: free_address(), folder: tempfile::tempdir()?, child: None };
        redis.restart()?;
        Ok(redis)
    }

    /// `HOST:PORT`
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `kill -9`.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = (child.kill(), child.wait());
        }
    }

    /// Starts it again on what it has stored, and waits until it answers.
    ///
    /// # Errors
    /// Where it does not come up.
    pub fn restart(&mut self) -> io::Result<()> {
        self.stop();
        let port = self.address.rsplit(':').next().unwrap_or_default();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "yes"]);
        command.args(["--appendfsync", "always", "--dir"]).arg(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn()?);
        let began = Instant::now();
        loop {
            let is_up = TcpStream::connect(&self.address).is_ok() && self.command(&["PING"]).is_ok();
            if is_up {
                return Ok(());
            }
            if began.elapsed() > START {
                return Err(io::Error::other(format!("redis-server does not come up at {}", self.address)));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Forgets everything while it is down: what comes back is empty.
    ///
    /// # Errors
    /// Where its folder cannot be emptied.
    pub fn forget(&mut self) -> io::Result<()> {
        self.stop();
        let stored = self.folder.path().join("appendonlydir");
        if stored.exists() { std::fs::remove_dir_all(stored) } else { Ok(()) }
    }

    /// `FLUSHALL`.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn flush(&self) -> io::Result<()> {
        self.command(&["FLUSHALL"]).map(drop)
    }

    /// Suspends it (SIGSTOP).
    pub fn pause(&self) {
        self.child.iter().for_each(|child| signal(child, "-STOP"));
    }

    /// Lets it go on.
    pub fn wake(&self) {
        self.child.iter().for_each(|child| signal(child, "-CONT"));
    }

    fn command(&self, words: &[&str]) -> io::Result<String> {
        redis_command(&format!("redis://{}", self.address), words)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}
