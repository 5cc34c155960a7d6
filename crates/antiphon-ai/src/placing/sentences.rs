//! Cuts a text that arrives in pieces into sentences.

/// A sentence's length in bytes at which it is cut all the same: some three lines of a page.
const MAX_SENTENCE: usize = 400;

/// Gathers text and gives whole sentences, each with the white space after it. Nothing is lost.
#[derive(Debug, Default)]
pub(super) struct Sentences {
    held: String,
}

impl Sentences {
    pub(super) fn push(&mut self, text: &str) {
        self.held.push_str(text);
    }

    /// The next sentence whose end has arrived: a mark that ends one and white space after it, or a line's end.
    pub(super) fn next(&mut self) -> Option<String> {
        let end =
            end_of_sentence(&self.held).or_else(|| (self.held.len() > MAX_SENTENCE).then(|| last_space(&self.held)))?;
        let rest = self.held.split_off(end);
        Some(std::mem::replace(&mut self.held, rest))
    }

    /// What is left at the end.
    pub(super) fn finish(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.held);
        (!rest.is_empty()).then_some(rest)
    }
}

/// Where the first sentence and the white space after it end. The white space must be followed by something, since more
/// of it may come.
fn end_of_sentence(text: &str) -> Option<usize> {
    let mut ended = false;
    let mut spaced = false;
    for (at, character) in text.char_indices() {
        if spaced && !character.is_whitespace() {
            return Some(at);
        }
        if character == '\n' || (ended && character.is_whitespace()) {
            spaced = true;
        }
        ended = match character {
            '.' | '!' | '?' | '…' | '。' | '！' | '？' => true,
            '"' | '\'' | '”' | '’' | ')' | '*' | '_' => ended,
            _ => false,
        };
    }
    None
}

/// After the last white space, so that no word is cut; else all of it.
fn last_space(text: &str) -> usize {
    text.char_indices().rev().find(|(_, c)| c.is_whitespace()).map_or(text.len(), |(at, c)| at + c.len_utf8())
}
