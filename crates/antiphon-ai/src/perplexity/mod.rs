//! Perplexity's Sonar: chat completions in OpenAI's shape that search the web, with sources beside the text.
//!
//! Public source of the format: Perplexity's API reference, "Chat Completions", `POST /chat/completions`, in the stream
//! mode `full`, and its published client `perplexity-py`. Each frame repeats the message so far beside its delta, and
//! the usage and the sources, of which the last count.
//!
//! Marks like `[1]` stay in the text, as the model wrote them: they say which source a sentence is from, and count the
//! call's citations from 1. Whoever speaks the text can leave them out; once dropped they cannot be put back.

use crate::api_key::ApiKey;
use crate::call::{Dialect, HttpProvider, SetupError, alternating, below};
use crate::frames::Framing;
use crate::openai::{ChatAnswer, Flavour, bearer, request};
use crate::provider::{Prompt, Turn};
use reqwest::Url;
use reqwest::header::HeaderMap;

/// Perplexity.
pub type Perplexity = HttpProvider<Sonar>;

/// The wire format of Sonar's chat completions.
///
/// It cannot continue: "Last message must have role `user`", the API answers otherwise.
pub struct Sonar;

impl Dialect for Sonar {
    type Answer = ChatAnswer;
    const KIND: &'static str = "perplexity";
    const BASE_URL: &'static str = "https://api.perplexity.ai";
    const FRAMING: Framing = Framing::ServerSentEvents;

    fn headers(key: Option<&ApiKey>) -> Result<HeaderMap, SetupError> {
        bearer(key)
    }

    fn url(base: &Url, _prompt: &Prompt, _stream: bool) -> Url {
        below(base, &["chat", "completions"])
    }

    /// "After the (optional) system message(s), user and assistant roles should be alternating", the API says.
    fn body(_base: &Url, prompt: &Prompt, stream: bool) -> serde_json::Result<Vec<u8>> {
        let turns = alternating(&prompt.turns).into_iter();
        let turns = turns.map(|(role, content)| Turn { role, content: content.into_owned() }).collect();
        request(&Prompt { turns, ..prompt.clone() }, stream, Flavour::Perplexity)
    }

    fn answer(_prompt: &Prompt) -> ChatAnswer {
        ChatAnswer::default()
    }
}
