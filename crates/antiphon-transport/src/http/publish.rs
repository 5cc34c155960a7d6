//! Publishing to bare channels. The data of an event is never parsed into values: its bytes go from the body into the log.

use super::ApiState;
use super::body::{Raw, parse, text};
use super::caller::Caller;
use crate::live::leaving;
use crate::problem::{Problem, ProblemDetails};
use antiphon_core::limits::{MAX_APPEND_EVENTS, MAX_CLIENT_ID_LENGTH, MAX_DATA_DEPTH, MAX_EVENT_TYPE_LENGTH};
use antiphon_core::{ChannelName, Code, Event, EventKind, Identity, Position, Refusal, Timestamp};
use antiphon_wire::Object;
use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;
use utoipa::ToSchema;

/// An event to publish.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewEvent<'a> {
    /// 1 to 64 characters of `A-Z a-z 0-9 _ . : -`, not a type of the protocol's own.
    #[serde(borrow, rename = "type")]
    #[schema(value_type = String)]
    event_type: Cow<'a, str>,
    /// Any JSON.
    #[serde(borrow, default)]
    #[schema(value_type = Value)]
    data: Option<&'a RawValue>,
    /// The publisher's own id: the same event with it is not published again, another one is a conflict.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    event_id: Option<Cow<'a, str>>,
}

/// One event, or an array that is taken whole or not at all.
#[derive(ToSchema)]
#[schema(as = NewEvents)]
#[serde(untagged)]
pub enum NewEvents<'a> {
    /// One.
    One(NewEvent<'a>),
    /// Several, in this order.
    Several(Vec<NewEvent<'a>>),
}

/// Where the last published event stands.
#[derive(Serialize, ToSchema)]
pub struct Published {
    /// Its position.
    #[schema(value_type = String)]
    pub position: Position,
}

/// Types that a publisher may not use: receivers would take such an event for one of the server's own.
const PROTOCOL_TYPES: [&str; 29] = [
    "connected",
    "subscribed",
    "unsubscribed",
    "caught-up",
    "accepted",
    "heartbeat",
    "ping",
    "pong",
    "ok",
    "error",
    "refused",
    "presence",
    "goodbye",
    "room-created",
    "room-deleted",
    "message-created",
    "ar-message-request",
    "stream-queued",
    "ar-stream-start",
    "ar-stream-chunk",
    "ar-stream-reasoning",
    "ar-stream-reset",
    "ar-stream-attempt",
    "ar-stream-pause",
    "ar-stream-resume",
    "ar-stream-interrupt",
    "ar-stream-end",
    "owner-changed",
    "snapshot",
];

/// Publishes one event or an array. Answers once they are durable, with the position of the last.
#[utoipa::path(post, path = "/api/channels/{namespace}/{id}/events", tag = "channels",
    params(("namespace" = String, Path), ("id" = String, Path)),
    request_body = NewEvents, responses(
    (status = 200, body = Published), (status = 400, description = "invalid_json", body = ProblemDetails),
    (status = 403, description = "forbidden", body = ProblemDetails),
    (status = 404, description = "channel_not_found", body = ProblemDetails),
    (status = 409, description = "conflict", body = ProblemDetails),
    (status = 413, description = "payload_too_large", body = ProblemDetails), (status = 422, body = ProblemDetails),
    (status = 429, description = "rate_limited", body = ProblemDetails),
    (status = 503, description = "unavailable", body = ProblemDetails)))]
pub(crate) async fn publish(
    State(state): State<Arc<ApiState>>,
    Caller(who): Caller,
    Path((namespace, id)): Path<(String, String)>,
    Raw(body): Raw,
) -> Result<Json<Published>, Problem> {
    let channel = ChannelName::new(&namespace, &id)?;
    may_publish(&state, &who, &channel)?;
    if state.draining.is_cancelled() {
        return Err(leaving().into());
    }
    state.limiter.publish(&who)?;
    let events = encode(&channel, &body)?;
    state.rooms.check_log(&channel)?;
    let positions = state.log.append(&channel, events).await.map_err(Refusal::from)?;
    let position = *positions.last().ok_or_else(|| Refusal::new(Code::Internal, "nothing was published"))?;
    Ok(Json(Published { position }))
}

fn may_publish(state: &ApiState, who: &Identity, channel: &ChannelName) -> Result<(), Refusal> {
    if channel.is_room() {
        return Err(Refusal::new(Code::Forbidden, "a room's channel is written through the room's own calls only"));
    }
    if !who.may_publish(channel) {
        return Err(Refusal::new(Code::Forbidden, format!("you may not publish to {channel}")));
    }
    if state.declared.as_ref().is_some_and(|declared| !declared.contains(channel.namespace())) {
        return Err(Refusal::new(
            Code::ChannelNotFound,
            format!("no namespace `{}` is declared on this server", channel.namespace()),
        ));
    }
    Ok(())
}

/// Reads the body and encodes its events, once, as every client will get them.
fn encode(channel: &ChannelName, body: &[u8]) -> Result<Vec<Event>, Refusal> {
    let timestamp = Timestamp::now();
    if !text(body)?.trim_ascii_start().starts_with('[') {
        let Object(event) = parse::<Object<NewEvent<'_>>>(body)?;
        return Ok(vec![encode_one(channel, &event, timestamp)?]);
    }
    let events: Vec<Object<NewEvent<'_>>> = parse(body)?;
    if events.is_empty() || events.len() > MAX_APPEND_EVENTS {
        let message = format!("an array holds 1 to {MAX_APPEND_EVENTS} events, this one {}", events.len());
        return Err(Refusal::new(Code::InvalidRequest, message));
    }
    let encoded = events.iter().enumerate().map(|(place, Object(event))| {
        encode_one(channel, event, timestamp).map_err(|mut refusal| {
            refusal.message.insert_str(0, &format!("event {place} of the array: "));
            refusal
        })
    });
    encoded.collect()
}

fn encode_one(channel: &ChannelName, event: &NewEvent<'_>, timestamp: Timestamp) -> Result<Event, Refusal> {
    check_type(&event.event_type)?;
    let data = event.data.map_or("null", RawValue::get);
    check_depth(data)?;
    let (namespace, id) = (channel.namespace(), channel.id());
    let mut json = Vec::with_capacity(data.len() + 2 * namespace.len() + 2 * id.len() + 160);
    // None of these needs escaping: each is of a few ASCII characters. Writing into a vector cannot fail.
    let _ =
        write!(json, r#"{{"type":"{}","channel":{{"type":"{namespace}","id":"{id}"}},"data":{data}"#, event.event_type);
    if let Some(event_id) = &event.event_id {
        if event_id.is_empty() || event_id.chars().count() > MAX_CLIENT_ID_LENGTH {
            let message = format!("`eventId` is 1 to {MAX_CLIENT_ID_LENGTH} characters");
            return Err(Refusal::new(Code::InvalidRequest, message));
        }
        json.extend_from_slice(b",\"eventId\":");
        let _ = serde_json::to_writer(&mut json, event_id);
    }
    let _ = write!(json, r#","timestamp":"{timestamp}"}}"#);
    Ok(Event {
        kind: EventKind::Plain,
        json: json.into(),
        event_id: event.event_id.as_deref().map(str::to_owned),
        provider_at: None,
    })
}

fn check_type(event_type: &str) -> Result<(), Refusal> {
    let is_word = !event_type.is_empty()
        && event_type.len() <= MAX_EVENT_TYPE_LENGTH
        && event_type.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'-'));
    if !is_word {
        return Err(Refusal::new(
            Code::InvalidRequest,
            format!("`type` is 1 to {MAX_EVENT_TYPE_LENGTH} characters of A-Z, a-z, 0-9, _, ., : and -"),
        ));
    }
    if PROTOCOL_TYPES.contains(&event_type) {
        return Err(Refusal::new(
            Code::InvalidRequest,
            format!("`type` must not be `{event_type}`, which the protocol itself uses"),
        ));
    }
    Ok(())
}

/// Data that other parsers would refuse must not reach the log, where every reader would meet it.
fn check_depth(data: &str) -> Result<(), Refusal> {
    if data.len() <= 2 * MAX_DATA_DEPTH {
        return Ok(());
    }
    let (mut depth, mut is_string, mut is_escaped) = (0_usize, false, false);
    for byte in data.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_string,
            b'"' => is_string = !is_string,
            _ if is_string => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DATA_DEPTH {
            let message = format!("`data` has over {MAX_DATA_DEPTH} arrays and objects within each other");
            return Err(Refusal::new(Code::InvalidRequest, message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel() -> ChannelName {
        ChannelName::parse("job_progress:job_1").unwrap()
    }

    #[test]
    fn data_passes_through_untouched() {
        let body = br#" {"data": {"b" :1.10, "a":[1e400,"\ud83d\ude00"]} , "type":"tick","eventId":"a\"b","new":1}"#;
        let events = encode(&channel(), body).unwrap();
        let json = std::str::from_utf8(&events[0].json).unwrap();
        let start = r#"{"type":"tick","channel":{"type":"job_progress","id":"job_1"},"data":{"b" :1.10, "a":[1e400,"\ud83d\ude00"]},"eventId":"a\"b","timestamp":""#;
        assert!(json.starts_with(start), "{json}");
        assert_eq!(events[0].event_id.as_deref(), Some("a\"b"));
        let bare = encode(&channel(), br#"[{"type":"a"},{"type":"b:c.d-e_F9","data":null}]"#).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&bare[1].json).unwrap();
        assert_eq!((bare.len(), &value["data"], &value["type"]), (2, &serde_json::Value::Null, &"b:c.d-e_F9".into()));
    }

    #[test]
    fn what_is_not_an_event_is_refused() {
        let deep = format!(r#"{{"type":"a","data":{}1{}}}"#, "[".repeat(101), "]".repeat(101));
        let wide = format!(r#"{{"type":"a","data":"{}"}}"#, "[".repeat(1_000));
        assert!(encode(&channel(), wide.as_bytes()).is_ok());
        let many = format!("[{}]", vec![r#"{"type":"a"}"#; MAX_APPEND_EVENTS + 1].join(","));
        let long = format!(r#"{{"type":"{}"}}"#, "a".repeat(65));
        for (body, code, word) in [
            ("", Code::InvalidJson, "empty"),
            ("{", Code::InvalidJson, "not JSON"),
            ("[]", Code::InvalidRequest, "1 to"),
            ("3", Code::InvalidRequest, "invalid type"),
            ("{}", Code::InvalidRequest, "`type`"),
            (r#"{"type":3}"#, Code::InvalidRequest, "invalid type"),
            (r#"{"type":""}"#, Code::InvalidRequest, "1 to 64"),
            (r#"{"type":"ar-stream-end"}"#, Code::InvalidRequest, "protocol"),
            (r#"{"type":"a","eventId":""}"#, Code::InvalidRequest, "eventId"),
            (r#"[["tick",1]]"#, Code::InvalidRequest, "`[0]`: invalid type: array"),
            (r#"[{"type":"a"},{"type":"b c"}]"#, Code::InvalidRequest, "event 1 of"),
            (&deep, Code::InvalidRequest, "100"),
            (&many, Code::InvalidRequest, "10000"),
            (&long, Code::InvalidRequest, "64"),
        ] {
            let refusal = encode(&channel(), body.as_bytes()).unwrap_err();
            assert_eq!(refusal.code, code, "{body:.50}");
            assert!(refusal.message.contains(word), "{}", refusal.message);
        }
    }
}
