//! A `redis-server` with settings of the test's own.

use antiphon_testkit::servers::Certificates;
use redis::FromRedisValue;
use std::fmt::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Killed when dropped.
pub struct Server {
    child: Child,
    /// In clear, for the test itself.
    pub port: u16,
    /// With TLS, where it has certificates.
    pub tls_port: u16,
    _folder: tempfile::TempDir,
}

impl Server {
    /// Nothing where there is no `redis-server`. A line of `settings` for each setting.
    pub async fn start(certificates: Option<&Certificates>, settings: &str) -> Option<Self> {
        Self::run(certificates, settings, &["--appendonly", "yes", "--appendfsync", "always", "--save", ""]).await
    }

    /// One that watches others.
    pub async fn sentinel(certificates: Option<&Certificates>, settings: &str) -> Option<Self> {
        Self::run(certificates, settings, &["--sentinel"]).await
    }

    async fn run(certificates: Option<&Certificates>, settings: &str, arguments: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let (port, tls_port) = (free_port(), free_port());
        let mut text = format!("bind 127.0.0.1\nport {port}\ndir {}\n{settings}\n", folder.path().display());
        if let Some(Certificates { authority, server, key, .. }) = certificates {
            let _ = writeln!(text, "tls-port {tls_port}\ntls-replication yes\ntls-auth-clients no");
            let _ = writeln!(text, "tls-ca-cert-file {}", authority.display());
            let _ = writeln!(text, "tls-cert-file {}\ntls-key-file {}", server.display(), key.display());
        }
        let file = folder.path().join("redis.conf");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(&file).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(child) = command.spawn() else {
            eprintln!("NOT TESTED: Redis with settings of its own: install redis-server");
            return None;
        };
        let server = Self { child, port, tls_port, _folder: folder };
        let since = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(since.elapsed() < Duration::from_secs(20), "redis-server does not come up");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Some(server)
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
    }

    /// SIGSTOP, SIGCONT.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(signal).arg(self.child.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()));
    }

    /// As somebody who may do everything.
    pub async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut connection).await.unwrap()
    }

    /// Asks until the answer is as it is to be.
    pub async fn until<T: FromRedisValue>(&self, what: &str, words: &[&str], is_so: impl Fn(T) -> bool) {
        let since = Instant::now();
        while !is_so(self.ask(words).await) {
            assert!(since.elapsed() < Duration::from_secs(20), "{what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
