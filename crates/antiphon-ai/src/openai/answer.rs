//! What the frames of one answer have said so far, and what end that makes.

use super::fault::{self, Kind, bounded, failed};
use super::wire::{Choice, Completion};
use crate::api_key::ApiKey;
use crate::frames::SseFrame;
use crate::provider::{CallEnd, CallOutcome, ProviderFault};
use antiphon_core::Usage;

/// The end of an answer, as it is gathered.
#[derive(Debug, Default)]
pub(super) struct Answer {
    finish_reason: Option<String>,
    usage: Option<Usage>,
    /// Whether any text came.
    spoke: bool,
}

/// What one frame said.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    /// Nothing that is spoken: a role, a count, a keep-alive, a thought.
    Nothing,
    /// A piece of the answer.
    Text(String),
    /// `[DONE]`.
    Done,
}

impl Answer {
    /// Takes a frame of a stream in.
    pub(super) fn take_frame(&mut self, frame: SseFrame<'_>, key: Option<&ApiKey>) -> Result<Said, ProviderFault> {
        if frame.data == b"[DONE]" {
            return Ok(Said::Done);
        }
        let completion = parse(frame.data, frame.event == b"error", key)?;
        let text = self.take(completion).map(|mut choice| choice.take_delta()).unwrap_or_default();
        self.spoke |= !text.is_empty();
        Ok(if text.is_empty() { Said::Nothing } else { Said::Text(text) })
    }

    /// Takes the one object of an answer that does not stream; gives its text.
    pub(super) fn take_whole(&mut self, json: &[u8], key: Option<&ApiKey>) -> Result<String, ProviderFault> {
        let completion = parse(json, false, key)?;
        if completion.choices.as_ref().is_none_or(Vec::is_empty) {
            return Err(not_a_completion(json, key));
        }
        let text = self.take(completion).map(|mut choice| choice.take_message()).unwrap_or_default();
        self.spoke |= !text.is_empty();
        Ok(text)
    }

    /// Takes in what is not text; gives the choice that counts.
    fn take<'a>(&mut self, completion: Completion<'a>) -> Option<Choice<'a>> {
        self.usage = completion.usage().or(self.usage);
        let choice = completion.choices.into_iter().flatten().find(Choice::is_first)?;
        if let Some(reason) = choice.finish_reason() {
            self.finish_reason = Some(reason.to_owned());
        }
        Some(choice)
    }

    /// Whether the provider has said why the answer is over.
    pub(super) fn is_finished(&self) -> bool {
        self.finish_reason.is_some()
    }

    /// The end where the whole of it arrived.
    ///
    /// A filter that cut a text is an end like a length limit: the text stands and the reason is told, and asking
    /// again would be cut again. A filter that left no text at all is a refusal.
    pub(super) fn complete(self) -> CallEnd {
        if self.finish_reason.as_deref() == Some("content_filter") && !self.spoke {
            let fault = Kind::Refused.fault("finish_reason content_filter without any text");
            return CallEnd { finish_reason: self.finish_reason, usage: self.usage, ..failed(fault) };
        }
        CallEnd { outcome: CallOutcome::Complete, finish_reason: self.finish_reason, usage: self.usage }
    }

    /// The end where the stream stopped, for what `detail` says, before `[DONE]`.
    ///
    /// `[DONE]` is OpenAI's terminal marker, but some compatible servers never send it. A `finish_reason` is the
    /// provider's own word that the text is over, and nothing but the usage count follows it: no later cut can have
    /// cost any text, and another attempt would throw a whole answer away. So either of the two is the terminal
    /// marker; an end with neither is a truncation, however cleanly the connection was closed.
    pub(super) fn stopped(self, detail: String) -> CallEnd {
        if self.is_finished() {
            return self.complete();
        }
        CallEnd { outcome: CallOutcome::Truncated { detail }, finish_reason: None, usage: self.usage }
    }
}

/// Parses an object; an error is a fault, and so is what has the wrong shape. An object of some other kind says nothing:
/// servers invent keep-alives.
fn parse<'a>(json: &'a [u8], is_error: bool, key: Option<&ApiKey>) -> Result<Completion<'a>, ProviderFault> {
    match serde_json::from_slice::<Completion<'a>>(json) {
        _ if is_error => Err(fault::in_band(json, key)),
        Ok(completion) if completion.error.is_some() => Err(fault::in_band(json, key)),
        Ok(completion) if completion.is_bare_error() => Err(fault::in_band(json, key)),
        Ok(completion) => Ok(completion),
        Err(_) => Err(not_a_completion(json, key)),
    }
}

fn not_a_completion(json: &[u8], key: Option<&ApiKey>) -> ProviderFault {
    Kind::Error.fault(bounded(&format!("not a completion: {}", String::from_utf8_lossy(json)), key))
}
