//! The one table of error codes: what a client reads, its HTTP status and whether trying again can help.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A code of the table. Its wire form is the snake case name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The body or message is not JSON.
    InvalidJson,
    /// The position does not have a position's form.
    PositionInvalid,
    /// No identity, or one that does not hold.
    Unauthorized,
    /// Known, but not allowed to do this.
    Forbidden,
    /// No such room, or another user's.
    RoomNotFound,
    /// No agent of that id is configured.
    AgentNotFound,
    /// No such stream, or another user's.
    StreamNotFound,
    /// A namespace that nobody declared, where that is required.
    ChannelNotFound,
    /// No such path.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The request contradicts the present state.
    Conflict,
    /// The position belongs to another channel, or to a log that this one replaced.
    PositionForeign,
    /// The position lies after everything the log has.
    PositionFuture,
    /// The event after the position was kept once and is gone.
    PositionExpired,
    /// The body, message or frame is larger than allowed.
    PayloadTooLarge,
    /// Well-formed JSON that asks for something impossible.
    InvalidRequest,
    /// Too much in too little time, or too many at once.
    RateLimited,
    /// The room's queue is full.
    QueueFull,
    /// Something this needs is away; it may be tried again.
    Unavailable,
    /// A fault of the server's own; its details are in the server's log only.
    Internal,
}

impl Code {
    /// Every code, for documents and tests.
    pub const ALL: [Code; 20] = [
        Code::InvalidJson,
        Code::PositionInvalid,
        Code::Unauthorized,
        Code::Forbidden,
        Code::RoomNotFound,
        Code::AgentNotFound,
        Code::StreamNotFound,
        Code::ChannelNotFound,
        Code::NotFound,
        Code::MethodNotAllowed,
        Code::Conflict,
        Code::PositionForeign,
        Code::PositionFuture,
        Code::PositionExpired,
        Code::PayloadTooLarge,
        Code::InvalidRequest,
        Code::RateLimited,
        Code::QueueFull,
        Code::Unavailable,
        Code::Internal,
    ];

    /// The code's wire form and its HTTP status.
    pub const fn row(self) -> (&'static str, u16) {
        match self {
            Code::InvalidJson => ("invalid_json", 400),
            Code::PositionInvalid => ("position_invalid", 400),
            Code::Unauthorized => ("unauthorized", 401),
            Code::Forbidden => ("forbidden", 403),
            Code::RoomNotFound => ("room_not_found", 404),
            Code::AgentNotFound => ("agent_not_found", 404),
            Code::StreamNotFound => ("stream_not_found", 404),
            Code::ChannelNotFound => ("channel_not_found", 404),
            Code::NotFound => ("not_found", 404),
            Code::MethodNotAllowed => ("method_not_allowed", 405),
            Code::Conflict => ("conflict", 409),
            Code::PositionForeign => ("position_foreign", 409),
            Code::PositionFuture => ("position_future", 409),
            Code::PositionExpired => ("position_expired", 410),
            Code::PayloadTooLarge => ("payload_too_large", 413),
            Code::InvalidRequest => ("invalid_request", 422),
            Code::RateLimited => ("rate_limited", 429),
            Code::QueueFull => ("queue_full", 429),
            Code::Unavailable => ("unavailable", 503),
            Code::Internal => ("internal", 500),
        }
    }

    /// The wire form, such as `room_not_found`.
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        self.row().1
    }

    /// True where the same request may succeed later without being changed.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Code::RateLimited | Code::QueueFull | Code::Unavailable | Code::Internal)
    }

    /// True for the codes that say a position cannot be resumed from.
    pub const fn is_about_position(self) -> bool {
        matches!(self, Code::PositionInvalid | Code::PositionForeign | Code::PositionFuture | Code::PositionExpired)
    }
}

/// A refusal as a client gets it, on any transport: a code, what was wrong and what is allowed. Holds no internals.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{}: {message}", code.as_str())]
pub struct Refusal {
    /// The row of the table.
    pub code: Code,
    /// One or two sentences for a person.
    pub message: String,
    /// When trying again makes sense; sent as `Retry-After`, rounded up to seconds.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal without a time to try again.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None }
    }

    /// The same refusal, naming when to try again.
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_name() {
        let names: std::collections::HashSet<_> = Code::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
