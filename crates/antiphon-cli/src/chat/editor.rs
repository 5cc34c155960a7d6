//! The line that a person types: from keys to a line, and nothing of how it looks.

use super::console::Input;
use antiphon_core::limits::{CHAT_HISTORY, MAX_CONTENT_BYTES};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// A line under work, and the ones before.
#[derive(Debug, Default)]
pub(super) struct Editor {
    text: String,
    /// A byte offset at a character's start.
    cursor: usize,
    history: Vec<String>,
    /// Which line of the history is shown; none = a new one.
    recalled: Option<usize>,
}

impl Editor {
    /// The text and where the cursor stands in it.
    pub(super) fn line(&self) -> (&str, &str) {
        self.text.split_at_checked(self.cursor).unwrap_or((&self.text, ""))
    }

    /// Takes what the terminal tells; gives what it means beyond a change of the line.
    pub(super) fn take(&mut self, event: Event) -> Option<Input> {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(key),
            Event::Paste(text) => {
                // A pasted paragraph is one message.
                self.insert(&text.replace(['\r', '\n'], " "));
                None
            }
            _ => None,
        }
    }

    fn key(&mut self, key: KeyEvent) -> Option<Input> {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return self.control(key.code);
        }
        match key.code {
            KeyCode::Enter => return Some(Input::Line(self.submit())),
            KeyCode::Esc => return Some(Input::Interrupt),
            KeyCode::Char(character) => self.insert(character.encode_utf8(&mut [0; 4])),
            KeyCode::Backspace => self.remove_from(self.before()),
            KeyCode::Delete => self.delete(),
            KeyCode::Left => self.cursor = self.before(),
            KeyCode::Right => self.cursor = self.after(),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            KeyCode::Up => self.recall(true),
            KeyCode::Down => self.recall(false),
            _ => {}
        }
        None
    }

    fn control(&mut self, code: KeyCode) -> Option<Input> {
        match code {
            KeyCode::Char('c') => return Some(Input::End),
            KeyCode::Char('d') if self.text.is_empty() => return Some(Input::End),
            KeyCode::Char('x') => return Some(Input::Interrupt),
            KeyCode::Char('d') => self.delete(),
            KeyCode::Char('h') => self.remove_from(self.before()),
            KeyCode::Char('a') => self.cursor = 0,
            KeyCode::Char('e') => self.cursor = self.text.len(),
            KeyCode::Char('u') => self.remove_from(0),
            KeyCode::Char('k') => self.text.truncate(self.cursor),
            KeyCode::Char('w') => {
                let before = self.line().0.trim_end();
                let start = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
                self.remove_from(start);
            }
            _ => {}
        }
        None
    }

    fn submit(&mut self) -> String {
        let line = std::mem::take(&mut self.text);
        self.cursor = 0;
        self.recalled = None;
        if !line.trim().is_empty() && self.history.last() != Some(&line) {
            if self.history.len() >= CHAT_HISTORY {
                self.history.remove(0);
            }
            self.history.push(line.clone());
        }
        line
    }

    fn insert(&mut self, text: &str) {
        let clean: String = text.chars().filter(|character| !character.is_control()).collect();
        if self.text.len() + clean.len() <= MAX_CONTENT_BYTES {
            self.text.insert_str(self.cursor, &clean);
            self.cursor += clean.len();
        }
    }

    fn before(&self) -> usize {
        self.line().0.char_indices().next_back().map_or(0, |(at, _)| at)
    }

    fn after(&self) -> usize {
        self.cursor + self.line().1.chars().next().map_or(0, char::len_utf8)
    }

    /// Removes from a character's start before the cursor to the cursor.
    fn remove_from(&mut self, start: usize) {
        self.text.replace_range(start..self.cursor, "");
        self.cursor = start;
    }

    fn delete(&mut self) {
        self.text.replace_range(self.cursor..self.after(), "");
    }

    fn recall(&mut self, is_up: bool) {
        let count = self.history.len();
        let next = match (self.recalled, is_up) {
            (None, true) => count.checked_sub(1),
            (None, false) => return,
            (Some(at), true) => Some(at.saturating_sub(1)),
            (Some(at), false) => Some(at + 1).filter(|next| *next < count),
        };
        self.recalled = next;
        self.text = next.and_then(|at| self.history.get(at)).cloned().unwrap_or_default();
        self.cursor = self.text.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(editor: &mut Editor, code: KeyCode) -> Option<Input> {
        editor.take(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
    }

    fn control(editor: &mut Editor, letter: char) -> Option<Input> {
        editor.take(Event::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)))
    }

    fn type_in(editor: &mut Editor, text: &str) {
        for character in text.chars() {
            assert_eq!(press(editor, KeyCode::Char(character)), None);
        }
    }

    #[test]
    fn a_line_is_edited_by_characters_not_bytes() {
        let mut editor = Editor::default();
        type_in(&mut editor, "aü😀b");
        press(&mut editor, KeyCode::Left);
        press(&mut editor, KeyCode::Backspace);
        type_in(&mut editor, "x");
        press(&mut editor, KeyCode::Home);
        press(&mut editor, KeyCode::Delete);
        assert_eq!(editor.line(), ("", "üxb"));
        press(&mut editor, KeyCode::End);
        press(&mut editor, KeyCode::Right);
        assert_eq!(press(&mut editor, KeyCode::Enter), Some(Input::Line("üxb".to_owned())));
        assert_eq!(editor.line(), ("", ""));
    }

    #[test]
    fn keys_that_mean_something_else() {
        let mut editor = Editor::default();
        assert_eq!(press(&mut editor, KeyCode::Esc), Some(Input::Interrupt));
        assert_eq!(control(&mut editor, 'x'), Some(Input::Interrupt));
        assert_eq!(control(&mut editor, 'd'), Some(Input::End));
        type_in(&mut editor, "two words");
        assert_eq!(control(&mut editor, 'd'), None);
        control(&mut editor, 'w');
        assert_eq!(editor.line(), ("two ", ""));
        control(&mut editor, 'u');
        assert_eq!(editor.line(), ("", ""));
        assert_eq!(control(&mut editor, 'c'), Some(Input::End));
    }

    #[test]
    fn a_paste_is_one_line_without_control_characters() {
        let mut editor = Editor::default();
        assert_eq!(editor.take(Event::Paste("a\r\nb\u{1b}[2J".to_owned())), None);
        assert_eq!(editor.line().0, "a  b[2J");
    }

    #[test]
    fn earlier_lines_come_back() {
        let mut editor = Editor::default();
        for line in ["one", "two"] {
            type_in(&mut editor, line);
            press(&mut editor, KeyCode::Enter);
        }
        for (code, expected) in [
            (KeyCode::Up, "two"),
            (KeyCode::Up, "one"),
            (KeyCode::Up, "one"),
            (KeyCode::Down, "two"),
            (KeyCode::Down, ""),
        ] {
            press(&mut editor, code);
            assert_eq!(editor.line().0, expected);
        }
    }
}
