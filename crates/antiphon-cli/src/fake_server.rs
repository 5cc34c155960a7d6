//! A server for tests that says exactly what a test has written down: answers to calls, pieces of streams, and what
//! happens on each WebSocket in turn. Everything that it is sent is kept for the test to look at.

use crate::server::{Server, ServerArguments};
use futures::{SinkExt, StreamExt};
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// What happens next on a WebSocket.
pub(crate) enum Act {
    /// This is sent.
    Send(Value),
    /// A message of this type is waited for.
    Await(&'static str),
    /// The last message awaited is answered by `accepted` with this stream.
    Accept(&'static str),
    /// The last message awaited is refused with this code, to be tried again after so many milliseconds.
    Refuse(&'static str, u64),
    /// The connection is cut without a word.
    Cut,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// `METHOD /path?query`
    pub(crate) line: String,
    /// The body.
    pub(crate) body: String,
}

#[derive(Default)]
struct Script {
    answers: HashMap<String, VecDeque<Vec<u8>>>,
    sockets: VecDeque<Vec<Act>>,
    seen: Vec<Seen>,
    said: Vec<Value>,
}

/// A server that follows a script.
#[derive(Clone)]
pub(crate) struct FakeServer {
    url: String,
    script: Arc<Mutex<Script>>,
}

/// The arguments for a server at an address.
pub(crate) fn arguments(url: &str) -> ServerArguments {
    ServerArguments { url: url.to_owned(), token: Some("test-token".to_owned()), api_key: None }
}

impl FakeServer {
    pub(crate) async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let fake = Self { url, script: Arc::default() };
        let script = fake.script.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, script.clone()));
            }
        });
        fake
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn server(&self) -> Server {
        Server::new(&arguments(&self.url)).unwrap()
    }

    /// The next answer to a call; a text may begin with headers and an empty line.
    pub(crate) fn answer(&self, call: &str, status: u16, text: &str) {
        let (headers, body) = match text.split_once("\n\n") {
            Some((headers, body)) => (format!("{}\r\n", headers.replace('\n', "\r\n")), body),
            None => (String::new(), text),
        };
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
        self.raw(call, format!("{head}{body}"));
    }

    /// The next answer is this stream; it is cut off unless it ends as it should.
    pub(crate) fn stream(&self, call: &str, events: &str, ends: bool) {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        let end = if ends { "0\r\n\r\n" } else { "" };
        self.raw(call, format!("{head}{:x}\r\n{events}\r\n{end}", events.len()));
    }

    /// The next answer, byte by byte; an empty one cuts the connection.
    pub(crate) fn raw(&self, call: &str, bytes: String) {
        let mut script = self.script.lock().unwrap();
        script.answers.entry(call.to_owned()).or_default().push_back(bytes.into_bytes());
    }

    /// What happens on the next WebSocket. It is held open at the end of its acts.
    pub(crate) fn socket(&self, acts: Vec<Act>) {
        self.script.lock().unwrap().sockets.push_back(acts);
    }

    /// Every request so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.script.lock().unwrap().seen.clone()
    }

    /// Every message on a WebSocket so far.
    pub(crate) fn said(&self) -> Vec<Value> {
        self.script.lock().unwrap().said.clone()
    }
}

async fn serve(stream: TcpStream, script: Arc<Mutex<Script>>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap_or(0);
    let (mut length, mut key) = (0, None);
    loop {
        let mut header = String::new();
        if stream.read_line(&mut header).await.unwrap_or(0) <= 2 {
            break;
        }
        let (name, value) = header.split_once(':').unwrap_or((&header, ""));
        match name.to_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap(),
            "sec-websocket-key" => key = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).await.is_err() {
        return;
    }
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let path = line.split('?').next().unwrap_or("").to_owned();
    script.lock().unwrap().seen.push(Seen { line, body: String::from_utf8(body).unwrap() });
    if let Some(key) = key {
        socket(stream.into_inner(), &key, script).await;
        return;
    }
    let missing = b"HTTP/1.1 404 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
    let answer = script.lock().unwrap().answers.get_mut(&path).and_then(VecDeque::pop_front);
    let _ = stream.write_all(&answer.unwrap_or(missing)).await;
    let _ = stream.shutdown().await;
}

async fn socket(mut stream: TcpStream, key: &str, script: Arc<Mutex<Script>>) {
    let acts = script.lock().unwrap().sockets.pop_front();
    let Some(acts) = acts else { return };
    let head = "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ";
    stream.write_all(format!("{head}{}\r\n\r\n", derive_accept_key(key.as_bytes())).as_bytes()).await.unwrap();
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    let mut last = Value::Null;
    for act in acts {
        match act {
            Act::Send(message) => send(&mut socket, message).await,
            Act::Accept(stream) => {
                let message = serde_json::json!({"id": format!("msg-{stream}"), "text": last["content"]});
                let answer = serde_json::json!({"type": "accepted", "requestId": last["requestId"],
                    "message": message, "streamId": stream, "queued": 0});
                send(&mut socket, answer).await;
            }
            Act::Refuse(code, after) => {
                let answer = serde_json::json!({"type": "error", "requestId": last["requestId"], "code": code,
                    "message": "no", "retryAfterMs": after});
                send(&mut socket, answer).await;
            }
            Act::Await(kind) => loop {
                let Some(message) = receive(&mut socket, &script).await else { return };
                if message["type"] == kind {
                    last = message;
                    break;
                }
            },
            Act::Cut => return,
        }
    }
    while receive(&mut socket, &script).await.is_some() {}
}

async fn send(socket: &mut WebSocketStream<TcpStream>, message: Value) {
    // A client that has left is no fault of the script's.
    let _ = socket.send(Message::text(message.to_string())).await;
}

async fn receive(socket: &mut WebSocketStream<TcpStream>, script: &Mutex<Script>) -> Option<Value> {
    loop {
        if let Message::Text(text) = socket.next().await?.ok()? {
            let message: Value = serde_json::from_str(&text).unwrap();
            script.lock().unwrap().said.push(message.clone());
            return Some(message);
        }
    }
}
