//! A client that keeps everything it ever got from a channel, and goes on from its last position whatever happens.

use crate::server::KEY;
use futures::{SinkExt, StreamExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// How a follower connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    WebSocket,
    Sse,
    /// One after the other, in turn.
    Both,
}

/// What it got so far.
pub struct Follower {
    pub events: Arc<Mutex<Vec<Value>>>,
    /// Makes it drop its connection and come back.
    pub cut: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Follower {
    /// Follows from the start of what is kept.
    pub fn start(address: &str, namespace: &str, id: &str, transport: Transport) -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let cut = Arc::new(AtomicBool::new(false));
        let (kept, is_cut) = (events.clone(), cut.clone());
        let (address, namespace, id) = (address.to_owned(), namespace.to_owned(), id.to_owned());
        let task = tokio::spawn(async move {
            for round in 0_usize.. {
                is_cut.store(false, Ordering::Relaxed);
                let position = last_position(&kept.lock());
                let over_websocket =
                    transport == Transport::WebSocket || transport == Transport::Both && round % 2 == 0;
                if over_websocket {
                    websocket(&address, &namespace, &id, &position, &kept, &is_cut).await;
                } else {
                    sse(&address, &namespace, &id, &position, &kept, &is_cut).await;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        Self { events, cut, task }
    }

    /// Waits until what it got satisfies; panics after a minute.
    pub async fn until(&self, what: &str, is_enough: impl Fn(&[Value]) -> bool) {
        for _ in 0..6_000 {
            if is_enough(&self.events.lock()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let events = self.events.lock();
        panic!("never came: {what}; {} events, the last {:?}", events.len(), events.last());
    }
}

fn last_position(events: &[Value]) -> String {
    events.last().and_then(|event| event["position"].as_str()).unwrap_or("start").to_owned()
}

/// Keeps an event; what is no event of the log has no position of its own or is a notice.
fn keep(text: &str, kept: &Mutex<Vec<Value>>) {
    let event: Value = serde_json::from_str(text).unwrap();
    let kind = event["type"].as_str().unwrap().to_owned();
    assert!(kind != "error", "{event}");
    if event["position"].is_string() && kind != "subscribed" && kind != "caught-up" {
        kept.lock().push(event);
    }
}

async fn websocket(
    address: &str,
    namespace: &str,
    id: &str,
    position: &str,
    kept: &Mutex<Vec<Value>>,
    cut: &AtomicBool,
) {
    let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
    request.headers_mut().insert("x-api-key", KEY.parse().unwrap());
    let Ok((mut socket, _)) = tokio_tungstenite::connect_async(request).await else { return };
    let subscribe = json!({ "type": "subscribe", "channel": { "type": namespace, "id": id }, "position": position });
    if socket.send(Message::text(subscribe.to_string())).await.is_err() {
        return;
    }
    while !cut.load(Ordering::Relaxed) {
        match tokio::time::timeout(Duration::from_millis(200), socket.next()).await {
            Ok(Some(Ok(Message::Text(text)))) => keep(&text, kept),
            Ok(Some(Ok(_))) | Err(_) => {}
            Ok(_) => return,
        }
    }
}

async fn sse(address: &str, namespace: &str, id: &str, position: &str, kept: &Mutex<Vec<Value>>, cut: &AtomicBool) {
    let url = format!("http://{address}/api/channels/{namespace}/{id}/events?position={position}");
    let Ok(response) = reqwest::Client::new().get(url).header("x-api-key", KEY).send().await else { return };
    if response.status() != 200 {
        return;
    }
    let (mut body, mut rest) = (response.bytes_stream(), Vec::new());
    while !cut.load(Ordering::Relaxed) {
        match tokio::time::timeout(Duration::from_millis(200), body.next()).await {
            Ok(Some(Ok(bytes))) => rest.extend_from_slice(&bytes),
            Ok(_) => return,
            Err(_) => continue,
        }
        // Only whole events count: a cut one comes again after its position was not taken.
        while let Some(end) = rest.windows(2).position(|two| two == b"\n\n") {
            let event: Vec<u8> = rest.drain(..end + 2).collect();
            for line in String::from_utf8(event).unwrap().lines() {
                if let Some(json) = line.strip_prefix("data: ") {
                    keep(json, kept);
                }
            }
        }
    }
}
