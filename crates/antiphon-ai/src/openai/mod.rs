//! OpenAI's chat completions, and the many servers that speak them (vLLM, Ollama, Mistral, Groq, OpenRouter, …).
//!
//! Public source of the format: OpenAI's API reference, "Chat Completions", `POST /v1/chat/completions`.

mod answer;
mod call;
mod fault;
mod wire;

use crate::api_key::ApiKey;
use crate::provider::{CallEnd, Piece, Prompt, Provider, ProviderStatus};
use antiphon_core::limits;
use futures::stream::BoxStream;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use std::sync::Arc;
use std::time::Duration;

/// What an OpenAI-compatible provider is set up with.
#[derive(Clone, Debug)]
pub struct OpenAiOptions {
    /// What the provider's own SDK takes, such as `https://api.openai.com/v1`.
    pub base_url: String,
    /// Sent as a bearer token; none for servers that need none.
    pub api_key: Option<ApiKey>,
    /// How long a streaming call waits for its response's headers.
    pub header_timeout: Duration,
    /// How long a started stream may say nothing while it is read.
    pub idle_timeout: Duration,
    /// How long a call for the whole answer may take.
    pub whole_timeout: Duration,
    /// The shared client of [`crate::http_client`].
    pub http: reqwest::Client,
}

impl OpenAiOptions {
    /// Options with the time-outs of [`limits`].
    pub fn new(base_url: impl Into<String>, api_key: Option<ApiKey>, http: reqwest::Client) -> Self {
        Self {
            base_url: base_url.into(),
            api_key,
            header_timeout: limits::PROVIDER_HEADER_TIMEOUT,
            idle_timeout: limits::PROVIDER_IDLE_TIMEOUT,
            whole_timeout: limits::PROVIDER_WHOLE_TIMEOUT,
            http,
        }
    }
}

/// Why a provider cannot be set up. Shows neither the address nor the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenAiError {
    /// Not an address that can be called.
    #[error("base_url must be an http:// or https:// address, such as https://api.openai.com/v1")]
    BaseUrl,
    /// A password in the address would reach logs.
    #[error("base_url must not hold a user name or password; use api_key")]
    Credentials,
    /// Not a header's value.
    #[error("api_key must consist of visible ASCII characters")]
    ApiKey,
}

/// An OpenAI-compatible provider. Calls are made once: trying again is the run's business.
#[derive(Clone, Debug)]
pub struct OpenAi(Arc<Endpoint>);

/// Where and how calls are made; shared by all calls.
#[derive(Debug)]
struct Endpoint {
    url: reqwest::Url,
    headers: HeaderMap,
    options: OpenAiOptions,
}

impl OpenAi {
    /// Checks the options; calls nobody.
    pub fn new(options: OpenAiOptions) -> Result<Self, OpenAiError> {
        let mut url = reqwest::Url::parse(options.base_url.trim()).map_err(|_| OpenAiError::BaseUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(OpenAiError::BaseUrl);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OpenAiError::Credentials);
        }
        url.path_segments_mut().map_err(|()| OpenAiError::BaseUrl)?.pop_if_empty().extend(["chat", "completions"]);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
        if let Some(key) = options.api_key.as_ref().filter(|key| !key.reveal().is_empty()) {
            let mut value =
                HeaderValue::from_str(&format!("Bearer {}", key.reveal())).map_err(|_| OpenAiError::ApiKey)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(Self(Arc::new(Endpoint { url, headers, options })))
    }
}

#[async_trait::async_trait]
impl Provider for OpenAi {
    fn stream(&self, prompt: Prompt) -> BoxStream<'static, Piece> {
        call::stream(self.0.clone(), prompt)
    }

    async fn whole(&self, prompt: Prompt) -> (String, CallEnd) {
        call::whole(&self.0, &prompt).await
    }

    /// The API begins a new message after an assistant's; going on inside one is some servers' extension.
    fn can_continue(&self) -> bool {
        false
    }

    fn status(&self) -> ProviderStatus {
        ProviderStatus { kind: "openai", ready: true, ..ProviderStatus::default() }
    }
}
