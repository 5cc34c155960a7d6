//! Plain events with a text, and what is to be seen of them in what a log has.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use antiphon_core::{Event, EventKind, Record};
use bytes::Bytes;

pub(crate) fn event(text: &str) -> Event {
    let json = serde_json::json!({"type": "test", "text": text}).to_string();
    Event { kind: EventKind::Plain, json: Bytes::from(json), event_id: None, provider_at: None }
}

pub(crate) fn event_with_id(text: &str, event_id: &str) -> Event {
    Event { event_id: Some(event_id.to_owned()), ..event(text) }
}

pub(crate) fn texts(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| {
        let value: serde_json::Value = serde_json::from_slice(&record.json).expect("stored JSON");
        value["text"].as_str().expect("its text").to_owned()
    };
    records.iter().map(text).collect()
}

pub(crate) fn numbers(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.position.number).collect()
}
