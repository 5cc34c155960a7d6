//! What a room's connection says, as far as `antiphon chat` needs it. Unknown types and fields are ignored.

use serde::Deserialize;

/// One frame: an event of the room, with its position, or a notice, without.
#[derive(Debug, Deserialize)]
pub(crate) struct Frame {
    /// "After this event."
    #[serde(default)]
    pub(crate) position: Option<String>,
    #[serde(flatten)]
    pub(crate) body: Body,
}

/// What a frame says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(crate) enum Body {
    RoomDeleted,
    MessageCreated {
        message: Message,
        client_message_id: Option<String>,
    },
    StreamQueued {
        stream_id: String,
        queued: usize,
        waiting_for: Option<String>,
    },
    ArStreamStart {
        stream_id: String,
        message_id: Option<String>,
    },
    ArStreamChunk(Chunk),
    ArStreamReset {
        stream_id: String,
        attempt: u32,
        reason: Option<String>,
    },
    ArStreamAttempt {
        stream_id: String,
        attempt: u32,
        reason: Option<String>,
    },
    ArStreamPause {
        stream_id: String,
    },
    ArStreamResume {
        stream_id: String,
    },
    ArStreamInterrupt {
        stream_id: String,
    },
    ArStreamEnd(End),
    OwnerChanged {
        reason: Option<String>,
    },
    Connected {
        heartbeat_seconds: Option<u64>,
    },
    Subscribed,
    CaughtUp,
    Accepted {
        request_id: Option<String>,
        message: Option<MessageId>,
        stream_id: Option<String>,
    },
    Error {
        code: String,
        message: Option<String>,
        request_id: Option<String>,
        retry_after_ms: Option<u64>,
    },
    Goodbye {
        reason: Option<String>,
        reconnect_after_ms: Option<u64>,
    },
    #[serde(other)]
    Other,
}

/// A piece of an answer; several where they were merged.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Chunk {
    pub(crate) stream_id: String,
    #[serde(default)]
    pub(crate) message_id: Option<String>,
    #[serde(default = "one_attempt")]
    pub(crate) attempt: u32,
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) markers: Vec<Marker>,
    #[serde(default)]
    pub(crate) unknown_markers: Vec<Marker>,
    pub(crate) chunk_index: u64,
    #[serde(default = "one_chunk")]
    pub(crate) chunk_count: u64,
}

fn one_attempt() -> u32 {
    1
}

fn one_chunk() -> u64 {
    1
}

/// A cue at its place in the spoken text.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Marker {
    pub(crate) value: String,
    /// UTF-16 code units of the stream's spoken text.
    pub(crate) offset: u64,
}

/// How a stream ended.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct End {
    pub(crate) stream_id: String,
    pub(crate) outcome: String,
    #[serde(default)]
    pub(crate) total_chunks: Option<u64>,
    #[serde(default)]
    pub(crate) error: Option<Fault>,
    #[serde(default)]
    pub(crate) citations: Vec<Citation>,
}

/// A source of an answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Citation {
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) title: Option<String>,
}

/// Why a stream is not whole.
#[derive(Debug, Deserialize)]
pub(crate) struct Fault {
    #[serde(default)]
    pub(crate) message: Option<String>,
}

/// All that `accepted` is needed for.
#[derive(Debug, Deserialize)]
pub(crate) struct MessageId {
    pub(crate) id: String,
}

/// A message, as events and `GET messages` show it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) role: String,
    #[serde(default)]
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) markers: Vec<Marker>,
    #[serde(default)]
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) stream_id: Option<String>,
}

/// The answer to `GET messages`: oldest first, and what it includes.
#[derive(Debug, Deserialize)]
pub(crate) struct MessagePage {
    pub(crate) messages: Vec<Message>,
    pub(crate) position: String,
}

/// What is needed of `GET /api/streams/{id}`.
#[derive(Debug, Deserialize)]
pub(crate) struct StreamView {
    pub(crate) status: String,
}

/// Someone to talk to.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Agent {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) model: String,
    #[serde(default)]
    pub(crate) simulated: bool,
    #[serde(default)]
    pub(crate) ready: bool,
}

/// The answer to `GET /api/agents`.
#[derive(Debug, Deserialize)]
pub(crate) struct Agents {
    pub(crate) agents: Vec<Agent>,
}

/// What is needed of a room.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Room {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) agent_id: Option<String>,
    #[serde(default)]
    pub(crate) position: Option<String>,
}

/// The answer to `POST /api/guest`.
#[derive(Debug, Deserialize)]
pub(crate) struct Guest {
    pub(crate) token: String,
}
