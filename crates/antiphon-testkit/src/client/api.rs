//! Calls over HTTP.

use super::PATIENCE;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Who calls.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Nobody in particular.
    None,
    /// `Authorization: Bearer`
    Token(String),
    /// `X-API-Key`
    Key(String),
}

impl Credential {
    /// The header's name and value.
    pub fn header(&self) -> Option<(&'static str, String)> {
        match self {
            Self::None => None,
            Self::Token(token) => Some(("authorization", format!("Bearer {token}"))),
            Self::Key(key) => Some(("x-api-key", key.clone())),
        }
    }
}

/// One caller of a server.
#[derive(Clone)]
pub struct Api {
    url: String,
    credential: Credential,
    http: reqwest::Client,
}

/// What came back. A body that is not JSON is a string.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Value,
}

impl Answer {
    /// The body, where the status is that; panics otherwise.
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// Checks that this is a problem (RFC 9457) of that status and code, with a sentence that leaks nothing.
    pub fn expect_problem(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["status"], status);
        let detail = self.body["detail"].as_str().unwrap_or_default();
        assert!(detail.len() > 5, "{}", self.body);
        let leaks = ["panicked", "/src/", "rustc", "sqlx", "fjall", "os error"];
        assert!(!leaks.iter().any(|leak| detail.contains(leak)), "{}", self.body);
    }
}

impl Api {
    /// A caller of `http://HOST:PORT`.
    pub fn new(url: &str, credential: Credential) -> Self {
        // An error means that another test of the process was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(PATIENCE * 3).build().expect("a client");
        Self { url: url.to_owned(), credential, http }
    }

    /// Another caller of the same server.
    pub fn with(&self, credential: Credential) -> Self {
        Self { credential, ..self.clone() }
    }

    /// `http://HOST:PORT`
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Who calls.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// A call to be made as the test likes.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = self.http.request(method, format!("{}{path}", self.url));
        match self.credential.header() {
            Some((name, value)) => request.header(name, value),
            None => request,
        }
    }

    /// Sends a call; none where nobody answers.
    pub async fn try_send(&self, request: RequestBuilder) -> Option<Answer> {
        let response = request.send().await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.ok()?;
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| text());
        Some(Answer { status, headers, body })
    }

    /// A `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.try_send(self.request("GET", path)).await.expect("an answer")
    }

    /// A `POST` of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.try_send(self.request("POST", path).json(body)).await.expect("an answer")
    }

    /// A `DELETE`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.try_send(self.request("DELETE", path)).await.expect("an answer")
    }

    /// Makes an AR room; its id.
    pub async fn room(&self, agent: &str) -> String {
        let room = self.post("/api/ar-rooms", &json!({ "agentId": agent })).await.expect(201);
        room["id"].as_str().expect("an id").to_owned()
    }

    /// Says something in an AR room; the whole answer, `{message, streamId, queued}`.
    pub async fn say(&self, room: &str, content: &str) -> Value {
        let path = format!("/api/ar-rooms/{room}/messages");
        self.post(&path, &json!({ "content": content })).await.expect(202)
    }

    /// The same; only the stream's id.
    pub async fn ask(&self, room: &str, content: &str) -> String {
        self.say(room, content).await["streamId"].as_str().expect("an id").to_owned()
    }

    /// `{messages, position}` of an AR room.
    pub async fn messages(&self, room: &str) -> Value {
        self.get(&format!("/api/ar-rooms/{room}/messages?limit=200")).await.expect(200)
    }

    /// The message that a stream makes.
    pub async fn reply(&self, room: &str, stream: &str) -> Value {
        let page = self.messages(room).await;
        let messages = page["messages"].as_array().expect("a list");
        messages
            .iter()
            .find(|message| message["streamId"] == stream && message["role"] != "user")
            .cloned()
            .unwrap_or_default()
    }

    /// `POST /api/streams/{id}/VERB`, which must be taken.
    pub async fn steer(&self, stream: &str, verb: &str, body: &Value) -> Value {
        self.post(&format!("/api/streams/{stream}/{verb}"), body).await.expect(202)
    }

    /// The stream once it is in one of these states.
    pub async fn stream_in(&self, stream: &str, states: &[&str]) -> Value {
        let began = Instant::now();
        loop {
            let found = self.get(&format!("/api/streams/{stream}")).await.expect(200);
            if states.iter().any(|state| found["status"] == *state) {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "never {states:?}: {found}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Publishes one event or an array to `namespace/id`; the position.
    pub async fn publish(&self, channel: &str, events: &Value) -> String {
        let answer = self.post(&format!("/api/channels/{channel}/events"), events).await.expect(200);
        answer["position"].as_str().expect("a position").to_owned()
    }

    /// A ticket for one connection.
    pub async fn ticket(&self) -> String {
        let answer = self.post("/api/tickets", &json!({})).await.expect(201);
        answer["ticket"].as_str().expect("a ticket").to_owned()
    }
}
