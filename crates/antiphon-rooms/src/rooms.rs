//! The rooms as transports see them. What needs a room's owner is answered here if this process owns it, and asked of the
//! process that does otherwise; the rest comes from the records and the log.

use crate::access::{self, Wish, no_room, no_stream};
use crate::call::{self, Answered, Call, Deed, Unanswered};
use crate::recovery;
use crate::registry::{LogState, Phase, Registry, Work, leaving};
use crate::stop_latencies::StopSummary;
use crate::view::{Accepted, MessagePage, NewRoom, Reply, RoomView, StreamView};
use antiphon_ai::agent::Agents;
use antiphon_core::limits::{
    MAX_ROOM_LIST, MAX_ROOM_NAME_LENGTH, MAX_ROOM_TYPE_LENGTH, ROOM_LIST_ENDS, ROOMS_LEAVE_TIMEOUT,
};
use antiphon_core::{
    AnswerError, ChannelName, Code, CreatedBy, Elsewhere, Heard, Identity, Log, LogError, OwnedShards, Position,
    Refusal, Room, RoomStatus, Timestamp, ViewerCount, Visibility, new_room_id, room_of_stream,
};
use antiphon_sql::{Records, RecordsError, StoredRoom};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use std::sync::Arc;
use std::time::Duration;

/// The type of every AR room, and of no other.
const AR_TYPE: &str = "ar-conversation";

/// How long a read waits for the room's owner before this process reads in its place.
const OWNER_PATIENCE: Duration = Duration::from_secs(1);
/// How long reading in the owner's place may take: longer than it takes to find that nobody knows of a newer end.
const UNOWNED_PATIENCE: Duration = Duration::from_secs(1);

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
    /// The shards whose rooms this process runs.
    pub owned: OwnedShards,
    /// The way to the owners of other shards; none where no other process is.
    pub elsewhere: Option<Arc<dyn Elsewhere>>,
    /// What would begin something is refused at once while this says that the log takes nothing, rather than after whoever
    /// could have it taken was looked for.
    pub log_state: LogState,
}

/// All rooms, as this process reaches them. Dropping it stops every owner where it is, as the end of the process would.
pub struct Rooms {
    pub(crate) registry: Arc<Registry>,
    elsewhere: Option<Arc<dyn Elsewhere>>,
}

impl Drop for Rooms {
    fn drop(&mut self) {
        self.registry.abort();
    }
}

impl Rooms {
    /// Opens the rooms. What an earlier owner left open in the shards of this process, now and whenever it gains one, is
    /// taken up in the background.
    pub async fn start(options: RoomsOptions) -> Result<Arc<Self>, RecordsError> {
        options.records.rooms_after("", 1).await?;
        let elsewhere = options.elsewhere.clone();
        let registry = Registry::new(options);
        registry.spawn(Box::pin(recovery::follow(registry.clone())));
        Ok(Arc::new(Self { registry, elsewhere }))
    }

    /// `unavailable` while the log is known to take nothing for the channel.
    pub fn check_log(&self, channel: &ChannelName) -> Result<(), Refusal> {
        self.registry.check_log(channel)
    }

    /// Makes a room.
    pub async fn create(&self, who: &Identity, new: NewRoom) -> Result<RoomView, Refusal> {
        if self.is_leaving() {
            return Err(leaving());
        }
        let room = self.checked(who, new)?;
        self.ask(&Call::Create { room }).await
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
        let mut stored = self.registry.records.rooms_of(&who.user_id, is_ar, MAX_ROOM_LIST).await?;
        let is_deleted = |owner: crate::registry::Handle| owner.standing.is_deleted();
        stored.retain(|stored| !self.registry.present(&stored.room.id).is_some_and(is_deleted));
        futures::stream::iter(stored.into_iter().map(|stored| self.view(stored)))
            .buffered(ROOM_LIST_ENDS)
            .try_collect()
            .await
    }

    async fn view(&self, stored: StoredRoom) -> Result<RoomView, Refusal> {
        let end = self.end_of(&stored.room);
        let position = if self.owns(&stored.room)? {
            end.await?
        } else {
            match tokio::time::timeout(OWNER_PATIENCE, end).await {
                Ok(Err(refusal)) if refusal.code != Code::Unavailable => return Err(refusal),
                Ok(Ok(end)) => end,
                // While nobody answers for the room, what the records include is as good a place to read on from.
                Ok(Err(_)) | Err(_) => stored.position,
            }
        };
        Ok(RoomView { room: stored.room, position })
    }

    /// A room.
    pub async fn get(&self, who: &Identity, is_ar: bool, room_id: &str) -> Result<RoomView, Refusal> {
        let room = self.look(room_id).await?;
        if room.is_ar_conversation != is_ar {
            return Err(no_room());
        }
        access::check(who, &room, Wish::Read)?;
        if self.owns(&room)? {
            return Ok(RoomView { position: self.end_of(&room).await?, room: Room::clone(&room) });
        }
        let stored = self.registry.records.room(room_id).await?;
        self.view(stored.filter(|stored| stored.room.status == RoomStatus::Active).ok_or_else(no_room)?).await
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
        self.act(who, room_id, Some(is_ar), Deed::Delete).await
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
        self.check_answering()?;
        self.act(who, room_id, is_ar, Deed::Send { content, client_message_id }).await
    }

    /// The whole reply once a stream has ended; nothing where that takes longer, or cannot be waited for.
    pub async fn wait(&self, stream_id: &str, timeout: Duration) -> Option<Reply> {
        let call = Call::Wait { stream_id: stream_id.to_owned(), timeout };
        // Each owner that the room moves to is given the whole time anew.
        tokio::time::timeout(timeout, self.ask::<Option<Reply>>(&call)).await.ok()?.ok()?
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
        self.act(who, room_id, Some(is_ar), Deed::Messages { limit, before: before.map(str::to_owned) }).await
    }

    /// Interrupts an answer that runs, or that has ended and is still being spoken.
    pub async fn interrupt(
        &self,
        who: &Identity,
        stream_id: &str,
        heard: Option<Heard>,
        attempt: Option<u32>,
    ) -> Result<StreamView, Refusal> {
        self.act_on(who, stream_id, |stream_id| Deed::Interrupt { stream_id, heard, attempt }).await
    }

    /// Stops an answer, or withdraws one that waits.
    pub async fn cancel(&self, who: &Identity, stream_id: &str) -> Result<StreamView, Refusal> {
        self.act_on(who, stream_id, |stream_id| Deed::Cancel { stream_id }).await
    }

    /// Holds a running answer.
    pub async fn pause(&self, who: &Identity, stream_id: &str) -> Result<StreamView, Refusal> {
        self.act_on(who, stream_id, |stream_id| Deed::Pause { stream_id }).await
    }

    /// Lets a held answer go on.
    pub async fn resume(&self, who: &Identity, stream_id: &str) -> Result<StreamView, Refusal> {
        self.act_on(who, stream_id, |stream_id| Deed::Resume { stream_id }).await
    }

    /// Asks again for an answer that is not whole: a new stream for the same message.
    pub async fn retry(&self, who: &Identity, stream_id: &str) -> Result<Accepted, Refusal> {
        self.check_answering()?;
        self.act_on(who, stream_id, |stream_id| Deed::Retry { stream_id }).await
    }

    /// Where a stream stands.
    pub async fn stream(&self, who: &Identity, stream_id: &str) -> Result<StreamView, Refusal> {
        self.act_on(who, stream_id, |stream_id| Deed::Stream { stream_id }).await
    }

    /// Answers what the rooms of another process asked by [`Elsewhere`]. Never asks a third one.
    pub async fn answer(&self, question: Bytes) -> Result<Bytes, AnswerError> {
        let call: Call = call::decode(&question)?;
        Ok(call::encode(&self.registry.answer(&call).await?)?)
    }

    /// Takes nothing new, lets running streams finish until the deadline, and stops the rest without an end: they go on
    /// after the restart, or in the process that owns them next, and what they were cut off in is no attempt that counts.
    pub async fn drain(&self, deadline: Duration) {
        self.registry.phases.send_modify(|phases| phases.process = Phase::Finishing);
        let mut work = self.registry.work.subscribe();
        // The registry has the sender, so waiting fails only by the time-out.
        let _ = tokio::time::timeout(deadline, work.wait_for(|work| work.running == 0)).await;
        self.registry.phases.send_modify(|phases| phases.process = Phase::Leaving);
        if tokio::time::timeout(ROOMS_LEAVE_TIMEOUT, self.registry.all_left(None)).await.is_err() {
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

    /// The room, without starting an owner where the records have all of it, or where another process owns it.
    async fn look(&self, room_id: &str) -> Result<Arc<Room>, Refusal> {
        if let Some(owner) = self.registry.present(room_id) {
            return if owner.standing.is_deleted() { Err(no_room()) } else { Ok(owner.room) };
        }
        let stored = self.registry.records.room(room_id).await?;
        let stored = stored.filter(|stored| stored.room.status == RoomStatus::Active).ok_or_else(no_room)?;
        if !self.owns(&stored.room)? || self.end_of(&stored.room).await? == stored.position {
            return Ok(Arc::new(stored.room));
        }
        let touched = match self.registry.owner(room_id, None).await {
            Ok(owner) => self.registry.touch(owner).await,
            Err(unanswered) => Err(unanswered),
        };
        match touched {
            Err(Unanswered::Away(_)) if self.owns(&stored.room)? => Err(AnswerError::NotOwner.into()),
            Ok(()) | Err(Unanswered::Away(_)) => Ok(Arc::new(stored.room)),
            Err(Unanswered::Refused(refusal)) => Err(refusal),
        }
    }

    fn is_leaving(&self) -> bool {
        self.registry.phases.borrow().process != Phase::Serving
    }

    /// Where no other process is there to answer next, nothing is asked any more.
    fn check_answering(&self) -> Result<(), Refusal> {
        if self.elsewhere.is_none() && self.is_leaving() { Err(leaving()) } else { Ok(()) }
    }

    fn owns(&self, room: &Room) -> Result<bool, Refusal> {
        Ok(self.registry.owned.epoch_of(&room.channel()?).is_some())
    }

    async fn end_of(&self, room: &Room) -> Result<Position, Refusal> {
        Ok(self.registry.log.bounds(&room.channel()?).await?.end)
    }

    async fn act_on<T: TryFrom<Answered, Error = Refusal>>(
        &self,
        who: &Identity,
        stream_id: &str,
        deed: impl FnOnce(String) -> Deed,
    ) -> Result<T, Refusal> {
        let room_id = room_of_stream(stream_id).ok_or_else(no_stream)?;
        self.act(who, &room_id, None, deed(stream_id.to_owned())).await.map_err(|refusal| match refusal.code {
            Code::RoomNotFound => no_stream(),
            _ => refusal,
        })
    }

    async fn act<T: TryFrom<Answered, Error = Refusal>>(
        &self,
        who: &Identity,
        room_id: &str,
        is_ar: Option<bool>,
        deed: Deed,
    ) -> Result<T, Refusal> {
        let is_read = deed.wish() == Wish::Read;
        let call = Call::Room { who: who.clone(), room_id: room_id.to_owned(), is_ar, deed };
        if is_read && self.elsewhere.is_some() { self.read(&call).await } else { self.ask(&call).await }
    }

    /// Has the owner of a room read something of it, and does it in its place where it does not answer in time: not if that
    /// could leave out what a client may have seen, and then the owner is waited for as for any other call.
    async fn read<T: TryFrom<Answered, Error = Refusal>>(&self, call: &Call) -> Result<T, Refusal> {
        let asking = self.ask(call);
        tokio::pin!(asking);
        let refused = match tokio::time::timeout(OWNER_PATIENCE, &mut asking).await {
            Ok(Err(refusal)) if refusal.code == Code::Unavailable => Some(refusal),
            Ok(answered) => return answered,
            Err(_) => None,
        };
        match tokio::time::timeout(UNOWNED_PATIENCE, self.registry.read_unowned(call)).await {
            Ok(Ok(answered)) => return T::try_from(answered),
            Ok(Err(AnswerError::Refused(refusal))) if refusal.code != Code::Unavailable => return Err(refusal),
            _ => {}
        }
        match refused {
            Some(refusal) => Err(refusal),
            None => asking.await,
        }
    }

    /// Has a call answered by whoever owns its room.
    async fn ask<T: TryFrom<Answered, Error = Refusal>>(&self, call: &Call) -> Result<T, Refusal> {
        let channel = match self.registry.answer(call).await {
            Ok(answered) => return T::try_from(answered),
            Err(Unanswered::Refused(refusal)) => return Err(refusal),
            Err(Unanswered::Away(channel)) => channel,
        };
        let Some(elsewhere) = &self.elsewhere else {
            return Err(if self.is_leaving() { leaving() } else { LogError::NotOwner.into() });
        };
        let answer = elsewhere.ask(&channel, call::encode(call)?).await?;
        T::try_from(call::decode::<Answered>(&answer)?)
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::InvalidRequest, message)
}
