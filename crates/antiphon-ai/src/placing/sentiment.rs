//! Markers by the sentiment of what is said, phrase by phrase, without another model.

use super::Placing;
use crate::provider::Piece;
use antiphon_markers::Vocabulary;
use antiphon_sentiment::Placer;
use futures::stream::{self, BoxStream, StreamExt};
use std::collections::VecDeque;
use std::sync::Arc;

/// Emotion and tone by [`antiphon_sentiment`]. Holds text back for at most a phrase.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sentiment;

impl Placing for Sentiment {
    fn place(&self, pieces: BoxStream<'static, Piece>, vocabulary: Arc<Vocabulary>) -> BoxStream<'static, Piece> {
        let placer = Placer::new(vocabulary);
        let start = (pieces, placer, VecDeque::new());
        stream::unfold(start, |(mut pieces, mut placer, mut ready)| async move {
            loop {
                if let Some(piece) = ready.pop_front() {
                    return Some((piece, (pieces, placer, ready)));
                }
                match pieces.next().await? {
                    Piece::Text(text) => ready.extend(placer.push(&text).map(Piece::Text)),
                    Piece::End(end) => {
                        ready.extend(placer.finish().map(Piece::Text));
                        ready.push_back(Piece::End(end));
                    }
                    other => ready.push_back(other),
                }
            }
        })
        .boxed()
    }
}
