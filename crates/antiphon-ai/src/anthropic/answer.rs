//! What the events of one message have said so far, and what end that makes.

use super::prefill::Seam;
use super::wire::{Added, Event, Message, StopDetails, WireUsage};
use crate::call::{Answer, Citations, fault};
use crate::frames::Frame;
use crate::provider::{CallEnd, CallOutcome, Piece, ProviderFault};
use std::collections::VecDeque;

/// The end of an answer, as it is gathered.
#[derive(Debug, Default)]
pub struct MessageAnswer {
    seam: Seam,
    stop_reason: Option<String>,
    /// Why the model declined, for the log.
    declined_for: String,
    usage: WireUsage,
    citations: Citations,
}

impl MessageAnswer {
    /// That goes on in this text.
    pub(super) fn after(partial: &str) -> Self {
        Self { seam: Seam::after(partial), ..Self::default() }
    }

    fn say(&mut self, added: Added, said: &mut VecDeque<Piece>) {
        let Added { text, thinking } = added;
        if !thinking.is_empty() {
            said.push_back(Piece::Reasoning(thinking));
        }
        let text = self.seam.join(&text);
        if !text.is_empty() {
            said.push_back(Piece::Text(text.to_owned()));
        }
    }

    fn stop(&mut self, reason: Option<String>, details: Option<StopDetails>) {
        self.stop_reason = reason.filter(|reason| !reason.is_empty()).or(self.stop_reason.take());
        if let Some(StopDetails { category, explanation }) = details {
            self.declined_for = category.into_iter().chain(explanation).collect::<Vec<_>>().join(": ");
        }
    }

    fn end(self, outcome: CallOutcome) -> CallEnd {
        CallEnd {
            outcome,
            finish_reason: self.stop_reason,
            usage: self.usage.total(),
            citations: self.citations.into_vec(),
        }
    }
}

impl Answer for MessageAnswer {
    fn take_frame(&mut self, frame: Frame<'_>, said: &mut VecDeque<Piece>) -> Result<bool, ProviderFault> {
        let event: Event<'_> = match serde_json::from_slice(frame.data) {
            _ if frame.event == b"error" => return Err(fault::in_band(frame.data)),
            Ok(event) => event,
            Err(_) => return Err(fault::not_understood("an event of a message", frame.data)),
        };
        if event.error.is_some() || event.kind == "error" {
            return Err(fault::in_band(frame.data));
        }
        match event.kind.as_ref() {
            "message_start" => self.usage.update(event.message.and_then(|message| message.usage)),
            "content_block_start" => {
                let added = event.content_block.map(|block| block.added(&mut self.citations));
                self.say(added.unwrap_or_default(), said);
            }
            "content_block_delta" => {
                let added = event.delta.map(|delta| delta.added(&mut self.citations));
                self.say(added.unwrap_or_default(), said);
            }
            "message_delta" => {
                self.usage.update(event.usage);
                if let Some(delta) = event.delta {
                    self.stop(delta.stop_reason, delta.stop_details);
                }
            }
            "message_stop" => return Ok(true),
            // Pings, ends of blocks, and whatever the API's versioning policy says may be added.
            _ => {}
        }
        Ok(false)
    }

    fn take_whole(&mut self, json: &[u8], said: &mut VecDeque<Piece>) -> Result<(), ProviderFault> {
        let Ok(message) = serde_json::from_slice::<Message<'_>>(json) else {
            return Err(fault::not_understood("a message", json));
        };
        if message.error.is_some() {
            return Err(fault::in_band(json));
        }
        let Some(blocks) = message.content else { return Err(fault::not_understood("a message", json)) };
        self.usage.update(message.usage);
        self.stop(message.stop_reason, message.stop_details);
        for block in blocks {
            let added = block.added(&mut self.citations);
            self.say(added, said);
        }
        Ok(())
    }

    fn is_finished(&self) -> bool {
        self.stop_reason.is_some()
    }

    /// `refusal` is the model's or its classifiers'. `pause_turn` asks for another call to go on, so the answer is not
    /// whole. Any other reason ends a whole answer or, as `max_tokens`, one that is as long as it may be.
    fn complete(self) -> CallEnd {
        let outcome = match self.stop_reason.as_deref() {
            Some("refusal") => CallOutcome::Declined {
                message: "The model declined to answer.".to_owned(),
                detail: fault::plain(format!("stop_reason refusal {}", self.declined_for).trim_end()),
            },
            Some("pause_turn") => CallOutcome::Truncated { detail: "stop_reason pause_turn".to_owned() },
            _ => CallOutcome::Complete,
        };
        self.end(outcome)
    }

    /// The `stop_reason` comes after the last text, with nothing but `message_stop` to follow.
    fn stopped(self, detail: String) -> CallEnd {
        if self.is_finished() {
            return self.complete();
        }
        self.end(CallOutcome::Truncated { detail })
    }
}
