//! A client that follows a channel whatever happens: it goes on by position, on another process and over the other
//! transport each time.

use super::{Reading, Silence};
use crate::client::{Api, is_logged};
use futures::{SinkExt, StreamExt};
use parking_lot::Mutex;
use rand::Rng;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// How long a connection or an answer's head may take.
const CONNECT: Duration = Duration::from_secs(5);
/// No server is silent so long: a heartbeat or a comment comes before, unless the server is suspended.
const SILENT: Duration = Duration::from_secs(12);

/// How a client connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// WebSocket always.
    WebSocket,
    /// Server-sent events always.
    Sse,
    /// One after the other, and away by itself every few seconds.
    Alternating,
}

/// A running client. It ends when it is dropped.
pub struct Client {
    /// `namespace` and id.
    pub channel: (String, String),
    /// What it saw.
    pub reading: Arc<Mutex<Reading>>,
    /// How it came.
    pub silence: Arc<Silence>,
    /// What it was refused, by code.
    pub refused: Arc<Mutex<BTreeMap<String, u64>>>,
    /// Connections that ended without its doing.
    pub dropped: Arc<Mutex<u64>>,
    task: JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Why a connection is over.
enum Ending {
    /// The client's own wish.
    Left,
    /// Anything else.
    Dropped,
    /// With a code of the server.
    Refused(String),
}

#[derive(Clone)]
struct Connection {
    channel: (String, String),
    reading: Arc<Mutex<Reading>>,
    silence: Arc<Silence>,
}

impl Client {
    /// Follows a channel from the start of what is kept, by turns at these processes.
    pub fn start(servers: Vec<Api>, namespace: &str, id: &str, transport: Transport, silence: Silence) -> Self {
        let connection = Connection {
            channel: (namespace.to_owned(), id.to_owned()),
            reading: Arc::default(),
            silence: Arc::new(silence),
        };
        let refused = Arc::new(Mutex::new(BTreeMap::new()));
        let dropped = Arc::new(Mutex::new(0));
        let task = tokio::spawn(follow(connection.clone(), servers, transport, refused.clone(), dropped.clone()));
        let Connection { channel, reading, silence } = connection;
        Self { channel, reading, silence, refused, dropped, task }
    }
}

async fn follow(
    connection: Connection,
    servers: Vec<Api>,
    transport: Transport,
    refused: Arc<Mutex<BTreeMap<String, u64>>>,
    dropped: Arc<Mutex<u64>>,
) {
    let mut turn = rand::rng().random_range(0..servers.len() * 2);
    loop {
        turn += 1;
        let server = &servers[turn % servers.len()];
        let is_socket = match transport {
            Transport::WebSocket => true,
            Transport::Sse => false,
            Transport::Alternating => (turn / servers.len()).is_multiple_of(2),
        };
        let stay = match transport {
            Transport::Alternating => Duration::from_millis(rand::rng().random_range(1_000..8_000)),
            _ => Duration::from_secs(24 * 3600),
        };
        let until = Instant::now() + stay;
        let ending =
            if is_socket { connection.socket(server, until).await } else { connection.events(server, until).await };
        match ending {
            Ending::Left => continue,
            Ending::Dropped => *dropped.lock() += 1,
            Ending::Refused(code) => {
                if code == "position_foreign" {
                    connection.reading.lock().replace();
                }
                *refused.lock().entry(code).or_default() += 1;
            }
        }
        let pause = rand::rng().random_range(50..250);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

impl Connection {
    fn position(&self) -> String {
        self.reading.lock().position().unwrap_or("start").to_owned()
    }

    /// Takes an event; the code where it is a refusal.
    fn take(&self, message: &Value) -> Option<String> {
        if message["type"] == "error" {
            return Some(message["code"].as_str().unwrap_or("error").to_owned());
        }
        if is_logged(message) {
            self.silence.note(message);
            self.reading.lock().take(message);
        }
        None
    }

    async fn socket(&self, server: &Api, until: Instant) -> Ending {
        let Ok(mut request) = format!("{}/ws", server.url().replacen("http", "ws", 1)).into_client_request() else {
            return Ending::Dropped;
        };
        if let Some((name, value)) = server.credential().header() {
            request.headers_mut().insert(name, value.parse().expect("a header"));
        }
        let connected = tokio::time::timeout(CONNECT, tokio_tungstenite::connect_async(request)).await;
        let Ok(Ok((mut socket, _))) = connected else { return Ending::Dropped };
        let (namespace, id) = &self.channel;
        let channel = json!({ "type": namespace, "id": id });
        let subscribe = json!({ "type": "subscribe", "channel": channel, "position": self.position() });
        if socket.send(Message::text(subscribe.to_string())).await.is_err() {
            return Ending::Dropped;
        }
        loop {
            let limit = until.min(Instant::now() + SILENT);
            match tokio::time::timeout_at(limit, socket.next()).await {
                Ok(Some(Ok(Message::Text(text)))) => {
                    let Ok(message) = serde_json::from_str(&text) else { return Ending::Dropped };
                    if let Some(code) = self.take(&message) {
                        return Ending::Refused(code);
                    }
                }
                Ok(Some(Ok(_))) => {}
                Ok(_) => return Ending::Dropped,
                Err(_) if Instant::now() >= until => return Ending::Left,
                Err(_) => return Ending::Dropped,
            }
        }
    }

    async fn events(&self, server: &Api, until: Instant) -> Ending {
        let (namespace, id) = &self.channel;
        let path = format!("/api/channels/{namespace}/{id}/events?position={}", self.position());
        let request = server.request("GET", &path).timeout(Duration::from_secs(24 * 3600));
        let Ok(Ok(response)) = tokio::time::timeout(CONNECT, request.send()).await else { return Ending::Dropped };
        if response.status() != 200 {
            let body: Value = response.json().await.unwrap_or_default();
            return Ending::Refused(body["code"].as_str().unwrap_or("error").to_owned());
        }
        let (mut body, mut rest) = (response.bytes_stream(), Vec::new());
        loop {
            let limit = until.min(Instant::now() + SILENT + SILENT);
            match tokio::time::timeout_at(limit, body.next()).await {
                Ok(Some(Ok(bytes))) => rest.extend_from_slice(&bytes),
                Ok(_) => return Ending::Dropped,
                Err(_) if Instant::now() >= until => return Ending::Left,
                Err(_) => return Ending::Dropped,
            }
            for message in whole_events(&mut rest) {
                if let Some(code) = self.take(&message) {
                    return Ending::Refused(code);
                }
            }
        }
    }
}

/// Takes the whole events out of what has come. A cut one comes again, as its position was not taken.
pub(super) fn whole_events(rest: &mut Vec<u8>) -> Vec<Value> {
    let mut events = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\n\n") {
        let event: Vec<u8> = rest.drain(..end + 2).collect();
        let text = String::from_utf8_lossy(&event).into_owned();
        events.extend(
            text.lines()
                .filter_map(|line| line.strip_prefix("data: "))
                .filter_map(|json| serde_json::from_str(json).ok()),
        );
    }
    events
}
