//! Markers for models that write none: put into the stream of an answer between the provider and the parser.

mod second_model;
mod sentences;
mod sentiment;
#[cfg(test)]
mod tests;

pub use second_model::SecondModel;
pub use sentiment::Sentiment;

use crate::provider::Piece;
use antiphon_markers::Vocabulary;
use futures::stream::BoxStream;
use std::sync::Arc;

/// Puts markers into an answer.
pub trait Placing: Send + Sync + 'static {
    /// The same pieces with markers of the vocabulary in the text. Takes nothing out and changes no word, gives all of
    /// the text before the end, and leaves alone what the model marked itself.
    fn place(&self, pieces: BoxStream<'static, Piece>, vocabulary: Arc<Vocabulary>) -> BoxStream<'static, Piece>;
}
