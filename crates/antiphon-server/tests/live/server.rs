//! The real program on a data folder and port of its own, to be killed and started again.

use antiphon_testkit::upstream::Upstream;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub const KEY: &str = "a-key-for-tests-0123456789";
pub const SECRET: &str = "a-secret-for-tests-0123456789012345";

/// A server that may be down.
pub struct Server {
    child: Option<Child>,
    pub address: String,
    folder: tempfile::TempDir,
    pub http: reqwest::Client,
}

impl Server {
    /// Writes the configuration and starts; `extra` is appended to it.
    pub fn start(upstream: Option<&Upstream>, extra: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = format!(
            "[auth]\njwt_secret = \"{SECRET}\"\n\
             api_keys = [{{ name = \"t\", key = \"{KEY}\", publish = [\"*\"], read = [\"*\"] }}]\n\
             [limits]\nmessages_per_minute = 0\nrequests_per_minute = 0\nconnections_per_user = 0\n\
             connections_per_address = 0\npublishes_per_second = 0\n"
        );
        if let Some(upstream) = upstream {
            config += &format!(
                "[providers.main]\nkind = \"openai\"\nbase_url = \"{}\"\n[agents.anna]\nprovider = \"main\"\n\
                 model = \"m\"\nmax_attempts = 10\n",
                upstream.base_url()
            );
        }
        std::fs::write(folder.path().join("antiphon.toml"), config + extra).unwrap();
        // A port that was free a moment ago, so that clients find the server again after each start.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let _ = rustls_provider();
        let mut server = Self { child: None, address, folder, http: reqwest::Client::new() };
        server.run();
        server
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_antiphon"));
        command.args(["serve", "--listen", &self.address, "--config"]).arg(self.folder.path().join("antiphon.toml"));
        command.arg("--data").arg(self.data()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts and waits for its line.
    pub fn run(&mut self) {
        let mut child = self.command().spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("ready http://"), "said {line:?}");
        self.child = Some(child);
    }

    /// Starts and kills it after a moment, wherever it is by then.
    pub fn run_and_kill_after(&self, moment: Duration) {
        let mut child = self.command().spawn().unwrap();
        std::thread::sleep(moment);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// The process's resident memory, in KiB.
    pub fn memory_kib(&self) -> u64 {
        let id = self.child.as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// A call by the back end; none where nobody answers.
    pub async fn call(&self, method: reqwest::Method, path: &str, body: &Value) -> Option<(u16, Value)> {
        let url = format!("http://{}{path}", self.address);
        let mut request = self.http.request(method, url).header("x-api-key", KEY).timeout(Duration::from_secs(10));
        if !body.is_null() {
            request = request.json(body);
        }
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        Some((status, serde_json::from_slice(&response.bytes().await.ok()?).unwrap_or(Value::Null)))
    }

    pub async fn post(&self, path: &str, body: &Value) -> Option<(u16, Value)> {
        self.call(reqwest::Method::POST, path, body).await
    }

    pub async fn get(&self, path: &str) -> Option<(u16, Value)> {
        self.call(reqwest::Method::GET, path, &Value::Null).await
    }

    pub async fn new_room(&self) -> String {
        let (status, room) = self.post("/api/ar-rooms", &json!({ "agentId": "anna" })).await.unwrap();
        assert_eq!(status, 201, "{room}");
        room["id"].as_str().unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The test's own client needs a provider of cryptography, once in the process.
fn rustls_provider() -> Result<(), ()> {
    antiphon_ai::http_client().map(drop).map_err(drop)
}
