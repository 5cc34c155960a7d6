//! Reading the room: its messages, its streams, and waiting for an end.

use super::Owner;
use crate::access::no_stream;
use crate::reading;
use crate::view::{MessagePage, Reply, StreamView};
use antiphon_core::Refusal;
use antiphon_core::limits::ROOM_WAITERS;
use antiphon_sql::{Answer, StoredMessage};
use tokio::sync::oneshot;

impl Owner {
    /// The latest messages before one, or of all.
    pub(super) async fn page(&mut self, limit: usize, before: Option<&str>) -> Result<MessagePage, Refusal> {
        reading::page(&self.registry.records, &self.state, limit, before).await
    }

    /// The message that a stream makes, taken into memory where it is not.
    pub(super) async fn find(&mut self, stream_id: &str) -> Result<&StoredMessage, Refusal> {
        reading::find(&self.registry.records, &mut self.state, stream_id).await
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
