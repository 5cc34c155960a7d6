//! What the responses of one stream have said so far, and what end that makes.

use super::wire::{Part, Response};
use crate::call::{Answer, Citations, fault};
use crate::frames::Frame;
use crate::provider::{CallEnd, CallOutcome, FaultKind, Piece, ProviderFault};
use antiphon_core::Usage;
use serde_json::value::RawValue;
use std::collections::VecDeque;

/// The end of an answer, as it is gathered.
#[derive(Debug, Default)]
pub struct ContentAnswer {
    finish_reason: Option<String>,
    /// What the provider adds to the reason, for the log.
    finish_message: Option<String>,
    /// Why the prompt was refused before any answer.
    block_reason: Option<String>,
    usage: Option<Usage>,
    citations: Citations,
}

impl ContentAnswer {
    fn take(&mut self, json: &[u8], said: &mut VecDeque<Piece>) -> Result<(), ProviderFault> {
        let Ok(response) = serde_json::from_slice::<Response<'_>>(json) else {
            return Err(fault::not_understood("generated content", json));
        };
        if response.error.is_some() {
            return Err(fault::in_band(json));
        }
        self.usage = response.usage().or(self.usage);
        let feedback = response.prompt_feedback.and_then(|feedback| feedback.block_reason);
        self.block_reason = feedback.filter(|reason| !reason.is_empty()).or(self.block_reason.take());
        // Only one is asked for, so that the first is all that counts.
        let first = response.candidates.into_iter().flatten().find(|candidate| candidate.index.unwrap_or(0) == 0);
        let Some(mut candidate) = first else { return Ok(()) };
        candidate.cite(&mut self.citations);
        if let Some(reason) = candidate.finish_reason() {
            self.finish_reason = Some(reason.to_owned());
            self.finish_message = candidate.finish_message.take();
        }
        said.extend(candidate.take_parts().into_iter().filter_map(piece));
        Ok(())
    }

    /// By the reference's list of reasons. Whatever stopped the model for what it said or was about to say declines, and
    /// would do so again; a reason that is none of these stopped the text before its end.
    fn outcome(&self) -> CallOutcome {
        let Some(reason) = self.finish_reason.as_deref() else {
            return match &self.block_reason {
                Some(reason) => CallOutcome::Declined {
                    message: "The model's provider refused the question by its rules on content.".to_owned(),
                    detail: fault::plain(&format!("blockReason {reason}")),
                },
                None => CallOutcome::Truncated { detail: "the answer has no finishReason".to_owned() },
            };
        };
        let detail = format!("finishReason {reason} {}", self.finish_message.as_deref().unwrap_or_default());
        let detail = fault::plain(detail.trim_end());
        match reason {
            "STOP" | "MAX_TOKENS" => CallOutcome::Complete,
            "SAFETY"
            | "RECITATION"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "LANGUAGE"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION" => CallOutcome::Declined {
                message: "The model's provider stopped the answer by its rules on content.".to_owned(),
                detail,
            },
            _ => CallOutcome::Failed(FaultKind::Error.fault(detail)),
        }
    }
}

impl Answer for ContentAnswer {
    /// There is no marker after the `finishReason`: counts may follow it until the body ends.
    fn take_frame(&mut self, frame: Frame<'_>, said: &mut VecDeque<Piece>) -> Result<bool, ProviderFault> {
        self.take(frame.data, said)?;
        Ok(false)
    }

    /// One response; or all pieces in one array, where a proxy lost the `alt=sse` that asks for events.
    fn take_whole(&mut self, json: &[u8], said: &mut VecDeque<Piece>) -> Result<(), ProviderFault> {
        if json.trim_ascii_start().starts_with(b"[") {
            let Ok(pieces) = serde_json::from_slice::<Vec<&RawValue>>(json) else {
                return Err(fault::not_understood("generated content", json));
            };
            for piece in pieces {
                self.take(piece.get().as_bytes(), said)?;
            }
        } else {
            self.take(json, said)?;
        }
        if said.is_empty() && !self.is_finished() {
            return Err(fault::not_understood("generated content", json));
        }
        Ok(())
    }

    fn is_finished(&self) -> bool {
        self.finish_reason.is_some() || self.block_reason.is_some()
    }

    fn complete(self) -> CallEnd {
        let outcome = self.outcome();
        CallEnd {
            outcome,
            finish_reason: self.finish_reason.or(self.block_reason),
            usage: self.usage,
            citations: self.citations.into_vec(),
        }
    }

    fn stopped(self, detail: String) -> CallEnd {
        if self.is_finished() {
            return self.complete();
        }
        CallEnd {
            usage: self.usage,
            citations: self.citations.into_vec(),
            ..CallEnd::new(CallOutcome::Truncated { detail })
        }
    }
}

fn piece(part: Part) -> Option<Piece> {
    let text = part.text.filter(|text| !text.is_empty())?;
    Some(if part.thought == Some(true) { Piece::Reasoning(text) } else { Piece::Text(text) })
}
