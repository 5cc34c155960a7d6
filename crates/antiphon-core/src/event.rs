//! Events and records: an event is encoded once, as the JSON that clients get, and those bytes are what the log keeps.

use crate::{ChannelName, Position};
use bytes::Bytes;
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
}

impl EventKind {
    /// The kind of a stored number, if it is one.
    pub fn from_stored(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Plain),
            1 => Some(Self::Chunk),
            2 => Some(Self::BackEnd),
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
