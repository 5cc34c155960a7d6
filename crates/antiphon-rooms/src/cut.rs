//! Cuts a message to what was heard of it.

use antiphon_core::{Heard, Message};
use antiphon_markers::{Vocabulary, utf16_length};

/// How far a place lies into a message's spoken text: beyond it counts as its end, inside a surrogate pair as the pair's
/// start.
pub(crate) fn within(message: &Message, heard: u64) -> Heard {
    let end = utf16_boundary(&message.text, heard);
    Heard { offset: utf16_length(&message.text[..end]) }
}

/// All of a message's spoken text.
pub(crate) fn whole(message: &Message) -> Heard {
    Heard { offset: utf16_length(&message.text) }
}

/// Keeps what was heard: the text up to there and the markers that fired.
pub(crate) fn to_heard(message: &mut Message, heard: Heard, vocabulary: &Vocabulary) {
    if message.content == message.text {
        // Without a marker in it nothing was parsed, or nothing was to be: brackets are text.
        let end = utf16_boundary(&message.text, heard.offset);
        message.content.truncate(end);
        message.text.truncate(end);
        return;
    }
    let cut = antiphon_markers::cut(&message.content, heard.offset, vocabulary);
    message.content = cut.raw;
    message.text = cut.text;
    message.markers = cut.markers;
}

/// The byte at which so many UTF-16 code units end; a place inside a surrogate pair counts as the one before it.
fn utf16_boundary(text: &str, units: u64) -> usize {
    let mut left = units;
    for (at, character) in text.char_indices() {
        match left.checked_sub(character.len_utf16() as u64) {
            Some(rest) => left = rest,
            None => return at,
        }
    }
    text.len()
}
