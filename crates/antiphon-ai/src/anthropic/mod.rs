//! Anthropic's Messages API.
//!
//! Public source of the format: Anthropic's API reference, "Create a Message", `POST /v1/messages`, with "Streaming
//! Messages", "Errors" and "Handling stop reasons"; its published client `anthropic-sdk-python`.

mod answer;
mod prefill;
mod wire;

use crate::api_key::ApiKey;
use crate::call::{Dialect, HttpProvider, SetupError, below, key_header};
use crate::frames::Framing;
use crate::provider::Prompt;
use answer::MessageAnswer;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// Anthropic.
pub type Anthropic = HttpProvider<Messages>;

/// The wire format of messages.
pub struct Messages;

impl Dialect for Messages {
    type Answer = MessageAnswer;
    const KIND: &'static str = "anthropic";
    const BASE_URL: &'static str = "https://api.anthropic.com";
    const FRAMING: Framing = Framing::ServerSentEvents;

    fn headers(key: Option<&ApiKey>) -> Result<HeaderMap, SetupError> {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("anthropic-version"), HeaderValue::from_static("2023-06-01"));
        if let Some(key) = key {
            headers.insert(HeaderName::from_static("x-api-key"), key_header("", key)?);
        }
        Ok(headers)
    }

    /// The SDK's address has no path; one that ends in the API's version is meant just so.
    fn url(base: &Url, _prompt: &Prompt, _stream: bool) -> Url {
        let has_version = base.path().trim_end_matches('/').ends_with("/v1");
        below(base, if has_version { &["messages"] } else { &["v1", "messages"] })
    }

    fn body(_base: &Url, prompt: &Prompt, stream: bool) -> serde_json::Result<Vec<u8>> {
        wire::request(prompt, stream)
    }

    fn answer(prompt: &Prompt) -> MessageAnswer {
        MessageAnswer::after(prompt.partial.as_deref().unwrap_or_default())
    }

    fn can_continue(model: &str) -> bool {
        prefill::is_taken_by(model)
    }
}
