//! The JSON of chat completions, as far as it is used. Unknown fields, among them tool calls and `obfuscation`,
//! are skipped without being built.

use crate::call::Citations;
use crate::provider::{Prompt, TurnRole};
use antiphon_core::Usage;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
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

/// Where the servers of this format differ in what they take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// OpenAI itself has renamed `max_tokens` and refuses the old name for its newer models.
    OpenAi,
    /// Most compatible servers know only the old name.
    Compatible,
    /// Perplexity's reference has no `stream_options`: the usage comes unasked.
    Perplexity,
}

/// The request's body.
pub(crate) fn request(prompt: &Prompt, stream: bool, flavour: Flavour) -> serde_json::Result<Vec<u8>> {
    let new_names = flavour == Flavour::OpenAi;
    let asks_for_usage = stream && flavour != Flavour::Perplexity;
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
        stream_options: asks_for_usage.then_some(StreamOptions { include_usage: true }),
        temperature: prompt.temperature,
        max_tokens: prompt.max_tokens.filter(|_| !new_names),
        max_completion_tokens: prompt.max_tokens.filter(|_| new_names),
    })
}

/// One frame of a stream, or the one object of a whole answer: the choices of the one have a `delta`, of the other a
/// `message`. Perplexity's frames have both, and there the `message` is all that was said so far.
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
    /// Perplexity's and xAI's: the addresses that a `[1]` in the text counts from.
    #[serde(borrow, default)]
    pub(super) citations: Option<&'a RawValue>,
    /// Perplexity's: the same with titles.
    #[serde(borrow, default)]
    pub(super) search_results: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(default)]
    index: Option<u64>,
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    finish_reason: Option<Cow<'a, str>>,
    /// OpenRouter's place for an error in the middle of an answer.
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(default)]
    content: Content,
    /// DeepSeek's and vLLM's name for what the model thinks.
    #[serde(default)]
    reasoning_content: Option<String>,
    /// OpenRouter's, Groq's and newer vLLM's.
    #[serde(default)]
    reasoning: Option<String>,
    /// Why the model will not answer, in its own words.
    #[serde(default)]
    refusal: Option<String>,
    /// OpenAI's search models' and OpenRouter's sources.
    #[serde(borrow, default)]
    annotations: Option<&'a RawValue>,
}

/// What one frame, or the whole answer, adds; each perhaps empty.
#[derive(Debug, Default)]
pub(super) struct Added<'a> {
    pub(super) text: String,
    pub(super) reasoning: String,
    pub(super) refusal: String,
    pub(super) annotations: Option<&'a RawValue>,
}

/// A `content`: a string, null, or typed parts, of which only `text` is spoken (Mistral's `thinking` is not).
#[derive(Default)]
struct Content {
    text: String,
    thinking: String,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    thinking: Vec<PartOrOther>,
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

    /// Whether this is the last frame by Perplexity's `type`, whatever its choices say.
    pub(super) fn is_end_of_stream(&self) -> bool {
        self.kind.is_some_and(|kind| kind.get() == r#""end_of_stream""#)
    }

    /// Whether this is an error whose object stands by itself, as vLLM sends it.
    pub(super) fn is_bare_error(&self) -> bool {
        self.choices.is_none() && self.object.is_some_and(|object| object.get() == r#""error""#)
    }
}

impl<'a> Choice<'a> {
    /// The first and, as only one is asked for, all that counts.
    pub(super) fn is_first(&self) -> bool {
        self.index.unwrap_or(0) == 0
    }

    /// What a frame adds.
    pub(super) fn take_delta(&mut self) -> Added<'a> {
        self.delta.take().map(Delta::added).unwrap_or_default()
    }

    /// What a whole answer says.
    pub(super) fn take_message(&mut self) -> serde_json::Result<Added<'a>> {
        let message: Option<Delta<'a>> = self.message.take().map(|raw| serde_json::from_str(raw.get())).transpose()?;
        Ok(message.map(Delta::added).unwrap_or_default())
    }

    /// An error of the provider that ends the answer, as an object; or none but the word for it.
    pub(super) fn error(&self) -> Option<&str> {
        match self.error {
            Some(error) => Some(error.get()),
            None => (self.finish_reason() == Some("error")).then_some("{}"),
        }
    }

    /// Why the answer is over, once it is: some servers send `""` for null.
    pub(super) fn finish_reason(&self) -> Option<&str> {
        self.finish_reason.as_deref().filter(|reason| !reason.is_empty())
    }
}

impl<'a> Delta<'a> {
    fn added(self) -> Added<'a> {
        let mut reasoning = self.content.thinking;
        // Some servers send the same thought under both names.
        reasoning.push_str(&self.reasoning_content.or(self.reasoning).unwrap_or_default());
        Added {
            text: self.content.text,
            reasoning,
            refusal: self.refusal.unwrap_or_default(),
            annotations: self.annotations,
        }
    }
}

/// Gathers a message's `annotations` of the kind `url_citation`. What has another shape is not worth losing an answer
/// to; so below.
pub(super) fn annotated(annotations: &RawValue, citations: &mut Citations) {
    for annotation in list(annotations) {
        let citation = &annotation["url_citation"];
        if let Some(url) = citation["url"].as_str() {
            citations.add(url, citation["title"].as_str());
        }
    }
}

/// Gathers the addresses of `citations`, in the order in which the text counts them; then `search_results`, which name
/// the same with their titles.
pub(super) fn cited(addresses: Option<&RawValue>, results: Option<&RawValue>, citations: &mut Citations) {
    for address in addresses.map(list).unwrap_or_default() {
        if let Some(url) = address.as_str() {
            citations.add(url, None);
        }
    }
    for result in results.map(list).unwrap_or_default() {
        if let Some(url) = result["url"].as_str() {
            citations.add(url, result["title"].as_str());
        }
    }
}

fn list(raw: &RawValue) -> Vec<Value> {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, null or an array of parts")
    }

    fn visit_str<E>(self, text: &str) -> Result<Content, E> {
        Ok(Content { text: text.to_owned(), ..Content::default() })
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Content, A::Error> {
        let mut content = Content::default();
        while let Some(part) = parts.next_element::<PartOrOther>()? {
            let PartOrOther::Part(part) = part else { continue };
            match part.kind.as_str() {
                "text" => content.text.push_str(part.text.as_deref().unwrap_or("")),
                "thinking" => part.thinking.iter().for_each(|thought| {
                    if let PartOrOther::Part(Part { text: Some(text), .. }) = thought {
                        content.thinking.push_str(text);
                    }
                }),
                _ => {}
            }
        }
        Ok(content)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PartOrOther {
    Part(Part),
    Other(IgnoredAny),
}
