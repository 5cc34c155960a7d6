//! What the rooms tell their callers.

use crate::timeline::{self, Timeline};
use antiphon_core::{Marker, Message, MessageStatus, Position, Room, RoomStatus, StreamStatus, Timestamp, Visibility};
use antiphon_sql::StoredMessage;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A room to be made.
#[derive(Clone, Debug, Default)]
pub struct NewRoom {
    /// True for an AR room, which needs an agent and is private.
    pub is_ar: bool,
    /// Who answers.
    pub agent_id: Option<String>,
    /// What its user calls it.
    pub name: Option<String>,
    /// A regular room's type, the creator's word, which it must have.
    pub room_type: Option<String>,
    /// Who may find and enter a regular room; private where nothing is said.
    pub visibility: Option<Visibility>,
}

/// A room, and the position that this includes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoomView {
    /// The room.
    #[serde(flatten)]
    pub room: Room,
    /// Where to go on reading its channel.
    #[schema(value_type = String)]
    pub position: Position,
}

impl RoomView {
    /// True until the room is deleted.
    pub fn is_active(&self) -> bool {
        self.room.status == RoomStatus::Active
    }
}

/// A person's message that was taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// The message.
    pub message: Message,
    /// The stream that answers it; none in a room without an agent.
    pub stream_id: Option<String>,
    /// Streams before that one; 0 = running, or done.
    pub queued: usize,
}

/// Some of a room's messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MessagePage {
    /// Oldest first.
    pub messages: Vec<Message>,
    /// What this includes: a streaming message's text is exactly its chunks up to here.
    #[schema(value_type = String)]
    pub position: Position,
}

/// A whole answer, for clients that cannot stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Reply {
    /// The message's id.
    pub id: String,
    /// Raw, markers included.
    pub content: String,
    /// What is spoken.
    pub text: String,
    /// Where the markers stand in `text`.
    pub markers: Vec<Marker>,
    /// When each word and marker would come if it were spoken.
    pub timeline: Timeline,
    /// How it ended.
    pub status: MessageStatus,
}

impl From<&Message> for Reply {
    fn from(message: &Message) -> Self {
        Self {
            id: message.id.clone(),
            content: message.content.clone(),
            text: message.text.clone(),
            markers: message.markers.clone(),
            timeline: timeline::estimate(&message.text, &message.markers),
            status: message.status,
        }
    }
}

/// Where a stream stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamView {
    /// The stream.
    pub stream_id: String,
    /// The message that it makes.
    pub message_id: String,
    /// The room that it is in.
    pub room_id: String,
    /// Who answers.
    pub agent_id: String,
    /// Who asked.
    pub user_id: String,
    /// Where it stands.
    pub status: StreamStatus,
    /// When it started; nothing while it is queued.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// The clients that watch its room; filled in where clients are known.
    pub connections: Vec<String>,
}

impl StreamView {
    /// The view of an agent's message; nothing for a person's.
    pub(crate) fn of(stored: &StoredMessage) -> Option<Self> {
        let answer = stored.answer.as_ref()?;
        Some(Self {
            stream_id: stored.message.stream_id.clone()?,
            message_id: stored.message.id.clone(),
            room_id: stored.message.ar_room_id.clone(),
            agent_id: stored.message.sender_id.clone(),
            user_id: answer.asked_by.clone(),
            status: answer.status,
            started_at: answer.started_at,
            connections: Vec::new(),
        })
    }
}
