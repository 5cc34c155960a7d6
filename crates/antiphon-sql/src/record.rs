//! What is stored: rooms, messages with the streams that make them, and the ids that clients gave their messages.

use antiphon_core::{Message, Position, Room, StreamStatus, Timestamp};

/// A room and the position that its row and its messages include.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRoom {
    /// The room.
    pub room: Room,
    /// What is included.
    pub position: Position,
}

/// A message of a room.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredMessage {
    /// Its place in the room, from 1, dense.
    pub place: u64,
    /// The message.
    pub message: Message,
    /// The stream that makes it, for an agent's.
    pub answer: Option<Answer>,
}

/// The stream behind an agent's message; its id is the message's `stream_id`, its agent the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The person's message that it answers.
    pub request_id: String,
    /// The user who asked.
    pub asked_by: String,
    /// Where it stands.
    pub status: StreamStatus,
    /// From 1; 0 until it starts.
    pub attempt: u32,
    /// How many of the attempts ended because the room was given to another process.
    pub moved_attempts: u32,
    /// The latest of those; 0 where there is none.
    pub moved_last: u32,
    /// Chunks since the last reset.
    pub chunks: u64,
    /// When it started, if it did.
    pub started_at: Option<Timestamp>,
}

impl Answer {
    /// Whether the latest attempt ended because the room was given to another process.
    pub fn has_moved(&self) -> bool {
        self.attempt > 0 && self.moved_last == self.attempt
    }

    /// True until the stream's terminal event.
    pub fn is_open(&self) -> bool {
        matches!(self.status, StreamStatus::Queued | StreamStatus::Active | StreamStatus::Paused)
    }
}

/// What a client's own id for a message led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientMessage {
    /// Whose id it is.
    pub user_id: String,
    /// The id.
    pub client_message_id: String,
    /// A hash of the content, to tell a repetition from another message under the same id.
    pub content_hash: String,
    /// The message.
    pub message_id: String,
    /// The stream that answers it, if one does.
    pub stream_id: Option<String>,
}

/// What a room's events up to a position changed: written whole or not at all.
#[derive(Clone, Debug)]
pub struct Projection {
    /// The room as it is at the position.
    pub room: Room,
    /// What is included.
    pub position: Position,
    /// Every message that is new or changed.
    pub messages: Vec<StoredMessage>,
    /// Every client's id that is new.
    pub client_messages: Vec<ClientMessage>,
}

/// What a room's owner begins with: the room, its latest messages and those whose streams are open, all of one moment.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The room and what is included.
    pub stored: StoredRoom,
    /// The latest messages, oldest first.
    pub latest: Vec<StoredMessage>,
    /// The messages whose streams are open, oldest first; some may be among the latest.
    pub open: Vec<StoredMessage>,
}
