//! Records and notices as the bytes of a transport: encoded once per wire format and shared by every client of it.

use crate::{ServerMessage, merge, websocket};
use antiphon_core::{EventKind, Record};
use bytes::Bytes;

/// Who reads: people do not get the events that back ends exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Users and guests.
    People,
    /// Callers with an API key.
    BackEnds,
}

/// A wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// One text frame an event.
    WebSocket,
    /// Server-sent events without names, so that `onmessage` gets all
    /// (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
    Sse,
    /// Server-sent events named by their type.
    SseNamed,
}

/// Encodes records for one audience, neighbouring chunks merged. Empty where nothing is for that audience.
pub fn records(records: &[Record], format: Format, audience: Audience) -> Bytes {
    let mut out = Vec::with_capacity(records.iter().map(|record| record.json.len() + 96).sum());
    merge::for_each_merged(records, |record, json| {
        if record.kind == EventKind::BackEnd && audience == Audience::People {
            return;
        }
        match format {
            Format::WebSocket => websocket::write_text(json, &mut out),
            Format::Sse | Format::SseNamed => {
                out.extend_from_slice(b"id: ");
                out.extend_from_slice(record.position.to_string().as_bytes());
                out.push(b'\n');
                write_sse_data(json, format, &mut out);
            }
        }
    });
    out.into()
}

/// Encodes a message that is in no log and has no position.
pub fn notice(message: &ServerMessage, format: Format) -> Bytes {
    let mut out = Vec::with_capacity(160);
    // A server message has no map keys other than strings and no failing serializer.
    let json = serde_json::to_vec(message).unwrap_or_default();
    match format {
        Format::WebSocket => websocket::write_text(&json, &mut out),
        Format::Sse | Format::SseNamed => write_sse_data(&json, format, &mut out),
    }
    out.into()
}

/// The comment that keeps an idle SSE connection open.
pub const SSE_COMMENT: &[u8] = b": keep-alive\n\n";

fn write_sse_data(json: &[u8], format: Format, out: &mut Vec<u8>) {
    if format == Format::SseNamed
        && let Some(name) = type_of(json)
    {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    // A line break in JSON is white space between tokens: inside a string it is escaped.
    out.extend(json.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    out.extend_from_slice(b"\n\n");
}

fn type_of(json: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Typed {
        r#type: String,
    }
    let typed: Typed = serde_json::from_slice(json).ok()?;
    typed.r#type.bytes().all(|byte| byte.is_ascii_graphic()).then_some(typed.r#type)
}

#[cfg(test)]
mod tests {
    use super::*;
    use antiphon_core::{ChannelName, Position};

    fn record(kind: EventKind, json: &'static str) -> Record {
        let channel = ChannelName::parse("jobs:1").unwrap();
        let position = Position { number: 1, address: 1, ..Position::before_first(&channel, 1) };
        Record {
            channel,
            position,
            kind,
            json: Bytes::from_static(json.as_bytes()),
            provider_at: None,
            logged_at: None,
        }
    }

    #[test]
    fn an_event_has_the_shape_of_its_transport() {
        let tick = record(EventKind::Plain, "{\"type\":\"tick\",\"data\":\n1}");
        let position = tick.position.to_string();
        let json = format!("{{\"type\":\"tick\",\"data\": 1,\"position\":\"{position}\"}}");
        let sse = records(std::slice::from_ref(&tick), Format::Sse, Audience::People);
        assert_eq!(sse, format!("id: {position}\ndata: {json}\n\n"));
        let named = records(std::slice::from_ref(&tick), Format::SseNamed, Audience::People);
        assert_eq!(named, format!("id: {position}\nevent: tick\ndata: {json}\n\n"));
        let frame = records(&[tick], Format::WebSocket, Audience::People);
        assert_eq!((frame[0], frame[1] as usize), (0x81, json.len()));
    }

    #[test]
    fn people_do_not_get_what_is_for_back_ends() {
        let request = [record(EventKind::BackEnd, "{\"type\":\"ar-message-request\"}")];
        assert!(records(&request, Format::WebSocket, Audience::People).is_empty());
        assert!(!records(&request, Format::WebSocket, Audience::BackEnds).is_empty());
    }
}
