//! Messages: what a person said, or what a reader folds from a stream's events.

use crate::{Marker, StreamFault, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageStatus {
    /// Its stream runs or waits.
    Streaming,
    /// Whole.
    Completed,
    /// Cut by a person, to what they heard.
    Interrupted,
    /// Withdrawn or stopped.
    Cancelled,
    /// The model's answer broke off.
    Truncated,
    /// No answer could be had.
    Failed,
}

/// Who said a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SenderRole {
    /// A person.
    User,
    /// An agent.
    Assistant,
}

/// How far a person heard an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Heard {
    /// UTF-16 code units of the stream's spoken text.
    pub offset: u64,
}

/// A source that a provider gave for an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Citation {
    /// An `http` or `https` address.
    pub url: String,
    /// What is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// A message as clients and events show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// `msg-…`.
    pub id: String,
    /// The room it is in, AR or not.
    pub ar_room_id: String,
    /// The user's or the agent's id.
    pub sender_id: String,
    /// Which of the two.
    pub role: SenderRole,
    /// Raw, markers included.
    pub content: String,
    /// What is spoken.
    pub text: String,
    /// Where the markers stand in `text`.
    pub markers: Vec<Marker>,
    /// Where it stands.
    pub status: MessageStatus,
    /// The stream that makes it, for an agent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<String>,
    /// How far it was heard, once interrupted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<Heard>,
    /// What the model thought before and while it answered, where the provider tells. Never spoken.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reasoning: String,
    /// The sources that the provider gave, in its order: a text's `[1]` is the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub citations: Vec<Citation>,
    /// Why the answer is not whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StreamFault>,
    /// When it was accepted, or its stream was.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}
