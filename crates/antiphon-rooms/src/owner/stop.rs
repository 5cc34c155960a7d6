//! Interrupt, cancel, and giving up: the ways in which a stream ends before its answer does.

use super::Owner;
use crate::command::Stop;
use crate::cut;
use crate::view::StreamView;
use antiphon_ai::run::Said;
use antiphon_core::{
    AnswerError, Code, Heard, MessageStatus, Outcome, Refusal, RoomEvent, StreamFault, StreamStatus, Timestamp,
};
use antiphon_sql::StoredMessage;
use std::time::Instant;

impl Owner {
    /// Stops a stream for a person. A running one's call is dropped before anything is waited for; where the log cannot
    /// take that now, the caller is refused and it is written as soon as it can.
    pub(super) async fn stop(
        &mut self,
        stream_id: &str,
        stop: Stop,
        asked_at: Instant,
    ) -> Result<StreamView, AnswerError> {
        let is_of_future = is_of_future(self.find(stream_id).await?, &stop);
        let is_running = self.is_started_head(stream_id);
        // What will be refused must not have stopped anything.
        if is_running && !is_of_future {
            self.drop_call(asked_at);
        }
        if let Err(error) = self.try_stop(stream_id, &stop).await {
            if !is_running {
                return Err(error);
            }
            // It has taken effect, so nobody else is to be asked.
            let refusal = Refusal::from(error);
            if refusal.code == Code::Unavailable {
                self.stop_soon(stream_id, stop);
            }
            return Err(refusal.into());
        }
        Ok(self.view(stream_id).await?)
    }

    async fn try_stop(&mut self, stream_id: &str, stop: &Stop) -> Result<(), AnswerError> {
        self.ready().await?;
        let stored = self.find(stream_id).await?;
        let status = stored.answer.as_ref().map(|answer| answer.status);
        let never_ran = stored.answer.as_ref().is_some_and(|answer| answer.started_at.is_none());
        let is_of_future = is_of_future(stored, stop);
        match (stop, status) {
            (Stop::Interrupt { .. }, Some(StreamStatus::Queued)) => {
                return Err(
                    conflict("this answer has not begun, so it cannot be interrupted: cancel it instead").into()
                );
            }
            (Stop::Interrupt { .. }, _) if never_ran => {
                return Err(conflict("this answer ended before it began, so there is nothing to interrupt").into());
            }
            (Stop::Interrupt { .. }, _) if is_of_future => {
                let latest = stored.answer.as_ref().map_or(1, |answer| answer.attempt);
                let message =
                    format!("`attempt` is 1 to {latest}, this answer's latest: leave it out to mean that one");
                return Err(Refusal::new(Code::InvalidRequest, message).into());
            }
            (Stop::Cancel, Some(StreamStatus::Queued | StreamStatus::Active | StreamStatus::Paused))
            | (Stop::Interrupt { .. } | Stop::Fail { .. }, _) => {}
            (Stop::Cancel, _) => {
                return Err(conflict("this answer has ended already; to cut it to what was heard, interrupt it").into());
            }
        }
        let events = self.stop_events(stream_id, stop);
        if !events.is_empty() {
            self.append(&events).await?;
        }
        Ok(())
    }

    pub(super) fn is_started_head(&self, stream_id: &str) -> bool {
        let head = self.state.head().filter(|head| head.message.stream_id.as_deref() == Some(stream_id));
        head.and_then(|head| head.answer.as_ref()).is_some_and(|answer| answer.started_at.is_some())
    }

    /// Stops every open stream for which there is a reason, the last one first, so that none starts in between.
    pub(super) fn stop_all(&mut self, stop: impl Fn(&str) -> Option<Stop>) {
        let open: Vec<String> = self.state.open().rev().filter_map(|stored| stored.message.stream_id.clone()).collect();
        for stream_id in open {
            if let Some(stop) = stop(&stream_id) {
                self.stop_soon(&stream_id, stop);
            }
        }
    }

    /// The stop takes effect now and is in the log as soon as that can be.
    pub(super) fn stop_soon(&mut self, stream_id: &str, stop: Stop) {
        if self.is_started_head(stream_id) {
            self.run = None;
            self.unsent = None;
        }
        if !self.stops.iter().any(|(stopped, _)| stopped == stream_id) {
            self.stops.push_back((stream_id.to_owned(), stop));
        }
    }

    /// What a stop writes, given where its stream is; nothing where there is nothing to stop.
    pub(super) fn stop_events(&self, stream_id: &str, stop: &Stop) -> Vec<Said> {
        let Some(stored) = self.state.stream(stream_id) else { return Vec::new() };
        let Some(answer) = stored.answer.as_ref() else { return Vec::new() };
        let mut said = Vec::new();
        let end = match stop {
            Stop::Interrupt { by, heard, attempt } => {
                let is_of_older = attempt.is_some_and(|attempt| attempt < answer.attempt);
                let heard = if is_of_older { Some(0) } else { *heard };
                let heard = heard.map(|heard| cut::within(&stored.message, heard));
                // The first that says how far counts; before it, one more that does not changes nothing.
                let is_interrupted = stored.message.status == MessageStatus::Interrupted;
                if stored.message.heard.is_some() || (is_interrupted && heard.is_none()) {
                    return said;
                }
                said.push(Said::from(RoomEvent::ArStreamInterrupt {
                    stream_id: stream_id.to_owned(),
                    user_id: by.clone(),
                    interrupted_at: Timestamp::now(),
                    attempt: attempt.map_or(answer.attempt, |attempt| attempt.min(answer.attempt)),
                    heard,
                }));
                ended(stored, Outcome::Interrupted, None, Some(heard.unwrap_or(cut::whole(&stored.message))))
            }
            Stop::Cancel => ended(stored, Outcome::Cancelled, None, None),
            Stop::Fail { code, message } => {
                let fault = StreamFault { code: (*code).to_owned(), message: message.clone() };
                ended(stored, Outcome::Failed, Some(fault), None)
            }
        };
        if answer.is_open() {
            said.extend(end);
            said.extend(self.after_end(stream_id));
        }
        said
    }

    /// What follows a stream's end, in the same append: the others' places, and the start of the next.
    pub(super) fn after_end(&self, ended: &str) -> Vec<Said> {
        let mut said = Vec::new();
        let mut place = 0;
        for (before, stored) in self.state.open().enumerate() {
            let Some(stream_id) = stored.message.stream_id.as_deref().filter(|stream_id| *stream_id != ended) else {
                continue;
            };
            if place != before {
                said.push(Said::from(RoomEvent::StreamQueued {
                    stream_id: stream_id.to_owned(),
                    queued: place,
                    waiting_for: None,
                }));
            }
            if place == 0 && self.may_start(stored) {
                said.extend(self.start_event(stored));
            }
            place += 1;
        }
        said
    }
}

/// Whether an interrupt is of an attempt that the stream has not had.
pub(super) fn is_of_future(stored: &StoredMessage, stop: &Stop) -> bool {
    let latest = stored.answer.as_ref().map_or(0, |answer| answer.attempt);
    matches!(stop, Stop::Interrupt { attempt: Some(attempt), .. } if *attempt == 0 || *attempt > latest)
}

/// The stream's terminal event; nothing for a person's message.
pub(super) fn ended(
    stored: &StoredMessage,
    outcome: Outcome,
    error: Option<StreamFault>,
    heard: Option<Heard>,
) -> Option<Said> {
    Some(Said::from(RoomEvent::ArStreamEnd {
        stream_id: stored.message.stream_id.clone()?,
        message_id: stored.message.id.clone(),
        outcome,
        total_chunks: stored.answer.as_ref()?.chunks,
        ended_at: Timestamp::now(),
        finish_reason: None,
        usage: None,
        error,
        heard,
        citations: Vec::new(),
    }))
}

pub(super) fn conflict(message: &str) -> Refusal {
    Refusal::new(Code::Conflict, message)
}
