//! Answering calls in the process that owns their rooms, whether they come from its own clients or from another process.

use crate::access::{self, no_room};
use crate::call::{Answered, Call, Deed, Unanswered};
use crate::command::{Answer, Command, NewMessage, Stop};
use crate::registry::{Handle, Registry, Standing};
use crate::view::{Reply, RoomView};
use antiphon_core::limits::{MAX_CLIENT_ID_LENGTH, MAX_CONTENT_BYTES};
use antiphon_core::{AR_ROOM, ChannelName, Code, Identity, ROOM, Refusal, Room, RoomEvent, room_of_stream};
use antiphon_sql::Projection;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::oneshot;

/// How long a command waits for a place with a busy owner.
const OWNER_BUSY: Duration = Duration::from_secs(5);

/// Whether a call that its owner did not get to answer may be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IfMoved {
    Again,
    Refused,
}

impl Registry {
    /// Answers where this process owns the room.
    pub(crate) async fn answer(self: &Arc<Self>, call: &Call) -> Result<Answered, Unanswered> {
        match call {
            Call::Create { room } => self.create(room).await.map(Answered::from),
            Call::Wait { stream_id, timeout } => self.wait(stream_id, *timeout).await.map(Answered::from),
            Call::Room { who, room_id, is_ar, deed } => self.act(who, room_id, *is_ar, deed).await,
        }
    }

    async fn create(&self, room: &Room) -> Result<RoomView, Unanswered> {
        let channel = room.channel()?;
        self.check_log(&channel)?;
        if self.owned.epoch_of(&channel).is_none() {
            return Err(Unanswered::Away(channel));
        }
        let created = RoomEvent::RoomCreated { room: room.clone() };
        let event = created.encode(&room.id, None).map_err(|error| {
            tracing::error!(%error, "a room's event cannot be encoded");
            Refusal::new(Code::Internal, "the room could not be made")
        })?;
        let positions = self.log.append(&channel, vec![event]).await;
        let positions = positions.map_err(|error| Unanswered::of(&channel, error))?;
        let position = match positions.last() {
            Some(position) => *position,
            None => self.log.bounds(&channel).await.map_err(Refusal::from)?.end,
        };
        let projection = Projection { room: room.clone(), position, messages: Vec::new(), client_messages: Vec::new() };
        self.records.project(&projection).await?;
        Ok(RoomView { room: room.clone(), position })
    }

    /// The whole reply once a stream has ended; nothing where that takes longer, or cannot be waited for.
    async fn wait(self: &Arc<Self>, stream_id: &str, timeout: Duration) -> Result<Option<Reply>, Unanswered> {
        let Some(room_id) = room_of_stream(stream_id) else { return Ok(None) };
        let owner = self.owner(&room_id, None).await?;
        let channel = owner.channel.clone();
        // Whoever waits for the answer watches it.
        let _viewing = self.viewers.enter(&channel);
        let (answer, answered) = oneshot::channel();
        let command = Command::Wait { stream_id: stream_id.to_owned(), answer };
        let standing = self.hand_over(owner, command).await?;
        match tokio::time::timeout(timeout, answered).await {
            Ok(Ok(reply)) => Ok(Some(reply)),
            Ok(Err(_)) if standing.has_moved() => Err(Unanswered::Away(channel)),
            Ok(Err(_)) | Err(_) => Ok(None),
        }
    }

    async fn act(
        self: &Arc<Self>,
        who: &Identity,
        room_id: &str,
        is_ar: Option<bool>,
        deed: &Deed,
    ) -> Result<Answered, Unanswered> {
        let asked_at = Instant::now();
        let found = self.owner_here(room_id, is_ar).await;
        if let Ok(Handle { channel, .. }) | Err(Unanswered::Away(channel)) = &found
            && deed.begins_in_log()
        {
            self.check_log(channel)?;
        }
        let owner = found?;
        access::check(who, &owner.room, deed.wish())?;
        let by = who.user_id.clone();
        match deed.clone() {
            Deed::Delete => self.ask(owner, IfMoved::Refused, |answer| Command::Delete { asked_at, answer }).await,
            Deed::Send { content, client_message_id } => {
                let new = NewMessage { user_id: by, content, client_message_id };
                check_message(&new)?;
                // Under the caller's own id it is accepted once, however often it is sent.
                let if_moved = if new.client_message_id.is_some() { IfMoved::Again } else { IfMoved::Refused };
                self.ask(owner, if_moved, |answer| Command::Say(new, answer)).await
            }
            Deed::Messages { limit, before } => {
                self.ask(owner, IfMoved::Again, |answer| Command::Messages { limit, before, answer }).await
            }
            Deed::Interrupt { stream_id, heard, attempt } => {
                let stop = Stop::Interrupt { by, heard: heard.map(|heard| heard.offset), attempt };
                // The first one counts.
                self.ask(owner, IfMoved::Again, |answer| Command::Stop { stream_id, stop, asked_at, answer }).await
            }
            Deed::Cancel { stream_id } => {
                let stop = Stop::Cancel;
                self.ask(owner, IfMoved::Refused, |answer| Command::Stop { stream_id, stop, asked_at, answer }).await
            }
            Deed::Pause { stream_id } => self.hold(owner, stream_id, by, true).await,
            Deed::Resume { stream_id } => self.hold(owner, stream_id, by, false).await,
            Deed::Retry { stream_id } => {
                self.ask(owner, IfMoved::Refused, |answer| Command::Retry { stream_id, by, answer }).await
            }
            Deed::Stream { stream_id } => {
                self.ask(owner, IfMoved::Again, |answer| Command::Stream { stream_id, answer }).await
            }
        }
    }

    /// The room's owner, where that is in this process.
    async fn owner_here(self: &Arc<Self>, room_id: &str, is_ar: Option<bool>) -> Result<Handle, Unanswered> {
        if let Some(is_ar) = is_ar {
            // Another process's room need not be looked up here.
            let namespace = if is_ar { AR_ROOM } else { ROOM };
            let channel = ChannelName::new(namespace, room_id).map_err(|_| no_room())?;
            if self.owned.epoch_of(&channel).is_none() {
                return Err(Unanswered::Away(channel));
            }
        }
        self.owner(room_id, is_ar).await
    }

    async fn hold(
        self: &Arc<Self>,
        owner: Handle,
        stream_id: String,
        by: String,
        pause: bool,
    ) -> Result<Answered, Unanswered> {
        self.ask(owner, IfMoved::Refused, |answer| Command::Hold { stream_id, by, pause, answer }).await
    }

    /// The room's owner is there, and knows all that the log has.
    pub(crate) async fn touch(self: &Arc<Self>, owner: Handle) -> Result<(), Unanswered> {
        self.ask(owner, IfMoved::Again, Command::Touch).await.map(|_| ())
    }

    async fn ask<T: Into<Answered>>(
        self: &Arc<Self>,
        owner: Handle,
        if_moved: IfMoved,
        command: impl FnOnce(Answer<T>) -> Command,
    ) -> Result<Answered, Unanswered> {
        let channel = owner.channel.clone();
        let (answer, answered) = oneshot::channel();
        let standing = self.hand_over(owner, command(answer)).await?;
        match answered.await {
            Ok(answer) => answer.map(T::into).map_err(|error| Unanswered::of(&channel, error)),
            Err(_) if !standing.has_moved() => {
                let message = "the room stopped while it did this: look whether it was done";
                Err(Refusal::new(Code::Internal, message).into())
            }
            Err(_) if if_moved == IfMoved::Again => Err(Unanswered::Away(channel)),
            Err(_) => {
                let message = "the room moved to another process while it did this: look whether it was done";
                Err(Refusal::new(Code::Unavailable, message).retry_after(Duration::from_secs(1)).into())
            }
        }
    }

    /// Gives a command to the room's owner, or to the one after it where that has just left.
    async fn hand_over(self: &Arc<Self>, mut owner: Handle, mut command: Command) -> Result<Arc<Standing>, Unanswered> {
        loop {
            let (room_id, standing) = (owner.room.id.clone(), owner.standing.clone());
            command = match owner.commands.send_timeout(command, OWNER_BUSY).await {
                Ok(()) => return Ok(standing),
                Err(SendTimeoutError::Closed(command)) => command,
                Err(SendTimeoutError::Timeout(_)) => {
                    let message = "too much is asked of this room at once, try again";
                    return Err(Refusal::new(Code::Unavailable, message).retry_after(Duration::from_secs(1)).into());
                }
            };
            drop(owner);
            owner = self.owner(&room_id, None).await?;
        }
    }
}

fn check_message(new: &NewMessage) -> Result<(), Refusal> {
    if new.content.trim().is_empty() {
        return Err(Refusal::new(Code::InvalidRequest, "`content` is empty: say something"));
    }
    if new.content.len() > MAX_CONTENT_BYTES {
        let message = format!("`content` has {} bytes; at most {MAX_CONTENT_BYTES} are taken", new.content.len());
        return Err(Refusal::new(Code::PayloadTooLarge, message));
    }
    let is_taken = |id: &str| (1..=MAX_CLIENT_ID_LENGTH).contains(&id.chars().count());
    if new.client_message_id.as_deref().is_some_and(|id| !is_taken(id)) {
        let message = format!("a clientMessageId has 1 to {MAX_CLIENT_ID_LENGTH} characters");
        return Err(Refusal::new(Code::InvalidRequest, message));
    }
    Ok(())
}
