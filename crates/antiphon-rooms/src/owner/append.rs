//! Writing to the room's channel, and what is done while the log cannot be written.

use super::{Owner, advance};
use crate::fold::RoomState;
use antiphon_ai::run::Said;
use antiphon_core::limits::{
    CATCH_UP_BYTES, CATCH_UP_EVENTS, MAX_STREAM_AGE, ROOM_COMMANDS, ROOM_PROJECT_DELAY, ROOM_PROJECT_EVENTS,
    ROOM_RETRY_LEAST, ROOM_RETRY_MOST,
};
use antiphon_core::{AnswerError, Event, Log, LogError, Position, ReadFrom, ReadLimit, Record, RoomEvent, Timestamp};
use std::time::Duration;
use tokio::time::Instant;

impl Owner {
    /// Appends the events together and folds them in. After a failure the log may have them or not.
    pub(super) async fn append(&mut self, said: &[Said]) -> Result<(), LogError> {
        if self.has_new_epoch() {
            // Somebody else may have written since the state was read.
            return self.failed(LogError::NotOwner, Vec::new());
        }
        let at = Timestamp::now();
        let room_id = &self.state.room().id;
        let events = said.iter().map(|said| said.event.encode_at(room_id, at, said.provider_at)).collect();
        let events: Vec<Event> = match events {
            Ok(events) => events,
            Err(error) => return self.failed(unreadable(&error), Vec::new()),
        };
        let (log, channel) = (self.registry.log.clone(), self.channel.clone());
        let appended = events.clone();
        let appending = async move { log.append(&channel, appended).await };
        tokio::pin!(appending);
        let result = loop {
            let may_advance = self.may_advance();
            tokio::select! {
                biased;
                result = &mut appending => break result,
                Some(command) = self.commands.recv(), if self.backlog.len() < ROOM_COMMANDS => self.take_in(command),
                () = advance(&mut self.run), if may_advance => {}
            }
        };
        match result {
            Ok(positions) => {
                self.in_doubt.clear();
                if !self.follow_on(&positions) {
                    self.behind();
                    let reason = "another owner's events lie before these".to_owned();
                    return Err(LogError::Unavailable { reason });
                }
                for (said, position) in said.iter().zip(positions) {
                    self.fold(&said.event, at, position);
                }
                self.unblock();
                Ok(())
            }
            Err(error) => self.failed(error, events),
        }
    }

    fn failed(&mut self, error: LogError, events: Vec<Event>) -> Result<(), LogError> {
        // What is too large now is too large later: nothing of it was taken.
        if !matches!(error, LogError::TooLarge { .. }) {
            tracing::error!(channel = %self.channel, %error, "an append failed");
            self.is_unsure = true;
            self.is_disowned = error == LogError::NotOwner;
            self.block();
            if !self.is_disowned {
                self.in_doubt = events;
                self.wait_for_epoch();
            }
        }
        Err(error)
    }

    fn fold(&mut self, event: &RoomEvent, at: Timestamp, position: Position) {
        if let RoomEvent::ArStreamChunk { stream_id, .. } = event
            && self.state.queue_place(stream_id).is_none()
        {
            self.registry.stop_latencies.chunk_after();
        }
        self.state.apply(event, at, position);
        match event {
            RoomEvent::ArMessageRequest { stream_id, .. } => {
                self.expiries.insert(stream_id.clone(), Instant::now() + MAX_STREAM_AGE);
                // What was accepted outlives a retention that keeps fewer events than its answer takes.
                self.project_within(ROOM_PROJECT_DELAY);
            }
            RoomEvent::ArStreamEnd { stream_id, .. } => {
                self.project_within(ROOM_PROJECT_DELAY);
                self.expiries.remove(stream_id);
                self.cut_off.take_if(|cut_off| cut_off == stream_id);
                self.run.take_if(|run| run.stream_id() == stream_id);
                self.tell_waiters(stream_id);
            }
            RoomEvent::ArStreamInterrupt { .. } => self.project_within(ROOM_PROJECT_DELAY),
            RoomEvent::RoomDeleted { .. } => {
                self.project_within(Duration::ZERO);
                self.standing.set_deleted(true);
            }
            _ => {}
        }
        if self.state.unprojected() >= ROOM_PROJECT_EVENTS {
            self.project_within(Duration::ZERO);
        }
    }

    /// Waits a while before the log is tried again, longer each time.
    pub(super) fn block(&mut self) {
        self.blocked_until = Some(Instant::now() + self.block_for);
        self.block_for = (self.block_for * 2).min(ROOM_RETRY_MOST);
    }

    fn unblock(&mut self) {
        self.blocked_until = None;
        self.block_for = ROOM_RETRY_LEAST;
    }

    /// Whether something waits for the log to be writable again.
    pub(super) fn owes(&self) -> bool {
        self.is_unsure
            || self.has_new_epoch()
            || self.unsent.is_some()
            || !self.stops.is_empty()
            || self.is_deleting
            || self.took_over
    }

    /// Makes sure that the log has all that it is to have before anything new. Refuses while it cannot be written.
    pub(super) async fn ready(&mut self) -> Result<(), AnswerError> {
        if !self.owes() {
            return Ok(());
        }
        if self.blocked_until.is_some() {
            if self.is_disowned {
                return Err(AnswerError::NotOwner);
            }
            let reason = "it was refused an append a moment ago".to_owned();
            return Err(LogError::Unavailable { reason }.into());
        }
        Ok(self.catch_up().await?)
    }

    async fn catch_up(&mut self) -> Result<(), LogError> {
        if self.is_unsure || self.has_new_epoch() {
            self.read_back().await?;
        }
        if self.took_over {
            self.append_takeover().await?;
            self.took_over = false;
        }
        if let Some(said) = self.unsent.take() {
            if let Err(error) = self.append(&said).await {
                self.unsent = Some(said);
                self.is_unsent_in_doubt |= error != LogError::NotOwner;
                return Err(error);
            }
            self.sent();
        }
        if self.is_deleting {
            self.append_deletion().await?;
            self.is_deleting = false;
        }
        while let Some((stream_id, stop)) = self.stops.front().cloned() {
            let events = self.stop_events(&stream_id, &stop);
            if !events.is_empty() {
                self.append(&events).await?;
            }
            self.stops.pop_front();
        }
        Ok(())
    }

    /// Reads what the log has after the state: an append that failed, where it came through after all. Anything else was
    /// written by another owner, and then this one begins anew.
    async fn read_back(&mut self) -> Result<(), LogError> {
        let Some(epoch) = self.epoch_now() else {
            self.block();
            return Err(LogError::NotOwner);
        };
        let read = read_tail(self.registry.log.as_ref(), &self.state, ReadFrom::After(self.state.position())).await;
        let tail = match read {
            Ok(tail) => tail,
            Err(LogError::Foreign | LogError::Expired | LogError::Future) => return Err(self.behind()),
            Err(error) => {
                self.block();
                return Err(error);
            }
        };
        if !tail.is_empty() && !is_of(&tail, &self.in_doubt) {
            return Err(self.behind());
        }
        self.is_unsure = false;
        self.epoch = epoch;
        for record in &tail {
            if let Some((event, at)) = decode(record) {
                self.took_over &= !matches!(event, RoomEvent::OwnerChanged { .. });
                self.fold(&event, at, record.position);
            }
        }
        if !tail.is_empty() && self.is_unsent_in_doubt && self.unsent.is_some() {
            self.sent();
        }
        Ok(())
    }

    /// The log has what the run said last.
    pub(super) fn sent(&mut self) {
        self.unsent = None;
        self.is_unsent_in_doubt = false;
        if let Some(run) = &mut self.run {
            run.appended();
        }
    }
}

/// Whether the log's records are these events.
fn is_of(tail: &[Record], events: &[Event]) -> bool {
    tail.len() == events.len() && tail.iter().zip(events).all(|(record, event)| record.json == event.json)
}

fn unreadable(error: &serde_json::Error) -> LogError {
    LogError::Unavailable { reason: format!("an event cannot be encoded: {error}") }
}

/// Everything after a place of the room's channel.
pub(super) async fn read_tail(log: &dyn Log, state: &RoomState, from: ReadFrom) -> Result<Vec<Record>, LogError> {
    let channel = state.room().channel().map_err(|refusal| LogError::Unavailable { reason: refusal.message })?;
    let limit = ReadLimit { events: CATCH_UP_EVENTS, bytes: CATCH_UP_BYTES };
    let mut tail = log.read(&channel, from, limit).await?;
    while let Some(last) = tail.last() {
        let more = log.read(&channel, ReadFrom::After(last.position), limit).await?;
        if more.is_empty() {
            break;
        }
        tail.extend(more);
    }
    Ok(tail)
}

/// A room's event, unless a version wrote it that this one does not know.
pub(super) fn decode(record: &Record) -> Option<(RoomEvent, Timestamp)> {
    match RoomEvent::decode(&record.json) {
        Ok(decoded) => Some(decoded),
        Err(error) => {
            tracing::error!(position = %record.position, %error, "an event of a room cannot be read and is passed over");
            None
        }
    }
}

/// What is left of a stream's age.
pub(super) fn age_left(created_at: Timestamp) -> Duration {
    let age = Timestamp::now().millis().saturating_sub(created_at.millis());
    MAX_STREAM_AGE.saturating_sub(Duration::from_millis(age))
}
