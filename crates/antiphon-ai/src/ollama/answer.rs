//! What the lines of one answer have said so far, and what end that makes.

use super::wire::Line;
use crate::call::{Answer, ThinkTags, fault};
use crate::frames::Frame;
use crate::provider::{CallEnd, CallOutcome, FaultKind, Piece, ProviderFault};
use antiphon_core::Usage;
use std::collections::VecDeque;

/// The end of an answer, as it is gathered.
#[derive(Debug, Default)]
pub struct LineAnswer {
    tags: ThinkTags,
    done: bool,
    done_reason: Option<String>,
    usage: Option<Usage>,
}

impl Answer for LineAnswer {
    fn take_frame(&mut self, frame: Frame<'_>, said: &mut VecDeque<Piece>) -> Result<bool, ProviderFault> {
        let line = parse(frame.data)?;
        self.take(line, said);
        Ok(self.done)
    }

    fn take_whole(&mut self, json: &[u8], said: &mut VecDeque<Piece>) -> Result<(), ProviderFault> {
        let line = parse(json)?;
        if line.message.is_none() || !line.done {
            return Err(fault::not_understood("a chat response", json));
        }
        self.take(line, said);
        Ok(())
    }

    fn is_finished(&self) -> bool {
        self.done
    }

    fn complete(self) -> CallEnd {
        // What is done is then not an answer, but the model's loading into memory or out of it.
        if let Some("load" | "unload") = self.done_reason.as_deref() {
            return CallEnd::failed(FaultKind::Error.fault("the server loaded or unloaded the model and said nothing"));
        }
        CallEnd { finish_reason: self.done_reason, usage: self.usage, ..CallEnd::new(CallOutcome::Complete) }
    }

    /// A stream that ends without `done` was cut, however cleanly: servers are known to end so
    /// (github.com/ollama/ollama/issues/17118).
    fn stopped(self, detail: String) -> CallEnd {
        CallEnd::new(CallOutcome::Truncated { detail })
    }
}

impl LineAnswer {
    fn take(&mut self, line: Line<'_>, said: &mut VecDeque<Piece>) {
        self.done = line.done;
        if line.done {
            self.done_reason = line.done_reason().map(str::to_owned);
            self.usage = line.usage();
        }
        if let Some(message) = line.message {
            if let Some(thinking) = message.thinking.filter(|thinking| !thinking.is_empty()) {
                said.push_back(Piece::Reasoning(thinking));
            }
            self.tags.take(message.content.unwrap_or_default(), said);
        }
        if self.done {
            self.tags.finish(said);
        }
    }
}

/// Parses a line; an error in it is a fault, and so is what has the wrong shape.
fn parse(json: &[u8]) -> Result<Line<'_>, ProviderFault> {
    match serde_json::from_slice::<Line<'_>>(json) {
        Ok(line) if line.error.is_some() => Err(fault::in_band(json)),
        Ok(line) => Ok(line),
        Err(_) => Err(fault::not_understood("a chat response", json)),
    }
}
