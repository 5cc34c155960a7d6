//! What a run does when a call breaks: the agent's policy, its attempts, and the pauses between them.

use super::{Call, Run, stream, whole};
use crate::agent::{MarkerSource, Recovery};
use crate::provider::{FaultKind, Prompt, ProviderFault};
use antiphon_core::limits::{ATTEMPT_BACKOFF, ATTEMPT_BACKOFF_MOST, MAX_RETRY_AFTER};
use antiphon_core::{Outcome, RoomEvent, StreamFault};
use antiphon_markers::{Parser, parse};
use std::time::Duration;
use tokio::time::Instant;

/// The call of an announced attempt.
pub(super) enum Next {
    /// Streaming, after this much of the answer where it is continued.
    Stream { partial: Option<String> },
    /// The whole answer in one response.
    Whole,
}

/// A call that did not complete.
pub(super) struct Break {
    outcome: Outcome,
    fault: StreamFault,
    detail: String,
    retryable: bool,
    /// The provider understood the request and will not have it.
    is_refusal: bool,
    retry_after: Option<Duration>,
}

impl Break {
    pub(super) fn truncated(detail: &str) -> Self {
        Self {
            outcome: Outcome::Truncated,
            fault: StreamFault { code: "truncated".into(), message: "the model's answer broke off".into() },
            detail: detail.to_owned(),
            retryable: true,
            is_refusal: false,
            retry_after: None,
        }
    }

    pub(super) fn failed(fault: ProviderFault) -> Self {
        Self {
            outcome: Outcome::Failed,
            fault: StreamFault { code: fault.kind.code().into(), message: fault.message },
            detail: fault.detail,
            retryable: fault.kind.is_retryable(),
            is_refusal: fault.kind == FaultKind::Refused,
            retry_after: fault.retry_after,
        }
    }
}

impl Run {
    /// A call broke: another attempt after a pause, or the end.
    pub(super) fn broke(&mut self, broken: Break) {
        let (stream_id, attempt) = (&self.ask.stream_id, self.attempt);
        tracing::warn!(%stream_id, attempt, code = broken.fault.code, detail = broken.detail, "a call broke");
        // Some models of a provider refuse what its others take: the whole question is still to be asked.
        self.refused_to_continue |= broken.is_refusal && self.is_continuing;
        let retryable = broken.retryable || (broken.is_refusal && self.is_continuing);
        if retryable && self.may_try_again() {
            let until = Instant::now() + pause(attempt, broken.retry_after);
            // Assigning drops the broken call.
            self.call = Call::Pausing { until, reason: broken.fault.message };
        } else {
            self.end(broken.outcome, Some(broken.fault));
        }
    }

    pub(super) fn may_try_again(&self) -> bool {
        self.ask.agent.recovery != Recovery::Fail
            && self.attempt.saturating_sub(self.moved_attempts) < self.ask.agent.max_attempts
    }

    /// Says that the next attempt begins, and what becomes of what was said before.
    pub(super) fn announce(&mut self, reason: &str) {
        self.attempt += 1;
        let agent = &self.ask.agent;
        let can_continue = !self.refused_to_continue && agent.provider.can_continue(&agent.model);
        let next = match self.ask.agent.recovery {
            Recovery::Continue if can_continue => {
                self.say_attempt(reason, "continue");
                Next::Stream { partial: self.partial() }
            }
            Recovery::Continue => {
                self.reset(&format!("{reason}; this model cannot go on where it was, so the answer starts again"));
                Next::Stream { partial: None }
            }
            Recovery::Finish => {
                self.reset(reason);
                self.say_attempt(reason, "finish");
                Next::Whole
            }
            Recovery::Restart | Recovery::Fail => {
                self.reset(reason);
                Next::Stream { partial: None }
            }
        };
        self.call = Call::Announced(next);
    }

    /// Starts the call of an announced attempt.
    pub(super) fn start(&mut self, next: Next) -> Call {
        self.is_continuing = matches!(next, Next::Stream { partial: Some(_) });
        let prompt = self.ask.prompt.clone();
        match next {
            Next::Stream { partial } => Call::Streaming(stream(&self.ask, Prompt { partial, ..prompt })),
            Next::Whole => Call::Whole(whole(&self.ask, prompt)),
        }
    }

    /// What the model itself wrote of the answer so far, where it wrote anything.
    fn partial(&self) -> Option<String> {
        let written = match (&self.ask.agent.markers, &self.ask.vocabulary) {
            (MarkerSource::Placed(_), Some(vocabulary)) => parse(vocabulary, &self.content).text,
            _ => self.content.clone(),
        };
        (!written.is_empty()).then_some(written)
    }

    fn say_attempt(&mut self, reason: &str, policy: &str) {
        self.gathered.event(RoomEvent::ArStreamAttempt {
            stream_id: self.ask.stream_id.clone(),
            attempt: self.attempt,
            reason: reason.to_owned(),
            policy: policy.to_owned(),
        });
    }

    /// Everything that was said of the answer is void, so what has not been appended of it need not be.
    fn reset(&mut self, reason: &str) {
        self.gathered = super::Gathered::default();
        self.content.clear();
        self.reasoned = 0;
        self.chunks = 0;
        self.parser = self.ask.vocabulary.clone().map(Parser::new);
        self.gathered.event(RoomEvent::ArStreamReset {
            stream_id: self.ask.stream_id.clone(),
            message_id: self.ask.message_id.clone(),
            attempt: self.attempt,
            reason: reason.to_owned(),
        });
    }
}

/// The pause after that attempt: exponential with jitter between half and whole, so that streams that broke together do
/// not come back together, and never shorter than the provider asked for, within bounds.
fn pause(attempt: u32, retry_after: Option<Duration>) -> Duration {
    let doubled = ATTEMPT_BACKOFF.saturating_mul(1 << attempt.saturating_sub(1).min(16));
    let jittered = doubled.min(ATTEMPT_BACKOFF_MOST).mul_f64(rand::random_range(0.5..=1.0));
    jittered.max(retry_after.unwrap_or_default().min(MAX_RETRY_AFTER))
}
