//! What an owner makes of its shard's epochs. While the process owns the shard, the log may begin a new epoch at any time,
//! and somebody else may have owned the shard in between: the log's tail tells.

use super::Owner;
use super::load::ALONE;
use antiphon_core::limits::{ROOM_NEW_EPOCH_WAIT, ROOM_RETRY_LEAST};
use antiphon_core::{AnswerError, LogError, Position};
use tokio::time::Instant;

impl Owner {
    /// The epoch in which this process owns the shard; none where that is over, and this owner's end is near.
    pub(super) fn epoch_now(&self) -> Option<u32> {
        self.shards.borrow().get(&self.shard).copied()
    }

    /// Whether the log may have what the state does not.
    pub(super) fn has_new_epoch(&self) -> bool {
        self.epoch_now() != Some(self.epoch)
    }

    /// Makes sure that what a reader gets has all that an earlier owner wrote.
    pub(super) async fn follow_epoch(&mut self) -> Result<(), AnswerError> {
        if self.has_new_epoch() { self.ready().await } else { Ok(()) }
    }

    /// A log that refused an append in one epoch may be tried again at once in the next.
    pub(super) fn look_at_epoch(&mut self) {
        if let Some(epoch) = self.epoch_now().filter(|epoch| *epoch != self.tried) {
            self.tried = epoch;
            self.blocked_until = None;
            self.block_for = ROOM_RETRY_LEAST;
        }
    }

    /// An append whose fate is unknown has ended the epoch of a log that other processes write as well, and can still come
    /// through until the next one begins. Where none does, the failure was such that nothing was taken.
    pub(super) fn wait_for_epoch(&mut self) {
        // Only an epoch after the one in which it failed counts.
        self.tried = self.epoch;
        if self.epoch != ALONE {
            let until = Instant::now() + ROOM_NEW_EPOCH_WAIT;
            self.blocked_until = Some(self.blocked_until.map_or(until, |blocked| blocked.max(until)));
        }
    }

    /// Whether an append's positions follow on what is folded in: where they do not, somebody else's events lie between.
    pub(super) fn follow_on(&self, positions: &[Position]) -> bool {
        positions.first().is_none_or(|first| first.number == self.state.position().number + 1)
    }

    /// This owner stops, and the room is folded together anew.
    pub(super) fn behind(&mut self) -> LogError {
        tracing::warn!(channel = %self.channel, "the room was another owner's meanwhile, and is read anew");
        self.run = None;
        self.unsent = None;
        self.is_behind = true;
        LogError::NotOwner
    }
}
