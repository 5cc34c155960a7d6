//! The checker sees what it is there to see.

use super::*;
use antiphon_core::ChannelName;
use serde_json::json;

fn at(number: u64, epoch: u32, address: u64) -> String {
    let channel = ChannelName::new("ar-room", "r").unwrap();
    Position { epoch, address, number, ..Position::before_first(&channel, 1) }.to_string()
}

fn chunk(number: u64, index: u64, count: u64) -> Value {
    json!({ "type": "ar-stream-chunk", "streamId": "s", "chunk": "x".repeat(count as usize), "chunkIndex": index,
        "chunkCount": count, "position": at(number, 1, number) })
}

fn other(kind: &str, number: u64, more: &Value) -> Value {
    let mut event = json!({ "type": kind, "streamId": "s", "position": at(number, 1, number) });
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

fn reading(events: &[Value]) -> Reading {
    let mut reading = Reading::default();
    events.iter().for_each(|event| reading.take(event));
    reading
}

fn whole() -> Vec<Value> {
    vec![
        other("ar-stream-start", 1, &json!({})),
        chunk(2, 0, 1),
        chunk(3, 1, 1),
        chunk(4, 2, 1),
        other("ar-stream-end", 5, &json!({ "outcome": "completed", "totalChunks": 3 })),
    ]
}

#[test]
fn a_whole_stream_has_no_findings_however_it_is_merged() {
    let one = reading(&whole());
    let merged = reading(&[whole()[0].clone(), chunk(4, 0, 3), whole()[4].clone()]);
    for reading in [&one, &merged] {
        assert!(reading.problems.is_empty(), "{:?}", reading.problems);
        assert_eq!((reading.gaps, reading.duplicates, reading.disorder), (0, 0, 0));
        assert_eq!(reading.streams()["s"].ends, ["completed"]);
    }
    assert_eq!(one.difference(&merged), None);
}

#[test]
fn what_is_left_out_or_comes_again_is_counted() {
    let mut events = whole();
    events.remove(2);
    let gap = reading(&events);
    assert_eq!(gap.gaps, 1);
    assert!(gap.difference(&reading(&whole())).is_some());
    let mut events = whole();
    events.insert(3, events[2].clone());
    assert_eq!(reading(&events).duplicates, 1);
    let overlapping = reading(&[whole()[0].clone(), chunk(3, 0, 2), chunk(4, 1, 2)]);
    assert_eq!(overlapping.duplicates, 1);
    assert_eq!(reading(&whole()[1..]).gaps, 1, "from the start means from the first");
}

#[test]
fn two_writers_and_two_ends_are_found() {
    let mut events = whole();
    events[3]["position"] = json!(at(4, 0, 4));
    assert_eq!(reading(&events).disorder, 1);
    let mut events = whole();
    events.push(other("ar-stream-end", 6, &json!({ "outcome": "failed", "totalChunks": 3 })));
    let twice = reading(&events);
    assert_eq!(twice.streams()["s"].ends.len(), 2);
    assert!(!twice.problems.is_empty());
}
