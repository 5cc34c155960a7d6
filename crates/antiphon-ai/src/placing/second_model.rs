//! Markers by a second model, which is asked for the cues of each sentence while the next ones arrive.

use super::Placing;
use super::sentences::Sentences;
use crate::provider::{Piece, Prompt, Provider, Turn, TurnRole};
use antiphon_core::limits::{PLACING_ASKED_AT_ONCE, PLACING_TIMEOUT};
use antiphon_markers::{MarkerKind, Vocabulary, parse};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, FuturesOrdered, StreamExt};
use std::sync::Arc;

/// Tokens of its answer: one marker of each kind.
const ANSWER_TOKENS: u32 = 48;

/// Asks a model for the cues of each sentence. It is given the sentence and answers with markers, of which the known ones
/// are put before it: the words are never its own. A sentence that is not answered in time goes out without.
#[derive(Clone)]
pub struct SecondModel {
    provider: Arc<dyn Provider>,
    model: String,
}

impl SecondModel {
    /// Asks that model of that provider.
    pub fn new(provider: Arc<dyn Provider>, model: String) -> Self {
        Self { provider, model }
    }

    /// The sentence, with its cues before it where there are any.
    fn directed(&self, sentence: String, vocabulary: &Arc<Vocabulary>) -> BoxFuture<'static, Piece> {
        let own = parse(vocabulary, &sentence);
        if own.text.trim().is_empty() || !own.markers.is_empty() {
            return Box::pin(std::future::ready(Piece::Text(sentence)));
        }
        let prompt = Prompt {
            model: self.model.clone(),
            system: instructions(vocabulary),
            turns: vec![Turn { role: TurnRole::User, content: sentence.trim().to_owned() }],
            partial: None,
            temperature: Some(0.0),
            max_tokens: Some(ANSWER_TOKENS),
        };
        let (provider, vocabulary) = (self.provider.clone(), vocabulary.clone());
        Box::pin(async move {
            match tokio::time::timeout(PLACING_TIMEOUT, provider.whole(prompt)).await {
                Ok(answer) => Piece::Text(cues(&vocabulary, &answer.text) + &sentence),
                Err(_) => Piece::Text(sentence),
            }
        })
    }
}

fn instructions(vocabulary: &Vocabulary) -> String {
    let mut text =
        "You direct an animated character. For the sentence that the character is about to say, answer with \
                    one line of cues in square brackets and nothing else, such as [emotion:happy,tone:friendly]. Leave \
                    out what does not change. The cues are:"
            .to_owned();
    for kind in MarkerKind::ALL {
        text.push_str(&format!("\n{}: {}", kind.as_str(), vocabulary.values(kind).join(", ")));
    }
    text
}

/// The first known cue of each kind in an answer, as one marker; empty where there is none.
fn cues(vocabulary: &Vocabulary, answer: &str) -> String {
    let found = parse(vocabulary, answer).markers;
    let first = |kind| found.iter().find(|marker| marker.kind == kind);
    let entries: Vec<String> = MarkerKind::ALL
        .into_iter()
        .filter_map(first)
        .map(|marker| format!("{}:{}", marker.kind.as_str(), marker.value))
        .collect();
    if entries.is_empty() { String::new() } else { format!("[{}]", entries.join(",")) }
}

/// An answer on its way.
struct Directing {
    second: SecondModel,
    vocabulary: Arc<Vocabulary>,
    pieces: BoxStream<'static, Piece>,
    sentences: Sentences,
    /// In their order; what is no text waits for the text before it.
    asked: FuturesOrdered<BoxFuture<'static, Piece>>,
    is_read: bool,
}

impl Directing {
    async fn next(&mut self) -> Option<Piece> {
        loop {
            let may_read = !self.is_read && self.asked.len() < PLACING_ASKED_AT_ONCE;
            tokio::select! {
                biased;
                Some(piece) = self.asked.next(), if !self.asked.is_empty() => return Some(piece),
                piece = self.pieces.next(), if may_read => self.take(piece),
                else => return None,
            }
        }
    }

    fn take(&mut self, piece: Option<Piece>) {
        match piece {
            Some(Piece::Text(text)) => {
                self.sentences.push(&text);
                while let Some(sentence) = self.sentences.next() {
                    self.asked.push_back(self.second.directed(sentence, &self.vocabulary));
                }
            }
            Some(Piece::End(end)) => {
                if let Some(rest) = self.sentences.finish() {
                    self.asked.push_back(self.second.directed(rest, &self.vocabulary));
                }
                self.asked.push_back(Box::pin(std::future::ready(Piece::End(end))));
                self.is_read = true;
            }
            Some(other) => self.asked.push_back(Box::pin(std::future::ready(other))),
            None => self.is_read = true,
        }
    }
}

impl Placing for SecondModel {
    fn place(&self, pieces: BoxStream<'static, Piece>, vocabulary: Arc<Vocabulary>) -> BoxStream<'static, Piece> {
        let (sentences, asked) = (Sentences::default(), FuturesOrdered::new());
        let directing = Directing { second: self.clone(), vocabulary, pieces, sentences, asked, is_read: false };
        stream::unfold(directing, |mut directing| async move {
            let piece = directing.next().await?;
            Some((piece, directing))
        })
        .boxed()
    }
}
