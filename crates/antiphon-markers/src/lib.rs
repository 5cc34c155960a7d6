//! Expression markers in an answer's text: their grammar, vocabulary and prompt. Pure: no I/O, no clock.
//!
//! ```text
//! marker = "[" entry *( "," [space] entry ) "]"      at most 128 characters in all
//! entry  = kind ":" [space] value
//! kind   = "emotion" / "gesture" / "pose" / "tone"   in any case
//! value  = 1*( letter / digit / "_" / "-" )          ASCII, in any case
//! ```
//!
//! Models write `[Emotion: Happy, gesture: wave]` as readily as the plain form, so letter case and one space after a
//! comma or colon are forgiven, and a [`Marker`] holds its value in lower case. Everything else is plain text, as it
//! stands: `[1]`, `[text](url)`, `a[i]`, a bracket never closed, a bracket with an unknown kind in any of its entries.
//!
//! A value that the vocabulary does not know is still a marker and so never spoken; it is reported apart. Each entry of
//! a combination is judged for itself, and all its entries have one offset.
//!
//! Only the marker is taken out of the text: `Hi [gesture:wave] there` leaves both spaces. What is spoken does not change
//! by a doubled space, and any offset can be told without knowing what follows it.

mod cut;
mod marker;
mod parsed;
mod parser;
mod prompt;
mod scanner;
mod vocabulary;

pub use cut::cut;
pub use marker::{MAX_MARKER_LENGTH, Marker, MarkerKind};
pub use parsed::{Parsed, utf16_length};
pub use parser::{Parser, parse};
pub use vocabulary::{MAX_VALUE_LENGTH, MAX_VALUES_PER_KIND, Vocabulary, VocabularyError};
