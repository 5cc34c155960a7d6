//! The run of one stream: calls its provider, parses markers, retries by the agent's policy, and says what belongs in the log.
//!
//! A run does no I/O but its call. Its owner lets it [`Run::advance`], appends what it [`Run::take`]s, and confirms with
//! [`Run::appended`]. What arrives while an append is under way gathers and goes out with the next; a piece that arrives
//! alone goes out alone, at once. An attempt after the first begins only once the log has its announcement, so that an
//! answer that kills its process uses its attempts up.

mod attempt;
mod gathered;
#[cfg(test)]
mod tests;

use crate::agent::Agent;
use crate::provider::{CallEnd, CallOutcome, Piece, Prompt};
use antiphon_core::limits::{MAX_ANSWER_BYTES, MAX_CHUNK_BYTES, MAX_GATHERED_BYTES};
use antiphon_core::{Outcome, RoomEvent, StreamFault, Usage};
use antiphon_markers::{Parsed, Parser, Vocabulary};
use attempt::{Break, Next};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use gathered::Gathered;
use std::sync::Arc;
use std::time::Instant;
use tokio::time::Instant as TimerInstant;

/// What a run is to answer.
#[derive(Clone)]
pub struct Ask {
    /// The stream.
    pub stream_id: String,
    /// The message that it makes.
    pub message_id: String,
    /// Who answers, and by which rules.
    pub agent: Agent,
    /// Everything the model is given; `partial` is the run's own to set.
    pub prompt: Prompt,
    /// The markers that are looked for; none leaves brackets as plain text.
    pub vocabulary: Option<Arc<Vocabulary>>,
}

/// How far the log says that a stream came before its process stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The last attempt that was announced, from 1.
    pub attempt: u32,
    /// Chunks since the last reset.
    pub chunks: u64,
    /// Their raw text.
    pub content: String,
    /// The length of their spoken text, in UTF-16 code units.
    pub spoken: u64,
}

/// An event for the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The event.
    pub event: RoomEvent,
    /// When the provider's piece that caused it arrived.
    pub provider_at: Option<Instant>,
}

impl From<RoomEvent> for Said {
    fn from(event: RoomEvent) -> Self {
        Self { event, provider_at: None }
    }
}

/// What a run waits for.
enum Call {
    /// The log's confirmation of the announced attempt.
    Announced(Next),
    /// The time of the next attempt.
    Pausing { until: TimerInstant, reason: String },
    /// The provider's next piece.
    Streaming(BoxStream<'static, Piece>),
    /// The provider's whole answer.
    Whole(BoxFuture<'static, (String, CallEnd)>),
    /// Nothing: it ended, or was stopped.
    Over,
}

/// One stream's run. Dropping it, or [`Run::stop`], drops the provider's call at once.
pub struct Run {
    ask: Ask,
    attempt: u32,
    chunks: u64,
    /// Raw text of this answer since the last reset, what the parser holds back included.
    content: String,
    parser: Option<Parser>,
    gathered: Gathered,
    call: Call,
}

impl Run {
    /// Starts the first attempt's call.
    pub fn begin(ask: Ask) -> Self {
        let call = Call::Streaming(ask.agent.provider.stream(ask.prompt.clone()));
        let parser = ask.vocabulary.clone().map(Parser::new);
        Self { ask, attempt: 1, chunks: 0, content: String::new(), parser, gathered: Gathered::default(), call }
    }

    /// Takes up a stream whose process stopped, as one more attempt; where none is allowed it ends as `crashed`.
    pub fn resume(ask: Ask, progress: Progress, reason: &str) -> Self {
        let parser = ask.vocabulary.clone().map(|vocabulary| Parser::resume_at(vocabulary, progress.spoken));
        let mut run = Self {
            ask,
            attempt: progress.attempt.max(1),
            chunks: progress.chunks,
            content: progress.content,
            parser,
            gathered: Gathered::default(),
            call: Call::Over,
        };
        if run.may_try_again() {
            run.announce(reason);
        } else {
            let fault = StreamFault {
                code: "crashed".into(),
                message: "the server stopped while it answered, and no further attempt is allowed".into(),
            };
            run.end(Outcome::Failed, None, None, Some(fault));
        }
        run
    }

    /// Waits for the next thing from the provider and takes it in. May be dropped at any time without loss. Never
    /// returns while nothing can come: when the run is over, waits for [`Run::appended`], or has gathered its fill.
    pub async fn advance(&mut self) {
        if self.gathered.bytes() >= MAX_GATHERED_BYTES {
            return std::future::pending().await;
        }
        match &mut self.call {
            Call::Announced(_) | Call::Over => std::future::pending().await,
            Call::Pausing { until, reason } => {
                tokio::time::sleep_until(*until).await;
                let reason = std::mem::take(reason);
                self.announce(&reason);
            }
            Call::Streaming(stream) => match stream.next().await {
                Some(Piece::Text(text)) => self.hear(&text),
                Some(Piece::Waiting { place }) => self.gathered.wait(&self.ask.stream_id, place),
                Some(Piece::End(end)) => self.call_ended(end),
                None => self.broke(Break::truncated("the provider's stream finished without an end")),
            },
            Call::Whole(answer) => {
                let (text, end) = answer.await;
                self.hear(&text);
                if !self.is_over() {
                    self.call_ended(end);
                }
            }
        }
    }

    /// What is to be appended next, together and in order; empty where there is nothing. The stream's end comes last.
    pub fn take(&mut self) -> Vec<Said> {
        self.gathered.take(&self.ask, &mut self.chunks)
    }

    /// Tells the run that the log has what it last took.
    pub fn appended(&mut self) {
        if !self.gathered.is_empty() {
            return;
        }
        self.call = match std::mem::replace(&mut self.call, Call::Over) {
            Call::Announced(next) => self.start(next),
            other => other,
        };
    }

    /// Drops the provider's call and all that is not in the log.
    pub fn stop(&mut self) {
        self.call = Call::Over;
        self.gathered = Gathered::default();
    }

    /// Whose run it is.
    pub fn stream_id(&self) -> &str {
        &self.ask.stream_id
    }

    /// True once nothing more will come of the provider.
    pub fn is_over(&self) -> bool {
        matches!(self.call, Call::Over)
    }

    fn hear(&mut self, text: &str) {
        let at = Instant::now();
        let allowed = MAX_ANSWER_BYTES.saturating_sub(self.content.len());
        let heard = prefix(text, allowed);
        let mut rest = heard;
        while !rest.is_empty() {
            let part = prefix(rest, MAX_CHUNK_BYTES);
            rest = rest.get(part.len()..).unwrap_or_default();
            let parsed = match &mut self.parser {
                Some(parser) => parser.push(part),
                None => Some(Parsed { raw: part.to_owned(), text: part.to_owned(), ..Parsed::default() }),
            };
            if let Some(parsed) = parsed {
                self.gathered.chunk(self.attempt, parsed, at);
            }
        }
        self.content.push_str(heard);
        if heard.len() < text.len() {
            let fault = StreamFault {
                code: "too_long".into(),
                message: format!("the answer is longer than the {MAX_ANSWER_BYTES} bytes that are kept"),
            };
            self.end(Outcome::Truncated, None, None, Some(fault));
        }
    }

    fn call_ended(&mut self, end: CallEnd) {
        match end.outcome {
            CallOutcome::Complete => self.end(Outcome::Completed, end.finish_reason, end.usage, None),
            CallOutcome::Truncated { detail } => self.broke(Break::truncated(&detail)),
            CallOutcome::Failed(fault) => self.broke(Break::failed(fault)),
        }
    }

    /// Ends the run: what the parser held back is text, and the last event is said.
    fn end(
        &mut self,
        outcome: Outcome,
        finish_reason: Option<String>,
        usage: Option<Usage>,
        error: Option<StreamFault>,
    ) {
        self.call = Call::Over;
        if let Some(rest) = self.parser.as_mut().and_then(Parser::finish) {
            self.gathered.chunk(self.attempt, rest, Instant::now());
        }
        self.gathered.end(gathered::End { attempt: self.attempt, outcome, finish_reason, usage, error });
    }
}

/// The longest beginning of a text that has at most so many bytes.
fn prefix(text: &str, bytes: usize) -> &str {
    let end = text.floor_char_boundary(bytes);
    text.get(..end).unwrap_or(text)
}
