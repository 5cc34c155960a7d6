//! Standard input, line by line, read ahead by a thread of its own: a read that nobody ends must not hold up the exit.

use std::io::{BufRead, Read};
use tokio::sync::mpsc;

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InputLine {
    /// From 1.
    pub(crate) number: u64,
    /// The line without its end, or why it cannot be used.
    pub(crate) text: Result<String, String>,
}

/// Reads standard input; the channel ends with it.
pub(crate) fn standard_input(max_bytes: usize, read_ahead: usize) -> mpsc::Receiver<InputLine> {
    let (sender, receiver) = mpsc::channel(read_ahead);
    std::thread::spawn(move || pump(std::io::stdin().lock(), max_bytes, &sender));
    receiver
}

fn pump(mut input: impl BufRead, max_bytes: usize, sender: &mpsc::Sender<InputLine>) {
    for number in 1.. {
        let Some(text) = next_line(&mut input, max_bytes) else { return };
        if sender.blocking_send(InputLine { number, text }).is_err() {
            return;
        }
    }
}

/// None at the end of the input.
fn next_line(input: &mut impl BufRead, max_bytes: usize) -> Option<Result<String, String>> {
    let mut bytes = Vec::new();
    let allowed = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(2);
    match input.by_ref().take(allowed).read_until(b'\n', &mut bytes) {
        Ok(0) => return None,
        Ok(_) => {}
        Err(error) => {
            eprintln!("antiphon: standard input cannot be read: {error}");
            return None;
        }
    }
    let is_ended = bytes.last() == Some(&b'\n');
    if is_ended {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if bytes.len() > max_bytes {
        if !is_ended && skip_line(input).is_err() {
            return None;
        }
        return Some(Err(format!("longer than {max_bytes} bytes")));
    }
    Some(String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned()))
}

fn skip_line(input: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |at| at + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_numbered() {
        let (sender, mut receiver) = mpsc::channel(10);
        pump(&b"one\r\n\nmuch too long\n\xff\nlast"[..], 4, &sender);
        drop(sender);
        let mut lines = Vec::new();
        while let Ok(line) = receiver.try_recv() {
            lines.push((line.number, line.text.map_err(|_| ())));
        }
        let good = |text: &str| Ok(text.to_owned());
        assert_eq!(lines, [(1, good("one")), (2, good("")), (3, Err(())), (4, Err(())), (5, good("last"))]);
    }
}
