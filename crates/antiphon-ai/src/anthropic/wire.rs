//! The JSON of messages, as far as it is used. Unknown fields, events and blocks, among them tools and signatures, are
//! skipped.

use super::prefill;
use crate::call::{Citations, alternating};
use crate::provider::{Prompt, TurnRole};
use antiphon_core::Usage;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The API demands a bound on the answer and refuses one past what the model can; each of its models can this much.
const DEFAULT_MAX_TOKENS: u32 = 4096;

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    system: &'a str,
    messages: Vec<RequestMessage<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
}

#[derive(Serialize)]
struct RequestMessage<'a> {
    role: &'static str,
    content: Cow<'a, str>,
}

/// The request's body. Temperatures end at 1 here, and at 2 elsewhere.
pub(super) fn request(prompt: &Prompt, stream: bool) -> serde_json::Result<Vec<u8>> {
    let partial = prefill::sent(prompt.partial.as_deref().unwrap_or_default());
    let partial = (!partial.is_empty()).then_some((TurnRole::Assistant, Cow::Borrowed(partial)));
    let messages = alternating(&prompt.turns).into_iter().chain(partial).map(|(role, content)| RequestMessage {
        role: match role {
            TurnRole::User => "user",
            TurnRole::Assistant => "assistant",
        },
        content,
    });
    serde_json::to_vec(&Request {
        model: &prompt.model,
        max_tokens: prompt.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
        system: &prompt.system,
        messages: messages.collect(),
        stream,
        temperature: prompt.temperature.map(|temperature| temperature.min(1.0)),
    })
}

/// One event of a stream. Which fields it has depends on its type.
#[derive(Deserialize)]
pub(super) struct Event<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    /// Of `message_start`.
    #[serde(borrow, default)]
    pub(super) message: Option<Message<'a>>,
    /// Of `content_block_start`.
    #[serde(default)]
    pub(super) content_block: Option<Block>,
    /// Of `content_block_delta` and `message_delta`.
    #[serde(default)]
    pub(super) delta: Option<Delta>,
    /// Of `message_delta`.
    #[serde(borrow, default)]
    pub(super) usage: Option<&'a RawValue>,
    /// Of `error`.
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
}

/// The message of a whole answer, or that with which a stream begins.
#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(default)]
    pub(super) content: Option<Vec<Block>>,
    #[serde(default)]
    pub(super) stop_reason: Option<String>,
    #[serde(default)]
    pub(super) stop_details: Option<StopDetails>,
    #[serde(borrow, default)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
}

/// A part of the content; those that are no text and no thought have neither.
#[derive(Deserialize)]
pub(super) struct Block {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    thinking: Option<String>,
    #[serde(default)]
    citations: Option<Vec<Source>>,
}

/// What is added to a block, or to the message.
#[derive(Deserialize)]
pub(super) struct Delta {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    thinking: Option<String>,
    #[serde(default)]
    citation: Option<Source>,
    #[serde(default)]
    pub(super) stop_reason: Option<String>,
    #[serde(default)]
    pub(super) stop_details: Option<StopDetails>,
}

/// Where a sentence is from: a page of the web has an `url`, a search result of the caller's a `source`, which may be
/// one; documents have neither.
#[derive(Deserialize)]
pub(super) struct Source {
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    title: Option<String>,
}

/// Why the model declined.
#[derive(Deserialize)]
pub(super) struct StopDetails {
    #[serde(default)]
    pub(super) category: Option<String>,
    #[serde(default)]
    pub(super) explanation: Option<String>,
}

/// What an event, or a block of a whole answer, adds; each perhaps empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Added {
    pub(super) text: String,
    pub(super) thinking: String,
}

impl Block {
    pub(super) fn added(self, citations: &mut Citations) -> Added {
        for source in self.citations.iter().flatten() {
            source.cite(citations);
        }
        match self.kind.as_str() {
            "text" => Added { text: self.text.unwrap_or_default(), ..Added::default() },
            "thinking" => Added { thinking: self.thinking.unwrap_or_default(), ..Added::default() },
            _ => Added::default(),
        }
    }
}

impl Delta {
    pub(super) fn added(self, citations: &mut Citations) -> Added {
        if let Some(source) = self.citation {
            source.cite(citations);
        }
        match self.kind.as_deref() {
            Some("text_delta") => Added { text: self.text.unwrap_or_default(), ..Added::default() },
            Some("thinking_delta") => Added { thinking: self.thinking.unwrap_or_default(), ..Added::default() },
            _ => Added::default(),
        }
    }
}

impl Source {
    fn cite(&self, citations: &mut Citations) {
        if let Some(address) = self.url.as_deref().or(self.source.as_deref()) {
            citations.add(address, self.title.as_deref());
        }
    }
}

/// The count, as far as it has been told: the numbers are cumulative, and a later event may leave some out.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct WireUsage {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
}

impl WireUsage {
    /// Takes in what an event tells; one that is odd tells nothing.
    pub(super) fn update(&mut self, told: Option<&RawValue>) {
        let Some(told) = told.and_then(|told| serde_json::from_str::<Self>(told.get()).ok()) else { return };
        self.input_tokens = told.input_tokens.or(self.input_tokens);
        self.cache_creation_input_tokens = told.cache_creation_input_tokens.or(self.cache_creation_input_tokens);
        self.cache_read_input_tokens = told.cache_read_input_tokens.or(self.cache_read_input_tokens);
        self.output_tokens = told.output_tokens.or(self.output_tokens);
    }

    /// The input is the sum of what was read anew, put into a cache, and taken from it.
    pub(super) fn total(self) -> Option<Usage> {
        if self.input_tokens.is_none() && self.output_tokens.is_none() {
            return None;
        }
        let input = [self.input_tokens, self.cache_creation_input_tokens, self.cache_read_input_tokens];
        let prompt_tokens = input.into_iter().flatten().fold(0u64, u64::saturating_add);
        let completion_tokens = self.output_tokens.unwrap_or(0);
        Some(Usage { prompt_tokens, completion_tokens, total_tokens: prompt_tokens.saturating_add(completion_tokens) })
    }
}
