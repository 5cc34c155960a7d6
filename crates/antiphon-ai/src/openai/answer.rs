//! What the frames of one answer have said so far, and what end that makes.

use super::wire::{self, Added, Choice, Completion};
use crate::call::{Answer, Citations, ThinkTags, fault};
use crate::frames::Frame;
use crate::provider::{CallEnd, CallOutcome, Piece, ProviderFault};
use antiphon_core::Usage;
use serde_json::value::RawValue;
use std::collections::VecDeque;

/// The end of an answer, as it is gathered.
#[derive(Debug, Default)]
pub struct ChatAnswer {
    tags: ThinkTags,
    finish_reason: Option<String>,
    usage: Option<Usage>,
    /// A frame was marked as the last one.
    ended: bool,
    /// The model has said in a field of its own that it will not answer.
    declined: bool,
    /// Sources that came with the text.
    citations: Citations,
    /// Sources that come anew, all of them, with many frames: the last counts.
    addresses: Option<Box<RawValue>>,
    results: Option<Box<RawValue>>,
}

impl Answer for ChatAnswer {
    fn take_frame(&mut self, frame: Frame<'_>, said: &mut VecDeque<Piece>) -> Result<bool, ProviderFault> {
        if frame.data == b"[DONE]" {
            self.tags.finish(said);
            return Ok(true);
        }
        let completion = parse(frame.data, frame.event == b"error")?;
        if let Some(mut choice) = self.take(completion) {
            self.say(choice.take_delta(), said);
            if let Some(error) = choice.error() {
                return Err(fault::in_band(error.as_bytes()));
            }
        }
        if self.is_finished() {
            self.tags.finish(said);
        }
        Ok(false)
    }

    fn take_whole(&mut self, json: &[u8], said: &mut VecDeque<Piece>) -> Result<(), ProviderFault> {
        let completion = parse(json, false)?;
        let not_understood = || fault::not_understood("a completion", json);
        if completion.choices.as_ref().is_none_or(Vec::is_empty) {
            return Err(not_understood());
        }
        if let Some(mut choice) = self.take(completion) {
            self.say(choice.take_message().map_err(|_| not_understood())?, said);
            if let Some(error) = choice.error() {
                return Err(fault::in_band(error.as_bytes()));
            }
        }
        self.tags.finish(said);
        Ok(())
    }

    fn is_finished(&self) -> bool {
        self.ended || self.finish_reason.is_some()
    }

    fn complete(mut self) -> CallEnd {
        let outcome = if self.finish_reason.as_deref() == Some("content_filter") {
            CallOutcome::Declined {
                message: "The model's provider stopped the answer by its rules on content.".to_owned(),
                detail: "finish_reason content_filter".to_owned(),
            }
        } else if self.declined {
            CallOutcome::Declined {
                message: "The model declined to answer.".to_owned(),
                detail: "the answer has a refusal".to_owned(),
            }
        } else {
            CallOutcome::Complete
        };
        wire::cited(self.addresses.as_deref(), self.results.as_deref(), &mut self.citations);
        CallEnd { outcome, finish_reason: self.finish_reason, usage: self.usage, citations: self.citations.into_vec() }
    }

    /// `[DONE]` is OpenAI's terminal marker, but some compatible servers never send it. A `finish_reason` is the
    /// provider's own word that the text is over, and nothing but the usage count follows it: no later cut can have
    /// cost any text, and another attempt would throw a whole answer away. So either of the two is the terminal
    /// marker; an end with neither is a truncation, however cleanly the connection was closed.
    fn stopped(self, detail: String) -> CallEnd {
        if self.is_finished() {
            return self.complete();
        }
        CallEnd { usage: self.usage, ..CallEnd::new(CallOutcome::Truncated { detail }) }
    }
}

impl ChatAnswer {
    /// A refusal is what the model says to the person, so it is spoken.
    fn say(&mut self, added: Added<'_>, said: &mut VecDeque<Piece>) {
        let Added { text, reasoning, refusal, annotations } = added;
        self.declined |= !refusal.is_empty();
        if let Some(annotations) = annotations {
            wire::annotated(annotations, &mut self.citations);
        }
        if !reasoning.is_empty() {
            said.push_back(Piece::Reasoning(reasoning));
        }
        self.tags.take(text, said);
        if !refusal.is_empty() {
            said.push_back(Piece::Text(refusal));
        }
    }

    /// Takes in what is not text; gives the choice that counts.
    fn take<'a>(&mut self, completion: Completion<'a>) -> Option<Choice<'a>> {
        self.usage = completion.usage().or(self.usage);
        self.ended |= completion.is_end_of_stream();
        if let Some(addresses) = completion.citations {
            self.addresses = Some(addresses.to_owned());
        }
        if let Some(results) = completion.search_results {
            self.results = Some(results.to_owned());
        }
        let choice = completion.choices.into_iter().flatten().find(Choice::is_first)?;
        if let Some(reason) = choice.finish_reason() {
            self.finish_reason = Some(reason.to_owned());
        }
        Some(choice)
    }
}

/// Parses an object; an error is a fault, and so is what has the wrong shape. An object of some other kind says nothing:
/// servers invent keep-alives.
fn parse(json: &[u8], is_error: bool) -> Result<Completion<'_>, ProviderFault> {
    match serde_json::from_slice::<Completion<'_>>(json) {
        _ if is_error => Err(fault::in_band(json)),
        Ok(completion) if completion.error.is_some() => Err(fault::in_band(json)),
        Ok(completion) if completion.is_bare_error() => Err(fault::in_band(json)),
        Ok(completion) => Ok(completion),
        Err(_) => Err(fault::not_understood("a completion", json)),
    }
}
