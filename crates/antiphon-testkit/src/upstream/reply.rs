//! Replies, step by step.

use super::Request;
use serde_json::{Value, json};
use std::time::Duration;

/// How the reader of a body finds its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// `Transfer-Encoding: chunked`; each write is a chunk, and the connection stays open after the last.
    Chunked,
    /// `Content-Length`; the bytes of all steps must come to just that.
    Length(usize),
    /// The connection is closed at its end: any cut looks like a whole body.
    UntilClose,
}

/// One thing that the upstream does.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sends a status line and headers.
    Headers {
        /// Such as 200.
        status: u16,
        /// Names and values, besides those of the framing.
        headers: Vec<(String, String)>,
        /// How the body ends.
        framing: Framing,
    },
    /// Sends a part of the body, in one write.
    Bytes(Vec<u8>),
    /// Sends `data: JSON` and a blank line.
    SseData(Value),
    /// Sends a part of the body byte by byte, each in a write of its own.
    ByteByByte(Vec<u8>, Duration),
    /// Sends numbered texts at an even pace, each in a frame and stamped.
    Paced {
        /// How many.
        tokens: usize,
        /// At what rate; the n-th is due n / rate after the first.
        per_second: f64,
        /// A provider's frame with a text.
        frame: fn(&str) -> Vec<u8>,
    },
    /// Waits.
    Sleep(Duration),
    /// Waits for [`super::Upstream::release`].
    Stall,
    /// Ends the connection (FIN) without ending the body.
    Cut,
    /// Breaks the connection (RST).
    Reset,
    /// Ends the body. Any reply whose steps run out ends so.
    Done,
}

/// What is sent for one request. Parts of the body before any headers send those of an event stream first.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    pub(super) steps: Vec<Step>,
}

impl Reply {
    /// Of these steps.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect() }
    }

    /// An event stream, so far empty.
    pub fn stream() -> Self {
        Self::stream_with(Framing::Chunked)
    }

    /// An event stream with another framing than chunks.
    pub fn stream_with(framing: Framing) -> Self {
        let headers = vec![("content-type".to_owned(), "text/event-stream; charset=utf-8".to_owned())];
        Self::new([Step::Headers { status: 200, headers, framing }])
    }

    /// A whole JSON body.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::json_with(status, &[], body)
    }

    /// A whole JSON body with headers such as `Retry-After`.
    pub fn json_with(status: u16, headers: &[(&str, &str)], body: &Value) -> Self {
        let body = body.to_string().into_bytes();
        let more = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let headers = std::iter::once(("content-type".to_owned(), "application/json".to_owned())).chain(more).collect();
        Self::new([Step::Headers { status, headers, framing: Framing::Length(body.len()) }, Step::Bytes(body)])
    }

    /// An error as OpenAI words it.
    pub fn error(status: u16, message: &str) -> Self {
        Self::json(status, &json!({"error": {"message": message, "type": "error", "param": null, "code": null}}))
    }

    /// Says nothing at all, not even headers, until released; then hangs up.
    pub fn silence() -> Self {
        Self::new([Step::Stall, Step::Cut])
    }

    /// Hangs up before any headers.
    pub fn hang_up() -> Self {
        Self::new([Step::Cut])
    }

    /// "You said: " and the request's last message, word by word or whole, as the request asks.
    pub fn echo(request: &Request) -> Self {
        let text = format!("You said: {}", request.messages().pop().unwrap_or_default().1);
        if request.wants_stream() { Self::openai_chat(text.split_inclusive(' ')) } else { Self::openai_whole(&text) }
    }

    /// And then this step.
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// And then a frame of this JSON.
    pub fn data(self, json: Value) -> Self {
        self.step(Step::SseData(json))
    }

    /// And then these bytes in one write.
    pub fn bytes(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.step(Step::Bytes(bytes.into()))
    }

    /// And then these bytes one by one, so far apart.
    pub fn byte_by_byte(self, bytes: impl Into<Vec<u8>>, delay: Duration) -> Self {
        self.step(Step::ByteByByte(bytes.into(), delay))
    }

    /// And then a wait.
    pub fn sleep(self, duration: Duration) -> Self {
        self.step(Step::Sleep(duration))
    }

    /// And then nothing until released.
    pub fn stall(self) -> Self {
        self.step(Step::Stall)
    }

    /// And then the connection's end, without the body's.
    pub fn cut(self) -> Self {
        self.step(Step::Cut)
    }

    /// And then the connection's breach.
    pub fn reset(self) -> Self {
        self.step(Step::Reset)
    }
}
