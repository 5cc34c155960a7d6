//! The bytes behind a token, and text that is valid UTF-8 out of tokens that end within a character.

use std::collections::HashMap;

/// How byte-level BPE writes each byte as a printable character: printable Latin-1 stands for itself, the rest
/// is counted up from U+0100 (the byte encoder published with GPT-2).
pub(crate) fn byte_level_alphabet() -> HashMap<char, u8> {
    let mut alphabet = HashMap::with_capacity(256);
    let mut moved = 0;
    for byte in 0..=u8::MAX {
        let printable = matches!(byte, 33..=126 | 161..=172 | 174..=255);
        let letter = if printable {
            Some(char::from(byte))
        } else {
            moved += 1;
            char::from_u32(0xFF + moved)
        };
        if let Some(letter) = letter {
            alphabet.insert(letter, byte);
        }
    }
    alphabet
}

/// Collects the bytes of tokens and gives out what is whole characters.
#[derive(Debug, Default)]
pub(crate) struct TextAssembler {
    /// The beginning of a character: at most three bytes between calls.
    held: Vec<u8>,
}

impl TextAssembler {
    /// Takes a token's bytes; returns the text they complete. Bytes that can never become a character turn into U+FFFD.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        self.held.extend_from_slice(bytes);
        let mut text = String::new();
        let mut taken = 0;
        for chunk in self.held.utf8_chunks() {
            text.push_str(chunk.valid());
            taken += chunk.valid().len();
            let invalid = chunk.invalid();
            let at_end = taken + invalid.len() == self.held.len();
            if invalid.is_empty() || (at_end && may_become_a_character(invalid)) {
                break;
            }
            text.push(char::REPLACEMENT_CHARACTER);
            taken += invalid.len();
        }
        self.held.drain(..taken);
        text
    }

    /// The end: a character that was not completed becomes U+FFFD.
    pub(crate) fn finish(&mut self) -> String {
        let rest = std::mem::take(&mut self.held);
        String::from_utf8_lossy(&rest).into_owned()
    }
}

/// Whether `bytes`, which are not valid UTF-8, only lack their end.
fn may_become_a_character(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_split_anywhere_comes_out_whole_and_valid() {
        let text = "naïve 你好 🙂!";
        for size in 1..=text.len() {
            let mut assembler = TextAssembler::default();
            let mut out: String = text.as_bytes().chunks(size).map(|bytes| assembler.push(bytes)).collect();
            out.push_str(&assembler.finish());
            assert_eq!(out, text, "in pieces of {size} bytes");
        }
    }

    #[test]
    fn half_a_character_is_held_back_and_replaced_at_the_end() {
        let mut assembler = TextAssembler::default();
        assert_eq!(assembler.push(&[b'a', 0xE4, 0xBD]), "a");
        assert_eq!(assembler.push(b"b"), "\u{FFFD}b");
        assert_eq!(assembler.push(&[0xFF, b'c', 0xF0]), "\u{FFFD}c");
        assert_eq!(assembler.finish(), "\u{FFFD}");
        assert_eq!(assembler.finish(), "");
    }

    #[test]
    fn the_byte_alphabet_is_complete_and_knows_the_space() {
        let alphabet = byte_level_alphabet();
        assert_eq!(alphabet.len(), 256);
        assert_eq!(
            (alphabet.get(&'Ġ'), alphabet.get(&'Ċ'), alphabet.get(&'A')),
            (Some(&b' '), Some(&b'\n'), Some(&b'A'))
        );
    }
}
