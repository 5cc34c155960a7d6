//! What a run has to say and the log does not have yet.

use super::{Ask, Said};
use antiphon_core::limits::{MAX_CHUNK_BYTES, MAX_GATHERED_BYTES};
use antiphon_core::{Citation, Outcome, RoomEvent, StreamFault, Timestamp, Usage};
use antiphon_markers::Parsed;
use std::collections::VecDeque;
use std::time::Instant;

/// How the stream ends.
pub(super) struct End {
    pub(super) attempt: u32,
    pub(super) outcome: Outcome,
    pub(super) finish_reason: Option<String>,
    pub(super) usage: Option<Usage>,
    pub(super) error: Option<StreamFault>,
    pub(super) citations: Vec<Citation>,
}

enum Item {
    Chunk { attempt: u32, parsed: Parsed, at: Instant },
    Reasoning { attempt: u32, text: String, at: Instant },
    Event(Box<RoomEvent>),
    End(Box<End>),
}

/// The items in their order. Neighbouring pieces become one chunk until it is taken.
#[derive(Default)]
pub(super) struct Gathered {
    items: VecDeque<Item>,
    bytes: usize,
    waiting_place: Option<usize>,
}

impl Gathered {
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Raw text that waits.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn chunk(&mut self, of_attempt: u32, piece: Parsed, arrived: Instant) {
        self.bytes += piece.raw.len();
        if let Some(Item::Chunk { attempt, parsed, .. }) = self.items.back_mut()
            && *attempt == of_attempt
            && parsed.raw.len() + piece.raw.len() <= MAX_CHUNK_BYTES
        {
            parsed.raw.push_str(&piece.raw);
            parsed.text.push_str(&piece.text);
            parsed.markers.extend(piece.markers);
            parsed.unknown.extend(piece.unknown);
            return;
        }
        self.items.push_back(Item::Chunk { attempt: of_attempt, parsed: piece, at: arrived });
    }

    pub(super) fn reasoning(&mut self, of_attempt: u32, piece: &str, arrived: Instant) {
        self.bytes += piece.len();
        match self.items.back_mut() {
            Some(Item::Reasoning { attempt, text, .. })
                if *attempt == of_attempt && text.len() + piece.len() <= MAX_CHUNK_BYTES =>
            {
                text.push_str(piece);
            }
            _ => self.items.push_back(Item::Reasoning { attempt: of_attempt, text: piece.to_owned(), at: arrived }),
        }
    }

    pub(super) fn event(&mut self, event: RoomEvent) {
        self.items.push_back(Item::Event(Box::new(event)));
    }

    /// The model is busy: only a change of the place is worth an event, and only the latest one.
    pub(super) fn wait(&mut self, stream_id: &str, place: usize) {
        if self.waiting_place == Some(place) {
            return;
        }
        self.waiting_place = Some(place);
        if let Some(Item::Event(event)) = self.items.back_mut()
            && let RoomEvent::StreamQueued { queued, .. } = event.as_mut()
        {
            *queued = place;
            return;
        }
        self.event(RoomEvent::StreamQueued {
            stream_id: stream_id.to_owned(),
            queued: place,
            waiting_for: Some("model".to_owned()),
        });
    }

    pub(super) fn end(&mut self, end: End) {
        self.items.push_back(Item::End(Box::new(end)));
    }

    /// Takes an append's worth. `chunks` counts those said since the last reset.
    pub(super) fn take(&mut self, ask: &Ask, chunks: &mut u64) -> Vec<Said> {
        let mut said = Vec::new();
        let mut taken = 0;
        let mut final_said = false;
        // A chunk that was said to be the last goes out with the end.
        while taken < MAX_GATHERED_BYTES || final_said {
            match self.items.pop_front() {
                None => break,
                Some(Item::Event(event)) => said.push((*event).into()),
                Some(Item::Chunk { attempt, parsed, at }) => {
                    taken += parsed.raw.len();
                    final_said = self.completes_next();
                    said.push(Said { event: chunk(ask, attempt, parsed, chunks, final_said), provider_at: Some(at) });
                }
                Some(Item::Reasoning { attempt, text, at }) => {
                    taken += text.len();
                    said.push(Said { event: reasoning(ask, attempt, text), provider_at: Some(at) });
                }
                Some(Item::End(end)) => {
                    if end.outcome == Outcome::Completed && !final_said {
                        said.push(chunk(ask, end.attempt, Parsed::default(), chunks, true).into());
                    }
                    said.push(ended(ask, *end, *chunks).into());
                }
            }
        }
        self.bytes = self.bytes.saturating_sub(taken);
        said
    }

    /// True where nothing but the end of a completed stream is left, and it will be taken with what goes before it.
    fn completes_next(&self) -> bool {
        matches!(self.items.front(), Some(Item::End(end)) if end.outcome == Outcome::Completed)
    }
}

fn chunk(ask: &Ask, attempt: u32, parsed: Parsed, chunks: &mut u64, is_final: bool) -> RoomEvent {
    let chunk_index = *chunks;
    *chunks += 1;
    RoomEvent::ArStreamChunk {
        stream_id: ask.stream_id.clone(),
        message_id: ask.message_id.clone(),
        attempt,
        chunk: parsed.raw,
        text: parsed.text,
        markers: parsed.markers,
        unknown_markers: parsed.unknown,
        chunk_index,
        chunk_count: 1,
        is_final,
    }
}

fn reasoning(ask: &Ask, attempt: u32, text: String) -> RoomEvent {
    let (stream_id, message_id) = (ask.stream_id.clone(), ask.message_id.clone());
    RoomEvent::ArStreamReasoning { stream_id, message_id, attempt, text }
}

fn ended(ask: &Ask, end: End, total_chunks: u64) -> RoomEvent {
    RoomEvent::ArStreamEnd {
        stream_id: ask.stream_id.clone(),
        message_id: ask.message_id.clone(),
        outcome: end.outcome,
        total_chunks,
        ended_at: Timestamp::now(),
        finish_reason: end.finish_reason,
        usage: end.usage,
        error: end.error,
        heard: None,
        citations: end.citations,
    }
}
