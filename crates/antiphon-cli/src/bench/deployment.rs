//! A deployment of one topology: its processes, and the rooms that are made in it.

use super::child::Running;
use super::engines::{Engine, Kind};
use super::topology::{Part, Topology};
use super::traces::Traces;
use crate::failure::Failure;
use crate::token::mint_for_user;
use reqwest::Client;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Signs the users of a measurement; the processes listen on loopback and go with it.
const SECRET: &str = "a-secret-for-measurements-only-0123456789";
/// As many as a machine with few cores has use for: each is written, and followed, by itself.
pub(super) const SHARDS: u16 = 4;
/// How long a call may take.
const CALL: Duration = Duration::from_secs(15);
/// How long a PostgreSQL may take to let a database be made.
const DATABASE: Duration = Duration::from_secs(30);

/// A process of a deployment.
pub(super) struct Process {
    pub(super) part: Part,
    pub(super) address: String,
    pub(super) running: Running,
    folder: PathBuf,
}

/// A topology that runs.
pub(super) struct Deployment {
    pub(super) topology: Topology,
    pub(super) processes: Vec<Process>,
    pub(super) token: String,
    config: PathBuf,
    http: Client,
}

impl Deployment {
    /// Starts it on a log of its own; what that makes in engines that are not ours is noted in `traces` first.
    pub(super) async fn start(
        topology: Topology,
        parts: &[Part],
        engines: &[Engine],
        provider: SocketAddr,
        folder: &Path,
        traces: &mut Traces,
    ) -> Result<Self, Failure> {
        let name = format!("bench{}", uuid::Uuid::new_v4().simple());
        let folder = folder.join(&name);
        let cannot = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
        std::fs::create_dir_all(&folder).map_err(cannot)?;
        let config = folder.join("antiphon.toml");
        let mut records = None;
        if let Some(engine) =
            engines.iter().find(|engine| engine.kind == Kind::Postgres).filter(|_| !topology.is_whole())
        {
            traces.expect_database(engine, &name);
            records = Some(make_database(&engine.address, &name).await?);
        }
        for engine in engines.iter().filter(|engine| topology.engines().contains(&engine.kind)) {
            traces.expect(engine, &name);
        }
        let text = configuration(topology, engines, provider, &name, records.as_deref());
        std::fs::write(&config, text).map_err(cannot)?;
        let http =
            Client::builder().no_proxy().timeout(CALL).build().map_err(|error| Failure::new(error.to_string()))?;
        let mut deployment =
            Self { topology, processes: Vec::new(), token: mint_for_user(SECRET, "bench")?, config, http };
        for (at, part) in parts.iter().enumerate() {
            let folder = folder.join(format!("{}-{at}", part.name()));
            std::fs::create_dir_all(&folder).map_err(cannot)?;
            let process = deployment.start_process(*part, folder).await?;
            deployment.processes.push(process);
        }
        Ok(deployment)
    }

    async fn start_process(&self, part: Part, folder: PathBuf) -> Result<Process, Failure> {
        let program = std::env::current_exe().map_err(|error| Failure::new(error.to_string()))?;
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--roles", part.roles(), "--config"]).arg(&self.config);
        command.arg("--data").arg(folder.join("data"));
        let (running, address) = Running::start_server(command, &folder.join("stderr")).await?;
        Ok(Process { part, address, running, folder })
    }

    /// Starts a killed process again on its data.
    pub(super) async fn restart(&mut self, at: usize) -> Result<(), Failure> {
        let Some(process) = self.processes.get(at) else { return Ok(()) };
        let (part, folder) = (process.part, process.folder.clone());
        let process = self.start_process(part, folder).await?;
        if let Some(place) = self.processes.get_mut(at) {
            *place = process;
        }
        Ok(())
    }

    /// The addresses that clients connect to.
    pub(super) fn fronts(&self) -> Vec<String> {
        let is_front = |process: &&Process| matches!(process.part, Part::All | Part::Front);
        self.processes.iter().filter(is_front).map(|process| process.address.clone()).collect()
    }

    pub(super) fn cpu_micros(&self) -> u64 {
        self.processes.iter().map(|process| process.running.cpu_micros()).sum()
    }

    /// Makes a room by way of one of the fronts.
    pub(super) async fn room(&self, front: &str) -> Result<String, Failure> {
        let room = call(&self.http, &self.token, front, "/api/ar-rooms", &json!({ "agentId": "paced" })).await?;
        text(&room, "id")
    }

    /// Sends a message; the answer's stream.
    pub(super) async fn ask(&self, front: &str, room: &str, client_message_id: &str) -> Result<String, Failure> {
        let message = json!({ "content": "go", "clientMessageId": client_message_id });
        let accepted =
            call(&self.http, &self.token, front, &format!("/api/ar-rooms/{room}/messages"), &message).await?;
        text(&accepted, "streamId")
    }

    /// The messages of a room.
    pub(super) async fn messages(&self, front: &str, room: &str) -> Result<Vec<Value>, Failure> {
        let path = format!("http://{front}/api/ar-rooms/{room}/messages?limit=100");
        let answer = self.http.get(path).bearer_auth(&self.token).send().await.map_err(unanswered)?;
        let page: Value = answer.json().await.map_err(unanswered)?;
        Ok(page["messages"].as_array().cloned().unwrap_or_default())
    }

    /// The events of a room after a position, or `start`, as server-sent events; none where the log does not know it.
    pub(super) async fn events(&self, front: &str, room: &str, position: &str) -> Result<Option<Vec<u8>>, Failure> {
        let path = format!("http://{front}/api/channels/ar-room/{room}/events?position={position}&until=end");
        let answer = self.http.get(path).bearer_auth(&self.token).send().await.map_err(unanswered)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(unanswered)?;
        match status {
            reqwest::StatusCode::CONFLICT | reqwest::StatusCode::GONE => Ok(None),
            _ if status.is_success() => Ok(Some(body.into())),
            _ => Err(Failure::new(format!("events of a room: {status}"))),
        }
    }
}

/// What stands before the keys of the deployment of this name.
pub(super) fn key_prefix(name: &str) -> String {
    format!("{name}:")
}

async fn call(http: &Client, token: &str, front: &str, path: &str, body: &Value) -> Result<Value, Failure> {
    let call = http.post(format!("http://{front}{path}")).bearer_auth(token).json(body);
    let answer = call.send().await.map_err(unanswered)?;
    let status = answer.status();
    let value: Value = answer.json().await.map_err(unanswered)?;
    if status.is_success() { Ok(value) } else { Err(Failure::new(format!("{path}: {status}: {}", value["detail"]))) }
}

fn unanswered(error: reqwest::Error) -> Failure {
    Failure::new(format!("a server did not answer: {error}"))
}

fn text(value: &Value, field: &str) -> Result<String, Failure> {
    value[field].as_str().map(str::to_owned).ok_or_else(|| Failure::new(format!("a server's answer lacks {field}")))
}

/// Makes a database beside the one of the URL, and gives its URL.
async fn make_database(url: &str, name: &str) -> Result<String, Failure> {
    let began = Instant::now();
    loop {
        let mut command = Command::new("createdb");
        command.arg("--maintenance-db").arg(url).arg(name);
        let output = command.output().map_err(|error| {
            Failure::new(format!("createdb cannot be run: {error}")).fix("install PostgreSQL's client programs")
        })?;
        if output.status.success() {
            break;
        }
        // One that was killed reads its log first.
        if began.elapsed() > DATABASE {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(Failure::new(format!("no database can be made: {}", said.trim())));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let mut url = url::Url::parse(url).map_err(|error| Failure::new(format!("--postgres: {error}")))?;
    url.set_path(name);
    Ok(url.into())
}

fn configuration(
    topology: Topology,
    engines: &[Engine],
    provider: SocketAddr,
    name: &str,
    records: Option<&str>,
) -> String {
    let address = |kind: Kind| engines.iter().find(|engine| engine.kind == kind).map(|engine| engine.address.clone());
    let mut config = format!(
        "topology = \"{}\"\n[auth]\njwt_secret = \"{SECRET}\"\n\
         [limits]\nmessages_per_minute = 0\nrequests_per_minute = 0\nconnections_per_user = 0\n\
         connections_per_address = 0\npublishes_per_second = 0\n\
         [providers.paced]\nkind = \"openai\"\nbase_url = \"http://{provider}/v1\"\napi_key = \"none\"\n\
         [agents.paced]\nprovider = \"paced\"\nmodel = \"paced\"\nmarkers = \"off\"\n",
        topology.name()
    );
    if topology.is_whole() {
        return config;
    }
    config += &format!("[cluster]\nshards = {SHARDS}\n");
    let used = |kind: Kind| address(kind).filter(|_| topology.engines().contains(&kind));
    if let Some(brokers) = used(Kind::Kafka) {
        config += &format!("[kafka]\nbrokers = \"{brokers}\"\ntopic = \"{name}\"\n");
    }
    if let Some(url) = used(Kind::Redis) {
        config += &format!("[redis]\nurl = \"{url}\"\nprefix = \"{}\"\n", key_prefix(name));
    }
    if let Some(url) = records {
        config += &format!("[records]\nurl = \"{url}\"\n");
    }
    config
}
