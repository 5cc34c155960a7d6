//! The last words of an owner whose room another one is to go on with.

use super::Owner;
use crate::fold::MOVED;
use antiphon_ai::run::Run;
use antiphon_core::{AnswerError, RoomEvent};

impl Owner {
    /// Leaves the room in good order: the log has all that was said, and that the answer under way did not fail.
    pub(super) async fn give_away(&mut self) {
        if let Err(error) = self.say_moved().await {
            tracing::warn!(channel = %self.channel, ?error, "an answer is left behind as by a crash");
        }
        self.run = None;
        if self.state.unprojected() > 0 || self.project_at.is_some() || self.projecting.is_some() {
            self.project_now().await;
        }
    }

    async fn say_moved(&mut self) -> Result<(), AnswerError> {
        if self.begun_here().is_none() {
            return Ok(());
        }
        self.ready().await?;
        // What a person holds back is not shown now either.
        while !self.is_paused() && self.send_gathered().await? && self.run.as_ref().is_some_and(Run::is_over) {}
        if let Some(run) = &mut self.run {
            run.stop();
        }
        if let Some(stream_id) = self.begun_here() {
            let moved = RoomEvent::OwnerChanged { stream_id: Some(stream_id), reason: MOVED.to_owned() };
            self.append(&[moved.into()]).await?;
        }
        Ok(())
    }

    /// The answer under way whose latest attempt this owner began; another's ended with that one.
    fn begun_here(&self) -> Option<String> {
        let head = self.state.head()?;
        let stream_id = head.message.stream_id.as_ref().filter(|stream_id| self.cut_off.as_ref() != Some(stream_id))?;
        self.is_started_head(stream_id).then(|| stream_id.clone())
    }
}
