//! The JSON of `/api/chat`, as far as it is used.

use crate::provider::{Prompt, TurnRole};
use antiphon_core::Usage;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: Vec<RequestMessage<'a>>,
    /// Ollama streams unless told not to.
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Options>,
}

#[derive(Serialize)]
struct Options {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_predict: Option<u32>,
}

#[derive(Serialize)]
struct RequestMessage<'a> {
    role: &'static str,
    content: &'a str,
}

/// The request's body.
pub(super) fn request(prompt: &Prompt, stream: bool) -> serde_json::Result<Vec<u8>> {
    let system = (!prompt.system.is_empty()).then_some(RequestMessage { role: "system", content: &prompt.system });
    let turns = prompt.turns.iter().map(|turn| RequestMessage {
        role: match turn.role {
            TurnRole::User => "user",
            TurnRole::Assistant => "assistant",
        },
        content: &turn.content,
    });
    let has_options = prompt.temperature.is_some() || prompt.max_tokens.is_some();
    serde_json::to_vec(&Request {
        model: &prompt.model,
        messages: system.into_iter().chain(turns).collect(),
        stream,
        options: has_options.then_some(Options { temperature: prompt.temperature, num_predict: prompt.max_tokens }),
    })
}

/// One line of a stream, or the whole answer, which looks like a last line with all of the text.
#[derive(Deserialize)]
pub(super) struct Line<'a> {
    #[serde(default)]
    pub(super) message: Option<Message>,
    #[serde(default)]
    pub(super) done: bool,
    #[serde(borrow, default)]
    done_reason: Option<Cow<'a, str>>,
    #[serde(default)]
    prompt_eval_count: Option<u64>,
    #[serde(default)]
    eval_count: Option<u64>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Message {
    #[serde(default)]
    pub(super) content: Option<String>,
    #[serde(default)]
    pub(super) thinking: Option<String>,
}

impl Line<'_> {
    /// Why the answer is over: `stop` or `length`; older servers do not say.
    pub(super) fn done_reason(&self) -> Option<&str> {
        self.done_reason.as_deref().filter(|reason| !reason.is_empty())
    }

    /// The counts of the last line. Ollama leaves out a zero, which a prompt that was read before can have.
    pub(super) fn usage(&self) -> Option<Usage> {
        if self.prompt_eval_count.is_none() && self.eval_count.is_none() {
            return None;
        }
        let prompt_tokens = self.prompt_eval_count.unwrap_or(0);
        let completion_tokens = self.eval_count.unwrap_or(0);
        Some(Usage { prompt_tokens, completion_tokens, total_tokens: prompt_tokens.saturating_add(completion_tokens) })
    }
}
