//! What a client says over WebSocket: one JSON object with `type`.

use crate::object::{Object, complaint};
use crate::server_message::ChannelReference;
use antiphon_core::limits::MAX_CLIENT_ID_LENGTH;
use antiphon_core::{Code, Heard, Refusal};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A message from a client.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientMessage {
    /// Joins an AR room (or a regular one).
    JoinArRoom(JoinArRoom),
    /// Says something in a room.
    ArMessage(ArMessage),
    /// Interrupts an answer.
    InterruptStream(InterruptStream),
    /// Stops an answer, or withdraws a queued one.
    CancelStream(StreamReference),
    /// Holds an answer.
    PauseStream(StreamReference),
    /// Lets a held answer go on.
    ResumeStream(StreamReference),
    /// Subscribes to a channel.
    Subscribe(Subscribe),
    /// Ends a subscription.
    Unsubscribe(Subscribe),
    /// Asks for a `pong`.
    Ping,
}

/// The fields of `join-ar-room`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinArRoom {
    /// Which room.
    pub room_id: String,
    /// Who answers there, as far as the client knows.
    pub agent_id: Option<String>,
    /// Where to start; none = now.
    pub position: Option<String>,
}

/// The fields of `ar-message`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArMessage {
    /// Which room.
    pub room_id: String,
    /// What is said.
    pub content: String,
    /// The client's own id: sending it again never doubles the message.
    pub client_message_id: Option<String>,
}

/// The fields of `interrupt-stream`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InterruptStream {
    /// Which stream.
    pub stream_id: String,
    /// The room that it is in, as far as the client knows.
    pub room_id: Option<String>,
    /// How far it was heard; none = all that was sent.
    #[serde(default, deserialize_with = "Object::optional")]
    pub heard: Option<Heard>,
    /// The attempt that was heard.
    pub attempt: Option<u32>,
}

/// The field of the other stream messages.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamReference {
    /// Which stream.
    pub stream_id: String,
}

/// The fields of `subscribe` and `unsubscribe`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Subscribe {
    /// Which channel.
    #[serde(deserialize_with = "Object::read")]
    pub channel: ChannelReference,
    /// Where to start; none = now.
    pub position: Option<String>,
}

/// Every type, for error messages.
pub const TYPES: &str = "join-ar-room, ar-message, interrupt-stream, cancel-stream, pause-stream, resume-stream, \
                         subscribe, unsubscribe, ping";

/// Reads a message and its `requestId`. A refusal comes with the `requestId` where one could be read.
pub fn parse(text: &str) -> (Option<Value>, Result<ClientMessage, Refusal>) {
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => return (None, Err(Refusal::new(Code::InvalidJson, format!("not JSON: {error}")))),
    };
    let Value::Object(mut object) = value else {
        return (None, Err(invalid("a message is a JSON object with `type`".to_owned())));
    };
    let request_id = match object.remove("requestId") {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) if id.len() <= MAX_CLIENT_ID_LENGTH => Some(Value::String(id)),
        Some(Value::Number(id)) => Some(Value::Number(id)),
        Some(_) => {
            let allowed = format!("`requestId` is a number or a string of at most {MAX_CLIENT_ID_LENGTH} bytes");
            return (None, Err(invalid(allowed)));
        }
    };
    let message = match object.remove("type") {
        Some(Value::String(kind)) => read(&kind, Value::Object(object)),
        _ => Err(invalid(format!("`type` is missing or not a string; it is one of {TYPES}"))),
    };
    (request_id, message)
}

fn read(kind: &str, fields: Value) -> Result<ClientMessage, Refusal> {
    Ok(match kind {
        "join-ar-room" => ClientMessage::JoinArRoom(fields_of(kind, fields)?),
        "ar-message" => ClientMessage::ArMessage(fields_of(kind, fields)?),
        "interrupt-stream" => ClientMessage::InterruptStream(fields_of(kind, fields)?),
        "cancel-stream" => ClientMessage::CancelStream(fields_of(kind, fields)?),
        "pause-stream" => ClientMessage::PauseStream(fields_of(kind, fields)?),
        "resume-stream" => ClientMessage::ResumeStream(fields_of(kind, fields)?),
        "subscribe" => ClientMessage::Subscribe(fields_of(kind, fields)?),
        "unsubscribe" => ClientMessage::Unsubscribe(fields_of(kind, fields)?),
        "ping" => ClientMessage::Ping,
        _ => return Err(invalid(format!("unknown `type`; it is one of {TYPES}"))),
    })
}

fn fields_of<T: DeserializeOwned>(kind: &str, fields: Value) -> Result<T, Refusal> {
    serde_path_to_error::deserialize(fields).map_err(|error| {
        let path = error.path().to_string();
        invalid(format!("{kind}: {}", complaint(Some(&path), error.inner())))
    })
}

fn invalid(message: String) -> Refusal {
    Refusal::new(Code::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_and_unknown_fields_ignored() {
        let (id, message) =
            parse(r#"{"type":"subscribe","channel":{"type":"jobs","id":"1"},"requestId":7,"new":true}"#);
        assert_eq!(id, Some(Value::from(7)));
        assert!(matches!(message, Ok(ClientMessage::Subscribe(subscribe)) if subscribe.channel.id == "1"));
        let (_, message) = parse(r#"{"type":"interrupt-stream","streamId":"s","roomId":"r","heard":{"offset":3}}"#);
        assert!(
            matches!(message, Ok(ClientMessage::InterruptStream(fields)) if fields.heard == Some(Heard { offset: 3 }))
        );
    }

    #[test]
    fn each_kind_of_nonsense_has_its_code() {
        for (text, code) in [
            ("", Code::InvalidJson),
            ("{", Code::InvalidJson),
            ("[]", Code::InvalidRequest),
            ("{}", Code::InvalidRequest),
            (r#"{"type":3}"#, Code::InvalidRequest),
            (r#"{"type":"dance"}"#, Code::InvalidRequest),
            (r#"{"type":"ar-message","roomId":3,"content":"x"}"#, Code::InvalidRequest),
            (r#"{"type":"subscribe","channel":["jobs","1"]}"#, Code::InvalidRequest),
            (r#"{"type":"interrupt-stream","streamId":"s","heard":[3]}"#, Code::InvalidRequest),
            (r#"{"type":"ping","requestId":{}}"#, Code::InvalidRequest),
        ] {
            assert_eq!(parse(text).1.unwrap_err().code, code, "{text}");
        }
        let wrong = parse(r#"{"type":"interrupt-stream","streamId":"s","heard":{"offset":"far"}}"#).1.unwrap_err();
        assert!(wrong.message.starts_with("interrupt-stream: `heard.offset`: invalid type"), "{}", wrong.message);
        assert_eq!(parse(r#"{"type":"dance","requestId":"a"}"#).0, Some(Value::from("a")));
    }
}
