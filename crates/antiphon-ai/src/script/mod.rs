//! The provider that needs nothing: a persona whose every sentence is written beforehand, streamed as a model would.

mod answer;
mod topics;

use crate::provider::{CallEnd, CallOutcome, Piece, Prompt, Provider, ProviderStatus, WholeAnswer};
use antiphon_core::Usage;
use futures::stream::{self, BoxStream, StreamExt};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval_at};

/// The time between two pieces: 18 a second, about as fast as a person reads along.
pub const HUMAN_PACE: Duration = Duration::from_millis(55);

/// The longest piece, in characters: like a model's token, often a word, and markers come in several.
const PIECE_LENGTH: usize = 8;

/// The Guide: explains Antiphon, and says plainly that it is a script and not a model.
///
/// The same prompt gives the same answer, so that a broken answer can be continued where it was. Where the prompt's
/// system part asks for no markers it sends none.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    pace: Duration,
}

impl Default for Script {
    fn default() -> Self {
        Self::with_pace(HUMAN_PACE)
    }
}

impl Script {
    /// With another time between two pieces; zero sends all of them at once.
    pub fn with_pace(pace: Duration) -> Self {
        Self { pace }
    }
}

/// An answer cut into the pieces that are still to be sent, with its end.
struct Plan {
    pieces: Vec<String>,
    end: CallEnd,
}

fn plan(prompt: &Prompt) -> Plan {
    let answer = answer::compose(prompt);
    let rest = match prompt.partial.as_deref() {
        Some(partial) => answer.strip_prefix(partial).unwrap_or(&answer),
        None => &answer,
    };
    let mut pieces = cut(rest);
    let limit = prompt.max_tokens.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let finish_reason = if pieces.len() > limit { "length" } else { "stop" };
    pieces.truncate(limit);
    let prompt_tokens = prompt.turns.iter().map(|turn| count(&turn.content)).sum::<u64>() + count(&prompt.system);
    let completion_tokens = pieces.len() as u64;
    // A script has no tokens of its own: what is counted is the pieces that it sends, and the prompt cut the same way.
    let usage = Usage { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
    let end = CallEnd {
        finish_reason: Some(finish_reason.to_owned()),
        usage: Some(usage),
        ..CallEnd::new(CallOutcome::Complete)
    };
    Plan { pieces, end }
}

fn count(text: &str) -> u64 {
    cut(text).len() as u64
}

/// Cuts a text into pieces: words with the space before them, long ones in parts.
fn cut(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let mut length = 0;
    for character in text.chars() {
        if length == PIECE_LENGTH || (length > 0 && (character == ' ' || character == '[')) {
            pieces.push(std::mem::take(&mut piece));
            length = 0;
        }
        piece.push(character);
        length += 1;
    }
    if !piece.is_empty() {
        pieces.push(piece);
    }
    pieces
}

#[async_trait::async_trait]
impl Provider for Script {
    fn stream(&self, prompt: Prompt) -> BoxStream<'static, Piece> {
        let Plan { pieces, end } = plan(&prompt);
        let pieces = stream::iter(pieces.into_iter().map(Piece::Text)).chain(stream::iter([Piece::End(end)]));
        if self.pace.is_zero() {
            return pieces.boxed();
        }
        let pace = self.pace;
        // The clock starts with the first read: a call may wait before it is read.
        stream::once(async move {
            let mut clock = interval_at(tokio::time::Instant::now() + pace, pace);
            // After a pause it goes on at its pace and does not catch up.
            clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
            stream::unfold((clock, pieces), |(mut clock, mut pieces)| async move {
                let piece = pieces.next().await?;
                if matches!(piece, Piece::Text(_)) {
                    clock.tick().await;
                }
                Some((piece, (clock, pieces)))
            })
        })
        .flatten()
        .boxed()
    }

    async fn whole(&self, prompt: Prompt) -> WholeAnswer {
        let Plan { pieces, end } = plan(&prompt);
        WholeAnswer { text: pieces.concat(), reasoning: String::new(), end }
    }

    /// Its answers are known beforehand, so each goes on where it was cut.
    fn can_continue(&self, _model: &str) -> bool {
        true
    }

    fn status(&self) -> ProviderStatus {
        ProviderStatus { kind: "script", simulated: true, ready: true, ..ProviderStatus::default() }
    }
}

#[cfg(test)]
mod tests;
