//! Cuts bytes that arrive in any pieces into lines ended by LF, CR or CRLF.

use super::FrameTooLong;
use bytes::Bytes;

/// The lines of a byte stream. Holds at most one unfinished line and the piece that was fed last.
#[derive(Debug)]
pub(super) struct Lines {
    input: Bytes,
    /// The beginning of a line whose end was not in the earlier pieces.
    partial: Vec<u8>,
    /// A line ended with CR: an LF that follows belongs to it, even in the next piece.
    after_cr: bool,
    limit: usize,
}

/// A whole line, without its end: in the piece that was fed, or put together from several.
#[derive(Debug)]
pub(super) enum Line {
    Whole(Bytes),
    Joined(Vec<u8>),
}

impl std::ops::Deref for Line {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Line::Whole(bytes) => bytes,
            Line::Joined(bytes) => bytes,
        }
    }
}

impl Lines {
    pub(super) fn new(limit: usize) -> Self {
        Self { input: Bytes::new(), partial: Vec::new(), after_cr: false, limit }
    }

    /// Takes the next piece. The lines of the last one must have been taken out.
    pub(super) fn feed(&mut self, bytes: Bytes) {
        debug_assert!(self.input.is_empty());
        self.input = bytes;
    }

    /// The next whole line, if its end has arrived.
    pub(super) fn next(&mut self) -> Result<Option<Line>, FrameTooLong> {
        if self.after_cr && !self.input.is_empty() {
            self.after_cr = false;
            if self.input.starts_with(b"\n") {
                self.input = self.input.slice(1..);
            }
        }
        let end = memchr::memchr2(b'\n', b'\r', &self.input);
        if self.partial.len() + end.unwrap_or(self.input.len()) > self.limit {
            return Err(FrameTooLong { limit: self.limit });
        }
        let Some(end) = end else {
            self.partial.extend_from_slice(&self.input);
            self.input = Bytes::new();
            return Ok(None);
        };
        let mut line = self.input.split_to(end + 1);
        self.after_cr = line.ends_with(b"\r");
        line.truncate(end);
        if self.partial.is_empty() {
            return Ok(Some(Line::Whole(line)));
        }
        self.partial.extend_from_slice(&line);
        Ok(Some(Line::Joined(std::mem::take(&mut self.partial))))
    }

    /// Bytes of an unfinished line that are held.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.partial.len()
    }

    /// What is left when the stream has ended: a last line without its end.
    pub(super) fn finish(&mut self) -> Option<Line> {
        let rest = std::mem::take(&mut self.partial);
        (!rest.is_empty()).then_some(Line::Joined(rest))
    }
}
