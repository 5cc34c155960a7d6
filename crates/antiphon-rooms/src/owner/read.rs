//! Reading the room: its messages, its streams, and waiting for an end.

use super::Owner;
use crate::access::no_stream;
use crate::cut;
use crate::view::{MessagePage, Reply, StreamView};
use antiphon_core::limits::{MAX_MESSAGE_PAGE, ROOM_WAITERS};
use antiphon_core::{Code, Message, MessageStatus, Refusal};
use antiphon_sql::{Answer, StoredMessage};
use tokio::sync::oneshot;

impl Owner {
    /// The latest messages before one, or of all.
    pub(super) async fn page(&mut self, limit: usize, before: Option<&str>) -> Result<MessagePage, Refusal> {
        let limit = limit.clamp(1, MAX_MESSAGE_PAGE);
        let end = match before {
            None => u64::MAX,
            Some(message_id) => self.place_of(message_id).await?,
        };
        let mut messages: Vec<Message> =
            self.state.window_before(end).rev().take(limit).map(|stored| stored.message.clone()).collect();
        messages.reverse();
        let start = self.state.window_start().min(end);
        if messages.len() < limit && start > 1 {
            let room_id = &self.state.room().id;
            let older = self.registry.records.messages_before(room_id, start, limit - messages.len()).await?;
            let newest = |stored: StoredMessage| match self.state.at(stored.place) {
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
        Ok(MessagePage { messages, position: self.state.position() })
    }

    async fn place_of(&mut self, message_id: &str) -> Result<u64, Refusal> {
        if let Some(stored) = self.state.message(message_id) {
            return Ok(stored.place);
        }
        let stored = self.registry.records.message(&self.state.room().id, message_id).await?;
        stored
            .map(|stored| stored.place)
            .ok_or_else(|| Refusal::new(Code::InvalidRequest, "`before` is not the id of a message in this room"))
    }

    /// The message that a stream makes, taken into memory where it is not.
    pub(super) async fn find(&mut self, stream_id: &str) -> Result<&StoredMessage, Refusal> {
        if self.state.stream(stream_id).is_none() {
            let room_id = &self.state.room().id;
            let stored = self.registry.records.message_of_stream(room_id, stream_id).await?;
            self.state.hold(stored.ok_or_else(no_stream)?);
        }
        self.state.stream(stream_id).ok_or_else(no_stream)
    }

    /// Where a stream stands.
    pub(super) async fn view(&mut self, stream_id: &str) -> Result<StreamView, Refusal> {
        StreamView::of(self.find(stream_id).await?).ok_or_else(no_stream)
    }

    /// Answers with the stream's reply once it has ended.
    pub(super) async fn wait_for(&mut self, stream_id: String, answer: oneshot::Sender<Reply>) {
        let Ok(stored) = self.find(&stream_id).await else { return };
        if !stored.answer.as_ref().is_some_and(Answer::is_open) {
            // A caller that has gone away needs no answer.
            let _ = answer.send(Reply::from(&stored.message));
            return;
        }
        for waiting in self.waiters.values_mut() {
            waiting.retain(|waiter| !waiter.is_closed());
        }
        self.waiters.retain(|_, waiting| !waiting.is_empty());
        if self.waiters.values().map(Vec::len).sum::<usize>() < ROOM_WAITERS {
            self.waiters.entry(stream_id).or_default().push(answer);
        }
    }

    pub(super) fn tell_waiters(&mut self, stream_id: &str) {
        let Some(waiting) = self.waiters.remove(stream_id) else { return };
        let Some(stored) = self.state.stream(stream_id) else { return };
        let reply = Reply::from(&stored.message);
        for waiter in waiting {
            // A caller that has gone away needs no answer.
            let _ = waiter.send(reply.clone());
        }
    }
}
