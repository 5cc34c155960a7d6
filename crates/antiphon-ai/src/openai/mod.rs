//! OpenAI's chat completions, and the many servers that speak them (vLLM, llama.cpp, Mistral, Groq, OpenRouter, …).
//!
//! Public source of the format: OpenAI's API reference, "Chat Completions", `POST /v1/chat/completions`.

mod answer;
mod wire;

use crate::api_key::ApiKey;
use crate::call::{Dialect, HttpProvider, SetupError, below, key_header};
use crate::frames::Framing;
use crate::provider::Prompt;
pub(crate) use answer::ChatAnswer;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap};
pub(crate) use wire::{Flavour, request};

/// An OpenAI-compatible provider.
pub type OpenAi = HttpProvider<ChatCompletions>;

/// The wire format of chat completions.
///
/// It cannot continue: the API begins a new message after an assistant's; going on inside one is some servers'
/// extension.
pub struct ChatCompletions;

impl Dialect for ChatCompletions {
    type Answer = ChatAnswer;
    const KIND: &'static str = "openai";
    const BASE_URL: &'static str = "https://api.openai.com/v1";
    const FRAMING: Framing = Framing::ServerSentEvents;

    fn headers(key: Option<&ApiKey>) -> Result<HeaderMap, SetupError> {
        bearer(key)
    }

    fn url(base: &Url, _prompt: &Prompt, _stream: bool) -> Url {
        below(base, &["chat", "completions"])
    }

    fn body(base: &Url, prompt: &Prompt, stream: bool) -> serde_json::Result<Vec<u8>> {
        let is_openai = base.host_str() == Some("api.openai.com");
        request(prompt, stream, if is_openai { Flavour::OpenAi } else { Flavour::Compatible })
    }

    fn answer(_prompt: &Prompt) -> ChatAnswer {
        ChatAnswer::default()
    }
}

/// The key as a bearer token (RFC 6750 section 2.1).
pub(crate) fn bearer(key: Option<&ApiKey>) -> Result<HeaderMap, SetupError> {
    let mut headers = HeaderMap::new();
    if let Some(key) = key {
        headers.insert(AUTHORIZATION, key_header("Bearer ", key)?);
    }
    Ok(headers)
}
