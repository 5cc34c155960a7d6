//! Events and records: an event is encoded once, as the JSON that clients get, and those bytes are what the log keeps.

use crate::{ChannelName, Position};
use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::time::Instant;

/// What delivery must know of an event without reading its JSON. The numbers are stored: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EventKind {
    /// Delivered as it is.
    Plain = 0,
    /// A stream's chunk: neighbours of one stream and attempt may be merged for a slow reader.
    Chunk = 1,
    /// For back-end callers only, never sent to people.
    BackEnd = 2,
    /// The last of its channel: whoever has it needs no subscription any more.
    Last = 3,
}

impl EventKind {
    /// The kind of a stored number, if it is one.
    pub fn from_stored(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Plain),
            1 => Some(Self::Chunk),
            2 => Some(Self::BackEnd),
            3 => Some(Self::Last),
            _ => None,
        }
    }
}

/// An event on its way into a log.
#[derive(Clone, Debug)]
pub struct Event {
    /// What delivery must know.
    pub kind: EventKind,
    /// A JSON object without `position`, which is known only once the log has the event.
    pub json: Bytes,
    /// The publisher's own id: a second event with it in the same channel is not appended again.
    pub event_id: Option<String>,
    /// When the model's piece that caused it arrived, for the per-hop latencies.
    pub provider_at: Option<Instant>,
}

/// An event that a log holds.
#[derive(Clone, Debug)]
pub struct Record {
    /// The channel it is in.
    pub channel: ChannelName,
    /// Where it stands.
    pub position: Position,
    /// What delivery must know.
    pub kind: EventKind,
    /// The event's JSON object, without `position`.
    pub json: Bytes,
    /// When the model's piece that caused it arrived; known only to the process that appended it.
    pub provider_at: Option<Instant>,
    /// When the log had it; known only for records that come straight from an append.
    pub logged_at: Option<Instant>,
}

impl Event {
    /// Whether the stored event is this one said again: the same fields, whenever each was said.
    pub fn repeats(&self, stored: &[u8]) -> bool {
        let fields = |json: &[u8]| {
            let fields: BTreeMap<String, Value> = serde_json::from_slice(json).ok()?;
            Some(fields.into_iter().filter(|(name, _)| name != "timestamp").collect::<Vec<_>>())
        };
        if self.json == stored {
            return true;
        }
        match (fields(&self.json), fields(stored)) {
            (Some(new), Some(old)) => new == old,
            // Numbers beyond what a parser holds are compared as they are written.
            _ => raw_fields(&self.json) == raw_fields(stored),
        }
    }
}

fn raw_fields(json: &[u8]) -> Option<Vec<(String, String)>> {
    let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(json).ok()?;
    let fields = fields.into_iter().filter(|(name, _)| name != "timestamp");
    Some(fields.map(|(name, value)| (name, value.get().to_owned())).collect())
}

impl Record {
    /// Writes the event as clients get it: the stored object with `position` as its last field.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        use std::io::Write;
        let open = self.json.strip_suffix(b"}").unwrap_or(&self.json);
        out.extend_from_slice(open);
        if open != b"{" {
            out.push(b',');
        }
        // Writing into a vector cannot fail.
        let _ = write!(out, "\"position\":\"{}\"}}", self.position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_said_again_whatever_its_time_and_the_order_of_its_fields() {
        let event = |json: &str| Event {
            kind: EventKind::Plain,
            json: Bytes::copy_from_slice(json.as_bytes()),
            event_id: Some("e".into()),
            provider_at: None,
        };
        let said = event(r#"{"type":"tick","data":{"a":1.10,"b":[]},"timestamp":"t1"}"#);
        assert!(said.repeats(br#"{"type":"tick","data":{"b":[],"a":1.1},"timestamp":"t2"}"#));
        for other in [r#"{"type":"tick","data":{"a":1.2,"b":[]},"timestamp":"t1"}"#, r#"{"type":"tock","data":1}"#] {
            assert!(!said.repeats(other.as_bytes()), "{other}");
        }
        let huge = event(r#"{"data":1e400,"timestamp":"t1"}"#);
        assert!(huge.repeats(br#"{"data":1e400,"timestamp":"t2"}"#) && !huge.repeats(br#"{"data":1e401}"#));
    }
}
