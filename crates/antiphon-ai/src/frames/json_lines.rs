//! Streams of one JSON object a line (NDJSON), as Ollama sends them.

use super::lines::{Line, Lines};
use super::{Frame, FrameTooLong};
use antiphon_core::limits;
use bytes::Bytes;

/// Decodes lines that arrive in any pieces. Empty lines are left out. A line takes at most the limit.
#[derive(Debug)]
pub struct LineDecoder {
    lines: Lines,
    /// The line that was handed out last.
    line: Option<Line>,
}

impl Default for LineDecoder {
    fn default() -> Self {
        Self::with_limit(limits::MAX_PROVIDER_FRAME)
    }
}

impl LineDecoder {
    /// A decoder of lines up to `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self { lines: Lines::new(limit), line: None }
    }

    /// Takes the next piece of the body. Call it only when [`Self::next_frame`] has no more.
    pub fn feed(&mut self, bytes: Bytes) {
        self.lines.feed(bytes);
    }

    /// The next line whose end has arrived.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FrameTooLong> {
        while let Some(line) = self.lines.next()? {
            if !line.trim_ascii().is_empty() {
                return Ok(Some(Frame { event: b"", data: self.line.insert(line) }));
            }
        }
        Ok(None)
    }

    /// What is left of an ended body: a last line without its end. Whether it is whole is found by parsing it.
    pub fn finish(&mut self) -> Option<Frame<'_>> {
        let line = self.lines.finish().filter(|line| !line.trim_ascii().is_empty())?;
        Some(Frame { event: b"", data: self.line.insert(line) })
    }

    /// Bytes that are held: of a line that is not whole, and of the one that was handed out last.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.lines.held() + self.line.as_deref().map_or(0, <[u8]>::len)
    }
}
