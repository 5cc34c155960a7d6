//! From a room's events to what a person sees. Pure: the same events give the same sight, whatever brought them.
//!
//! An event is taken once: positions of one channel sort byte by byte, so whatever is not after the last one is a
//! duplicate. Chunks of a stream's attempt are dense; a hole means that the messages must be read again.

use super::protocol::{Body, Chunk, End, Frame, Marker, Message, MessagePage};
use antiphon_core::limits::CHAT_REMEMBERED;
use std::collections::VecDeque;

/// What a person is shown, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Somebody else's message in the room, or one from before.
    Person(String),
    /// An answer begins; what is spoken until `AnswerEnds` is its text.
    AnswerBegins,
    /// Spoken text.
    Spoken(String),
    /// A cue at this place.
    Cue {
        /// Such as `happy`.
        value: String,
        /// In the vocabulary.
        is_known: bool,
    },
    /// The text so far is void; the answer starts again.
    StartsAgain(String),
    /// An answer ended: its outcome, and why where it is not whole.
    AnswerEnds {
        /// `completed`, `interrupted`, `cancelled`, `truncated` or `failed`.
        outcome: String,
        /// For a person.
        reason: Option<String>,
    },
    /// Something to know.
    Notice(String),
    /// Something is missing: the messages must be read again.
    Incomplete,
    /// The room is gone.
    RoomDeleted,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Queued(usize),
    Running,
    Paused,
    Ended,
}

#[derive(Debug)]
struct Stream {
    id: String,
    phase: Phase,
    /// None after the messages were read again: they do not say.
    attempt: Option<u32>,
    /// Likewise.
    next_index: Option<u64>,
    /// What has been shown of it. Empty once it has ended.
    text: String,
    /// The same in UTF-16 code units.
    units: u64,
    cues: usize,
}

/// What `antiphon chat` knows of a room.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    position: Option<String>,
    streams: VecDeque<Stream>,
    messages: VecDeque<String>,
    own: VecDeque<String>,
    last_ended: Option<String>,
}

impl Fold {
    /// A fold that goes on after a position.
    pub(crate) fn after(position: Option<String>) -> Self {
        Self { position, ..Self::default() }
    }

    /// Where to go on.
    pub(crate) fn position(&self) -> Option<&str> {
        self.position.as_deref()
    }

    /// A message with this id of ours needs not be shown: the person has typed it here.
    pub(crate) fn expect_own(&mut self, client_message_id: &str) {
        remember(&mut self.own, client_message_id);
    }

    /// A message that needs not be shown.
    pub(crate) fn skip_message(&mut self, id: &str) {
        remember(&mut self.messages, id);
    }

    /// The stream that runs or is held: its id, the attempt if known, and how much of it has been shown.
    pub(crate) fn running(&self) -> Option<(&str, Option<u32>, u64)> {
        let mut running = self.streams.iter().filter(|stream| matches!(stream.phase, Phase::Running | Phase::Paused));
        running.next().map(|stream| (stream.id.as_str(), stream.attempt, stream.units))
    }

    /// The streams that wait, next first.
    pub(crate) fn queued(&self) -> Vec<&str> {
        let place = |stream: &Stream| if let Phase::Queued(place) = stream.phase { Some(place) } else { None };
        let mut queued: Vec<_> = self.streams.iter().filter_map(|one| Some((place(one)?, one.id.as_str()))).collect();
        queued.sort_by_key(|(place, _)| *place);
        queued.into_iter().map(|(_, id)| id).collect()
    }

    /// True where a stream's end has been seen.
    pub(crate) fn has_ended(&self, id: &str) -> bool {
        self.streams.iter().any(|stream| stream.id == id && stream.phase == Phase::Ended)
    }

    /// The stream that ended last.
    pub(crate) fn last_ended(&self) -> Option<&str> {
        self.last_ended.as_deref()
    }

    /// Takes a frame and says what it changes for the person.
    pub(crate) fn apply(&mut self, frame: Frame) -> Vec<Shown> {
        let is_notice = matches!(frame.body, Body::Subscribed | Body::CaughtUp);
        if let Some(position) = frame.position {
            if self.position.as_ref().is_some_and(|last| position <= *last) {
                return Vec::new();
            }
            self.position = Some(position);
        } else if !is_notice {
            // What has no position is in no log.
            return Vec::new();
        }
        self.take(frame.body)
    }

    fn take(&mut self, body: Body) -> Vec<Shown> {
        match body {
            Body::MessageCreated { message, client_message_id } => {
                let is_own = client_message_id.is_some_and(|id| self.own.contains(&id));
                let is_new = remember(&mut self.messages, &message.id);
                if is_own || !is_new { Vec::new() } else { vec![Shown::Person(message.text)] }
            }
            Body::StreamQueued { stream_id, queued, waiting_for } => {
                self.queue(&stream_id, queued, waiting_for.as_deref())
            }
            Body::ArStreamStart { stream_id, message_id } => {
                self.remember_reply(message_id.as_deref());
                self.begin(&stream_id)
            }
            Body::ArStreamChunk(chunk) => self.chunk(&chunk),
            Body::ArStreamReset { stream_id, attempt, reason } => {
                let stream = self.stream(&stream_id);
                if stream.phase == Phase::Ended {
                    return Vec::new();
                }
                stream.forget_text();
                stream.attempt = Some(attempt);
                vec![Shown::StartsAgain(reason.unwrap_or_else(|| "another attempt".to_owned()))]
            }
            Body::ArStreamAttempt { stream_id, attempt, reason } => {
                self.stream(&stream_id).attempt = Some(attempt);
                let reason = reason.unwrap_or_else(|| "it broke off".to_owned());
                vec![Shown::Notice(format!("attempt {attempt} goes on: {reason}"))]
            }
            Body::ArStreamPause { stream_id } => self.hold(&stream_id, Phase::Paused, "paused; /resume lets it go on"),
            Body::ArStreamResume { stream_id } => self.hold(&stream_id, Phase::Running, "goes on"),
            // On a running stream its end follows and says so.
            Body::ArStreamInterrupt { stream_id } if self.has_ended(&stream_id) => {
                vec![Shown::Notice("the answer before was cut to what was heard".to_owned())]
            }
            Body::ArStreamEnd(end) => self.end(end),
            Body::OwnerChanged { reason } => {
                vec![Shown::Notice(format!("the server picks it up again: {}", reason.unwrap_or_default()))]
            }
            Body::RoomDeleted => vec![Shown::RoomDeleted],
            _ => Vec::new(),
        }
    }

    /// Takes the messages as they stand now, where events were missed: shows what has not been shown.
    pub(crate) fn reread(&mut self, page: MessagePage) -> Vec<Shown> {
        let mut shown = Vec::new();
        for message in page.messages {
            match message.stream_id.clone() {
                Some(stream_id) => shown.extend(self.reread_answer(&stream_id, &message)),
                None if remember(&mut self.messages, &message.id) && message.role == "user" => {
                    shown.push(Shown::Person(message.text));
                }
                None => {}
            }
        }
        // Not compared with the last one, which may be of a log that this one has replaced.
        self.position = Some(page.position);
        shown
    }

    fn reread_answer(&mut self, stream_id: &str, message: &Message) -> Vec<Shown> {
        let is_new = remember(&mut self.messages, &message.id);
        let is_open = self.streams.iter().any(|stream| stream.id == stream_id && stream.phase != Phase::Ended);
        // A person's message may name the stream that answers it.
        if message.role == "user" {
            return if is_new { vec![Shown::Person(message.text.clone())] } else { Vec::new() };
        }
        if !is_new && !is_open || self.has_ended(stream_id) {
            return Vec::new();
        }
        let is_streaming = message.status == "streaming";
        let has_text = |text: &str, cues: usize| !text.is_empty() || cues > 0;
        let stream = self.stream(stream_id);
        // A queued answer is a message already, and nothing of it has begun.
        if is_streaming && !has_text(&message.text, message.markers.len()) && !has_text(&stream.text, stream.cues) {
            stream.lose_count();
            return Vec::new();
        }
        let mut shown = self.begin(stream_id);
        let stream = self.stream(stream_id);
        // The text of an interrupted answer is cut to what was heard, which may be less than what was shown.
        let is_cut = !is_streaming && stream.text.len() > message.text.len() && stream.text.starts_with(&message.text);
        if !is_cut {
            if !message.text.starts_with(&stream.text) {
                stream.forget_text();
                shown.push(Shown::StartsAgain("it changed while this was away".to_owned()));
            }
            let cues = message.markers.get(stream.cues..).unwrap_or_default();
            let cues = cues.iter().map(|marker| (marker.clone(), true)).collect();
            let rest = message.text.get(stream.text.len()..).unwrap_or_default().to_owned();
            shown.extend(stream.speak(&rest, cues));
        }
        stream.lose_count();
        if !is_streaming {
            shown.extend(self.close(stream_id, &message.status));
        }
        shown
    }

    /// Notes an end that no event told, as the stream's status has it.
    pub(crate) fn close(&mut self, stream_id: &str, status: &str) -> Vec<Shown> {
        let end = End {
            stream_id: stream_id.to_owned(),
            outcome: status.to_owned(),
            total_chunks: None,
            error: None,
            citations: Vec::new(),
        };
        self.end(end)
    }

    fn remember_reply(&mut self, message_id: Option<&str>) {
        if let Some(id) = message_id {
            remember(&mut self.messages, id);
        }
    }

    /// The stream, made where it is not known.
    fn stream(&mut self, id: &str) -> &mut Stream {
        let at = match self.streams.iter().position(|stream| stream.id == id) {
            Some(at) => at,
            None => {
                if self.streams.len() >= CHAT_REMEMBERED {
                    self.streams.pop_front();
                }
                self.streams.push_back(Stream::new(id));
                self.streams.len() - 1
            }
        };
        &mut self.streams[at]
    }

    fn queue(&mut self, stream_id: &str, queued: usize, waiting_for: Option<&str>) -> Vec<Shown> {
        let stream = self.stream(stream_id);
        let Phase::Queued(before) = stream.phase else { return Vec::new() };
        stream.phase = Phase::Queued(queued);
        if queued == 0 || queued == before {
            return Vec::new();
        }
        let what = if waiting_for == Some("model") { " in the model's queue" } else { "" };
        vec![Shown::Notice(format!("{queued} ahead{what}"))]
    }

    fn begin(&mut self, stream_id: &str) -> Vec<Shown> {
        let stream = self.stream(stream_id);
        if !matches!(stream.phase, Phase::Queued(_)) {
            return Vec::new();
        }
        stream.phase = Phase::Running;
        vec![Shown::AnswerBegins]
    }

    fn chunk(&mut self, chunk: &Chunk) -> Vec<Shown> {
        self.remember_reply(chunk.message_id.as_deref());
        let mut shown = self.begin(&chunk.stream_id);
        let stream = self.stream(&chunk.stream_id);
        let attempt = *stream.attempt.get_or_insert(chunk.attempt);
        let next = *stream.next_index.get_or_insert(chunk.chunk_index);
        if stream.phase == Phase::Ended || chunk.attempt < attempt {
            return shown;
        }
        let end = chunk.chunk_index.saturating_add(chunk.chunk_count.max(1));
        if chunk.attempt == attempt && end <= next {
            return shown;
        }
        if chunk.attempt > attempt || chunk.chunk_index != next {
            shown.push(Shown::Incomplete);
            return shown;
        }
        stream.next_index = Some(end);
        let known = chunk.markers.iter().map(|marker| (marker.clone(), true));
        let unknown = chunk.unknown_markers.iter().map(|marker| (marker.clone(), false));
        let mut cues: Vec<(Marker, bool)> = known.chain(unknown).collect();
        cues.sort_by_key(|(marker, _)| marker.offset);
        shown.extend(stream.speak(&chunk.text, cues));
        shown
    }

    fn hold(&mut self, stream_id: &str, phase: Phase, notice: &str) -> Vec<Shown> {
        let stream = self.stream(stream_id);
        if !matches!(stream.phase, Phase::Running | Phase::Paused) || stream.phase == phase {
            return Vec::new();
        }
        stream.phase = phase;
        vec![Shown::Notice(notice.to_owned())]
    }

    fn end(&mut self, end: End) -> Vec<Shown> {
        let stream = self.stream(&end.stream_id);
        if stream.phase == Phase::Ended {
            return Vec::new();
        }
        if let (Some(total), Some(next)) = (end.total_chunks, stream.next_index)
            && total > next
        {
            return vec![Shown::Incomplete];
        }
        let had_begun = !matches!(stream.phase, Phase::Queued(_));
        stream.forget_text();
        stream.phase = Phase::Ended;
        self.last_ended = Some(end.stream_id);
        if !had_begun && end.outcome == "cancelled" {
            return vec![Shown::Notice("withdrawn from the queue".to_owned())];
        }
        let reason = end.error.and_then(|error| error.message);
        let sources = end.citations.iter().zip(1..).map(|(citation, number)| {
            let title = citation.title.as_ref().map_or(String::new(), |title| format!("{title}, "));
            Shown::Notice(format!("[{number}] {title}{}", citation.url))
        });
        [Shown::AnswerEnds { outcome: end.outcome, reason }].into_iter().chain(sources).collect()
    }
}

impl Stream {
    fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            phase: Phase::Queued(0),
            attempt: None,
            next_index: Some(0),
            text: String::new(),
            units: 0,
            cues: 0,
        }
    }

    fn forget_text(&mut self) {
        self.text = String::new();
        self.units = 0;
        self.cues = 0;
        self.next_index = Some(0);
    }

    fn lose_count(&mut self) {
        self.attempt = None;
        self.next_index = None;
    }

    /// Text with its cues, which are sorted, at their places in it.
    fn speak(&mut self, text: &str, cues: Vec<(Marker, bool)>) -> Vec<Shown> {
        let mut shown = Vec::new();
        let mut spoken = String::new();
        let mut cues = cues.into_iter().peekable();
        let mut cues_until = |units: u64, spoken: &mut String, shown: &mut Vec<Shown>| {
            while let Some((marker, is_known)) = cues.next_if(|(marker, _)| marker.offset <= units) {
                if !spoken.is_empty() {
                    shown.push(Shown::Spoken(std::mem::take(spoken)));
                }
                self.cues += usize::from(is_known);
                shown.push(Shown::Cue { value: marker.value, is_known });
            }
        };
        for character in text.chars() {
            cues_until(self.units, &mut spoken, &mut shown);
            spoken.push(character);
            self.units += character.len_utf16() as u64;
        }
        // Those at the text's very end, and any that a faulty offset places beyond it.
        cues_until(u64::MAX, &mut spoken, &mut shown);
        if !spoken.is_empty() {
            shown.push(Shown::Spoken(spoken));
        }
        self.text.push_str(text);
        shown
    }
}

/// Adds to a bounded list; false where it is there.
fn remember(list: &mut VecDeque<String>, id: &str) -> bool {
    if list.iter().any(|known| known == id) {
        return false;
    }
    if list.len() >= CHAT_REMEMBERED {
        list.pop_front();
    }
    list.push_back(id.to_owned());
    true
}

#[cfg(test)]
mod tests;
