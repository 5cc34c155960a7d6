//! A WebSocket client that keeps all it was sent.

use super::{Api, PATIENCE, is_logged};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// One connection.
pub struct WebSocketClient {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Every message so far, in order.
    pub seen: Vec<Value>,
    /// The close frame's code, once there was one.
    pub closed: Option<u16>,
}

impl WebSocketClient {
    /// Connects to a path such as `/ws?position=`; every upgrade succeeds, refused or not.
    pub async fn connect(api: &Api, path: &str) -> Self {
        Self::connect_with(api, path, &[]).await
    }

    /// The same with further headers.
    pub async fn connect_with(api: &Api, path: &str, headers: &[(&'static str, &str)]) -> Self {
        let url = format!("{}{path}", api.url().replacen("http", "ws", 1));
        let mut request = url.into_client_request().expect("an address");
        if let Some((name, value)) = api.credential().header() {
            request.headers_mut().insert(name, value.parse().expect("a header"));
        }
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a header"));
        }
        let (socket, _) = tokio_tungstenite::connect_async(request).await.expect("the upgrade succeeds");
        Self { socket, seen: Vec::new(), closed: None }
    }

    /// Joins an AR room by its address, after a position or from now on.
    pub async fn join(api: &Api, room: &str, position: Option<&str>) -> Self {
        let query = position.map(|position| format!("?position={position}")).unwrap_or_default();
        Self::connect(api, &format!("/ws/ar-rooms/{room}{query}")).await
    }

    /// Sends a message.
    pub async fn send(&mut self, message: &Value) {
        self.send_raw(Message::text(message.to_string())).await;
    }

    /// Sends a frame as it is.
    pub async fn send_raw(&mut self, frame: Message) {
        self.socket.send(frame).await.expect("it is sent");
    }

    /// Subscribes to a channel.
    pub async fn subscribe(&mut self, namespace: &str, id: &str, position: Option<&str>) {
        let mut message = json!({ "type": "subscribe", "channel": { "type": namespace, "id": id } });
        if let Some(position) = position {
            message["position"] = json!(position);
        }
        self.send(&message).await;
    }

    /// The next message; none once the connection is closed.
    pub async fn next(&mut self) -> Option<Value> {
        let waited = tokio::time::timeout(PATIENCE, self.receive()).await;
        waited.unwrap_or_else(|_| panic!("nothing came; seen: {:#?}", self.last_seen()))
    }

    /// The next message within this time; none where nothing comes.
    pub async fn next_within(&mut self, time: Duration) -> Option<Value> {
        tokio::time::timeout(time, self.receive()).await.ok().flatten()
    }

    async fn receive(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Text(text)) => {
                    let message: Value = serde_json::from_str(&text).expect("each frame is JSON");
                    assert!(message["type"].is_string(), "each has a type: {message}");
                    self.seen.push(message.clone());
                    return Some(message);
                }
                Ok(Message::Close(frame)) => self.closed = frame.map(|frame| frame.code.into()),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// The next message that satisfies; all until then are kept.
    pub async fn until(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            match tokio::time::timeout_at(deadline, self.receive()).await {
                Ok(Some(message)) if is_it(&message) => return message,
                Ok(Some(_)) => {}
                Ok(None) => panic!("closed ({:?}) before {what}; seen: {:#?}", self.closed, self.last_seen()),
                Err(_) => panic!("never came: {what}; seen: {:#?}", self.last_seen()),
            }
        }
    }

    /// The next message of a type.
    pub async fn until_type(&mut self, kind: &str) -> Value {
        self.until(kind, |message| message["type"] == kind).await
    }

    /// Waits for the close; the code of the last `error` before it, and the close code.
    pub async fn ending(&mut self) -> (String, u16) {
        while self.next().await.is_some() {}
        let mut errors = self.seen.iter().filter(|message| message["type"] == "error");
        let code = errors.next_back().and_then(|error| error["code"].as_str()).unwrap_or_default();
        (code.to_owned(), self.closed.unwrap_or_default())
    }

    /// The events of the log so far.
    pub fn events(&self) -> impl Iterator<Item = &Value> {
        self.seen.iter().filter(|message| is_logged(message))
    }

    /// The last event's position.
    pub fn position(&self) -> String {
        let last = self.events().last().expect("an event");
        last["position"].as_str().expect("a position").to_owned()
    }

    fn last_seen(&self) -> &[Value] {
        self.seen.get(self.seen.len().saturating_sub(5)..).unwrap_or_default()
    }
}

/// An upgraded connection by hand (RFC 6455), for what no library does: not reading, frames that break the rules.
pub fn raw_upgrade(api: &Api, path: &str) -> std::net::TcpStream {
    let host = api.url().trim_start_matches("http://");
    let mut socket = std::net::TcpStream::connect(host).expect("it listens");
    let credential = api.credential().header().map(|(name, value)| format!("{name}: {value}\r\n")).unwrap_or_default();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\n{credential}Connection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).expect("it is sent");
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).expect("it answers");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    socket
}
