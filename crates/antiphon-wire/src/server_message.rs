//! What the server says besides events: these are in no log and have no position of their own.

use antiphon_core::{ChannelName, Message, Position, Refusal, Timestamp};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A channel as clients name it: `{type, id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize, ToSchema)]
pub struct ChannelReference {
    /// The namespace.
    #[serde(rename = "type")]
    pub namespace: String,
    /// The id.
    pub id: String,
}

impl From<&ChannelName> for ChannelReference {
    fn from(channel: &ChannelName) -> Self {
        Self { namespace: channel.namespace().to_owned(), id: channel.id().to_owned() }
    }
}

/// One member of a room's presence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Who.
    pub user_id: String,
    /// On how many connections.
    pub connections: usize,
}

/// A message from the server to one client.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ServerMessage {
    /// The first message on every connection.
    Connected {
        /// This connection.
        client_id: String,
        /// The session it belongs to.
        session_id: String,
        /// The secret that takes the session over on another connection.
        resume_token: String,
        /// How often a heartbeat comes.
        heartbeat_seconds: u64,
        /// For a person.
        message: String,
        /// Now.
        #[schema(value_type = String, format = DateTime)]
        timestamp: Timestamp,
    },
    /// A subscription was accepted.
    Subscribed {
        /// Of which channel.
        channel: ChannelReference,
        /// Delivery starts after this.
        #[schema(value_type = String)]
        position: Position,
        /// The request it answers.
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<Value>,
    },
    /// The past is done and live begins.
    CaughtUp {
        /// Of which channel.
        channel: ChannelReference,
        /// Where.
        #[schema(value_type = String)]
        position: Position,
    },
    /// An `ar-message` is durable.
    Accepted {
        /// The request it answers.
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<Value>,
        /// The message.
        message: Box<Message>,
        /// The stream that answers it.
        stream_id: Option<String>,
        /// Its place; 0 = running.
        queued: usize,
    },
    /// A request that has no other answer was done.
    Ok {
        /// The request it answers.
        request_id: Value,
    },
    /// The connection is alive.
    Heartbeat {
        /// Now.
        #[schema(value_type = String, format = DateTime)]
        timestamp: Timestamp,
        /// The same, in the older word for it.
        #[schema(value_type = String, format = DateTime)]
        server_time: Timestamp,
    },
    /// The answer to a `ping`.
    Pong {
        /// Now.
        #[schema(value_type = String, format = DateTime)]
        timestamp: Timestamp,
        /// The request it answers.
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<Value>,
    },
    /// A refusal.
    Error {
        /// A code of the table.
        code: &'static str,
        /// What was wrong and what is allowed.
        message: String,
        /// The request it answers.
        #[serde(skip_serializing_if = "Option::is_none")]
        request_id: Option<Value>,
        /// The subscription that is refused or over.
        #[serde(skip_serializing_if = "Option::is_none")]
        channel: Option<ChannelReference>,
        /// When trying again makes sense.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
    /// An SSE connection that came with a ticket is refused, where a browser can read it.
    Refused {
        /// A code of the table.
        code: &'static str,
        /// What was wrong and what is allowed.
        message: String,
    },
    /// Who is in a room.
    Presence {
        /// Which.
        room_id: String,
        /// Each user once.
        members: Vec<Member>,
        /// Now.
        #[schema(value_type = String, format = DateTime)]
        timestamp: Timestamp,
    },
    /// The server leaves.
    Goodbye {
        /// Why.
        reason: String,
        /// Come back after this long; jittered, so that not all come at once.
        reconnect_after_ms: u64,
    },
}

impl ServerMessage {
    /// A refusal as a message.
    pub fn error(refusal: Refusal, request_id: Option<Value>, channel: Option<&ChannelName>) -> Self {
        Self::Error {
            code: refusal.code.as_str(),
            message: refusal.message,
            request_id,
            channel: channel.map(ChannelReference::from),
            retry_after_ms: refusal.retry_after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}
