//! How providers cut a byte stream into frames: server-sent events, or one object a line. Pure and bounded.

mod json_lines;
mod lines;
mod sse;
mod surrogates;

pub use json_lines::LineDecoder;
pub use sse::SseDecoder;
pub(crate) use surrogates::repaired;

use bytes::Bytes;

/// How the body of a stream is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// `text/event-stream`.
    ServerSentEvents,
    /// `application/x-ndjson`.
    JsonLines,
}

impl Framing {
    /// The `Accept` header of a call whose answer is cut so; a whole answer is JSON.
    pub fn accepts(self) -> &'static str {
        match self {
            Self::ServerSentEvents => "text/event-stream, application/json",
            Self::JsonLines => "application/x-ndjson, application/json",
        }
    }
}

impl Framing {
    /// Whether a body of this framing can begin so: with a field's name, a comment, a byte order mark; or with an object.
    pub(crate) fn may_begin_with(self, byte: u8) -> bool {
        match self {
            Self::ServerSentEvents => matches!(byte, b'd' | b'e' | b'i' | b'r' | b':' | 0xEF),
            Self::JsonLines => byte == b'{',
        }
    }
}

/// One frame with data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The `event` field of a server-sent event, empty where there was none.
    pub event: &'a [u8],
    /// The `data` lines of an event, joined by LF, or the line; never empty.
    pub data: &'a [u8],
}

/// A frame grew past the decoder's bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame is longer than {limit} bytes")]
pub struct FrameTooLong {
    /// The bound, in bytes.
    pub limit: usize,
}

/// The decoder of either framing.
#[derive(Debug)]
pub(crate) enum FrameDecoder {
    ServerSentEvents(SseDecoder),
    JsonLines(LineDecoder),
}

impl FrameDecoder {
    pub(crate) fn new(framing: Framing) -> Self {
        match framing {
            Framing::ServerSentEvents => Self::ServerSentEvents(SseDecoder::default()),
            Framing::JsonLines => Self::JsonLines(LineDecoder::default()),
        }
    }

    pub(crate) fn feed(&mut self, bytes: Bytes) {
        match self {
            Self::ServerSentEvents(decoder) => decoder.feed(bytes),
            Self::JsonLines(decoder) => decoder.feed(bytes),
        }
    }

    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FrameTooLong> {
        match self {
            Self::ServerSentEvents(decoder) => decoder.next_frame(),
            Self::JsonLines(decoder) => decoder.next_frame(),
        }
    }

    pub(crate) fn finish(&mut self) -> Result<Option<Frame<'_>>, FrameTooLong> {
        match self {
            Self::ServerSentEvents(decoder) => decoder.finish(),
            Self::JsonLines(decoder) => Ok(decoder.finish()),
        }
    }

    /// Bytes that are held between two pieces.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        match self {
            Self::ServerSentEvents(decoder) => decoder.held(),
            Self::JsonLines(decoder) => decoder.held(),
        }
    }
}

#[cfg(test)]
mod tests;
