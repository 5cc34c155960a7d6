//! The end of a room: first every stream's, then its own.

use super::Owner;
use super::stop::ended;
use antiphon_ai::run::Said;
use antiphon_core::{LogError, Outcome, Refusal, RoomEvent, RoomStatus};
use std::time::Instant;

impl Owner {
    /// Deletes the room. Where the log cannot take that now, the caller is refused and it is done as soon as it can.
    pub(super) async fn delete(&mut self, asked_at: Instant) -> Result<(), Refusal> {
        self.drop_call(asked_at);
        let deleted = match self.ready().await {
            Ok(()) => self.append_deletion().await.map_err(Refusal::from),
            Err(error) => Err(error.into()),
        };
        if let Err(refusal) = deleted {
            self.is_deleting = true;
            self.run = None;
            self.unsent = None;
            return Err(refusal);
        }
        // The list that the caller reads next does not have it.
        self.project_now().await;
        Ok(())
    }

    pub(super) async fn append_deletion(&mut self) -> Result<(), LogError> {
        let mut said: Vec<Said> =
            self.state.open().filter_map(|stored| ended(stored, Outcome::Cancelled, None, None)).collect();
        let mut room = self.state.room().clone();
        room.status = RoomStatus::Deleted;
        said.push(RoomEvent::RoomDeleted { room }.into());
        self.append(&said).await
    }
}
