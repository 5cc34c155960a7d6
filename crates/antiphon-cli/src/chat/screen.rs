//! How a conversation looks on a terminal: text flows above, the line under work stays below it.
//!
//! Pure: it writes the control sequences (ECMA-48, as every terminal knows them) into a buffer. Lines are broken here and
//! never by the terminal, so that the cursor's place is always known.

use crate::printable::printable;
use std::fmt::Write;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

const DIM: &str = "\u{1b}[2m";
const DIMMER: &str = "\u{1b}[2;90m";
const BOLD: &str = "\u{1b}[1m";
const PLAIN: &str = "\u{1b}[0m";
const ERASE_BELOW: &str = "\u{1b}[J";
const ERASE_RIGHT: &str = "\u{1b}[K";
const PROMPT: &str = "› ";

/// What the screen holds.
#[derive(Debug)]
pub(super) struct Screen {
    columns: usize,
    /// Where the text above ends; 0 = at a line's start.
    column: usize,
    /// The end of the text since the last space, which moves to the next line when it does not fit.
    word: String,
    /// The line began in the middle of a text, so that a space there would be seen as an indent.
    is_continued: bool,
    out: String,
}

impl Screen {
    pub(super) fn new(columns: u16) -> Self {
        let mut screen = Self { columns: 0, column: 0, word: String::new(), is_continued: false, out: String::new() };
        screen.resize(columns);
        screen
    }

    /// The terminal has another width now.
    pub(super) fn resize(&mut self, columns: u16) {
        // The last column stays free: a terminal that has written it is between two lines.
        self.columns = usize::from(columns).saturating_sub(1).max(8);
    }

    /// What must be sent to the terminal since the last time.
    pub(super) fn take(&mut self) -> String {
        std::mem::take(&mut self.out)
    }

    /// Makes way for text: removes the line under work and goes to where the text ended.
    pub(super) fn begin(&mut self) {
        self.out.push('\r');
        if self.column > 0 {
            self.out.push_str("\u{1b}[A");
            self.move_right(self.column);
            // What is right of it is empty; what is below it is the line under work.
            self.out.push_str("\u{1b}[J");
        } else {
            self.out.push_str(ERASE_BELOW);
        }
    }

    /// Draws the line under work again, beneath the text; its cursor is between the two parts.
    pub(super) fn end(&mut self, before: &str, after: &str) {
        if self.column > 0 {
            self.out.push_str("\r\n");
        }
        let room = self.columns.saturating_sub(PROMPT.width());
        let (before, after) = visible(before, after, room);
        let _ = write!(self.out, "\r{BOLD}{PROMPT}{PLAIN}{before}{after}{ERASE_RIGHT}\r");
        self.move_right(PROMPT.width() + before.width());
    }

    /// Spoken text.
    pub(super) fn speak(&mut self, text: &str) {
        for character in printable(text).chars() {
            self.character(character);
        }
    }

    fn character(&mut self, character: char) {
        if character == '\n' {
            self.new_line();
            return;
        }
        if character == ' ' && self.column == 0 && self.is_continued {
            return;
        }
        let width = character.width().unwrap_or(0);
        if self.column + width > self.columns {
            let word = if character == ' ' { None } else { self.take_word(self.columns.saturating_sub(width)) };
            self.new_line();
            self.is_continued = true;
            if let Some(word) = word {
                self.put_word(word);
            }
            if character == ' ' {
                return;
            }
        }
        if character == ' ' {
            self.word.clear();
        } else {
            self.word.push(character);
        }
        self.out.push(character);
        self.column += width;
    }

    /// Takes the last word back where it is not the whole line and is no wider than this.
    fn take_word(&mut self, widest: usize) -> Option<String> {
        let word = std::mem::take(&mut self.word);
        let width = word.width();
        let is_taken = width > 0 && width < self.column && width <= widest;
        if is_taken {
            let _ = write!(self.out, "\u{1b}[{width}D{ERASE_RIGHT}");
            self.column -= width;
        }
        is_taken.then_some(word)
    }

    /// Writes a word that was taken back at a line's start.
    fn put_word(&mut self, word: String) {
        self.out.push_str(&word);
        self.column = word.width();
        self.word = word;
    }

    /// A cue, at its place in the text.
    pub(super) fn cue(&mut self, value: &str, is_known: bool) {
        let (style, mark) = if is_known { (DIM, "") } else { (DIMMER, "?") };
        let text = format!("‹{mark}{}›", printable(value).replace('\n', " "));
        let width = text.width();
        if self.column > 0 && self.column + width > self.columns {
            self.new_line();
        }
        let _ = write!(self.out, "{style}{text}{PLAIN}");
        self.column = (self.column + width).min(self.columns);
        self.word.clear();
    }

    /// A line of its own about what happens.
    pub(super) fn note(&mut self, text: &str) {
        self.line(DIM, &format!("· {text}"));
    }

    /// A line that the person has sent.
    pub(super) fn said(&mut self, text: &str) {
        self.line(BOLD, &format!("{PROMPT}{text}"));
    }

    fn line(&mut self, style: &str, text: &str) {
        let is_amid = self.column > 0;
        // A word that is half there goes on, whole, beneath.
        let word = self.take_word(self.columns);
        self.end_line();
        self.out.push_str(style);
        self.speak(text);
        self.out.push_str(PLAIN);
        self.end_line();
        if let Some(word) = word {
            self.put_word(word);
        }
        self.is_continued = is_amid;
    }

    /// The next text begins on a line of its own.
    pub(super) fn end_line(&mut self) {
        if self.column > 0 {
            self.new_line();
        }
    }

    fn new_line(&mut self) {
        self.out.push_str("\r\n");
        self.column = 0;
        self.is_continued = false;
        self.word.clear();
    }

    fn move_right(&mut self, columns: usize) {
        if columns > 0 {
            let _ = write!(self.out, "\u{1b}[{columns}C");
        }
    }
}

/// The part of the line around its cursor that fits.
fn visible<'a>(before: &'a str, after: &'a str, room: usize) -> (&'a str, &'a str) {
    let mut start = before.len();
    let mut width = 0;
    // One column stays for the cursor.
    for (at, character) in before.char_indices().rev() {
        width += character.width().unwrap_or(0);
        if width >= room {
            break;
        }
        start = at;
    }
    let shown = before.get(start..).unwrap_or_default();
    let mut left = room.saturating_sub(shown.width());
    let fits = |character: &char| {
        let width = character.width().unwrap_or(0);
        let fits = width <= left;
        left = left.saturating_sub(width);
        fits
    };
    let end: usize = after.chars().take_while(fits).map(char::len_utf8).sum();
    (shown, after.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests;
