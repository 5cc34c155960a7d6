//! What is published: an event as clients get it, within what its publisher and its kind are; and tail notices.

use antiphon_core::{ChannelName, EventKind, Position, Record};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Envelope<'a> {
    from: &'a str,
    kind: u8,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// Which channels moved lately, and their last positions.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tails {
    /// Who published.
    pub from: String,
    /// Some events were not published since the notice before.
    #[serde(default, rename = "leftOut")]
    pub has_left_out: bool,
    /// By channel.
    pub tails: BTreeMap<String, Position>,
}

/// The envelope of a record.
pub fn write(from: &str, record: &Record) -> Vec<u8> {
    let mut out = Vec::with_capacity(record.json.len() + 160);
    out.extend_from_slice(format!("{{\"from\":\"{from}\",\"kind\":{},\"event\":", record.kind as u8).as_bytes());
    record.write_json(&mut out);
    out.push(b'}');
    out
}

/// Who published, and what; nothing where it is not ours.
pub fn read(channel: ChannelName, envelope: &[u8]) -> Option<(String, Record)> {
    let Envelope { from, kind, event } = serde_json::from_slice(envelope).ok()?;
    // The position is the last field, as `Record::write_json` writes it.
    let event = event.get();
    let (open, position) = event.strip_suffix("\"}")?.rsplit_once("\"position\":\"")?;
    let position = Position::parse(position).ok()?;
    let open = open.trim_end().strip_suffix(',').unwrap_or(open);
    let json = Bytes::from(format!("{open}}}"));
    let kind = EventKind::from_stored(kind)?;
    Some((from.to_owned(), Record { channel, position, kind, json, provider_at: None, logged_at: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_read_back_and_plain_json() {
        let channel = ChannelName::parse("ar-room:room-1").unwrap();
        let position = Position { number: 7, epoch: 2, ..Position::before_first(&channel, 3) };
        for json in ["{}", r#"{"type":"x","text":"\"position\":\"}"}"#] {
            let json = Bytes::from(json);
            let kind = EventKind::Chunk;
            let record = Record { channel: channel.clone(), position, kind, json, provider_at: None, logged_at: None };
            let written = write("me", &record);
            let value: serde_json::Value = serde_json::from_slice(&written).unwrap();
            assert_eq!(value["event"]["position"], position.to_string());
            let (from, read) = read(channel.clone(), &written).unwrap();
            assert_eq!((from.as_str(), read.position, read.kind, &read.json), ("me", position, kind, &record.json));
        }
        for other in ["", "{}", r#"{"from":"x","kind":9,"event":{}}"#, r#"{"from":"x","kind":0,"event":{"a":1}}"#] {
            assert!(read(channel.clone(), other.as_bytes()).is_none(), "{other}");
        }
    }
}
