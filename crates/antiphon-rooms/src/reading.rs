//! Reading a room: what its state holds, and what only the records have.
//!
//! While nobody answers for a room, any process reads it as its owner would begin: the records, and the log's tail after
//! them as far as this process has it. Both go exactly as far as the answer's `position` says.

use crate::access::{self, Wish, no_room, no_stream};
use crate::call::{Answered, Call, Deed};
use crate::cut;
use crate::fold::RoomState;
use crate::owner;
use crate::registry::Registry;
use crate::view::{MessagePage, StreamView};
use antiphon_core::limits::{MAX_MESSAGE_PAGE, MAX_PROMPT_MESSAGES};
use antiphon_core::{AnswerError, Code, Message, MessageStatus, Refusal};
use antiphon_sql::{Records, StoredMessage};

/// The latest messages before one, or of all.
pub(crate) async fn page(
    records: &Records,
    state: &RoomState,
    limit: usize,
    before: Option<&str>,
) -> Result<MessagePage, Refusal> {
    let limit = limit.clamp(1, MAX_MESSAGE_PAGE);
    let end = match before {
        None => u64::MAX,
        Some(message_id) => place_of(records, state, message_id).await?,
    };
    let mut messages: Vec<Message> =
        state.window_before(end).rev().take(limit).map(|stored| stored.message.clone()).collect();
    messages.reverse();
    let start = state.window_start().min(end);
    if messages.len() < limit && start > 1 {
        let older = records.messages_before(&state.room().id, start, limit - messages.len()).await?;
        let newest = |stored: StoredMessage| match state.at(stored.place) {
            Some(held) => held.message.clone(),
            None => stored.message,
        };
        messages.splice(0..0, older.into_iter().map(newest));
    }
    for message in &mut messages {
        // Nobody said how far it was heard, so all that was sent counts.
        if message.status == MessageStatus::Interrupted && message.heard.is_none() {
            message.heard = Some(cut::whole(message));
        }
    }
    Ok(MessagePage { messages, position: state.position() })
}

async fn place_of(records: &Records, state: &RoomState, message_id: &str) -> Result<u64, Refusal> {
    if let Some(stored) = state.message(message_id) {
        return Ok(stored.place);
    }
    let stored = records.message(&state.room().id, message_id).await?;
    stored
        .map(|stored| stored.place)
        .ok_or_else(|| Refusal::new(Code::InvalidRequest, "`before` is not the id of a message in this room"))
}

/// The message that a stream makes, taken into memory where it is not.
pub(crate) async fn find<'a>(
    records: &Records,
    state: &'a mut RoomState,
    stream_id: &str,
) -> Result<&'a StoredMessage, Refusal> {
    if state.stream(stream_id).is_none() {
        let stored = records.message_of_stream(&state.room().id, stream_id).await?;
        state.hold(stored.ok_or_else(no_stream)?);
    }
    state.stream(stream_id).ok_or_else(no_stream)
}

impl Registry {
    /// Answers what only reads, though nobody owns the room. Refuses where this process cannot tell that it has all that
    /// the log had last.
    pub(crate) async fn read_unowned(&self, call: &Call) -> Result<Answered, AnswerError> {
        let Call::Room { who, room_id, is_ar, deed } = call else { return Err(AnswerError::NotOwner) };
        let loaded = self.records.load(room_id, MAX_PROMPT_MESSAGES).await.map_err(Refusal::from)?;
        let mut state = RoomState::new(loaded.ok_or_else(no_room)?, self.vocabulary.clone());
        if is_ar.is_some_and(|is_ar| is_ar != state.room().is_ar_conversation) {
            return Err(no_room().into());
        }
        // Before anything else is waited for. The room never changes its owner or its kind.
        access::check(who, state.room(), Wish::Read)?;
        let end = self.log.bounds(&state.room().channel()?).await?.end;
        if end > state.position() {
            owner::fold_tail(self, &mut state).await?;
        }
        if state.position() < end {
            // This process does not have it yet.
            return Err(AnswerError::NotOwner);
        }
        if state.is_deleted() {
            return Err(no_room().into());
        }
        Ok(match deed {
            Deed::Messages { limit, before } => {
                page(&self.records, &state, *limit, before.as_deref()).await.map_err(unknown_here)?.into()
            }
            Deed::Stream { stream_id } => {
                let stored = find(&self.records, &mut state, stream_id).await.map_err(unknown_here)?;
                StreamView::of(stored).ok_or(AnswerError::NotOwner)?.into()
            }
            _ => return Err(AnswerError::NotOwner),
        })
    }
}

/// What is not found here may be in what only the last owner has said so far.
fn unknown_here(refusal: Refusal) -> AnswerError {
    match refusal.code {
        Code::StreamNotFound | Code::InvalidRequest => AnswerError::NotOwner,
        _ => refusal.into(),
    }
}
