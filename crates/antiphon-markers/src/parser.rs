//! The streaming parser of one answer.

use std::sync::Arc;

use crate::parsed::Parsed;
use crate::scanner::Scanner;
use crate::vocabulary::Vocabulary;

/// Parses one stream as it arrives, wherever the provider cuts it.
///
/// Whatever the cuts, the pieces it releases, put together, are what [`parse`] makes of the whole.
#[derive(Debug)]
pub struct Parser {
    vocabulary: Arc<Vocabulary>,
    scanner: Scanner,
    offset: u64,
}

impl Parser {
    /// A parser at the start of a stream.
    #[must_use]
    pub fn new(vocabulary: Arc<Vocabulary>) -> Self {
        Self::resume_at(vocabulary, 0)
    }

    /// A parser of a stream that goes on after so many UTF-16 code units of spoken text.
    #[must_use]
    pub fn resume_at(vocabulary: Arc<Vocabulary>, offset_utf16: u64) -> Self {
        Self { vocabulary, scanner: Scanner::default(), offset: offset_utf16 }
    }

    /// Takes the next text and releases all that is decided; none where nothing is.
    pub fn push(&mut self, text: &str) -> Option<Parsed> {
        let mut parsed = Parsed::default();
        let Self { vocabulary, scanner, offset } = self;
        scanner.push(text, |piece| parsed.add(piece, vocabulary, offset));
        (!parsed.raw.is_empty()).then_some(parsed)
    }

    /// Releases what was held back, as text: at the stream's end no marker can come of it.
    pub fn finish(&mut self) -> Option<Parsed> {
        let mut parsed = Parsed::default();
        let Self { vocabulary, scanner, offset } = self;
        scanner.finish(|piece| parsed.add(piece, vocabulary, offset));
        (!parsed.raw.is_empty()).then_some(parsed)
    }

    /// What is held back because it can still become a marker: fewer than [`crate::MAX_MARKER_LENGTH`] characters.
    #[must_use]
    pub fn held(&self) -> &str {
        self.scanner.held()
    }
}

/// Parses a whole answer.
#[must_use]
pub fn parse(vocabulary: &Vocabulary, raw: &str) -> Parsed {
    let (mut parsed, mut scanner, mut offset) = (Parsed::default(), Scanner::default(), 0);
    scanner.push(raw, |piece| parsed.add(piece, vocabulary, &mut offset));
    scanner.finish(|piece| parsed.add(piece, vocabulary, &mut offset));
    parsed
}
