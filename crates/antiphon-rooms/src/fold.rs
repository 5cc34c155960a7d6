//! The fold of a room's channel: what the room, its messages and its streams are after the events so far. Pure.
//!
//! An event that is folded in already changes nothing, so a tail may overlap with what the records include.

use crate::cut;
use antiphon_core::limits::{MAX_PROMPT_MESSAGES, ROOM_CLIENT_IDS, ROOM_WINDOW_BYTES};
use antiphon_core::{
    Citation, Message, MessageStatus, Outcome, Position, Room, RoomEvent, RoomStatus, SenderRole, StreamFault,
    StreamStatus, Timestamp,
};
use antiphon_markers::Vocabulary;
use antiphon_sql::{Answer, ClientMessage, Loaded, Projection, StoredMessage};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The `reason` of the `owner-changed` with which an owner gives its room away while it answers. Part of what is stored:
/// never change it.
pub const MOVED: &str = "this answer is handed over in good order, and goes on in the process that owns the room next";

/// A message in memory, and the number of the event that changed it last; 0 where the records have it as it is.
#[derive(Clone, Debug)]
struct Held {
    stored: StoredMessage,
    changed: u64,
}

/// A room as of a position. Holds the latest messages, every one with an open stream, and whatever else was asked for or
/// changed; the records have the rest.
#[derive(Clone, Debug)]
pub struct RoomState {
    room: Room,
    position: Position,
    vocabulary: Arc<Vocabulary>,
    messages: BTreeMap<u64, Held>,
    by_id: HashMap<String, u64>,
    by_stream: HashMap<String, u64>,
    /// The places of open streams: the first runs, or is to; the rest wait in their order.
    open: Vec<u64>,
    /// From this place on every message is held.
    window_start: u64,
    next_place: u64,
    client_messages: HashMap<(String, String), (ClientMessage, u64)>,
    /// Whether the records may know client ids that are not held.
    has_older_client_ids: bool,
    /// The number of the last event that the records include.
    projected: u64,
}

impl RoomState {
    /// The room as the records have it.
    pub fn new(loaded: Loaded, vocabulary: Arc<Vocabulary>) -> Self {
        let position = loaded.stored.position;
        let next_place = loaded.latest.last().map_or(1, |last| last.place + 1);
        let mut state = Self {
            room: loaded.stored.room,
            position,
            vocabulary,
            messages: BTreeMap::new(),
            by_id: HashMap::new(),
            by_stream: HashMap::new(),
            open: Vec::new(),
            window_start: loaded.latest.first().map_or(next_place, |first| first.place),
            next_place,
            client_messages: HashMap::new(),
            // A room of one event has no message yet.
            has_older_client_ids: position.number > 1,
            projected: position.number,
        };
        for stored in loaded.latest.into_iter().chain(loaded.open) {
            state.hold(stored);
        }
        state.let_go();
        state
    }

    /// Takes a message from the records into memory, unless it is there.
    pub fn hold(&mut self, stored: StoredMessage) {
        if self.messages.contains_key(&stored.place) {
            return;
        }
        self.insert(stored, 0);
    }

    /// The same state at another position: for a log that no longer knows the old one.
    pub fn move_to(&mut self, position: Position) {
        self.position = position;
        self.projected = position.number;
    }

    /// Moves the position past events that are not folded in.
    pub fn pass(&mut self, position: Position) {
        if position.number > self.position.number {
            self.position = position;
        }
    }

    fn insert(&mut self, stored: StoredMessage, changed: u64) {
        let place = stored.place;
        self.by_id.insert(stored.message.id.clone(), place);
        if let Some(stream_id) = &stored.message.stream_id {
            self.by_stream.insert(stream_id.clone(), place);
        }
        if stored.answer.as_ref().is_some_and(Answer::is_open) {
            let at = self.open.partition_point(|open| *open < place);
            self.open.insert(at, place);
        }
        self.messages.insert(place, Held { stored, changed });
    }

    /// Folds one event in. Events at or before the position are skipped.
    pub fn apply(&mut self, event: &RoomEvent, at: Timestamp, position: Position) {
        if position.number <= self.position.number {
            return;
        }
        self.position = position;
        match event {
            RoomEvent::RoomCreated { .. } | RoomEvent::StreamQueued { .. } => {}
            RoomEvent::OwnerChanged { stream_id, reason } => {
                if let Some(stream_id) = stream_id.as_ref().filter(|_| reason == MOVED) {
                    self.moved(stream_id);
                }
            }
            RoomEvent::RoomDeleted { .. } => self.room.status = RoomStatus::Deleted,
            RoomEvent::MessageCreated { message, client_message_id, stream_id } => {
                self.said(message, client_message_id.as_deref(), stream_id.as_deref());
            }
            RoomEvent::ArMessageRequest { message_id, stream_id, reply_message_id, agent_id, user_id, .. } => {
                self.asked(message_id, stream_id, reply_message_id, agent_id, user_id, at);
            }
            RoomEvent::ArStreamStart { stream_id, started_at, .. } => self.change(stream_id, |_, answer| {
                if answer.status == StreamStatus::Queued {
                    (answer.status, answer.attempt, answer.started_at) = (StreamStatus::Active, 1, Some(*started_at));
                }
            }),
            RoomEvent::ArStreamChunk { .. } => self.chunk(event),
            RoomEvent::ArStreamReset { stream_id, attempt, .. } => self.change(stream_id, |message, answer| {
                if answer.is_open() && *attempt > answer.attempt {
                    (answer.attempt, answer.chunks) = (*attempt, 0);
                    message.content.clear();
                    message.text.clear();
                    message.markers.clear();
                    message.reasoning.clear();
                }
            }),
            RoomEvent::ArStreamReasoning { stream_id, attempt, text, .. } => {
                self.change(stream_id, |message, answer| {
                    if answer.is_open() && *attempt == answer.attempt {
                        message.reasoning.push_str(text);
                    }
                })
            }
            RoomEvent::ArStreamAttempt { stream_id, attempt, .. } => self.change(stream_id, |_, answer| {
                answer.attempt = answer.attempt.max(*attempt);
            }),
            RoomEvent::ArStreamPause { stream_id, .. } => self.hold_stream(stream_id, StreamStatus::Paused),
            RoomEvent::ArStreamResume { stream_id, .. } => self.hold_stream(stream_id, StreamStatus::Active),
            RoomEvent::ArStreamInterrupt { stream_id, heard, .. } => {
                self.interrupted(stream_id, heard.map(|heard| heard.offset));
            }
            RoomEvent::ArStreamEnd { stream_id, outcome, error, citations, .. } => {
                self.ended(stream_id, *outcome, error.as_ref(), citations);
            }
        }
    }

    fn said(&mut self, message: &Message, client_message_id: Option<&str>, stream_id: Option<&str>) {
        if self.by_id.contains_key(&message.id) {
            return;
        }
        let (place, changed) = (self.next_place, self.position.number);
        self.next_place += 1;
        self.insert(StoredMessage { place, message: message.clone(), answer: None }, changed);
        if let Some(client_message_id) = client_message_id {
            let client_message = ClientMessage {
                user_id: message.sender_id.clone(),
                client_message_id: client_message_id.to_owned(),
                content_hash: content_hash(&message.content),
                message_id: message.id.clone(),
                stream_id: stream_id.map(str::to_owned),
            };
            let key = (message.sender_id.clone(), client_message_id.to_owned());
            self.client_messages.insert(key, (client_message, changed));
        }
    }

    fn asked(
        &mut self,
        request_id: &str,
        stream_id: &str,
        message_id: &str,
        agent_id: &str,
        user_id: &str,
        at: Timestamp,
    ) {
        if self.by_stream.contains_key(stream_id) {
            return;
        }
        let message = Message {
            id: message_id.to_owned(),
            ar_room_id: self.room.id.clone(),
            sender_id: agent_id.to_owned(),
            role: SenderRole::Assistant,
            content: String::new(),
            text: String::new(),
            markers: Vec::new(),
            status: MessageStatus::Streaming,
            stream_id: Some(stream_id.to_owned()),
            heard: None,
            reasoning: String::new(),
            citations: Vec::new(),
            error: None,
            created_at: at,
        };
        let answer = Answer {
            request_id: request_id.to_owned(),
            asked_by: user_id.to_owned(),
            status: StreamStatus::Queued,
            attempt: 0,
            moved_attempts: 0,
            moved_last: 0,
            chunks: 0,
            started_at: None,
        };
        let (place, changed) = (self.next_place, self.position.number);
        self.next_place += 1;
        self.insert(StoredMessage { place, message, answer: Some(answer) }, changed);
    }

    fn chunk(&mut self, event: &RoomEvent) {
        let RoomEvent::ArStreamChunk { stream_id, attempt, chunk, text, markers, chunk_index, chunk_count, .. } = event
        else {
            return;
        };
        self.change(stream_id, |message, answer| {
            if answer.is_open() && *attempt == answer.attempt && *chunk_index == answer.chunks {
                answer.chunks += chunk_count;
                message.content.push_str(chunk);
                message.text.push_str(text);
                message.markers.extend(markers.iter().cloned());
            }
        });
    }

    fn hold_stream(&mut self, stream_id: &str, status: StreamStatus) {
        self.change(stream_id, |_, answer| {
            if matches!(answer.status, StreamStatus::Active | StreamStatus::Paused) {
                answer.status = status;
            }
        });
    }

    /// The attempt that runs ends with its owner, and does not count.
    fn moved(&mut self, stream_id: &str) {
        self.change(stream_id, |_, answer| {
            if answer.is_open() && answer.moved_last < answer.attempt {
                answer.moved_last = answer.attempt;
                answer.moved_attempts += 1;
            }
        });
    }

    /// An interrupt alone is not an end: a running stream's follows it, and an ended one keeps its outcome. One that does
    /// not say how far leaves that open for a later one; until then all that was sent counts.
    fn interrupted(&mut self, stream_id: &str, heard: Option<u64>) {
        let vocabulary = self.vocabulary.clone();
        self.change(stream_id, |message, _| {
            if message.heard.is_some() {
                return;
            }
            message.status = MessageStatus::Interrupted;
            if let Some(heard) = heard {
                let heard = cut::within(message, heard);
                cut::to_heard(message, heard, &vocabulary);
                message.heard = Some(heard);
            }
        });
    }

    fn ended(&mut self, stream_id: &str, outcome: Outcome, error: Option<&StreamFault>, citations: &[Citation]) {
        let Some(place) = self.by_stream.get(stream_id).copied() else { return };
        if !self.open.contains(&place) {
            return;
        }
        self.open.retain(|open| *open != place);
        self.change(stream_id, |message, answer| {
            message.error = error.cloned();
            message.citations = citations.to_vec();
            (answer.status, message.status) = match outcome {
                Outcome::Completed => (StreamStatus::Completed, MessageStatus::Completed),
                Outcome::Interrupted => (StreamStatus::Interrupted, MessageStatus::Interrupted),
                Outcome::Cancelled => (StreamStatus::Cancelled, MessageStatus::Cancelled),
                Outcome::Truncated => (StreamStatus::Failed, MessageStatus::Truncated),
                Outcome::Failed => (StreamStatus::Failed, MessageStatus::Failed),
            };
        });
    }

    fn change(&mut self, stream_id: &str, change: impl FnOnce(&mut Message, &mut Answer)) {
        let Some(place) = self.by_stream.get(stream_id) else { return };
        let Some(held) = self.messages.get_mut(place) else { return };
        let Some(answer) = &mut held.stored.answer else { return };
        held.changed = self.position.number;
        change(&mut held.stored.message, answer);
    }

    /// The room.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// What is folded in.
    pub fn position(&self) -> Position {
        self.position
    }

    /// True once the room is deleted.
    pub fn is_deleted(&self) -> bool {
        self.room.status == RoomStatus::Deleted
    }

    /// The messages with open streams, in the order in which they are answered; the first runs, or is to.
    pub fn open(&self) -> impl DoubleEndedIterator<Item = &StoredMessage> {
        self.open.iter().filter_map(|place| self.at(*place))
    }

    /// How many streams are open.
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// The first open stream's message.
    pub fn head(&self) -> Option<&StoredMessage> {
        self.open().next()
    }

    /// Open streams before that one; nothing where it is not open.
    pub fn queue_place(&self, stream_id: &str) -> Option<usize> {
        self.open().position(|stored| stored.message.stream_id.as_deref() == Some(stream_id))
    }

    /// A message by its id, if it is held.
    pub fn message(&self, message_id: &str) -> Option<&StoredMessage> {
        self.by_id.get(message_id).and_then(|place| self.at(*place))
    }

    /// The message that a stream makes, if it is held.
    pub fn stream(&self, stream_id: &str) -> Option<&StoredMessage> {
        self.by_stream.get(stream_id).and_then(|place| self.at(*place))
    }

    /// The message at a place, if it is held.
    pub fn at(&self, place: u64) -> Option<&StoredMessage> {
        self.messages.get(&place).map(|held| &held.stored)
    }

    /// The messages before a place that are held without a gap up to it, oldest first.
    pub fn window_before(&self, place: u64) -> impl DoubleEndedIterator<Item = &StoredMessage> {
        let start = self.window_start.min(place);
        self.messages.range(start..place).map(|(_, held)| &held.stored)
    }

    /// From which place on every message is held.
    pub fn window_start(&self) -> u64 {
        self.window_start
    }

    /// What a user's own id for a message led to, as far as is held.
    pub fn client_message(&self, user_id: &str, client_message_id: &str) -> Option<&ClientMessage> {
        let key = (user_id.to_owned(), client_message_id.to_owned());
        self.client_messages.get(&key).map(|(client_message, _)| client_message)
    }

    /// Whether the records may know client ids that are not held.
    pub fn has_older_client_ids(&self) -> bool {
        self.has_older_client_ids
    }

    /// Events that the records do not include.
    pub fn unprojected(&self) -> u64 {
        self.position.number.saturating_sub(self.projected)
    }

    /// Everything that the records do not include.
    pub fn projection(&self) -> Projection {
        Projection {
            room: self.room.clone(),
            position: self.position,
            messages: self
                .messages
                .values()
                .filter(|held| held.changed > self.projected)
                .map(|held| held.stored.clone())
                .collect(),
            client_messages: self
                .client_messages
                .values()
                .filter(|(_, changed)| *changed > self.projected)
                .map(|(client_message, _)| client_message.clone())
                .collect(),
        }
    }

    /// The records include everything up to there; what is not needed in memory is let go.
    pub fn projected(&mut self, through: Position) {
        self.projected = self.projected.max(through.number);
        self.let_go();
    }

    fn let_go(&mut self) {
        if self.client_messages.len() > ROOM_CLIENT_IDS {
            let projected = self.projected;
            self.client_messages.retain(|_, (_, changed)| *changed > projected);
            self.has_older_client_ids = true;
        }
        let size = |held: &Held| {
            held.stored.message.content.len() + held.stored.message.text.len() + held.stored.message.reasoning.len()
        };
        let mut bytes: usize = self.messages.values().map(size).sum();
        let mut count = self.messages.len();
        let mut start = None;
        let mut gone = Vec::new();
        for (place, held) in &self.messages {
            if count <= MAX_PROMPT_MESSAGES && bytes <= ROOM_WINDOW_BYTES {
                break;
            }
            count -= 1;
            bytes -= size(held);
            start = Some(place + 1);
            // What still changes stays, apart from the window.
            if held.changed <= self.projected && self.open.binary_search(place).is_err() {
                gone.push(*place);
            }
        }
        self.window_start = self.window_start.max(start.unwrap_or_default());
        for place in gone {
            if let Some(held) = self.messages.remove(&place) {
                self.by_id.remove(&held.stored.message.id);
                if let Some(stream_id) = &held.stored.message.stream_id {
                    self.by_stream.remove(stream_id);
                }
            }
        }
    }
}

/// Tells one message's content from another's: SHA-256, hexadecimal.
pub fn content_hash(content: &str) -> String {
    Sha256::digest(content.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
