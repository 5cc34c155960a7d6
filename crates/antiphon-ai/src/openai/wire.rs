//! The JSON of chat completions, as far as it is used. Unknown fields, among them reasoning, tool calls and
//! `obfuscation`, are skipped without being built.

use crate::provider::{Prompt, TurnRole};
use antiphon_core::Usage;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: Vec<RequestMessage<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct RequestMessage<'a> {
    role: &'static str,
    content: &'a str,
}

/// The request's body. OpenAI itself has renamed `max_tokens` and refuses the old name for its newer models; most
/// compatible servers know only the old one.
pub(super) fn request(prompt: &Prompt, stream: bool, new_names: bool) -> serde_json::Result<Vec<u8>> {
    let system = (!prompt.system.is_empty()).then_some(RequestMessage { role: "system", content: &prompt.system });
    let turns = prompt.turns.iter().map(|turn| RequestMessage {
        role: match turn.role {
            TurnRole::User => "user",
            TurnRole::Assistant => "assistant",
        },
        content: &turn.content,
    });
    serde_json::to_vec(&Request {
        model: &prompt.model,
        messages: system.into_iter().chain(turns).collect(),
        stream,
        stream_options: stream.then_some(StreamOptions { include_usage: true }),
        temperature: prompt.temperature,
        max_tokens: prompt.max_tokens.filter(|_| !new_names),
        max_completion_tokens: prompt.max_tokens.filter(|_| new_names),
    })
}

/// One frame of a stream, or the one object of a whole answer: the choices of the one have a `delta`, of the other a
/// `message`, and Perplexity's frames have both.
#[derive(Deserialize)]
pub(super) struct Completion<'a> {
    #[serde(borrow, default)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    /// Kept raw: null on most chunks, and not worth losing an answer to if it is odd.
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(default)]
    index: Option<u64>,
    #[serde(default)]
    delta: Option<Delta>,
    #[serde(default)]
    message: Option<Delta>,
    #[serde(borrow, default)]
    finish_reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Delta {
    #[serde(default)]
    content: Spoken,
}

/// The text of a `content`: a string, null, or typed parts, of which only `text` is spoken (Mistral's thinking is not).
#[derive(Default)]
struct Spoken(String);

#[derive(Deserialize)]
struct Part {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    text: Option<String>,
}

#[derive(Deserialize)]
struct WireUsage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    total_tokens: Option<u64>,
}

impl Completion<'_> {
    /// The provider's count, where it gave one.
    pub(super) fn usage(&self) -> Option<Usage> {
        let usage: WireUsage = serde_json::from_str(self.usage?.get()).ok()?;
        if usage.prompt_tokens.is_none() && usage.completion_tokens.is_none() {
            return None;
        }
        let prompt_tokens = usage.prompt_tokens.unwrap_or(0);
        let completion_tokens = usage.completion_tokens.unwrap_or(0);
        let total_tokens = usage.total_tokens.unwrap_or(prompt_tokens.saturating_add(completion_tokens));
        Some(Usage { prompt_tokens, completion_tokens, total_tokens })
    }

    /// Whether this is an error whose object stands by itself, as vLLM sends it.
    pub(super) fn is_bare_error(&self) -> bool {
        self.choices.is_none() && self.object.is_some_and(|object| object.get() == r#""error""#)
    }
}

impl Choice<'_> {
    /// The first and, as only one is asked for, all that counts.
    pub(super) fn is_first(&self) -> bool {
        self.index.unwrap_or(0) == 0
    }

    /// The spoken text that a frame adds, perhaps empty.
    pub(super) fn take_delta(&mut self) -> String {
        self.delta.take().map(|delta| delta.content.0).unwrap_or_default()
    }

    /// The spoken text of a whole answer, perhaps empty.
    pub(super) fn take_message(&mut self) -> String {
        self.message.take().map(|message| message.content.0).unwrap_or_default()
    }

    /// Why the answer is over, once it is: some servers send `""` for null.
    pub(super) fn finish_reason(&self) -> Option<&str> {
        self.finish_reason.as_deref().filter(|reason| !reason.is_empty())
    }
}

impl<'de> Deserialize<'de> for Spoken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpokenVisitor)
    }
}

struct SpokenVisitor;

impl<'de> Visitor<'de> for SpokenVisitor {
    type Value = Spoken;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, null or an array of parts")
    }

    fn visit_str<E>(self, text: &str) -> Result<Spoken, E> {
        Ok(Spoken(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Spoken, E> {
        Ok(Spoken::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Spoken, A::Error> {
        let mut text = String::new();
        while let Some(part) = parts.next_element::<PartOrOther>()? {
            match part {
                PartOrOther::Part(part) if part.kind == "text" => text.push_str(part.text.as_deref().unwrap_or("")),
                PartOrOther::Part(_) | PartOrOther::Other(_) => {}
            }
        }
        Ok(Spoken(text))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PartOrOther {
    Part(Part),
    Other(IgnoredAny),
}

/// What a provider says about an error, in whichever of the known shapes: `{"error": {"message", "type", "code"}}`,
/// `{"error": "…"}`, or the inner object by itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorBody {
    pub(super) message: String,
    /// The `type` and the `code`, as words.
    pub(super) words: Vec<String>,
    /// A `code` or `status` that is an HTTP status, as OpenRouter sends.
    pub(super) status: Option<u16>,
}

impl ErrorBody {
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        let value: serde_json::Value = serde_json::from_slice(json).ok()?;
        let error = value.get("error").filter(|error| !error.is_null()).unwrap_or(&value);
        let mut body = Self::default();
        if let Some(message) = error.as_str() {
            body.message = message.to_owned();
            return Some(body);
        }
        body.message = error.get("message").or(error.get("detail")).map(text_of).unwrap_or_default();
        for field in ["type", "code", "status"] {
            match error.get(field) {
                Some(serde_json::Value::String(word)) => body.words.push(word.clone()),
                Some(number) => body.status = number.as_u64().and_then(|n| u16::try_from(n).ok()).or(body.status),
                None => {}
            }
        }
        (!body.message.is_empty() || !body.words.is_empty() || body.status.is_some()).then_some(body)
    }
}

fn text_of(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
