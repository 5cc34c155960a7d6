//! Lossless merging of neighbouring chunks: what a reader that lags gets instead of a dropped token.

use antiphon_core::{EventKind, Position, Record};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A merged chunk's text stays below this many bytes, so that one frame never grows without bound.
const MAX_MERGED_BYTES: usize = 32 * 1024;

/// A stored `ar-stream-chunk`, borrowed from its JSON.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    stream_id: Cow<'a, str>,
    #[serde(borrow)]
    message_id: Cow<'a, str>,
    attempt: u32,
    #[serde(borrow)]
    chunk: Cow<'a, str>,
    #[serde(borrow)]
    text: Cow<'a, str>,
    #[serde(borrow)]
    markers: Vec<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    unknown_markers: Vec<&'a RawValue>,
    chunk_index: u64,
    chunk_count: u64,
    is_final: bool,
    #[serde(borrow)]
    room_id: Cow<'a, str>,
    #[serde(borrow)]
    timestamp: Cow<'a, str>,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    position: Option<Position>,
}

impl<'a> Chunk<'a> {
    fn read(record: &'a Record) -> Option<Self> {
        serde_json::from_slice(&record.json).ok()
    }

    fn is_followed_by(&self, next: &Chunk<'_>) -> bool {
        self.stream_id == next.stream_id
            && self.attempt == next.attempt
            && self.chunk_index + self.chunk_count == next.chunk_index
            && self.chunk.len() + next.chunk.len() <= MAX_MERGED_BYTES
    }

    fn append(&mut self, next: Chunk<'a>) {
        self.chunk.to_mut().push_str(&next.chunk);
        self.text.to_mut().push_str(&next.text);
        self.markers.extend(next.markers);
        self.unknown_markers.extend(next.unknown_markers);
        self.chunk_count += next.chunk_count;
        self.is_final = next.is_final;
        self.timestamp = next.timestamp;
    }
}

/// Calls `each` with the JSON of every event and its position, in order, neighbouring chunks of one stream and attempt
/// merged into one.
pub fn for_each_merged(records: &[Record], mut each: impl FnMut(&Record, &[u8])) {
    let mut json = Vec::with_capacity(256);
    let mut at = 0;
    while let Some(record) = records.get(at) {
        let end = at + chunks_in_a_row(&records[at..]);
        json.clear();
        let last = if end > at + 1 { write_merged(&records[at..end], &mut json) } else { 0 };
        if last == 0 {
            record.write_json(&mut json);
        }
        at += last.max(1);
        each(&records[at - 1], &json);
    }
}

fn chunks_in_a_row(records: &[Record]) -> usize {
    records.iter().take_while(|record| record.kind == EventKind::Chunk).count()
}

/// Merges as many of the records as belong together; returns how many, 0 where the first cannot be read.
fn write_merged(records: &[Record], json: &mut Vec<u8>) -> usize {
    let mut chunks = records.iter().map_while(Chunk::read);
    let Some(mut merged) = chunks.next() else { return 0 };
    let mut count = 1;
    for chunk in chunks {
        if !merged.is_followed_by(&chunk) {
            break;
        }
        merged.append(chunk);
        count += 1;
    }
    if count == 1 {
        return 0;
    }
    merged.position = Some(records[count - 1].position);
    match serde_json::to_writer(&mut *json, &merged) {
        Ok(()) => count,
        Err(_) => {
            json.clear();
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use antiphon_core::{ChannelName, RoomEvent};
    use serde_json::Value;

    fn records(events: &[RoomEvent]) -> Vec<Record> {
        let channel = ChannelName::parse("ar-room:room-1").unwrap();
        let place = |number| Position { number, address: number, ..Position::before_first(&channel, 1) };
        let record = |(number, event): (usize, &RoomEvent)| {
            let event = event.encode("room-1", None).unwrap();
            Record {
                channel: channel.clone(),
                position: place(number as u64 + 1),
                kind: event.kind,
                json: event.json,
                provider_at: None,
                logged_at: None,
            }
        };
        events.iter().enumerate().map(record).collect()
    }

    fn chunk(stream: &str, attempt: u32, index: u64, text: &str) -> RoomEvent {
        RoomEvent::ArStreamChunk {
            stream_id: stream.into(),
            message_id: "msg-1".into(),
            attempt,
            chunk: format!("[emotion:happy]{text}"),
            text: text.into(),
            markers: serde_json::from_str("[{\"kind\":\"emotion\",\"value\":\"happy\",\"offset\":3}]").unwrap(),
            unknown_markers: vec![],
            chunk_index: index,
            chunk_count: 1,
            is_final: index == 9,
        }
    }

    fn merged(events: &[RoomEvent]) -> Vec<Value> {
        let mut out = Vec::new();
        for_each_merged(&records(events), |record, json| {
            let value: Value = serde_json::from_slice(json).unwrap();
            assert_eq!(value["position"], record.position.to_string());
            out.push(value);
        });
        out
    }

    #[test]
    fn neighbours_of_one_attempt_become_one() {
        let out = merged(&[chunk("s", 1, 7, "a"), chunk("s", 1, 8, "b\"\n"), chunk("s", 1, 9, "ü")]);
        assert_eq!(out.len(), 1);
        assert_eq!(out[0]["text"], "ab\"\nü");
        assert_eq!(out[0]["chunkIndex"], 7);
        assert_eq!(out[0]["chunkCount"], 3);
        assert_eq!(out[0]["isFinal"], true);
        assert_eq!(out[0]["markers"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn anything_between_keeps_them_apart() {
        let pause = RoomEvent::ArStreamPause { stream_id: "s".into(), by: "u".into() };
        let out = merged(&[
            chunk("s", 1, 0, "a"),
            pause,
            chunk("s", 1, 1, "b"),
            chunk("s", 2, 0, "c"),
            chunk("t", 2, 1, "d"),
        ]);
        let kinds: Vec<_> = out.iter().map(|value| value["type"].as_str().unwrap()).collect();
        let chunk = "ar-stream-chunk";
        assert_eq!(kinds, [chunk, "ar-stream-pause", chunk, chunk, chunk]);
        assert!(out.iter().filter(|value| value["type"] == chunk).all(|value| value["chunkCount"] == 1));
    }

    #[test]
    fn one_frame_stays_bounded() {
        let events: Vec<_> = (0..40).map(|index| chunk("s", 1, index, &"x".repeat(2_000))).collect();
        let out = merged(&events);
        assert!(out.len() > 1 && out.len() < 5, "{}", out.len());
        let total: u64 = out.iter().map(|value| value["chunkCount"].as_u64().unwrap()).sum();
        assert_eq!(total, 40);
    }
}
