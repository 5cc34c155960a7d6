//! The program as its operator meets it: its one line of output, its exit codes, its sentences and its end.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn antiphon(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_antiphon"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A running server; killed when the test is over.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(data: &Path, more: &[&str]) -> Self {
        let data = data.to_str().unwrap();
        let mut command = antiphon(&["serve", "--listen", "127.0.0.1:0", "--data", data]);
        let mut child = command.args(more).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address =
            line.trim_end().strip_prefix("ready http://").unwrap_or_else(|| panic!("said {line:?}")).to_owned();
        Self { child, address }
    }

    /// Sends a request and reads the whole answer.
    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: test\r\nx-api-key: demo\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }

    fn terminate(mut self) -> i32 {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(command: &mut Command) -> (i32, String) {
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn the_demo_starts_serves_stops_and_keeps_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--demo"]);
    assert!(server.ask("GET", "/health", "").contains("\"healthy\""));
    assert!(server.ask("GET", "/ready", "").starts_with("HTTP/1.1 200"));
    let agents = server.ask("GET", "/api/agents", "");
    assert!(agents.contains("\"guide\"") && agents.contains("\"simulated\":true"), "{agents}");
    let guest = server.ask("POST", "/api/guest", "");
    assert!(guest.starts_with("HTTP/1.1 201"), "{guest}");
    let token = guest.split("\"token\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let path = "/api/channels/job_progress/job_1/events";
    assert!(server.ask("POST", path, "{\"type\":\"tick\",\"data\":1}").starts_with("HTTP/1.1 200"));
    assert_eq!(server.terminate(), 0);

    let server = Server::start(folder.path(), &["--demo"]);
    let kept = server.ask("GET", &format!("{path}?position=start&until=end"), "");
    assert!(kept.contains("\"type\":\"tick\""), "{kept}");
    let mut socket = TcpStream::connect(&server.address).unwrap();
    let request = format!(
        "GET /api/ar-rooms HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "guests outlive a restart: {answer}");
    assert_eq!(server.terminate(), 0);
}

#[test]
fn what_is_taken_is_said_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--demo"]);
    let other = tempfile::tempdir().unwrap();
    let data = other.path().to_str().unwrap();
    let (code, said) = run(&mut antiphon(&["serve", "--demo", "--listen", &server.address, "--data", data]));
    assert!(code == 1 && said.contains("is in use") && said.contains("--listen"), "{code} {said}");
    let data = folder.path().to_str().unwrap();
    let (code, said) = run(&mut antiphon(&["serve", "--demo", "--listen", "127.0.0.1:0", "--data", data]));
    assert!(code == 1 && said.contains("in use") && said.lines().count() == 1, "{code} {said}");
}

#[test]
fn a_wrong_configuration_is_exit_code_2_and_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("antiphon.toml");
    let data = folder.path().join("data");
    let (file, data) = (file.to_str().unwrap(), data.to_str().unwrap());
    for (text, word) in [
        ("[limits]\nmesages_per_minute = 1", "did you mean `messages_per_minute`?"),
        ("[auth]\njwt_secret = \"\"", "empty"),
        ("[auth]\njwt_secret = { env = \"ANTIPHON_TEST_UNSET\" }", "ANTIPHON_TEST_UNSET"),
        ("[log_output]\nlevel = \"in[fo\"", "log_output.level"),
    ] {
        std::fs::write(file, text).unwrap();
        let (code, said) = run(&mut antiphon(&["serve", "--config", file, "--data", data, "--listen", "127.0.0.1:0"]));
        assert!(code == 2 && said.contains(word) && said.lines().count() == 1, "{code} {said}");
    }
    let (code, said) = run(&mut antiphon(&["serve", "--config", "/no/such/file"]));
    assert!(code == 2 && said.contains("/no/such/file"), "{code} {said}");
    let (code, said) = run(&mut antiphon(&["serve", "--demo", "--listen", "0.0.0.0:0", "--data", data]));
    assert!(code == 2 && said.contains("--demo-beyond-loopback"), "{code} {said}");
}

#[test]
fn the_configuration_is_printed_with_variables_and_flags_in_it() {
    let mut command = antiphon(&["serve", "--print-config", "--data", "/from/flag"]);
    command.env("ANTIPHON_LIMITS__MESSAGES_PER_MINUTE", "7").env("ANTIPHON_AUTH__JWT_SECRET", "hush".repeat(10));
    let output = command.output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(printed.contains("messages_per_minute = 7") && printed.contains("/from/flag"), "{printed}");
    assert!(!printed.contains("hush"), "{printed}");
}

#[test]
fn logs_that_nobody_reads_hold_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("antiphon.toml");
    std::fs::write(&file, "[log_output]\nlevel = \"trace,hyper=trace,tokio=trace\"\n[limits]\nrequests_per_minute = 0")
        .unwrap();
    let server = Server::start(&folder.path().join("data"), &["--demo", "--config", file.to_str().unwrap()]);
    // Standard error is a pipe of 64 KiB that is never read.
    for _ in 0..1_000 {
        assert!(server.ask("GET", "/health", "").starts_with("HTTP/1.1 200"));
    }
    assert_eq!(server.terminate(), 0);
}
