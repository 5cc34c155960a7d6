//! What one client saw of one channel, folded, and every way in which it does not fit together.

use antiphon_core::Position;
use serde_json::Value;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Findings that are kept word for word; the others are only counted.
const MAX_PROBLEMS: usize = 20;

/// What a stream came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Raw text since the last reset.
    pub text: String,
    /// Chunks since the last reset.
    pub chunks: u64,
    /// How often it started.
    pub starts: u64,
    /// The outcome of each terminal event.
    pub ends: Vec<String>,
}

/// The fold of one channel over any number of connections.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    last: Option<(Position, String)>,
    streams: BTreeMap<String, Seen>,
    /// `(number, digest)` of each event that cannot be merged.
    milestones: Vec<(u64, u64)>,
    /// Events that numbers say were left out.
    pub gaps: u64,
    /// Events that came again.
    pub duplicates: u64,
    /// Events whose position does not sort after the one before, though their number does: two writers.
    pub disorder: u64,
    /// How often the log was another one.
    pub replaced: u64,
    /// Findings in words.
    pub problems: Vec<String>,
}

impl Reading {
    /// The position to go on from.
    pub fn position(&self) -> Option<&str> {
        self.last.as_ref().map(|(_, text)| text.as_str())
    }

    /// The last event's number; 0 before the first.
    pub fn number(&self) -> u64 {
        self.last.as_ref().map_or(0, |(position, _)| position.number)
    }

    /// All streams seen.
    pub fn streams(&self) -> &BTreeMap<String, Seen> {
        &self.streams
    }

    /// Whether a stream's terminal event was seen.
    pub fn has_ended(&self, stream: &str) -> bool {
        self.streams.get(stream).is_some_and(|seen| !seen.ends.is_empty())
    }

    /// Another log took this one's place: what was folded is dropped.
    pub fn replace(&mut self) {
        self.replaced += 1;
        self.last = None;
        self.streams.clear();
        self.milestones.clear();
    }

    /// Folds one event of the log.
    pub fn take(&mut self, event: &Value) {
        let Some((text, position)) =
            event["position"].as_str().and_then(|text| Some((text, Position::parse(text).ok()?)))
        else {
            return self.finding(|| format!("no position: {event}"));
        };
        let is_chunk = event["type"] == "ar-stream-chunk";
        let count = if is_chunk { event["chunkCount"].as_u64().unwrap_or(1) } else { 1 };
        if let Some((last, last_text)) = self.last.clone() {
            if position.incarnation != last.incarnation {
                self.finding(|| format!("another log without a word: {event}"));
                self.replace();
            } else if position.number < last.number + count {
                self.duplicates += 1;
                return self.finding(|| format!("again after {}: {event}", last.number));
            } else {
                let missing = position.number - last.number - count;
                if missing > 0 {
                    self.gaps += missing;
                    self.finding(|| format!("{missing} left out after {}: {event}", last.number));
                }
                if *text <= *last_text {
                    self.disorder += 1;
                    self.finding(|| format!("does not sort after {last_text}: {event}"));
                }
            }
        } else if position.number != count && self.replaced == 0 {
            self.gaps += position.number.saturating_sub(count);
            self.finding(|| format!("the first is not the first: {event}"));
        }
        self.last = Some((position, text.to_owned()));
        if !is_chunk {
            let mut hasher = DefaultHasher::new();
            event.to_string().hash(&mut hasher);
            self.milestones.push((position.number, hasher.finish()));
        }
        self.take_of_stream(event);
    }

    fn take_of_stream(&mut self, event: &Value) {
        let (Some(id), Some(kind)) = (event["streamId"].as_str(), event["type"].as_str()) else { return };
        if !kind.starts_with("ar-stream-") {
            return;
        }
        let seen = self.streams.entry(id.to_owned()).or_default();
        let is_over = !seen.ends.is_empty();
        let problem = match kind {
            "ar-stream-start" => {
                seen.starts += 1;
                (seen.starts > 1).then_some("a second start")
            }
            "ar-stream-chunk" => {
                let is_next = event["chunkIndex"] == seen.chunks;
                seen.chunks += event["chunkCount"].as_u64().unwrap_or(1);
                seen.text.push_str(event["chunk"].as_str().unwrap_or_default());
                (!is_next).then_some("not the next chunk")
            }
            "ar-stream-reset" => {
                seen.text.clear();
                seen.chunks = 0;
                None
            }
            "ar-stream-end" => {
                seen.ends.push(event["outcome"].as_str().unwrap_or_default().to_owned());
                (event["totalChunks"] != seen.chunks).then_some("not that many chunks")
            }
            _ => None,
        };
        let problem = problem.or((is_over && kind != "ar-stream-interrupt").then_some("after the stream's end"));
        if let Some(problem) = problem {
            self.finding(|| format!("{problem}: {event}"));
        }
    }

    /// What the other, of the same channel, saw differently; nothing where both agree.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self.number() != other.number() {
            return Some(format!("one ends at {}, the other at {}", self.number(), other.number()));
        }
        if let Some((one, _)) = self.milestones.iter().zip(&other.milestones).find(|(one, same)| one != same) {
            return Some(format!("event {} is not the same for both", one.0));
        }
        if self.milestones.len() != other.milestones.len() {
            return Some(format!("{} milestones and {}", self.milestones.len(), other.milestones.len()));
        }
        let differing = self.streams.iter().find(|(id, seen)| other.streams.get(*id) != Some(seen));
        differing.map(|(id, seen)| format!("stream {id}: {seen:?} and {:?}", other.streams.get(id)))
    }

    fn finding(&mut self, words: impl FnOnce() -> String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(words());
        }
    }
}

#[cfg(test)]
mod tests;
