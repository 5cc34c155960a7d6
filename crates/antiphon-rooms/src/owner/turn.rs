//! Running the room's streams, one after the other.

use super::Owner;
use crate::command::Stop;
use crate::prompt;
use crate::registry::Phase;
use antiphon_ai::agent::{Agent, MarkerSource};
use antiphon_ai::run::{Ask, Progress, Run, Said};
use antiphon_core::limits::MAX_PROMPT_MESSAGES;
use antiphon_core::{Code, LogError, Refusal, RoomEvent, Timestamp};
use antiphon_markers::utf16_length;
use antiphon_sql::StoredMessage;

impl Owner {
    /// Does the next thing that needs the log, if there is one and the log takes it.
    pub(super) async fn step(&mut self) -> bool {
        if self.owes() {
            return self.ready().await.is_ok();
        }
        if !self.is_paused() {
            match self.send_gathered().await {
                Ok(false) => {}
                Ok(true) => return true,
                Err(_) => return false,
            }
        }
        self.begin_head().await
    }

    /// Appends what the run has to say; false where that is nothing. What the log refuses is kept, and the run waits.
    pub(super) async fn send_gathered(&mut self) -> Result<bool, LogError> {
        let Some(run) = &mut self.run else { return Ok(false) };
        let mut said = run.take();
        if said.is_empty() {
            return Ok(false);
        }
        if let Some(Said { event: RoomEvent::ArStreamEnd { stream_id, .. }, .. }) = said.last() {
            said.extend(self.after_end(&stream_id.clone()));
        }
        if let Err(error) = self.append(&said).await {
            self.unsent = Some(said);
            self.is_unsent_in_doubt = error != LogError::NotOwner;
            return Err(error);
        }
        self.sent();
        Ok(true)
    }

    /// Whether a stream that is first in the queue may start now.
    pub(super) fn may_start(&self, stored: &StoredMessage) -> bool {
        let is_stopped = self.stops.iter().any(|(stopped, _)| stored.message.stream_id.as_ref() == Some(stopped));
        !is_stopped
            && !self.is_deleting
            && self.phase_here() == Phase::Serving
            && self.registry.agents.get(&stored.message.sender_id).is_some()
            && stored.answer.as_ref().is_some_and(|answer| answer.started_at.is_none())
    }

    pub(super) fn start_event(&self, stored: &StoredMessage) -> Option<Said> {
        let stream_id = stored.message.stream_id.as_deref()?;
        let asked_by = &stored.answer.as_ref()?.asked_by;
        Some(self.starts(stream_id, &stored.message.id, &stored.message.sender_id, asked_by))
    }

    pub(super) fn starts(&self, stream_id: &str, message_id: &str, agent_id: &str, user_id: &str) -> Said {
        Said::from(RoomEvent::ArStreamStart {
            stream_id: stream_id.to_owned(),
            message_id: message_id.to_owned(),
            agent_id: agent_id.to_owned(),
            user_id: user_id.to_owned(),
            started_at: Timestamp::now(),
            durable: self.registry.log.is_durable(self.channel.namespace()),
        })
    }

    /// Starts the first stream of the queue, or takes it up where its process stopped.
    async fn begin_head(&mut self) -> bool {
        let is_free = self.run.is_none() && !self.is_paused() && self.phase_here() == Phase::Serving;
        if !is_free || self.blocked_until.is_some() {
            return false;
        }
        let Some(head) = self.state.head().cloned() else { return false };
        let (Some(stream_id), Some(answer)) = (head.message.stream_id.clone(), head.answer.clone()) else {
            return false;
        };
        let Some(agent) = self.registry.agents.get(&head.message.sender_id).cloned() else {
            let message = "the agent that was asked is no longer there".to_owned();
            self.stop_soon(&stream_id, Stop::Fail { code: "agent_not_found", message });
            return true;
        };
        if answer.started_at.is_none() {
            let Some(start) = self.start_event(&head) else { return false };
            return self.append(&[start]).await.is_ok();
        }
        let asked = match self.request(&answer.request_id).await {
            Ok(asked) => self.ask(&stream_id, &head.message.id, agent, asked.place, &asked.message.content).await,
            Err(refusal) => Err(refusal),
        };
        let ask = match asked {
            Ok(ask) => ask,
            Err(refusal) => {
                tracing::warn!(%stream_id, %refusal, "the stream cannot begin yet");
                self.block();
                return false;
            }
        };
        self.run = Some(if self.take_cut_off(&stream_id) {
            let progress = Progress {
                attempt: answer.attempt,
                moved_attempts: answer.moved_attempts,
                has_moved: answer.has_moved(),
                chunks: answer.chunks,
                spoken: utf16_length(&head.message.text),
                content: head.message.content,
            };
            Run::resume(ask, progress)
        } else {
            Run::begin(ask)
        });
        true
    }

    /// A person's message, from memory or from the records.
    pub(super) async fn request(&mut self, message_id: &str) -> Result<StoredMessage, Refusal> {
        if let Some(stored) = self.state.message(message_id) {
            return Ok(stored.clone());
        }
        let stored = self.registry.records.message(&self.state.room().id, message_id).await?;
        stored.ok_or_else(|| Refusal::new(Code::Internal, "the message that is to be answered cannot be found"))
    }

    /// What a run is given: the content at that place of the room, after what was said before it.
    pub(super) async fn ask(
        &mut self,
        stream_id: &str,
        message_id: &str,
        agent: Agent,
        place: u64,
        content: &str,
    ) -> Result<Ask, Refusal> {
        let room = self.state.room();
        let is_marked = room.is_ar_conversation && !matches!(agent.markers, MarkerSource::Off);
        let vocabulary = is_marked.then(|| self.registry.vocabulary.clone());
        let held: Vec<&StoredMessage> = self
            .state
            .window_before(u64::MAX)
            .filter(|stored| stored.place < place || stored.answer.is_some())
            .collect();
        let start = self.state.window_start().min(place);
        let older = if start > 1 && held.len() < MAX_PROMPT_MESSAGES {
            self.registry.records.messages_before(&room.id, start, MAX_PROMPT_MESSAGES).await?
        } else {
            Vec::new()
        };
        let earlier: Vec<&StoredMessage> =
            older.iter().map(|stored| self.state.at(stored.place).unwrap_or(stored)).chain(held).collect();
        let prompt = prompt::build(&agent, vocabulary.as_deref(), &earlier, content);
        Ok(Ask { stream_id: stream_id.to_owned(), message_id: message_id.to_owned(), agent, prompt, vocabulary })
    }
}
