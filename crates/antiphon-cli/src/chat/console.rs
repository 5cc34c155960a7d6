//! Where a person types and reads: a terminal, or lines and pipes where there is none.

use super::fold::Shown;
use super::terminal::Terminal;
use crate::failure::Failure;
use crate::input_lines::{InputLine, standard_input};
use crate::printable::printable;
use antiphon_core::limits::{CHAT_PENDING, MAX_CONTENT_BYTES};
use std::io::{IsTerminal, Write};
use tokio::sync::mpsc;

/// What a person does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// A whole line.
    Line(String),
    /// The key for it.
    Interrupt,
    /// No more will come.
    End,
}

/// One of the two.
pub(super) enum Console {
    Terminal(Box<Terminal>),
    Plain(Plain),
}

impl Console {
    /// Takes the terminal over; it is given back when the console is dropped.
    pub(super) fn terminal() -> Result<Self, Failure> {
        let terminal = Terminal::open();
        terminal.map(|terminal| Self::Terminal(Box::new(terminal))).map_err(|error| Failure::from_output(&error))
    }

    pub(super) fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }

    /// What the person does next. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Input, Failure> {
        match self {
            Self::Terminal(terminal) => terminal.next().await.map_err(|error| Failure::from_output(&error)),
            Self::Plain(plain) => Ok(plain.next().await),
        }
    }

    /// Shows what happened.
    pub(super) fn show(&mut self, shown: &Shown) -> Result<(), Failure> {
        let result = match self {
            Self::Terminal(terminal) => terminal.show(shown),
            Self::Plain(plain) => plain.show(shown),
        };
        result.map_err(|error| Failure::from_output(&error))
    }

    /// Shows something to know.
    pub(super) fn notice(&mut self, text: &str) -> Result<(), Failure> {
        self.show(&Shown::Notice(text.to_owned()))
    }

    /// Shows what the person has sent.
    pub(super) fn said(&mut self, line: &str) -> Result<(), Failure> {
        match self {
            Self::Terminal(terminal) => terminal.said(line).map_err(|error| Failure::from_output(&error)),
            // Whoever wrote the input knows it.
            Self::Plain(_) => Ok(()),
        }
    }
}

/// Lines in, answers out, notices on a way of their own.
pub(super) struct Plain {
    lines: mpsc::Receiver<InputLine>,
    output: Box<dyn Write + Send>,
    notices: Box<dyn Write + Send>,
    for_terminal: bool,
    is_mid_line: bool,
}

impl Plain {
    /// Over standard input, output and error.
    pub(super) fn standard() -> Self {
        let lines = standard_input(MAX_CONTENT_BYTES, CHAT_PENDING);
        let for_terminal = std::io::stdout().is_terminal();
        Self { for_terminal, ..Self::new(lines, Box::new(std::io::stdout()), Box::new(std::io::stderr())) }
    }

    /// Over anything.
    pub(super) fn new(
        lines: mpsc::Receiver<InputLine>,
        output: Box<dyn Write + Send>,
        notices: Box<dyn Write + Send>,
    ) -> Self {
        Self { lines, output, notices, for_terminal: false, is_mid_line: false }
    }

    async fn next(&mut self) -> Input {
        loop {
            match self.lines.recv().await {
                None => return Input::End,
                Some(InputLine { text: Ok(line), .. }) => return Input::Line(line),
                Some(InputLine { number, text: Err(reason) }) => {
                    // Without standard error nothing is left to say it on.
                    let _ = writeln!(self.notices, "antiphon: line {number} was not sent: {reason}");
                }
            }
        }
    }

    fn show(&mut self, shown: &Shown) -> std::io::Result<()> {
        match shown {
            Shown::Spoken(text) => self.write(text),
            Shown::Cue { value, is_known: true } => self.write(&format!("‹{value}›")),
            Shown::Cue { value, is_known: false } => self.write(&format!("‹?{value}›")),
            Shown::StartsAgain(reason) => {
                self.end_line()?;
                self.note(&format!("starting again: {reason}"))
            }
            Shown::AnswerEnds { outcome, reason } => {
                self.end_line()?;
                if outcome == "completed" {
                    return Ok(());
                }
                let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                self.note(&format!("{outcome}{reason}"))
            }
            Shown::Notice(text) => self.note(text),
            Shown::Person(text) => self.note(&format!("you: {text}")),
            Shown::AnswerBegins | Shown::Incomplete | Shown::RoomDeleted => Ok(()),
        }
    }

    fn write(&mut self, text: &str) -> std::io::Result<()> {
        let text = if self.for_terminal { printable(text) } else { text.into() };
        self.is_mid_line = !text.ends_with('\n');
        self.output.write_all(text.as_bytes())?;
        self.output.flush()
    }

    fn end_line(&mut self) -> std::io::Result<()> {
        if std::mem::take(&mut self.is_mid_line) { self.output.write_all(b"\n") } else { Ok(()) }?;
        self.output.flush()
    }

    fn note(&mut self, text: &str) -> std::io::Result<()> {
        writeln!(self.notices, "· {}", printable(text))
    }
}
