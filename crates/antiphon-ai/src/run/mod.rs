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

use crate::agent::{Agent, MarkerSource};
use crate::provider::{CallEnd, CallOutcome, Piece, Prompt, WholeAnswer};
use antiphon_core::limits::{
    MAX_ANSWER_BYTES, MAX_CHUNK_BYTES, MAX_GATHERED_BYTES, MAX_REASONING_BYTES, MAX_REASONING_READ,
};
use antiphon_core::{Outcome, RoomEvent, StreamFault};
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
    /// How many of the attempts ended because the room was given to another process: they do not count.
    pub moved_attempts: u32,
    /// Whether the last attempt is one of those.
    pub has_moved: bool,
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
    /// All pieces of the provider's whole answer.
    Whole(BoxFuture<'static, Vec<Piece>>),
    /// Nothing: it ended, or was stopped.
    Over,
}

/// One stream's run. Dropping it, or [`Run::stop`], drops the provider's call at once.
pub struct Run {
    ask: Ask,
    attempt: u32,
    /// Attempts that do not count.
    moved_attempts: u32,
    chunks: u64,
    /// Raw text of this answer since the last reset, what the parser holds back included.
    content: String,
    /// Bytes of reasoning since the last reset.
    reasoned: usize,
    parser: Option<Parser>,
    gathered: Gathered,
    call: Call,
    /// The call goes on in a part of the answer.
    is_continuing: bool,
    /// The model has refused to go on in a part of an answer.
    refused_to_continue: bool,
}

impl Run {
    /// Starts the first attempt's call.
    pub fn begin(ask: Ask) -> Self {
        let call = Call::Streaming(stream(&ask, ask.prompt.clone()));
        let parser = ask.vocabulary.clone().map(Parser::new);
        Self {
            ask,
            attempt: 1,
            moved_attempts: 0,
            chunks: 0,
            content: String::new(),
            reasoned: 0,
            parser,
            gathered: Gathered::default(),
            call,
            is_continuing: false,
            refused_to_continue: false,
        }
    }

    /// Takes up a stream whose process stopped, as one more attempt; where none is allowed it ends as `crashed`. One whose
    /// room was moved did not fail: it ends as truncated where the agent's policy is to ask nothing twice.
    pub fn resume(ask: Ask, progress: Progress) -> Self {
        let parser = ask.vocabulary.clone().map(|vocabulary| Parser::resume_at(vocabulary, progress.spoken));
        let mut run = Self {
            ask,
            attempt: progress.attempt.max(1),
            moved_attempts: progress.moved_attempts,
            chunks: progress.chunks,
            content: progress.content,
            reasoned: 0,
            parser,
            gathered: Gathered::default(),
            call: Call::Over,
            is_continuing: false,
            refused_to_continue: false,
        };
        if run.may_try_again() {
            run.announce(if progress.has_moved {
                "the room moved to another process while it answered"
            } else {
                "the server stopped while it answered"
            });
        } else if progress.has_moved {
            let fault = StreamFault {
                code: "truncated".into(),
                message: "the room moved to another process while it answered".into(),
            };
            run.end(Outcome::Truncated, Some(fault));
        } else {
            let fault = StreamFault {
                code: "crashed".into(),
                message: "the server stopped while it answered, and no further attempt is allowed".into(),
            };
            run.end(Outcome::Failed, Some(fault));
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
                Some(piece) => self.take_piece(piece),
                None => self.broke(Break::truncated("the provider's stream finished without an end")),
            },
            Call::Whole(answer) => {
                for piece in answer.await {
                    if !self.is_over() {
                        self.take_piece(piece);
                    }
                }
            }
        }
    }

    fn take_piece(&mut self, piece: Piece) {
        match piece {
            Piece::Text(text) => self.hear(&text),
            Piece::Reasoning(text) => self.overhear(&text),
            Piece::Waiting { place } => self.gathered.wait(&self.ask.stream_id, place),
            Piece::End(end) => self.call_ended(end),
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
            self.end(Outcome::Truncated, Some(fault));
        }
    }

    /// Takes reasoning in. What goes past what is kept is left out: it is shown, and nothing depends on it. A model that
    /// does not come to an end with thinking is stopped.
    fn overhear(&mut self, text: &str) {
        let kept = prefix(text, MAX_REASONING_BYTES.saturating_sub(self.reasoned));
        self.reasoned += text.len();
        let mut rest = kept;
        while !rest.is_empty() {
            let part = prefix(rest, MAX_CHUNK_BYTES);
            rest = rest.get(part.len()..).unwrap_or_default();
            self.gathered.reasoning(self.attempt, part, Instant::now());
        }
        if self.reasoned > MAX_REASONING_READ {
            let message = format!("the model thought for more than {MAX_REASONING_READ} bytes without an end");
            self.end(Outcome::Failed, Some(StreamFault { code: "too_long".into(), message }));
        }
    }

    fn call_ended(&mut self, end: CallEnd) {
        match &end.outcome {
            CallOutcome::Complete => self.end_call(Outcome::Completed, None, end),
            CallOutcome::Declined { message, detail } => {
                tracing::info!(stream_id = self.ask.stream_id, detail, "the model declined");
                let fault = StreamFault { code: "declined".into(), message: message.clone() };
                // What was said stands, but nobody is to take it for the whole.
                let outcome = if self.content.is_empty() { Outcome::Failed } else { Outcome::Truncated };
                self.end_call(outcome, Some(fault), end);
            }
            CallOutcome::Truncated { detail } => self.broke(Break::truncated(detail)),
            CallOutcome::Failed(fault) => self.broke(Break::failed(fault.clone())),
        }
    }

    /// Ends the run without a word of the provider.
    fn end(&mut self, outcome: Outcome, error: Option<StreamFault>) {
        self.end_call(outcome, error, CallEnd::new(CallOutcome::Complete));
    }

    /// Ends the run: what the parser held back is text, and the last event is said.
    fn end_call(&mut self, outcome: Outcome, error: Option<StreamFault>, end: CallEnd) {
        self.call = Call::Over;
        if let Some(rest) = self.parser.as_mut().and_then(Parser::finish) {
            self.gathered.chunk(self.attempt, rest, Instant::now());
        }
        let CallEnd { finish_reason, usage, citations, .. } = end;
        let attempt = self.attempt;
        self.gathered.end(gathered::End { attempt, outcome, finish_reason, usage, error, citations });
    }
}

/// The pieces of a streaming call.
fn stream(ask: &Ask, prompt: Prompt) -> BoxStream<'static, Piece> {
    placed(ask, ask.agent.provider.stream(prompt))
}

/// All pieces of a call for the whole answer.
fn whole(ask: &Ask, prompt: Prompt) -> BoxFuture<'static, Vec<Piece>> {
    let ask = ask.clone();
    Box::pin(async move {
        let WholeAnswer { text, reasoning, end } = ask.agent.provider.whole(prompt).await;
        let said = [Piece::Reasoning(reasoning), Piece::Text(text), Piece::End(end)];
        placed(&ask, futures::stream::iter(said).boxed()).collect().await
    })
}

/// The pieces with markers, where something other than the model puts them in.
fn placed(ask: &Ask, pieces: BoxStream<'static, Piece>) -> BoxStream<'static, Piece> {
    match (&ask.agent.markers, &ask.vocabulary) {
        (MarkerSource::Placed(placing), Some(vocabulary)) => placing.place(pieces, vocabulary.clone()),
        _ => pieces,
    }
}

/// The longest beginning of a text that has at most so many bytes.
fn prefix(text: &str, bytes: usize) -> &str {
    let end = text.floor_char_boundary(bytes);
    text.get(..end).unwrap_or(text)
}
