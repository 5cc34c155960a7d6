//! A terminal that is read key by key and given back as it was.

use super::console::Input;
use super::editor::Editor;
use super::fold::Shown;
use super::screen::Screen;
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste, Event, EventStream};
use crossterm::terminal::{disable_raw_mode, enable_raw_mode, size};
use futures::StreamExt;
use std::io::{self, Write};

/// The terminal while a conversation has it.
pub(super) struct Terminal {
    keys: EventStream,
    editor: Editor,
    screen: Screen,
}

impl Terminal {
    pub(super) fn open() -> io::Result<Self> {
        let (columns, _) = size()?;
        enable_raw_mode()?;
        let mut terminal = Self { keys: EventStream::new(), editor: Editor::default(), screen: Screen::new(columns) };
        crossterm::execute!(io::stdout(), EnableBracketedPaste)?;
        terminal.update(|_| {})?;
        Ok(terminal)
    }

    /// What the person does next, beyond editing the line.
    pub(super) async fn next(&mut self) -> io::Result<Input> {
        loop {
            let Some(event) = self.keys.next().await.transpose()? else { return Ok(Input::End) };
            if let Event::Resize(columns, _) = event {
                // What the terminal has made of the lines above is not known: go on beneath them.
                self.update(Screen::end_line)?;
                self.screen.resize(columns);
                continue;
            }
            let input = self.editor.take(event);
            self.update(|_| {})?;
            if let Some(input) = input {
                return Ok(input);
            }
        }
    }

    pub(super) fn said(&mut self, line: &str) -> io::Result<()> {
        self.update(|screen| screen.said(line))
    }

    pub(super) fn show(&mut self, shown: &Shown) -> io::Result<()> {
        self.update(|screen| match shown {
            Shown::Person(text) => screen.said(text),
            Shown::AnswerBegins => screen.end_line(),
            Shown::Spoken(text) => screen.speak(text),
            Shown::Cue { value, is_known } => screen.cue(value, *is_known),
            Shown::StartsAgain(reason) => screen.note(&format!("starting again: {reason}")),
            Shown::AnswerEnds { outcome, reason } => {
                screen.end_line();
                if let Some(note) = outcome_note(outcome, reason.as_deref()) {
                    screen.note(&note);
                }
            }
            Shown::Notice(text) => screen.note(text),
            Shown::Incomplete | Shown::RoomDeleted => {}
        })
    }

    fn update(&mut self, draw: impl FnOnce(&mut Screen)) -> io::Result<()> {
        self.screen.begin();
        draw(&mut self.screen);
        let (before, after) = self.editor.line();
        self.screen.end(before, after);
        let mut output = io::stdout();
        output.write_all(self.screen.take().as_bytes())?;
        output.flush()
    }
}

fn outcome_note(outcome: &str, reason: Option<&str>) -> Option<String> {
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    match outcome {
        "completed" => None,
        "failed" | "truncated" => Some(format!("{outcome}{reason}; /retry asks again")),
        _ => Some(format!("{outcome}{reason}")),
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The line under work goes; a terminal that is gone itself cannot be mended.
        self.screen.begin();
        self.screen.end_line();
        let mut output = io::stdout();
        let _ = output.write_all(self.screen.take().as_bytes());
        let _ = crossterm::execute!(output, DisableBracketedPaste);
        let _ = disable_raw_mode();
    }
}
