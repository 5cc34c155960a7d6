//! The real program as a child process: on a data folder and port of its own, killed, terminated and started again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use parking_lot::Mutex;
use rand::Rng;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The last part of standard error that is kept to be shown when a test fails, in bytes.
const MAX_STDERR: usize = 256 * 1024;
/// How long a terminated program may take to leave.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a program may take to be ready, on a busy machine and with engines that have just come back.
const START: Duration = Duration::from_secs(60);

/// A server that may be down. Dropping it kills it and removes its folder.
pub struct ServerProcess {
    program: PathBuf,
    arguments: Vec<String>,
    address: String,
    folder: tempfile::TempDir,
    child: Option<Child>,
    stderr: Arc<Mutex<Vec<u8>>>,
    ready_after: Duration,
}

impl ServerProcess {
    /// Starts `PROGRAM serve` with this configuration (TOML) and these further arguments, and waits for its line.
    pub fn start(program: &str, config: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("antiphon.toml"), config).expect("the configuration is written");
        let mut server = Self {
            program: program.into(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            address: free_address(),
            folder,
            child: None,
            stderr: Arc::default(),
            ready_after: Duration::ZERO,
        };
        server.restart();
        server
    }

    /// Starts it again on the same data folder and port, and waits until it is ready; kills it first if it runs.
    pub fn restart(&mut self) {
        self.kill9();
        let began = Instant::now();
        let mut child = self.command().spawn().expect("the program starts");
        self.keep_stderr(&mut child);
        let line = first_line(&mut child);
        self.ready_after = began.elapsed();
        self.child = Some(child);
        assert_eq!(line, format!("ready http://{}\n", self.address), "it said:\n{}", self.stderr());
    }

    /// Starts it and kills it that much later, wherever it is by then.
    pub fn start_and_kill(&mut self, later: Duration) {
        self.kill9();
        let mut child = self.command().stdout(Stdio::null()).spawn().expect("the program starts");
        self.keep_stderr(&mut child);
        std::thread::sleep(later);
        self.child = Some(child);
        self.kill9();
    }

    /// `kill -9`; nothing where it is down.
    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("it is gone");
        }
    }

    /// Sends SIGTERM without waiting.
    pub fn signal_term(&self) {
        self.signal("-TERM");
    }

    /// Stops it where it is (SIGSTOP), its sockets open.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on after [`Self::pause`].
    pub fn wake(&self) {
        self.signal("-CONT");
    }

    /// How it ended by itself; none while it runs, and where it was killed or terminated.
    pub fn left(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().expect("it can be waited for")
    }

    /// Sends SIGTERM and waits for the end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal_term();
        self.wait()
    }

    /// Waits for the end by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let child = self.child.as_mut().expect("it runs");
        let began = Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("it can be waited for") {
                self.child = None;
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not leave:\n{}", self.stderr());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// `HOST:PORT`, the same after each start.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `http://HOST:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("antiphon.toml")
    }

    /// Time from the last start to its `ready` line.
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// Resident memory in KiB, as Linux counts it.
    pub fn rss_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux says it");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
    }

    /// The last that it wrote to standard error, over all starts.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.lock()).into_owned()
    }

    fn id(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    fn signal(&self, signal: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().expect("kill runs").success());
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["serve", "--listen", &self.address]);
        command.arg("--config").arg(self.config()).arg("--data").arg(self.data()).args(&self.arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn keep_stderr(&self, child: &mut Child) {
        let (mut pipe, kept) = (child.stderr.take().expect("piped"), self.stderr.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                let mut kept = kept.lock();
                kept.extend_from_slice(&buffer[..length]);
                let excess = kept.len().saturating_sub(MAX_STDERR);
                kept.drain(..excess);
            }
        });
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            eprintln!("the server at {} said:\n{}", self.address, self.stderr());
        }
    }
}

/// What a program says first; nothing where it ends or takes too long.
fn first_line(child: &mut Child) -> String {
    let (sender, receiver) = std::sync::mpsc::channel();
    let stdout = child.stdout.take().expect("piped");
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = BufReader::new(stdout).read_line(&mut line);
        let _ = sender.send(line);
    });
    receiver.recv_timeout(START).unwrap_or_default()
}

/// Copies a data folder while nobody uses it, as an operator's backup does.
pub fn copy_folder(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp runs");
    assert!(copied.success());
}

/// An address of this machine where nobody listens. Its port is below the range that the system gives to outgoing
/// connections, so that none of them takes it while the server is down.
pub fn free_address() -> String {
    let mut random = rand::rng();
    loop {
        let address = format!("127.0.0.1:{}", random.random_range(10_000..32_000));
        if TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
}
