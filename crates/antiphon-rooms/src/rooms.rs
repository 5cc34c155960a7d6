//! The rooms as transports see them. Every call checks who may; everything else is the owners' business.

use crate::access::{self, Wish, no_room, no_stream};
use crate::command::{Answer, Command, NewMessage, Stop};
use crate::recovery;
use crate::registry::{Handle, Phase, Registry, Work, leaving};
use crate::stop_latencies::StopSummary;
use crate::view::{Accepted, MessagePage, NewRoom, Reply, RoomView, StreamView};
use antiphon_ai::agent::Agents;
use antiphon_core::limits::{
    MAX_CLIENT_ID_LENGTH, MAX_CONTENT_BYTES, MAX_ROOM_LIST, MAX_ROOM_NAME_LENGTH, MAX_ROOM_TYPE_LENGTH,
};
use antiphon_core::{
    ChannelName, Code, CreatedBy, Heard, Identity, Log, Position, Refusal, Room, RoomEvent, RoomStatus, Timestamp,
    ViewerCount, Visibility, new_room_id, room_of_stream,
};
use antiphon_sql::{Projection, Records, RecordsError};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::oneshot;

/// The type of every AR room, and of no other.
const AR_TYPE: &str = "ar-conversation";
/// How long a command waits for a place with a busy owner.
const OWNER_BUSY: Duration = Duration::from_secs(5);
/// How long owners may take to write down where they are.
const LEAVING: Duration = Duration::from_secs(5);

/// What the rooms are made of.
pub struct RoomsOptions {
    /// The truth.
    pub log: Arc<dyn Log>,
    /// Its fold, written down.
    pub records: Records,
    /// Who answers.
    pub agents: Agents,
    /// Who watches.
    pub viewers: ViewerCount,
}

/// All rooms of this process. Dropping it stops every owner where it is, as the end of the process would.
pub struct Rooms {
    registry: Arc<Registry>,
}

impl Drop for Rooms {
    fn drop(&mut self) {
        self.registry.abort();
    }
}

impl Rooms {
    /// Opens the rooms, and takes up in the background what an earlier process left open.
    pub async fn start(options: RoomsOptions) -> Result<Arc<Self>, RecordsError> {
        options.records.rooms_after("", 1).await?;
        let registry = Registry::new(options.log, options.records, options.agents, options.viewers);
        registry.spawn(Box::pin(recovery::recover(registry.clone())));
        Ok(Arc::new(Self { registry }))
    }

    /// Makes a room.
    pub async fn create(&self, who: &Identity, new: NewRoom) -> Result<RoomView, Refusal> {
        if *self.registry.phase.borrow() != Phase::Serving {
            return Err(leaving());
        }
        let room = self.checked(who, new)?;
        let channel = room.channel()?;
        let created = RoomEvent::RoomCreated { room: room.clone() };
        let event = created.encode(&room.id, None).map_err(|error| {
            tracing::error!(%error, "a room's event cannot be encoded");
            Refusal::new(Code::Internal, "the room could not be made")
        })?;
        let positions = self.registry.log.append(&channel, vec![event]).await?;
        let bounds_end = self.registry.log.bounds(&channel);
        let position = match positions.last() {
            Some(position) => *position,
            None => bounds_end.await?.end,
        };
        let projection = Projection { room: room.clone(), position, messages: Vec::new(), client_messages: Vec::new() };
        self.registry.records.project(&projection).await?;
        Ok(RoomView { room, position })
    }

    fn checked(&self, who: &Identity, new: NewRoom) -> Result<Room, Refusal> {
        let name = new.name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        let length = |text: &str| text.chars().count();
        if name.as_deref().is_some_and(|name| length(name) > MAX_ROOM_NAME_LENGTH) {
            return Err(invalid(format!("a room's name has at most {MAX_ROOM_NAME_LENGTH} characters")));
        }
        let given = new.room_type.as_deref().unwrap_or_default().trim();
        let room_type = if new.is_ar { AR_TYPE } else { given }.to_owned();
        let is_own_word = room_type != AR_TYPE && (1..=MAX_ROOM_TYPE_LENGTH).contains(&length(&room_type));
        if !new.is_ar && !is_own_word {
            return Err(invalid(format!(
                "`type` is your own word for what a regular room is, such as `group` or `direct`: 1 to \
                 {MAX_ROOM_TYPE_LENGTH} characters, and not `{AR_TYPE}`, which POST /api/ar-rooms makes"
            )));
        }
        match &new.agent_id {
            None if new.is_ar => return Err(invalid("an AR room needs an `agentId`: see GET /api/agents")),
            Some(agent_id) if self.registry.agents.get(agent_id).is_none() => {
                return Err(Refusal::new(Code::AgentNotFound, "there is no such agent: see GET /api/agents"));
            }
            _ => {}
        }
        let visibility = if new.is_ar { None } else { new.visibility }.unwrap_or(Visibility::Private);
        Ok(Room {
            id: new_room_id(),
            agent_id: new.agent_id,
            user_id: who.user_id.clone(),
            name,
            room_type,
            created_by: CreatedBy { id: who.user_id.clone() },
            visibility,
            status: RoomStatus::Active,
            is_ar_conversation: new.is_ar,
            created_at: Timestamp::now(),
        })
    }

    /// The rooms of one kind that somebody finds: their own, and among regular ones the public ones. Newest first.
    pub async fn list(&self, who: &Identity, is_ar: bool) -> Result<Vec<RoomView>, Refusal> {
        let stored = self.registry.records.rooms_of(&who.user_id, is_ar, MAX_ROOM_LIST).await?;
        let mut rooms = Vec::with_capacity(stored.len());
        for stored in stored {
            let owner = self.registry.present(&stored.room.id);
            if owner.is_some_and(|owner| owner.is_deleted.load(Ordering::Acquire)) {
                continue;
            }
            let position = self.end_of(&stored.room).await?;
            rooms.push(RoomView { room: stored.room, position });
        }
        Ok(rooms)
    }

    /// A room.
    pub async fn get(&self, who: &Identity, is_ar: bool, room_id: &str) -> Result<RoomView, Refusal> {
        let room = self.look(room_id).await?;
        if room.is_ar_conversation != is_ar {
            return Err(no_room());
        }
        access::check(who, &room, Wish::Read)?;
        Ok(RoomView { position: self.end_of(&room).await?, room: Room::clone(&room) })
    }

    /// A room of either kind that somebody may read.
    pub async fn find(&self, who: &Identity, room_id: &str) -> Result<Arc<Room>, Refusal> {
        let room = self.look(room_id).await?;
        access::check(who, &room, Wish::Read)?;
        Ok(room)
    }

    /// Whether somebody may read the channel behind a room.
    pub async fn may_read(&self, who: &Identity, channel: &ChannelName) -> Result<(), Refusal> {
        let room = self.look(channel.id()).await?;
        if room.channel()? != *channel {
            return Err(no_room());
        }
        access::check(who, &room, Wish::Read)
    }

    /// Deletes a room: its streams end as cancelled first.
    pub async fn delete(&self, who: &Identity, is_ar: bool, room_id: &str) -> Result<(), Refusal> {
        let asked_at = Instant::now();
        let owner = self.reach(who, Some(is_ar), room_id, Wish::Own).await?;
        self.ask(owner, |answer| Command::Delete { asked_at, answer }).await
    }

    /// Takes a person's message; durable once this answers. `is_ar` none takes either kind of room.
    pub async fn send(
        &self,
        who: &Identity,
        is_ar: Option<bool>,
        room_id: &str,
        content: String,
        client_message_id: Option<String>,
    ) -> Result<Accepted, Refusal> {
        let owner = self.reach(who, is_ar, room_id, Wish::Write).await?;
        if content.trim().is_empty() {
            return Err(invalid("`content` is empty: say something"));
        }
        if content.len() > MAX_CONTENT_BYTES {
            let message = format!("`content` has {} bytes; at most {MAX_CONTENT_BYTES} are taken", content.len());
            return Err(Refusal::new(Code::PayloadTooLarge, message));
        }
        if client_message_id.as_deref().is_some_and(|id| id.is_empty() || id.chars().count() > MAX_CLIENT_ID_LENGTH) {
            return Err(invalid(format!("a clientMessageId has 1 to {MAX_CLIENT_ID_LENGTH} characters")));
        }
        let new = NewMessage { user_id: who.user_id.clone(), content, client_message_id };
        self.ask(owner, |answer| Command::Say(new, answer)).await
    }

    /// The whole reply once a stream has ended; nothing where that takes longer, or cannot be waited for.
    pub async fn wait(&self, stream_id: &str, timeout: Duration) -> Option<Reply> {
        let owner = self.registry.owner(&room_of_stream(stream_id)?).await.ok()?;
        // Whoever waits for the answer watches it.
        let _viewing = self.registry.viewers.enter(&owner.room.channel().ok()?);
        let (answer, answered) = oneshot::channel();
        let command = Command::Wait { stream_id: stream_id.to_owned(), answer };
        self.hand_over(owner, command).await.ok()?;
        tokio::time::timeout(timeout, answered).await.ok()?.ok()
    }

    /// The latest messages of a room, or those before one of them.
    pub async fn messages(
        &self,
        who: &Identity,
        is_ar: bool,
        room_id: &str,
        limit: usize,
        before: Option<&str>,
    ) -> Result<MessagePage, Refusal> {
        let owner = self.reach(who, Some(is_ar), room_id, Wish::Read).await?;
        let before = before.map(str::to_owned);
        self.ask(owner, |answer| Command::Messages { limit, before, answer }).await
    }

    /// Interrupts an answer that runs, or that has ended and is still being spoken.
    pub async fn interrupt(
        &self,
        who: &Identity,
        stream_id: &str,
        heard: Option<Heard>,
        attempt: Option<u32>,
    ) -> Result<StreamView, Refusal> {
        let heard = heard.map(|heard| heard.offset);
        self.stop(who, stream_id, Stop::Interrupt { by: who.user_id.clone(), heard, attempt }).await
    }

    /// Stops an answer, or withdraws one that waits.
    pub async fn cancel(&self, who: &Identity, stream_id: &str) -> Result<StreamView, Refusal> {
        self.stop(who, stream_id, Stop::Cancel).await
    }

    async fn stop(&self, who: &Identity, stream_id: &str, stop: Stop) -> Result<StreamView, Refusal> {
        let asked_at = Instant::now();
        let owner = self.reach_stream(who, stream_id, Wish::Write).await?;
        let stream_id = stream_id.to_owned();
        self.ask(owner, |answer| Command::Stop { stream_id, stop, asked_at, answer }).await
    }

    /// Holds a running answer.
    pub async fn pause(&self, who: &Identity, stream_id: &str) -> Result<StreamView, Refusal> {
        self.hold(who, stream_id, true).await
    }

    /// Lets a held answer go on.
    pub async fn resume(&self, who: &Identity, stream_id: &str) -> Result<StreamView, Refusal> {
        self.hold(who, stream_id, false).await
    }

    async fn hold(&self, who: &Identity, stream_id: &str, pause: bool) -> Result<StreamView, Refusal> {
        let owner = self.reach_stream(who, stream_id, Wish::Write).await?;
        let (stream_id, by) = (stream_id.to_owned(), who.user_id.clone());
        self.ask(owner, |answer| Command::Hold { stream_id, by, pause, answer }).await
    }

    /// Asks again for an answer that is not whole: a new stream for the same message.
    pub async fn retry(&self, who: &Identity, stream_id: &str) -> Result<Accepted, Refusal> {
        let owner = self.reach_stream(who, stream_id, Wish::Write).await?;
        let (stream_id, by) = (stream_id.to_owned(), who.user_id.clone());
        self.ask(owner, |answer| Command::Retry { stream_id, by, answer }).await
    }

    /// Where a stream stands.
    pub async fn stream(&self, who: &Identity, stream_id: &str) -> Result<StreamView, Refusal> {
        let owner = self.reach_stream(who, stream_id, Wish::Read).await?;
        let stream_id = stream_id.to_owned();
        self.ask(owner, |answer| Command::Stream { stream_id, answer }).await
    }

    /// Takes nothing new, lets running streams finish until the deadline, and stops the rest without an end: they go on
    /// after the restart.
    pub async fn drain(&self, deadline: Duration) {
        self.registry.phase.send_replace(Phase::Finishing);
        let mut work = self.registry.work.subscribe();
        // The registry has the sender, so waiting fails only by the time-out.
        let _ = tokio::time::timeout(deadline, work.wait_for(|work| work.running == 0)).await;
        self.registry.phase.send_replace(Phase::Leaving);
        let has_left = async {
            while !self.registry.is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(LEAVING, has_left).await.is_err() {
            tracing::warn!("some rooms were left as they were; their log has everything");
        }
    }

    /// Streams without their end, queued and paused ones included, in the rooms that are in memory.
    pub fn open_streams(&self) -> usize {
        let Work { open, .. } = *self.registry.work.borrow();
        open
    }

    /// How long it took from stops to dropped provider calls.
    pub fn stop_latencies(&self) -> StopSummary {
        self.registry.stop_latencies.summary()
    }

    /// The room, without starting an owner where the records have all of it.
    async fn look(&self, room_id: &str) -> Result<Arc<Room>, Refusal> {
        if let Some(owner) = self.registry.present(room_id) {
            return if owner.is_deleted.load(Ordering::Acquire) { Err(no_room()) } else { Ok(owner.room) };
        }
        let stored = self.registry.records.room(room_id).await?;
        let stored = stored.filter(|stored| stored.room.status == RoomStatus::Active).ok_or_else(no_room)?;
        if self.end_of(&stored.room).await? == stored.position {
            return Ok(Arc::new(stored.room));
        }
        let owner = self.registry.owner(room_id).await?;
        let room = owner.room.clone();
        self.ask(owner, Command::Touch).await?;
        Ok(room)
    }

    async fn end_of(&self, room: &Room) -> Result<Position, Refusal> {
        Ok(self.registry.log.bounds(&room.channel()?).await?.end)
    }

    async fn reach(&self, who: &Identity, is_ar: Option<bool>, room_id: &str, wish: Wish) -> Result<Handle, Refusal> {
        let owner = self.registry.owner(room_id).await?;
        if is_ar.is_some_and(|is_ar| is_ar != owner.room.is_ar_conversation) {
            return Err(no_room());
        }
        access::check(who, &owner.room, wish)?;
        Ok(owner)
    }

    async fn reach_stream(&self, who: &Identity, stream_id: &str, wish: Wish) -> Result<Handle, Refusal> {
        let room_id = room_of_stream(stream_id).ok_or_else(no_stream)?;
        self.reach(who, None, &room_id, wish).await.map_err(|refusal| match refusal.code {
            Code::RoomNotFound => no_stream(),
            _ => refusal,
        })
    }

    async fn ask<T>(&self, owner: Handle, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.hand_over(owner, command(answer)).await?;
        answered.await.unwrap_or_else(|_| {
            Err(Refusal::new(Code::Internal, "the room stopped while it did this: look whether it was done"))
        })
    }

    /// Gives a command to the room's owner, or to the one after it where that has just left.
    async fn hand_over(&self, mut owner: Handle, mut command: Command) -> Result<(), Refusal> {
        loop {
            let room_id = owner.room.id.clone();
            command = match owner.commands.send_timeout(command, OWNER_BUSY).await {
                Ok(()) => return Ok(()),
                Err(SendTimeoutError::Closed(command)) => command,
                Err(SendTimeoutError::Timeout(_)) => {
                    let message = "too much is asked of this room at once, try again";
                    return Err(Refusal::new(Code::Unavailable, message).retry_after(Duration::from_secs(1)));
                }
            };
            drop(owner);
            owner = self.registry.owner(&room_id).await?;
        }
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::InvalidRequest, message)
}
