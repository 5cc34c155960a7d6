//! `cargo xtask verify openai|ollama|mock`: adapters against servers that somebody else wrote, real ones with the demo's
//! weights. Those are built from source, which takes longer than a test may; the builds are kept in `target/engines`.

mod llama_cpp;
mod mock_server;
mod ollama;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{model, steps};

/// A busy machine reads the weights for some seconds.
const START: Duration = Duration::from_secs(120);
/// A server that is told to end does so within moments.
const STOP: Duration = Duration::from_secs(10);

/// Builds the engine where it is not built yet, starts it, and runs the tests that need it.
pub fn verify(arguments: &[String]) -> Result<(), String> {
    let names: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let engine: fn(&std::path::Path) -> Result<Running, String> = match names[..] {
        ["openai"] => llama_cpp::start,
        ["ollama"] => ollama::start,
        ["mock"] => return mock_server::verify(),
        _ => return Err("`verify` takes openai or ollama, the wire format of a real server, or mock".to_owned()),
    };
    let name = names[0];
    println!("[1/3] the small model's weights");
    let weights = model::fetch()?;
    println!("[2/3] a real server of the wire format");
    let running = engine(&weights)?;
    println!("[3/3] the adapter against it");
    let mut tests = steps::cargo();
    tests.args(["test", "-p", "antiphon-ai", "--test", "adapters", "--"]).arg(format!("{name}::real_server"));
    // One by one: what a server is busy with is to be seen.
    tests.args(["--nocapture", "--test-threads", "1"]);
    let variable = format!("ANTIPHON_REAL_{}", name.to_uppercase());
    tests.env(&variable, &running.base_url).env(format!("{variable}_KEY"), running.key);
    let outcome = steps::run("tests", &mut tests);
    if outcome.is_err() {
        println!("    the server's log: {}", running.log.display());
    }
    outcome
}

fn folder() -> Result<PathBuf, String> {
    let folder = steps::root().join("target/engines");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

/// A server that runs, until this is dropped.
struct Running {
    child: Child,
    /// What the adapter's configuration takes.
    base_url: String,
    /// Empty where it asks for none.
    key: &'static str,
    log: PathBuf,
}

impl Running {
    /// Starts a server that is told an address, and waits until a GET of that path answers 200. Its `base_url` is the
    /// address with nothing after it.
    fn start(command: &mut Command, address: SocketAddr, path: &str, log: PathBuf) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", log.display());
        let output = fs::File::create(&log).map_err(failed)?;
        let errors = output.try_clone().map_err(failed)?;
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
        let mut running = Self { child, base_url: format!("http://{address}"), key: "", log };
        running.wait(address, path)?;
        println!("    listening on {address}, its log in {}", running.log.display());
        Ok(running)
    }

    fn wait(&mut self, address: SocketAddr, path: &str) -> Result<(), String> {
        let begun = Instant::now();
        while !answers(address, path) {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the server ended ({status}); see {}", self.log.display()));
            }
            if begun.elapsed() > START {
                return Err(format!("the server was not ready within {START:?}; see {}", self.log.display()));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

impl Drop for Running {
    /// Asks it to end, so that it ends what it has started itself, as Ollama its runners; then makes it.
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let begun = Instant::now();
        while begun.elapsed() < STOP && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| format!("a free port: {error}"))?;
    listener.local_addr().map_err(|error| format!("a free port: {error}"))
}

/// Whether a GET of that path is answered with 200.
fn answers(address: SocketAddr, path: &str) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut socket = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        // In one write: a reader may take what has come for all of it.
        socket.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes())?;
        let mut status = [0; 12];
        socket.read_exact(&mut status)?;
        Ok(String::from_utf8_lossy(&status).into_owned())
    };
    ask().is_ok_and(|status| status.ends_with(" 200"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_engines_are_started() {
        for arguments in [vec![], vec!["anthropic".to_owned()], vec!["openai".to_owned(), "ollama".to_owned()]] {
            assert!(verify(&arguments).unwrap_err().contains("openai or ollama, "));
        }
    }

    #[test]
    fn a_server_answers_once_it_listens_and_says_200() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            for status in ["503 Loading", "200 OK"] {
                let (mut socket, _) = listener.accept().unwrap();
                let mut request = [0; 64];
                let length = socket.read(&mut request).unwrap();
                assert!(request[..length].starts_with(b"GET /health HTTP/1.0\r\n"));
                socket.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).unwrap();
            }
        });
        assert!(!answers(address, "/health"));
        assert!(answers(address, "/health"));
        server.join().unwrap();
        assert!(!answers(address, "/health"), "nobody listens any more");
    }
}
