//! Cuts an answer to what was heard of it.

use crate::parsed::{Parsed, utf16_length};
use crate::scanner::{Piece, Scanner};
use crate::vocabulary::Vocabulary;

/// What is left of a raw answer of which so many UTF-16 code units of spoken text were heard: the text up to there, and
/// the markers up to and at that place, as those have fired.
///
/// A place inside a surrogate pair counts as the one before it, and a place beyond the end as the end. Parsing the result's
/// `raw` gives the result again.
#[must_use]
pub fn cut(raw: &str, heard_utf16: u64, vocabulary: &Vocabulary) -> Parsed {
    let (mut parsed, mut scanner) = (Parsed::default(), Scanner::default());
    let (mut offset, mut over) = (0, false);
    let mut take = |piece: Piece<'_>| {
        if over {
            return;
        }
        let heard = match piece {
            Piece::Marker(_) => piece,
            Piece::Text(text) => {
                let heard = utf16_prefix(text, heard_utf16 - offset);
                over = heard.len() < text.len();
                Piece::Text(heard)
            }
        };
        parsed.add(heard, vocabulary, &mut offset);
    };
    scanner.push(raw, &mut take);
    scanner.finish(&mut take);
    parsed
}

/// The longest beginning of a text that has at most so many UTF-16 code units.
fn utf16_prefix(text: &str, units: u64) -> &str {
    if utf16_length(text) <= units {
        return text;
    }
    let mut left = units;
    let end = text.char_indices().find_map(|(at, character)| match left.checked_sub(character.len_utf16() as u64) {
        Some(after) => {
            left = after;
            None
        }
        None => Some(at),
    });
    text.get(..end.unwrap_or(text.len())).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn heard(raw: &str, units: u64) -> (String, String, usize, usize) {
        let cut = cut(raw, units, &Vocabulary::default());
        assert_eq!(parse(&Vocabulary::default(), &cut.raw), cut);
        (cut.raw, cut.text, cut.markers.len(), cut.unknown.len())
    }

    fn expect(raw: &str, text: &str, markers: usize, unknown: usize) -> (String, String, usize, usize) {
        (raw.into(), text.into(), markers, unknown)
    }

    #[test]
    fn keeps_the_markers_that_fired() {
        let raw = "[emotion:happy]Hi [gesture:wave,tone:odd]you";
        assert_eq!(heard(raw, 0), expect("[emotion:happy]", "", 1, 0));
        assert_eq!(heard(raw, 2), expect("[emotion:happy]Hi", "Hi", 1, 0));
        assert_eq!(heard(raw, 3), expect("[emotion:happy]Hi [gesture:wave,tone:odd]", "Hi ", 2, 1));
        assert_eq!(heard(raw, 6), expect(raw, "Hi you", 2, 1));
        assert_eq!(heard(raw, u64::MAX), expect(raw, "Hi you", 2, 1));
    }

    #[test]
    fn never_cuts_a_surrogate_pair() {
        let raw = "a😀[pose:idle]b";
        assert_eq!(heard(raw, 1), expect("a", "a", 0, 0));
        assert_eq!(heard(raw, 2), expect("a", "a", 0, 0));
        assert_eq!(heard(raw, 3), expect("a😀[pose:idle]", "a😀", 1, 0));
    }

    #[test]
    fn cuts_within_plain_brackets() {
        assert_eq!(heard("see [1] and [pose", 5), expect("see [", "see [", 0, 0));
        assert_eq!(heard("see [1] and [pose", 14), expect("see [1] and [p", "see [1] and [p", 0, 0));
    }
}
