//! Rooms: one channel plus members.

use crate::{AR_ROOM, ChannelName, ROOM, Refusal, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who may find and enter a regular room. AR rooms are private.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// The room's user and their agent.
    Private,
    /// Anyone with an identity.
    Public,
    /// The room's user and whoever is invited.
    Invite,
}

/// Whether a room takes messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RoomStatus {
    /// It does.
    Active,
    /// It was deleted.
    Deleted,
}

/// The creator, in the shape of `RoomCreated`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedBy {
    /// The user's id.
    pub id: String,
}

/// A room as clients and events show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Room {
    /// `room-…`.
    pub id: String,
    /// The agent that answers; always there in an AR room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// The user whose room it is.
    pub user_id: String,
    /// What the user calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `ar-conversation` for AR rooms, the creator's word for regular ones.
    #[serde(rename = "type")]
    pub room_type: String,
    /// The same user, in the shape of `RoomCreated`.
    pub created_by: CreatedBy,
    /// Who may enter.
    pub visibility: Visibility,
    /// Whether it takes messages.
    pub status: RoomStatus,
    /// True for AR rooms.
    #[serde(rename = "isARConversation")]
    pub is_ar_conversation: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl Room {
    /// The channel behind the room.
    pub fn channel(&self) -> Result<ChannelName, Refusal> {
        ChannelName::new(if self.is_ar_conversation { AR_ROOM } else { ROOM }, &self.id)
    }
}
