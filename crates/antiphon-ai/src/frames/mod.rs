//! How providers cut a byte stream into frames: lines, and the server-sent events made of them. Pure and bounded.

mod lines;
mod sse;

pub use sse::{SseDecoder, SseFrame};

/// A frame grew past the decoder's bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame is longer than {limit} bytes")]
pub struct FrameTooLong {
    /// The bound, in bytes.
    pub limit: usize,
}

#[cfg(test)]
mod tests;
