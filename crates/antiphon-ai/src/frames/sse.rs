//! Server-sent events as providers send them, after the WHATWG HTML standard, section "Server-sent events".

use super::lines::Lines;
use super::{Frame, FrameTooLong};
use antiphon_core::limits;
use bytes::Bytes;

/// Decodes an event stream that arrives in any pieces: CRLF, UTF-8 and the byte order mark may be split anywhere.
///
/// One frame, its field names and line ends included where they are on one line, takes at most the limit.
#[derive(Debug)]
pub struct SseDecoder {
    lines: Lines,
    event: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    /// The frame in `event` and `data` was handed out and is to be cleared.
    handed_out: bool,
    first_line: bool,
    limit: usize,
}

impl Default for SseDecoder {
    fn default() -> Self {
        Self::with_limit(limits::MAX_PROVIDER_FRAME)
    }
}

impl SseDecoder {
    /// A decoder of frames up to `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            lines: Lines::new(limit),
            event: Vec::new(),
            data: Vec::new(),
            has_data: false,
            handed_out: false,
            first_line: true,
            limit,
        }
    }

    /// Takes the next piece of the body. Call it only when [`Self::next_frame`] has no more.
    pub fn feed(&mut self, bytes: Bytes) {
        self.lines.feed(bytes);
    }

    /// The next frame whose end has arrived.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FrameTooLong> {
        self.clear_handed_out();
        while let Some(line) = self.lines.next()? {
            if self.take_line(&line)? {
                return Ok(Some(self.hand_out()));
            }
        }
        Ok(None)
    }

    /// The last frame of an ended body, where its blank line is missing. The standard drops such a frame; here the
    /// reader is given it and finds by parsing it whether it is whole, since some servers omit the last line end.
    pub fn finish(&mut self) -> Result<Option<Frame<'_>>, FrameTooLong> {
        self.clear_handed_out();
        if let Some(line) = self.lines.finish() {
            self.take_line(&line)?;
        }
        Ok(if self.data.is_empty() { None } else { Some(self.hand_out()) })
    }

    /// Bytes that are held for a frame that is not whole.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.lines.held() + self.event.len() + self.data.len()
    }

    /// Takes a line in; true if it ended a frame that has data.
    fn take_line(&mut self, line: &[u8]) -> Result<bool, FrameTooLong> {
        let line = if std::mem::take(&mut self.first_line) {
            line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line)
        } else {
            line
        };
        if line.is_empty() {
            if self.data.is_empty() {
                self.clear();
                return Ok(false);
            }
            return Ok(true);
        }
        let (field, value) = match memchr::memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &line[line.len()..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => self.add_data(value)?,
            b"event" => {
                self.event.clear();
                self.event.extend_from_slice(value);
            }
            _ => {}
        }
        Ok(false)
    }

    fn add_data(&mut self, value: &[u8]) -> Result<(), FrameTooLong> {
        if self.data.len() + value.len() + usize::from(self.has_data) > self.limit {
            return Err(FrameTooLong { limit: self.limit });
        }
        if self.has_data {
            self.data.push(b'\n');
        }
        self.has_data = true;
        self.data.extend_from_slice(value);
        Ok(())
    }

    fn hand_out(&mut self) -> Frame<'_> {
        self.handed_out = true;
        Frame { event: &self.event, data: &self.data }
    }

    fn clear_handed_out(&mut self) {
        if std::mem::take(&mut self.handed_out) {
            self.clear();
        }
    }

    fn clear(&mut self) {
        self.event.clear();
        self.data.clear();
        self.has_data = false;
    }
}
