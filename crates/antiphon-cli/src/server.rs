//! A server as a client sees it: its address, who the caller is, and calls with their refusals.

use crate::failure::Failure;
use antiphon_core::limits::{CALL_TIMEOUT, MAX_SERVER_MESSAGE_BYTES, PROVIDER_CONNECT_TIMEOUT};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use url::Url;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Which server, and who calls.
#[derive(Clone, Debug, clap::Args)]
pub struct ServerArguments {
    /// The server's address
    #[arg(long, env = "ANTIPHON_URL", default_value = "http://127.0.0.1:8787", value_name = "URL")]
    pub url: String,
    /// A user's token (a JWT); `antiphon token` mints one
    #[arg(long, env = "ANTIPHON_TOKEN", hide_env_values = true, value_name = "JWT")]
    pub token: Option<String>,
    /// A back end's API key
    #[arg(long, env = "ANTIPHON_API_KEY", hide_env_values = true, value_name = "KEY", conflicts_with = "token")]
    pub api_key: Option<String>,
}

/// Why a call did not succeed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum CallError {
    /// No connection could be made.
    #[error("{0}")]
    Unreachable(String),
    /// The connection broke; what was asked may have been done.
    #[error("{0}")]
    Broken(String),
    /// The server said no.
    #[error("{message} ({code})")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// A code of the protocol; the status in words where the answer had none.
        code: String,
        /// For a person.
        message: String,
        /// When trying again makes sense.
        retry_after: Option<Duration>,
    },
    /// Not an answer that this server gives.
    #[error("{0}")]
    NotUnderstood(String),
}

impl CallError {
    /// True where the same call may succeed later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Broken(_) => true,
            Self::Refused { status, .. } => matches!(status, 408 | 429) || *status >= 500,
            Self::NotUnderstood(_) => false,
        }
    }

    /// How long the server asked to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        if let Self::Refused { retry_after, .. } = self { *retry_after } else { None }
    }

    /// The protocol's code of a refusal, else an empty text.
    pub(crate) fn code(&self) -> &str {
        if let Self::Refused { code, .. } = self { code } else { "" }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let failure = Self::new(error.to_string());
        match error {
            CallError::Unreachable(_) => {
                failure.fix("start a server with `antiphon serve --demo`, or name another with --url")
            }
            CallError::Refused { status: 401, .. } => {
                failure.fix("give --token (`antiphon token` mints one) or --api-key")
            }
            CallError::Refused { .. } | CallError::Broken(_) => failure,
            CallError::NotUnderstood(_) => failure.fix("is this an Antiphon? `antiphon doctor --url …` looks"),
        }
    }
}

/// RFC 9457, with the protocol's `code`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    code: Option<String>,
    detail: Option<String>,
    message: Option<String>,
    title: Option<String>,
}

/// An open WebSocket.
pub(crate) type Socket = WebSocketStream<reqwest::Upgraded>;

/// A server and who calls it.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    http: Client,
    base: Url,
    identity: HeaderMap,
}

impl Server {
    /// No connection is made yet. The error says what is wrong with the arguments.
    pub(crate) fn new(arguments: &ServerArguments) -> Result<Self, Failure> {
        let base = Url::parse(&arguments.url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let base = base.filter(|url| url.host_str().is_some()).ok_or_else(|| {
            Failure::new(format!("`{}` is no address of a server", arguments.url))
                .fix("an address looks like http://127.0.0.1:8787")
        })?;
        let mut builder = Client::builder().connect_timeout(PROVIDER_CONNECT_TIMEOUT);
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| Failure::new(format!("no HTTP client: {}", root_cause(&error))))?;
        let mut server = Self { http, base, identity: HeaderMap::new() };
        if let Some(token) = &arguments.token {
            server.set_token(token)?;
        }
        if let Some(key) = &arguments.api_key {
            server.identify(API_KEY, key)?;
        }
        Ok(server)
    }

    /// Calls as the token's user from now on.
    pub(crate) fn set_token(&mut self, token: &str) -> Result<(), Failure> {
        self.identify(AUTHORIZATION, &format!("Bearer {token}"))
    }

    fn identify(&mut self, name: HeaderName, value: &str) -> Result<(), Failure> {
        // The error holds no part of the secret.
        let mut value = HeaderValue::from_str(value.trim())
            .map_err(|_| Failure::new("the token or API key holds characters that no header may hold"))?;
        value.set_sensitive(true);
        self.identity.insert(name, value);
        Ok(())
    }

    /// True where a token or key goes with every call.
    pub(crate) fn has_identity(&self) -> bool {
        !self.identity.is_empty()
    }

    /// Where the server is, without anything secret that the address may hold.
    pub(crate) fn name(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    fn address(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        // Fails only for addresses without a host, which `new` refuses.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url.set_query(None);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    fn request(&self, method: Method, path: &[&str], query: &[(&str, &str)]) -> RequestBuilder {
        self.http.request(method, self.address(path, query)).headers(self.identity.clone())
    }

    /// `GET`, and the answer's JSON.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<T, CallError> {
        self.call(self.request(Method::GET, path, query)).await
    }

    /// `POST` of a JSON text, and the answer's JSON.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &[&str], json: String) -> Result<T, CallError> {
        let request = self.request(Method::POST, path, &[]);
        self.call(request.header(reqwest::header::CONTENT_TYPE, "application/json").body(json)).await
    }

    async fn call<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, CallError> {
        let response = request.timeout(CALL_TIMEOUT).send().await.map_err(|error| self.unreachable(&error))?;
        let response = self.accepted(response).await?;
        let body = self.body(response).await?;
        serde_json::from_slice(&body)
            .map_err(|_| CallError::NotUnderstood(format!("{} gave an answer that is not understood", self.name())))
    }

    /// Opens a stream of server-sent events.
    pub(crate) async fn events(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Response, CallError> {
        let request = self.request(Method::GET, path, query).header(reqwest::header::ACCEPT, "text/event-stream");
        let sent = tokio::time::timeout(CALL_TIMEOUT, request.send());
        let response = sent.await.map_err(|_| self.silent())?.map_err(|error| self.unreachable(&error))?;
        let response = self.accepted(response).await?;
        let kind = response.headers().get(reqwest::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if kind.is_none_or(|kind| !kind.starts_with("text/event-stream")) {
            return Err(CallError::NotUnderstood(format!("{} gave no stream of events", self.name())));
        }
        Ok(response)
    }

    /// Opens a WebSocket (RFC 6455, section 4.1), over the same client as every call: same TLS, same proxy.
    pub(crate) async fn socket(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Socket, CallError> {
        let key = generate_key();
        let request = self
            .request(Method::GET, path, query)
            .header(reqwest::header::CONNECTION, "Upgrade")
            .header(reqwest::header::UPGRADE, "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", &key);
        let sent = tokio::time::timeout(CALL_TIMEOUT, request.send());
        let response = sent.await.map_err(|_| self.silent())?.map_err(|error| self.unreachable(&error))?;
        let expected = derive_accept_key(key.as_bytes());
        let accepted = response.headers().get("sec-websocket-accept").is_some_and(|accept| *accept == expected);
        if response.status() != reqwest::StatusCode::SWITCHING_PROTOCOLS || !accepted {
            self.accepted(response).await?;
            return Err(CallError::NotUnderstood(format!("{} opened no WebSocket", self.name())));
        }
        let upgraded = response.upgrade().await.map_err(|error| self.unreachable(&error))?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_SERVER_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_SERVER_MESSAGE_BYTES));
        Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await)
    }

    /// The response where its status is a success, else the refusal that it holds.
    async fn accepted(&self, response: Response) -> Result<Response, CallError> {
        let status = response.status();
        if status.is_success() || status == reqwest::StatusCode::SWITCHING_PROTOCOLS {
            return Ok(response);
        }
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = self.body(response).await.unwrap_or_default();
        let problem: Problem = serde_json::from_slice(&body).unwrap_or_default();
        let in_words = status.canonical_reason().unwrap_or("refused").to_owned();
        let message = problem.detail.or(problem.message).or(problem.title);
        Err(CallError::Refused {
            status: status.as_u16(),
            code: problem.code.unwrap_or_else(|| status.as_u16().to_string()),
            message: message.unwrap_or(in_words),
            retry_after: retry_after.map(Duration::from_secs),
        })
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, CallError> {
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if body.len() + piece.len() > MAX_SERVER_MESSAGE_BYTES {
                return Err(CallError::NotUnderstood(format!("{} gave an answer without an end", self.name())));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    fn silent(&self) -> CallError {
        CallError::Broken(format!("{} did not answer within {} s", self.name(), CALL_TIMEOUT.as_secs()))
    }

    fn unreachable(&self, error: &reqwest::Error) -> CallError {
        let message = format!("{} does not answer: {}", self.name(), root_cause(error));
        if error.is_connect() { CallError::Unreachable(message) } else { CallError::Broken(message) }
    }
}

/// The innermost reason, without the address, which may hold a secret.
pub(crate) fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if std::ptr::addr_eq(cause, std::ptr::from_ref(error)) {
        return if error.is_timeout() { "it took too long".to_owned() } else { "the connection broke".to_owned() };
    }
    cause.to_string()
}

/// True for addresses of this machine, which no proxy can reach.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_server::{FakeServer, arguments};

    #[test]
    fn addresses_keep_their_prefix_and_escape_what_they_hold() {
        let server = Server::new(&arguments("http://localhost:1/antiphon/")).unwrap();
        let address = server.address(&["api", "channels", "a", "b c/d"], &[("position", "x&y")]);
        assert_eq!(address.as_str(), "http://localhost:1/antiphon/api/channels/a/b%20c%2Fd?position=x%26y");
        for bad in ["", "localhost:8787", "ftp://x", "http://"] {
            assert!(Server::new(&arguments(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_shows_in_no_print_out() {
        let mut given = arguments("http://localhost");
        given.token = Some("very-secret".to_owned());
        assert!(!format!("{:?}", Server::new(&given).unwrap()).contains("very-secret"));
    }

    #[tokio::test]
    async fn refusals_are_told_by_their_code() {
        let fake = FakeServer::start().await;
        let body = r#"{"title":"Too Many","detail":"at most 60 a minute","code":"rate_limited"}"#;
        fake.answer("GET /api/agents", 429, &format!("Retry-After: 7\n\n{body}"));
        let error = fake.server().get::<serde_json::Value>(&["api", "agents"], &[]).await.unwrap_err();
        assert_eq!(error.code(), "rate_limited");
        assert!(error.is_passing());
        assert!(matches!(error, CallError::Refused { retry_after: Some(after), .. } if after.as_secs() == 7));
    }
}
