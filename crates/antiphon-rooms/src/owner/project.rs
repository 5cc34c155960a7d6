//! Bringing the records up to date, beside the owner's other work.

use super::{Owner, join};
use crate::recovery;
use antiphon_core::Position;
use antiphon_core::limits::{ROOM_RETRY_LEAST, ROOM_RETRY_MOST};
use antiphon_sql::RecordsError;
use std::time::Duration;
use tokio::time::Instant;

impl Owner {
    /// Asks for the records to be brought up to date within that time, or once records that failed may be tried again.
    pub(super) fn project_within(&mut self, delay: Duration) {
        let now = Instant::now();
        let at = self.project_again_at.map_or(now + delay, |again_at| again_at.max(now + delay));
        self.project_at = Some(self.project_at.map_or(at, |asked| asked.min(at)));
    }

    /// Starts writing down what changed, where it is time for that and nothing is being written.
    pub(super) fn start_projecting(&mut self) {
        if self.projecting.is_some() || self.project_at.is_none_or(|at| at > Instant::now()) {
            return;
        }
        self.project_at = None;
        let records = self.registry.records.clone();
        let projection = self.state.projection();
        self.projecting = Some(tokio::spawn(async move {
            let result = records.project(&projection).await;
            (projection.position, result)
        }));
    }

    /// Takes in what was written down meanwhile.
    pub(super) async fn look_at_projection(&mut self) {
        if let Some(task) = self.projecting.take_if(|task| task.is_finished())
            && let Ok((through, result)) = task.await
        {
            self.projection_ended(through, result);
        }
    }

    /// A failure costs nothing but a longer fold at the next start, as the log has everything. It is tried again by itself,
    /// after longer and longer pauses; not where the records are ahead, as another owner wrote them then.
    pub(super) fn projection_ended(&mut self, through: Position, result: Result<(), RecordsError>) {
        self.projecting = None;
        match result {
            Ok(()) => {
                (self.project_again_at, self.project_pause) = (None, ROOM_RETRY_LEAST);
                self.state.projected(through);
            }
            Err(error) => {
                if self.project_again_at.is_none() {
                    tracing::error!(channel = %self.channel, %error, "the room's records could not be brought up to date");
                }
                if matches!(error, RecordsError::Behind) {
                    self.project_again_at = None;
                } else {
                    let again_at = Instant::now() + self.project_pause;
                    self.project_pause = (self.project_pause * 2).min(ROOM_RETRY_MOST);
                    (self.project_again_at, self.project_at) = (Some(again_at), Some(again_at));
                }
            }
        }
    }

    /// Brings the records up to date before anything else.
    pub(super) async fn project_now(&mut self) {
        if self.projecting.is_some() {
            let (through, result) = join(&mut self.projecting).await;
            self.projection_ended(through, result);
        }
        self.project_at = None;
        let projection = self.state.projection();
        let result = self.registry.records.project(&projection).await;
        self.projection_ended(projection.position, result);
    }

    /// A deleted room's events and records go a little later.
    pub(super) fn remove_later(&self) {
        recovery::remove_later(&self.registry, self.shard, self.state.room().clone());
    }
}
