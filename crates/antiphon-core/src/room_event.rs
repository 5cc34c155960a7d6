//! The events of rooms: a closed enum whose JSON is what clients get and what the log keeps.

use crate::{Citation, Event, EventKind, Heard, Marker, Message, Room, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Instant;
use utoipa::ToSchema;

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The model said that it was done.
    Completed,
    /// A person interrupted it.
    Interrupted,
    /// It was stopped or withdrawn.
    Cancelled,
    /// The model's answer broke off and no further attempt was allowed.
    Truncated,
    /// No answer could be had.
    Failed,
}

/// Where a stream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StreamStatus {
    /// Behind another of its room.
    Queued,
    /// Running.
    Active,
    /// Held by a person.
    Paused,
    /// Ended by a person's interrupt.
    Interrupted,
    /// Ended whole.
    Completed,
    /// Stopped or withdrawn.
    Cancelled,
    /// Ended without a whole answer.
    Failed,
}

/// Tokens that a provider counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// In the prompt.
    pub prompt_tokens: u64,
    /// In the answer.
    pub completion_tokens: u64,
    /// Both.
    pub total_tokens: u64,
}

/// Why a stream failed, as clients may know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamFault {
    /// `truncated`, `provider_error`, `provider_refused`, `provider_unreachable`, `provider_timeout`, `too_long`,
    /// `declined`, `crashed`, `expired` or `agent_not_found`.
    pub code: String,
    /// A sentence for a person, without internals.
    pub message: String,
}

/// What happens in a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum RoomEvent {
    /// The room was made.
    RoomCreated {
        /// The room.
        room: Room,
    },
    /// The room was deleted; after every stream's end.
    RoomDeleted {
        /// The room.
        room: Room,
    },
    /// A person said something.
    MessageCreated {
        /// What.
        message: Message,
        /// The client's own id for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_message_id: Option<String>,
        /// The stream that answers it, if one does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stream_id: Option<String>,
    },
    /// The work that a message asks for. For back ends, not sent to people.
    ArMessageRequest {
        /// The person's message.
        message_id: String,
        /// The stream that will answer it.
        stream_id: String,
        /// The message that the stream makes.
        reply_message_id: String,
        /// Who answers.
        agent_id: String,
        /// Who asked.
        user_id: String,
        /// What was asked.
        content: String,
    },
    /// A stream's place in the queue, at acceptance and at each change.
    StreamQueued {
        /// Which stream.
        stream_id: String,
        /// Streams before it; 0 = running.
        queued: usize,
        /// `room` (behind another answer of the room) or `model` (the model is busy with other rooms).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waiting_for: Option<String>,
    },
    /// A stream began; once, whatever restarts.
    ArStreamStart {
        /// Which stream.
        stream_id: String,
        /// The message it makes.
        message_id: String,
        /// Who answers.
        agent_id: String,
        /// Who asked.
        user_id: String,
        /// When.
        #[schema(value_type = String, format = DateTime)]
        started_at: Timestamp,
        /// Whether its events survive `kill -9` and power loss.
        durable: bool,
    },
    /// A piece of the answer.
    ArStreamChunk {
        /// Which stream.
        stream_id: String,
        /// The message it makes.
        message_id: String,
        /// From 1.
        attempt: u32,
        /// Raw, whole markers.
        chunk: String,
        /// What of it is spoken.
        text: String,
        /// Offsets count UTF-16 code units of the stream's whole spoken text.
        markers: Vec<Marker>,
        /// Known kind, unknown value.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unknown_markers: Vec<Marker>,
        /// From 0, dense; the first one's where several are merged.
        chunk_index: u64,
        /// How many are merged.
        chunk_count: u64,
        /// True on the last chunk of a completed stream.
        is_final: bool,
    },
    /// A piece of what the model thinks before and while it answers. Never spoken, and no chunk.
    ArStreamReasoning {
        /// Which stream.
        stream_id: String,
        /// The message it makes.
        message_id: String,
        /// From 1.
        attempt: u32,
        /// The piece.
        text: String,
    },
    /// Drop what came before of this stream, its reasoning included: `chunk_index` and offsets start again.
    ArStreamReset {
        /// Which stream.
        stream_id: String,
        /// The message it makes.
        message_id: String,
        /// The attempt that begins.
        attempt: u32,
        /// Why.
        reason: String,
    },
    /// Another try that keeps what came before; after a reset of its attempt, how that is made.
    ArStreamAttempt {
        /// Which stream.
        stream_id: String,
        /// The attempt that begins.
        attempt: u32,
        /// Why.
        reason: String,
        /// `restart`, `continue` or `finish`: what is done.
        policy: String,
    },
    /// A stream was held.
    ArStreamPause {
        /// Which stream.
        stream_id: String,
        /// Who did it: a user's id.
        by: String,
    },
    /// A held stream goes on.
    ArStreamResume {
        /// Which stream.
        stream_id: String,
        /// Who did it: a user's id.
        by: String,
    },
    /// A person interrupted; not an end.
    ArStreamInterrupt {
        /// Which stream.
        stream_id: String,
        /// Who.
        user_id: String,
        /// When.
        #[schema(value_type = String, format = DateTime)]
        interrupted_at: Timestamp,
        /// The attempt that was heard.
        attempt: u32,
        /// How far; without it all that was sent counts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        heard: Option<Heard>,
    },
    /// The stream's one terminal event.
    ArStreamEnd {
        /// Which stream.
        stream_id: String,
        /// The message it made.
        message_id: String,
        /// How.
        outcome: Outcome,
        /// Sent since the last reset.
        total_chunks: u64,
        /// When.
        #[schema(value_type = String, format = DateTime)]
        ended_at: Timestamp,
        /// The provider's own word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        finish_reason: Option<String>,
        /// The provider's own count.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
        /// Why it is not whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<StreamFault>,
        /// The sources that the provider gave.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        citations: Vec<Citation>,
        /// How far an interrupted one was heard.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        heard: Option<Heard>,
    },
    /// Another process, or this one after a restart, answers for the room's open streams.
    OwnerChanged {
        /// The stream that ran.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stream_id: Option<String>,
        /// Why.
        reason: String,
    },
}

/// A room's event with what the envelope adds, as stored.
#[derive(Serialize, Deserialize)]
struct Envelope<E> {
    #[serde(flatten)]
    event: E,
    #[serde(rename = "roomId")]
    room_id: String,
    timestamp: Timestamp,
}

impl RoomEvent {
    /// Encodes the event for the log: once, as every client will get it.
    pub fn encode(&self, room_id: &str, provider_at: Option<Instant>) -> Result<Event, serde_json::Error> {
        self.encode_at(room_id, Timestamp::now(), provider_at)
    }

    /// The same with a time of the caller's, who folds the event without reading it back.
    pub fn encode_at(
        &self,
        room_id: &str,
        timestamp: Timestamp,
        provider_at: Option<Instant>,
    ) -> Result<Event, serde_json::Error> {
        let envelope = Envelope { event: self, room_id: room_id.to_owned(), timestamp };
        let kind = match self {
            RoomEvent::ArStreamChunk { .. } => EventKind::Chunk,
            RoomEvent::ArMessageRequest { .. } => EventKind::BackEnd,
            RoomEvent::RoomDeleted { .. } => EventKind::Last,
            _ => EventKind::Plain,
        };
        Ok(Event { kind, json: serde_json::to_vec(&envelope)?.into(), event_id: None, provider_at })
    }

    /// Decodes a stored event of a room, with the time at which it was encoded.
    pub fn decode(json: &[u8]) -> Result<(Self, Timestamp), serde_json::Error> {
        let envelope: Envelope<RoomEvent> = serde_json::from_slice(json)?;
        Ok((envelope.event, envelope.timestamp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_stored_as_the_contract_shows_it() {
        let chunk = RoomEvent::ArStreamChunk {
            stream_id: "stream-1".into(),
            message_id: "msg-1".into(),
            attempt: 1,
            chunk: "hi".into(),
            text: "hi".into(),
            markers: vec![],
            unknown_markers: vec![],
            chunk_index: 0,
            chunk_count: 1,
            is_final: false,
        };
        let event = chunk.encode("room-1", None).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&event.json).unwrap();
        assert_eq!(value["type"], "ar-stream-chunk");
        assert_eq!(value["chunkIndex"], 0);
        assert_eq!(value["roomId"], "room-1");
        assert!(value["timestamp"].is_string());
        assert!(value.get("unknownMarkers").is_none());
        assert_eq!(RoomEvent::decode(&event.json).unwrap().0, chunk);
    }
}
