//! Where and how a provider is called.

use super::dialect::Dialect;
use super::{stream, whole};
use crate::api_key::ApiKey;
use crate::provider::{Piece, Prompt, Provider, ProviderStatus, WholeAnswer};
use antiphon_core::limits;
use futures::stream::BoxStream;
use reqwest::Url;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// What a provider is set up with.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// What the provider's own SDK takes, such as `https://api.openai.com/v1`.
    pub base_url: String,
    /// None for servers that need none.
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

impl HttpOptions {
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
pub enum SetupError {
    /// Not an address that can be called.
    #[error("base_url must be an http:// or https:// address, such as {example}")]
    BaseUrl {
        /// The provider's own address.
        example: &'static str,
    },
    /// A password in the address would reach logs.
    #[error("base_url must not hold a user name or password; use api_key")]
    Credentials,
    /// Not a header's value.
    #[error("api_key must consist of visible ASCII characters")]
    ApiKey,
}

/// A provider that is called over HTTP. Calls are made once: trying again is the run's business.
pub struct HttpProvider<D>(Arc<Endpoint<D>>);

/// Where and how calls are made; shared by all calls.
pub(super) struct Endpoint<D> {
    base: Url,
    headers: HeaderMap,
    pub(super) options: HttpOptions,
    dialect: PhantomData<D>,
}

impl<D: Dialect> HttpProvider<D> {
    /// Checks the options; calls nobody.
    pub fn new(options: HttpOptions) -> Result<Self, SetupError> {
        let wrong = SetupError::BaseUrl { example: D::BASE_URL };
        let base = Url::parse(options.base_url.trim()).map_err(|_| wrong)?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(wrong);
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(SetupError::Credentials);
        }
        let mut headers = D::headers(options.api_key.as_ref().filter(|key| !key.reveal().is_empty()))?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static(D::FRAMING.accepts()));
        Ok(Self(Arc::new(Endpoint { base, headers, options, dialect: PhantomData })))
    }
}

impl<D: Dialect> Endpoint<D> {
    /// The request of a call.
    pub(super) fn request(&self, prompt: &Prompt, stream: bool) -> serde_json::Result<reqwest::RequestBuilder> {
        let body = D::body(&self.base, prompt, stream)?;
        let url = D::url(&self.base, prompt, stream);
        Ok(self.options.http.post(url).headers(self.headers.clone()).body(body))
    }
}

/// A header with a key in it, which no log of the HTTP library shows.
pub(crate) fn key_header(before: &str, key: &ApiKey) -> Result<HeaderValue, SetupError> {
    let mut value = HeaderValue::from_str(&format!("{before}{}", key.reveal())).map_err(|_| SetupError::ApiKey)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The address with those segments below its path.
pub(crate) fn below(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    // An address that cannot be a base was refused at the start.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

impl<D> Clone for HttpProvider<D> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<D: Dialect> fmt::Debug for HttpProvider<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpProvider").field("kind", &D::KIND).field("options", &self.0.options).finish()
    }
}

#[async_trait::async_trait]
impl<D: Dialect> Provider for HttpProvider<D> {
    fn stream(&self, prompt: Prompt) -> BoxStream<'static, Piece> {
        stream::stream(self.0.clone(), prompt)
    }

    async fn whole(&self, prompt: Prompt) -> WholeAnswer {
        whole::whole(&self.0, &prompt).await
    }

    fn can_continue(&self, model: &str) -> bool {
        D::can_continue(model)
    }

    fn status(&self) -> ProviderStatus {
        ProviderStatus { kind: D::KIND, ready: true, ..ProviderStatus::default() }
    }
}
