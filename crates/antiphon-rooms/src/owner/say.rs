//! Taking a person's message, and asking again for its answer.

use super::Owner;
use super::stop::conflict;
use crate::command::NewMessage;
use crate::fold;
use crate::registry::Phase;
use crate::view::Accepted;
use antiphon_ai::run::{Run, Said};
use antiphon_core::limits::MAX_QUEUED_STREAMS;
use antiphon_core::{
    AnswerError, Code, Message, MessageStatus, Refusal, RoomEvent, SenderRole, Timestamp, new_message_id, new_stream_id,
};
use std::time::Duration;

/// A stream that is about to be queued.
struct Enqueued {
    stream_id: String,
    queued: usize,
    said: Vec<Said>,
}

impl Owner {
    /// Takes a message: answers once the log has it together with the stream that will answer it.
    pub(super) async fn say(&mut self, new: NewMessage) -> Result<Accepted, AnswerError> {
        self.ready().await?;
        if let Some(client_message_id) = &new.client_message_id
            && let Some(accepted) = self.said_before(&new.user_id, client_message_id, &new.content).await?
        {
            return Ok(accepted);
        }
        let message = Message {
            id: new_message_id(),
            ar_room_id: self.state.room().id.clone(),
            sender_id: new.user_id,
            role: SenderRole::User,
            text: new.content.clone(),
            content: new.content,
            markers: Vec::new(),
            status: MessageStatus::Completed,
            stream_id: None,
            heard: None,
            reasoning: String::new(),
            citations: Vec::new(),
            error: None,
            created_at: Timestamp::now(),
        };
        let enqueued = self.enqueue(&message.id, &message.content, &message.sender_id, u64::MAX).await?;
        let (stream_id, queued, said) = match enqueued {
            Some(enqueued) => (Some(enqueued.stream_id), enqueued.queued, enqueued.said),
            None => (None, 0, Vec::new()),
        };
        let created = RoomEvent::MessageCreated {
            message: message.clone(),
            client_message_id: new.client_message_id,
            stream_id: stream_id.clone(),
        };
        self.append_enqueued(std::iter::once(Said::from(created)).chain(said).collect(), stream_id.as_deref()).await?;
        Ok(Accepted { message, stream_id, queued })
    }

    /// The same client id again: the same message for the same content, a conflict for any other.
    async fn said_before(
        &mut self,
        user_id: &str,
        client_message_id: &str,
        content: &str,
    ) -> Result<Option<Accepted>, Refusal> {
        let known = match self.state.client_message(user_id, client_message_id) {
            Some(known) => Some(known.clone()),
            None if self.state.has_older_client_ids() => {
                let room_id = &self.state.room().id;
                self.registry.records.client_message(room_id, user_id, client_message_id).await?
            }
            None => None,
        };
        let Some(known) = known else { return Ok(None) };
        if known.content_hash != fold::content_hash(content) {
            return Err(conflict("this clientMessageId was used for another message: use a new one for each message"));
        }
        let message = self.request(&known.message_id).await?.message;
        let queued = known.stream_id.as_deref().and_then(|stream_id| self.state.queue_place(stream_id)).unwrap_or(0);
        Ok(Some(Accepted { message, stream_id: known.stream_id, queued }))
    }

    /// Asks again for an answer that is not whole.
    pub(super) async fn retry(&mut self, stream_id: &str, by: String) -> Result<Accepted, AnswerError> {
        self.find(stream_id).await?;
        self.ready().await?;
        let stored = self.find(stream_id).await?;
        let Some(answer) = stored.answer.clone() else { return Err(crate::access::no_stream().into()) };
        match stored.message.status {
            MessageStatus::Streaming => return Err(conflict("this answer is still on its way").into()),
            MessageStatus::Completed => return Err(conflict("this answer is whole: ask something new instead").into()),
            _ => {}
        }
        let is_open = |other: &antiphon_sql::StoredMessage| {
            other.answer.as_ref().is_some_and(|other| other.request_id == answer.request_id)
        };
        if self.state.open().any(is_open) {
            return Err(conflict("this message is being answered again already").into());
        }
        let request = self.request(&answer.request_id).await?;
        let message = request.message;
        let enqueued = self.enqueue(&message.id, &message.content, &by, request.place).await?;
        let Some(Enqueued { stream_id, queued, said }) = enqueued else {
            return Err(Refusal::new(Code::AgentNotFound, "nobody answers in this room").into());
        };
        self.append_enqueued(said, Some(&stream_id)).await?;
        Ok(Accepted { message, stream_id: Some(stream_id), queued })
    }

    /// The events that queue a stream for a message, and its run where it is the first: the provider is asked while the
    /// log is being written. While the room is to be moved it waits for the next owner. Nothing in a room without an agent.
    async fn enqueue(
        &mut self,
        request_id: &str,
        content: &str,
        user_id: &str,
        place: u64,
    ) -> Result<Option<Enqueued>, Refusal> {
        let Some(agent_id) = self.state.room().agent_id.clone() else { return Ok(None) };
        let Some(agent) = self.registry.agents.get(&agent_id).cloned() else {
            return Err(Refusal::new(Code::AgentNotFound, "the agent of this room is no longer there"));
        };
        let queued = self.state.open_count();
        if queued > MAX_QUEUED_STREAMS {
            let message =
                format!("{MAX_QUEUED_STREAMS} messages wait for their answers here: try again once one has ended");
            return Err(Refusal::new(Code::QueueFull, message).retry_after(Duration::from_secs(5)));
        }
        let stream_id = new_stream_id(&self.state.room().id);
        let reply_message_id = new_message_id();
        let mut said = vec![
            Said::from(RoomEvent::ArMessageRequest {
                message_id: request_id.to_owned(),
                stream_id: stream_id.clone(),
                reply_message_id: reply_message_id.clone(),
                agent_id: agent_id.clone(),
                user_id: user_id.to_owned(),
                content: content.to_owned(),
            }),
            Said::from(RoomEvent::StreamQueued { stream_id: stream_id.clone(), queued, waiting_for: None }),
        ];
        if queued == 0 && self.phase_here() == Phase::Serving {
            let ask = self.ask(&stream_id, &reply_message_id, agent, place, content).await?;
            self.run = Some(Run::begin(ask));
            self.count();
            said.push(self.starts(&stream_id, &reply_message_id, &agent_id, user_id));
        }
        Ok(Some(Enqueued { stream_id, queued, said }))
    }

    /// Appends what queues a stream. What the log refuses was never asked: its run is dropped.
    async fn append_enqueued(&mut self, said: Vec<Said>, stream_id: Option<&str>) -> Result<(), AnswerError> {
        let appended = self.append(&said).await;
        if appended.is_err() && stream_id.is_some_and(|stream_id| self.runs(stream_id)) {
            self.run = None;
        }
        Ok(appended?)
    }
}
