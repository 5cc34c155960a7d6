//! The first seam: `Log` is the truth.

use crate::{ChannelName, Code, Event, Position, Record, Refusal};
use std::sync::Arc;
use std::time::Duration;

/// Called by an engine with every committed record, in the log's order, once it may be seen. Must not block.
pub type OnCommit = Arc<dyn Fn(&[Record]) + Send + Sync>;

/// Where a read begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// At the first event that is kept.
    Start,
    /// After the event of this position.
    After(Position),
}

/// How much one read returns at most. A read returns at least one record where one exists.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimit {
    /// At most this many records.
    pub events: usize,
    /// At most about this many bytes of JSON; the record that crosses it is still returned.
    pub bytes: usize,
}

/// The kept part of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The position before the first kept event.
    pub start: Position,
    /// The position of the last event ever appended, kept or not.
    pub end: Position,
}

/// Why an engine did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The position is of another channel, or of a log that this one replaced.
    #[error("the position is of another channel or of a log that this one replaced")]
    Foreign,
    /// The event after the position was kept and is gone.
    #[error("the event after the position is no longer kept")]
    Expired,
    /// The position lies after all that the log has.
    #[error("the position lies after all that the log has")]
    Future,
    /// The event, or the array of events, is larger than a record may be.
    #[error("an append of {bytes} bytes is larger than {allowed}")]
    TooLarge {
        /// What was asked for.
        bytes: usize,
        /// What is allowed.
        allowed: usize,
    },
    /// An event with that id is another one than the channel has. Nothing of the append was taken.
    #[error("the event id {event_id} is taken by another event")]
    Taken {
        /// Which.
        event_id: String,
    },
    /// Another process owns the channel's shard, or nobody at the moment. Nothing of the append was taken.
    #[error("this process does not own the channel's shard")]
    NotOwner,
    /// The engine cannot write or read now. Nothing of the append was acknowledged; it may be tried again.
    #[error("the log is unavailable: {reason}")]
    Unavailable {
        /// For the operator; clients get a general sentence.
        reason: String,
    },
}

impl From<LogError> for Refusal {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Foreign => Refusal::new(
                Code::PositionForeign,
                "this position is of another channel, or of a log that was replaced: drop what you have and start again with `start`, or with none for now",
            ),
            LogError::Expired => Refusal::new(
                Code::PositionExpired,
                "the events after this position are no longer kept: what you have is right, a gap follows; read the messages and go on from their position",
            ),
            LogError::Future => Refusal::new(
                Code::PositionFuture,
                "this position lies after everything the log has: use one that the server gave for this channel",
            ),
            LogError::TooLarge { bytes, allowed } => Refusal::new(
                Code::PayloadTooLarge,
                format!("these events take {bytes} bytes; at most {allowed} are taken at once"),
            ),
            LogError::Taken { event_id } => Refusal::new(
                Code::Conflict,
                format!(
                    "the `eventId` {event_id:?} was used for another event of this channel: nothing was taken; use a new one for each event, and the same event to repeat one"
                ),
            ),
            LogError::NotOwner => Refusal::new(
                Code::Unavailable,
                "what answers for this channel is moving to another process; nothing was taken, try again",
            )
            .retry_after(Duration::from_secs(1)),
            LogError::Unavailable { .. } => Refusal::new(
                Code::Unavailable,
                "the log cannot be written or read at the moment; nothing was taken, try again",
            )
            .retry_after(Duration::from_secs(2)),
        }
    }
}

/// The durable, ordered log of every channel. One implementation per engine, all run through one conformance suite.
#[async_trait::async_trait]
pub trait Log: Send + Sync + 'static {
    /// Appends the events together: all or none, in order, without another append between them. Returns the position
    /// of each once they are as durable as the engine promises; an event whose `event_id` the channel already has is
    /// not appended again and gets the position it had, or is refused where it is not the same event. Dropping the future does not undo an append under way.
    async fn append(&self, channel: &ChannelName, events: Vec<Event>) -> Result<Vec<Position>, LogError>;

    /// Reads in order. An empty result means that nothing follows. Checks the position: foreign, expired, future.
    /// A channel without events is an empty one.
    async fn read(&self, channel: &ChannelName, from: ReadFrom, limit: ReadLimit) -> Result<Vec<Record>, LogError>;

    /// What is kept of a channel.
    async fn bounds(&self, channel: &ChannelName) -> Result<Bounds, LogError>;

    /// Forgets the events up to and including the position. Numbers go on; positions before it expire.
    async fn trim(&self, channel: &ChannelName, through: Position) -> Result<(), LogError>;

    /// True where an acknowledged append of this namespace survives `kill -9` and power loss.
    fn is_durable(&self, namespace: &str) -> bool;

    /// Fails with the reason, for `/ready`, while appends are refused.
    fn health(&self) -> Result<(), LogError>;
}
