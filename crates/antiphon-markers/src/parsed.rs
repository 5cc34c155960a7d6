//! What a piece of an answer comes to.

use crate::marker::{Marker, MarkerKind};
use crate::scanner::Piece;
use crate::vocabulary::Vocabulary;

/// A piece of an answer, with no marker cut in two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// As the model wrote it, markers included.
    pub raw: String,
    /// What is spoken: `raw` without its markers.
    pub text: String,
    /// The markers whose value the vocabulary knows, in order.
    pub markers: Vec<Marker>,
    /// The markers of a known kind whose value the vocabulary does not know, in order.
    pub unknown: Vec<Marker>,
}

impl Parsed {
    /// Adds a piece that begins at `offset` of the spoken text, and moves `offset` to its end.
    pub(crate) fn add(&mut self, piece: Piece<'_>, vocabulary: &Vocabulary, offset: &mut u64) {
        match piece {
            Piece::Text(text) => {
                self.raw.push_str(text);
                self.text.push_str(text);
                *offset += utf16_length(text);
            }
            Piece::Marker(marker) => {
                self.raw.push_str(marker);
                for (kind, value) in entries(marker) {
                    let value = value.to_ascii_lowercase();
                    let known = vocabulary.knows(kind, &value);
                    let list = if known { &mut self.markers } else { &mut self.unknown };
                    list.push(Marker { kind, value, offset: *offset });
                }
            }
        }
    }
}

/// The entries of a marker that the scanner has found whole.
fn entries(marker: &str) -> impl Iterator<Item = (MarkerKind, &str)> {
    marker.trim_matches(['[', ']']).split(',').filter_map(|entry| {
        let (kind, value) = entry.split_once(':')?;
        Some((MarkerKind::named(kind.trim_start())?, value.trim_start()))
    })
}

/// How long a text is in UTF-16 code units, as JavaScript's `length` counts it.
#[must_use]
pub fn utf16_length(text: &str) -> u64 {
    // In UTF-8 each character has one byte that is not a continuation (10xxxxxx), and just the characters that take a
    // surrogate pair in UTF-16 begin with 11110xxx (RFC 3629, section 3).
    text.bytes().map(|byte| u64::from(byte & 0xC0 != 0x80) + u64::from(byte >= 0xF0)).sum()
}
