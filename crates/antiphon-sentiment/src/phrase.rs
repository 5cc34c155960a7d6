//! The phrase that a stream is in the middle of.

use crate::markdown::Markdown;
use crate::valence::is_emoji;

/// A phrase of so many words ends: about the longest that is said in one breath, some five seconds.
pub const MAX_PHRASE_WORDS: usize = 12;
/// No phrase has more bytes: twelve long words, and what is held back of a stream however it is written.
pub const MAX_PHRASE_BYTES: usize = 120;
/// From so many bytes a phrase ends at the next white space, so that hardly any word reaches the bound.
const LONG_PHRASE_BYTES: usize = 90;
/// A comma ends a phrase of so many words: "Well," is the beginning of what follows.
const CLAUSE_WORDS: usize = 3;

/// A punctuation mark, and what may close after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    #[default]
    None,
    /// Of a clause.
    Clause,
    /// Of a sentence.
    Sentence,
}

/// What was taken of a phrase.
#[derive(Debug, Default)]
pub(crate) struct Phrase {
    /// As it stands.
    pub(crate) raw: String,
    /// What is said of it: no code, no link's target; markers are in it.
    pub(crate) spoken: String,
    /// Where in `raw` its marker may stand: before its first word.
    place: Option<usize>,
    /// A blank line was before it.
    pub(crate) opens_paragraph: bool,
    words: usize,
    mark: Mark,
    token: Token,
}

/// The run of characters without white space that the stream is in.
#[derive(Debug, Default)]
struct Token {
    /// Where it begins in the phrase, where a marker may stand there.
    start: Option<usize>,
    /// It has letters, digits or emoji.
    is_word: bool,
    /// Nothing but list marks was before it on its line.
    opens_line: bool,
}

impl Phrase {
    /// The phrase after one that was released; `within_token` where that one had to be cut inside a word.
    pub(crate) fn new(within_token: bool) -> Self {
        let token = Token { is_word: within_token, ..Token::default() };
        Self { token, ..Self::default() }
    }

    /// True where another character would be too much.
    pub(crate) fn is_full_for(&self, character: char) -> bool {
        self.raw.len() + character.len_utf8() > MAX_PHRASE_BYTES
    }

    /// Takes the next character, which `markdown` has not seen yet. True where the phrase ends with it.
    pub(crate) fn take(&mut self, character: char, begins_token: bool, markdown: &mut Markdown) -> bool {
        if begins_token && !character.is_whitespace() {
            let start = markdown.allows_marker().then_some(self.raw.len());
            self.token = Token { start, is_word: false, opens_line: markdown.opens_line() };
        }
        let ended_blank_line = markdown.take(character);
        self.raw.push(character);
        if markdown.is_spoken() {
            self.spoken.push(character);
        }
        if character.is_whitespace() {
            let token_ended = self.end_token();
            self.opens_paragraph |= ended_blank_line;
            return markdown.is_prose() && (self.ends_after_space(token_ended) || self.ends_line(character));
        }
        if character.is_alphanumeric() || is_emoji(character) {
            self.token.is_word = true;
            self.place = self.place.or(self.token.start.filter(|start| !self.has_fence_from(*start)));
        }
        self.mark = match character {
            '.' | '!' | '?' | '…' | '。' | '！' | '？' => Mark::Sentence,
            ',' | ';' | ':' | '—' | '–' | '、' | '，' | '；' | '：' => self.mark.max(Mark::Clause),
            '"' | '\'' | '”' | '’' | ')' | ']' | '*' | '_' | '»' => self.mark,
            _ if is_emoji(character) => self.mark,
            _ => Mark::None,
        };
        // These have no white space after them.
        is_wide_end(character) && markdown.is_prose()
    }

    /// Where its marker is to stand, now that it is released.
    pub(crate) fn close(&mut self) -> Option<usize> {
        self.end_token();
        self.place
    }

    /// Whether what begins there may be a fence, which has to stay at the start of its line.
    fn has_fence_from(&self, start: usize) -> bool {
        self.raw.get(start..).is_some_and(|text| text.contains("```") || text.contains("~~~"))
    }

    /// Counts the token that has ended. False where it is no word, but the mark of a list's item.
    fn end_token(&mut self) -> bool {
        let token = std::mem::take(&mut self.token);
        if !token.is_word {
            return true;
        }
        let text = token.start.and_then(|start| self.raw.get(start..)).unwrap_or_default().trim_end();
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_item = token.opens_line && text.strip_suffix(['.', ')']).is_some_and(is_number);
        let is_box = token.opens_line && matches!(text, "[x]" | "[X]");
        if is_item || is_box || token.start.is_some_and(|start| self.has_fence_from(start)) {
            self.place = self.place.filter(|place| Some(*place) != token.start);
            return false;
        }
        self.words += 1;
        true
    }

    fn ends_after_space(&mut self, token_ended: bool) -> bool {
        let mark = std::mem::take(&mut self.mark);
        if !token_ended || self.place.is_none() {
            return false;
        }
        mark == Mark::Sentence
            || (mark == Mark::Clause && self.words >= CLAUSE_WORDS)
            || self.words >= MAX_PHRASE_WORDS
            || self.raw.len() >= LONG_PHRASE_BYTES
    }

    fn ends_line(&self, character: char) -> bool {
        character == '\n' && !self.raw.trim().is_empty()
    }
}

/// Marks of Chinese and Japanese that end a phrase by themselves.
pub(crate) fn is_wide_end(character: char) -> bool {
    matches!(character, '。' | '！' | '？')
}
