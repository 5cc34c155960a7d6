//! The sequences are played on a small terminal, and what it shows is compared.

use super::*;

/// As much of a terminal as the screen uses.
struct Terminal {
    rows: Vec<Vec<char>>,
    row: usize,
    column: usize,
    columns: usize,
}

impl Terminal {
    fn new(columns: usize) -> Self {
        Self { rows: vec![Vec::new()], row: 0, column: 0, columns }
    }

    fn play(&mut self, text: &str) {
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '\r' => self.column = 0,
                '\n' => {
                    self.row += 1;
                    if self.row == self.rows.len() {
                        self.rows.push(Vec::new());
                    }
                }
                '\u{1b}' => {
                    assert_eq!(characters.next(), Some('['));
                    let sequence: String = characters.by_ref().take_while(|c| !c.is_ascii_alphabetic()).collect();
                    // `take_while` has eaten the letter; find it again.
                    let at = text.len() - characters.as_str().len() - 1;
                    self.control(sequence.parse().unwrap_or(1), text.as_bytes()[at]);
                }
                character => {
                    assert!(self.column < self.columns, "the terminal would have broken the line");
                    let row = &mut self.rows[self.row];
                    while row.len() <= self.column {
                        row.push(' ');
                    }
                    row[self.column] = character;
                    self.column += 1;
                }
            }
        }
    }

    fn control(&mut self, count: usize, letter: u8) {
        match letter {
            b'A' => self.row -= count,
            b'C' => self.column += count,
            b'D' => self.column -= count,
            b'J' => {
                self.rows.truncate(self.row + 1);
                self.rows[self.row].truncate(self.column);
            }
            b'K' => self.rows[self.row].truncate(self.column),
            b'm' => {}
            other => panic!("unknown sequence {}", char::from(other)),
        }
    }

    fn text(&self) -> Vec<String> {
        self.rows.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned()).collect()
    }
}

#[test]
fn text_that_comes_in_pieces_stays_above_the_line_under_work() {
    let mut terminal = Terminal::new(20);
    let mut screen = Screen::new(20);
    screen.end("", "");
    for piece in ["Hel", "lo, ", "wor", "ld! This is lo", "nger.\n", "\nEnd"] {
        screen.begin();
        screen.speak(piece);
        screen.end("ty", "ped");
        terminal.play(&screen.take());
        assert_eq!(terminal.text().last().unwrap(), "› typed");
        assert_eq!(terminal.column, 4);
    }
    assert_eq!(terminal.text(), ["Hello, world! This", "is longer.", "", "End", "› typed"]);
    screen.begin();
    screen.cue("wave", true);
    screen.note("2 ahead");
    screen.said("hi");
    screen.end("", "");
    terminal.play(&screen.take());
    assert_eq!(terminal.text()[3..], ["End‹wave›", "· 2 ahead", "› hi", "›"]);
}

#[test]
fn a_word_that_a_notice_cuts_goes_on_beneath_it() {
    let mut terminal = Terminal::new(30);
    let mut screen = Screen::new(30);
    screen.speak("Know about Antipho");
    screen.note("1 ahead");
    screen.speak("n and");
    screen.end("", "");
    screen.begin();
    screen.speak(" ");
    screen.said("hi");
    screen.speak(" more\n  indented");
    screen.end("", "");
    terminal.play(&screen.take());
    let expected = ["Know about", "· 1 ahead", "Antiphon and", "› hi", "more", "  indented", "›"];
    assert_eq!(terminal.text(), expected);
}

#[test]
fn a_long_word_is_broken_and_a_long_line_scrolls() {
    let mut terminal = Terminal::new(11);
    let mut screen = Screen::new(11);
    screen.speak("abcdefghijklmno pq");
    screen.end("0123456789", "abc");
    terminal.play(&screen.take());
    assert_eq!(terminal.text(), ["abcdefghij", "klmno pq", "› 3456789a"]);
    assert_eq!(terminal.column, 9);
}

#[test]
fn nothing_that_is_spoken_moves_the_cursor() {
    let mut screen = Screen::new(40);
    screen.speak("a\u{1b}[2Jb\r");
    screen.cue("x\u{7}y\nz", false);
    assert_eq!(screen.take(), format!("a[2Jb{DIMMER}‹?xy z›{PLAIN}"));
}
