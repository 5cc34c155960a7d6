//! Pause and resume. A paused stream's provider is not read, so none of its time-outs runs.

use super::Owner;
use super::stop::conflict;
use crate::view::StreamView;
use antiphon_core::{AnswerError, RoomEvent, StreamStatus};

impl Owner {
    /// Pauses or resumes a running stream; to ask for what it is already changes nothing.
    pub(super) async fn hold(&mut self, stream_id: &str, by: String, pause: bool) -> Result<StreamView, AnswerError> {
        self.is_pausing = pause;
        let held = self.try_hold(stream_id, by, pause).await;
        self.is_pausing = false;
        held?;
        Ok(self.view(stream_id).await?)
    }

    async fn try_hold(&mut self, stream_id: &str, by: String, pause: bool) -> Result<(), AnswerError> {
        self.find(stream_id).await?;
        self.ready().await?;
        if self.runs(stream_id) && !self.is_paused() {
            // What has arrived stands before the pause.
            self.send_gathered().await?;
        }
        let stream_id = stream_id.to_owned();
        let event = match self.view(&stream_id).await?.status {
            StreamStatus::Active if pause => RoomEvent::ArStreamPause { stream_id, by },
            StreamStatus::Paused if !pause => RoomEvent::ArStreamResume { stream_id, by },
            StreamStatus::Active | StreamStatus::Paused => return Ok(()),
            StreamStatus::Queued => {
                return Err(conflict(
                    "this answer waits behind another one: only a running one can be paused or resumed",
                )
                .into());
            }
            _ => return Err(conflict("this answer has ended: only a running one can be paused or resumed").into()),
        };
        self.append(&[event.into()]).await?;
        Ok(())
    }
}
