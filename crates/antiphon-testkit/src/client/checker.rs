//! Folds everything that a client saw of one channel, and panics where a guarantee does not hold: order, no gap, no
//! duplicate, one start and one end of each stream.

use super::is_logged;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a stream came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folded {
    /// Spoken text since the last reset.
    pub text: String,
    /// Raw text since the last reset.
    pub raw: String,
    /// `(kind, value, offset)` since the last reset.
    pub markers: Vec<(String, String, u64)>,
    /// The same of values that the vocabulary lacks.
    pub unknown: Vec<(String, String, u64)>,
    /// Chunks since the last reset.
    pub chunks: u64,
    /// The last attempt seen.
    pub attempt: u64,
    /// Whether it started.
    pub is_started: bool,
    /// Whether the last chunk said that it is final.
    pub is_final: bool,
    /// Its one terminal event.
    pub end: Option<Value>,
}

/// The fold of one channel, which may go on over any number of connections.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    position: String,
    streams: BTreeMap<String, Folded>,
    milestones: Vec<(String, String, String)>,
}

impl Checker {
    /// Folds all of these; what is no event of the log is passed over.
    pub fn of<'a>(messages: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut checker = Self::default();
        checker.take_all(messages);
        checker
    }

    /// Folds more.
    pub fn take_all<'a>(&mut self, messages: impl IntoIterator<Item = &'a Value>) {
        messages.into_iter().for_each(|message| self.take(message));
    }

    /// The position to go on from; none before the first event.
    pub fn position(&self) -> Option<&str> {
        (!self.position.is_empty()).then_some(&*self.position)
    }

    /// A stream's fold.
    pub fn stream(&self, id: &str) -> &Folded {
        self.streams.get(id).unwrap_or_else(|| panic!("nothing was seen of {id}"))
    }

    /// Every stream seen.
    pub fn streams(&self) -> &BTreeMap<String, Folded> {
        &self.streams
    }

    /// Folds one message.
    pub fn take(&mut self, event: &Value) {
        if !is_logged(event) {
            return;
        }
        let position = event["position"].as_str().expect("a string");
        assert!(is_position(position), "{position}");
        assert!(*position > *self.position, "{position} does not sort after {}: {event}", self.position);
        position.clone_into(&mut self.position);
        assert!(event["timestamp"].is_string(), "{event}");
        let kind = event["type"].as_str().expect("a type").to_owned();
        let id = event["streamId"].as_str().unwrap_or_default().to_owned();
        if kind.starts_with("ar-stream-") {
            self.take_of_stream(&kind, self.streams.get(&id).cloned().unwrap_or_default(), &id, event);
        }
        if kind != "ar-stream-chunk" {
            let text = self.streams.get(&id).map(|stream| stream.text.clone()).unwrap_or_default();
            self.milestones.push((self.position.clone(), kind, text));
        }
    }

    fn take_of_stream(&mut self, kind: &str, mut stream: Folded, id: &str, event: &Value) {
        let may_follow_end = kind == "ar-stream-interrupt";
        assert!(stream.end.is_none() || may_follow_end, "after the stream's end: {event}");
        match kind {
            "ar-stream-start" => {
                assert!(!stream.is_started, "a second start: {event}");
                stream.is_started = true;
                for field in ["messageId", "agentId", "userId", "startedAt"] {
                    assert!(event[field].is_string(), "{field}: {event}");
                }
                assert!(event["durable"].is_boolean(), "{event}");
            }
            "ar-stream-chunk" => chunk(&mut stream, event),
            "ar-stream-reset" => {
                assert!(stream.is_started && event["reason"].is_string(), "{event}");
                let attempt = event["attempt"].as_u64().expect("an attempt");
                assert!(attempt > stream.attempt, "{event}");
                stream = Folded { is_started: true, attempt, ..Folded::default() };
            }
            "ar-stream-attempt" => {
                assert!(event["policy"].is_string() && event["reason"].is_string(), "{event}");
                stream.attempt = event["attempt"].as_u64().expect("an attempt");
            }
            "ar-stream-end" => end(&mut stream, event),
            _ => {}
        }
        self.streams.insert(id.to_owned(), stream);
    }

    /// Checks that both saw the same of the log: the same events at the same positions, and between them the same text,
    /// however its chunks were merged.
    pub fn assert_same(&self, other: &Self) {
        assert_eq!(self.milestones, other.milestones);
        assert_eq!(self.position, other.position);
        for (id, stream) in &self.streams {
            let same = other.stream(id);
            assert_eq!((&stream.text, &stream.raw), (&same.text, &same.raw), "{id}");
            assert_eq!((&stream.markers, &stream.unknown), (&same.markers, &same.unknown), "{id}");
            assert_eq!((stream.chunks, &stream.end), (same.chunks, &same.end), "{id}");
        }
    }
}

fn chunk(stream: &mut Folded, event: &Value) {
    assert!(stream.is_started, "a chunk before the start: {event}");
    assert!(!stream.is_final, "a chunk after the final one: {event}");
    assert_eq!(event["chunkIndex"], stream.chunks, "a gap or a duplicate: {event}");
    let attempt = event["attempt"].as_u64().expect("an attempt");
    assert!(attempt >= 1 && (attempt == stream.attempt || stream.attempt == 0), "{event}");
    let count = event["chunkCount"].as_u64().expect("a count");
    assert!(count >= 1, "{event}");
    let before = utf16(&stream.text);
    stream.attempt = attempt;
    stream.chunks += count;
    stream.text.push_str(event["text"].as_str().expect("text"));
    stream.raw.push_str(event["chunk"].as_str().expect("raw text"));
    stream.is_final = event["isFinal"].as_bool().expect("isFinal");
    assert!(event["markers"].is_array(), "{event}");
    for (field, kept) in [("markers", &mut stream.markers), ("unknownMarkers", &mut stream.unknown)] {
        for marker in event[field].as_array().map(Vec::as_slice).unwrap_or_default() {
            let offset = marker["offset"].as_u64().expect("an offset");
            assert!((before..=utf16(&stream.text)).contains(&offset), "not in this chunk: {event}");
            let text = |name: &str| marker[name].as_str().expect("a string").to_owned();
            kept.push((text("kind"), text("value"), offset));
        }
    }
}

fn end(stream: &mut Folded, event: &Value) {
    let outcome = event["outcome"].as_str().expect("an outcome");
    assert!(["completed", "interrupted", "cancelled", "truncated", "failed"].contains(&outcome), "{event}");
    assert_eq!(event["totalChunks"], stream.chunks, "{event}");
    assert!(event["endedAt"].is_string() && event["messageId"].is_string(), "{event}");
    assert_eq!(outcome == "completed", stream.is_final, "the last chunk of a completed stream is final: {event}");
    if outcome == "failed" {
        assert!(event["error"]["code"].is_string() && event["error"]["message"].is_string(), "{event}");
    }
    stream.end = Some(event.clone());
}

/// As the protocol describes a position.
pub(super) fn is_position(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(is_allowed)
}

fn utf16(text: &str) -> u64 {
    text.encode_utf16().count() as u64
}
