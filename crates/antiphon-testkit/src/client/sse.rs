//! A client of server-sent events (HTML Living Standard, section 9.2) that keeps all it was sent, ids included.

use super::{Answer, Api, PATIENCE, is_logged};
use futures::StreamExt;
use futures::stream::BoxStream;
use reqwest::header::HeaderMap;
use serde_json::Value;
use std::collections::VecDeque;

/// One event as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct SseEvent {
    /// The `id:` field.
    pub id: Option<String>,
    /// The `event:` field.
    pub event: Option<String>,
    /// The `data:` field, parsed.
    pub data: Value,
}

/// One connection.
pub struct SseClient {
    body: BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    rest: Vec<u8>,
    pending: VecDeque<SseEvent>,
    /// The response's headers.
    pub headers: HeaderMap,
    /// Every event so far, in order.
    pub seen: Vec<SseEvent>,
}

impl SseClient {
    /// Connects; panics where it is refused.
    pub async fn connect(api: &Api, path: &str) -> Self {
        match Self::try_connect(api, path, None).await {
            Ok(client) => client,
            Err(answer) => panic!("{path}: {} {}", answer.status, answer.body),
        }
    }

    /// Connects, with a `Last-Event-ID` or without.
    ///
    /// # Errors
    /// The plain answer, where its status is not 200.
    pub async fn try_connect(api: &Api, path: &str, last_event_id: Option<&str>) -> Result<Self, Box<Answer>> {
        let mut request = api.request("GET", path).header("accept", "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        if status != 200 {
            let body = response.json().await.unwrap_or_default();
            return Err(Box::new(Answer { status, headers, body }));
        }
        assert!(headers["content-type"].to_str().is_ok_and(|kind| kind.starts_with("text/event-stream")));
        let body = response.bytes_stream().boxed();
        Ok(Self { body, rest: Vec::new(), pending: VecDeque::new(), headers, seen: Vec::new() })
    }

    /// Follows an AR room, after a position or from now on.
    pub async fn join(api: &Api, room: &str, position: Option<&str>) -> Self {
        let query = position.map(|position| format!("?position={position}")).unwrap_or_default();
        Self::connect(api, &format!("/api/ar-rooms/{room}/stream{query}")).await
    }

    /// The next event; none once the response is over.
    pub async fn next(&mut self) -> Option<SseEvent> {
        let waited = tokio::time::timeout(PATIENCE, self.receive()).await;
        waited.unwrap_or_else(|_| panic!("nothing came; the last: {:#?}", self.seen.last()))
    }

    async fn receive(&mut self) -> Option<SseEvent> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                self.seen.push(event.clone());
                return Some(event);
            }
            match self.body.next().await? {
                Ok(bytes) => self.rest.extend_from_slice(&bytes),
                Err(_) => return None,
            }
            while let Some(end) = self.rest.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.rest.drain(..end + 2).collect();
                self.pending.extend(parse(&String::from_utf8(block).expect("UTF-8")));
            }
        }
    }

    /// The next event whose data satisfies; all until then are kept.
    pub async fn until(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            match tokio::time::timeout_at(deadline, self.receive()).await {
                Ok(Some(event)) if is_it(&event.data) => return event.data,
                Ok(Some(_)) => {}
                Ok(None) => panic!("over before {what}; the last: {:#?}", self.seen.last()),
                Err(_) => panic!("never came: {what}; the last: {:#?}", self.seen.last()),
            }
        }
    }

    /// The next event of a type.
    pub async fn until_type(&mut self, kind: &str) -> Value {
        self.until(kind, |data| data["type"] == kind).await
    }

    /// Reads to the response's end.
    pub async fn rest(&mut self) {
        while self.next().await.is_some() {}
    }

    /// The events of the log so far.
    pub fn events(&self) -> impl Iterator<Item = &Value> {
        self.seen.iter().map(|event| &event.data).filter(|data| is_logged(data))
    }

    /// The last event's position.
    pub fn position(&self) -> String {
        let last = self.events().last().expect("an event");
        last["position"].as_str().expect("a position").to_owned()
    }
}

fn parse(block: &str) -> Option<SseEvent> {
    let (mut id, mut event, mut data) = (None, None, Vec::new());
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => id = Some(value.to_owned()),
            "event" => event = Some(value.to_owned()),
            "data" => data.push(value),
            // A comment has an empty field name.
            _ => {}
        }
    }
    let text = data.join("\n");
    (!data.is_empty()).then(|| SseEvent { id, event, data: serde_json::from_str(&text).expect("data is JSON") })
}
