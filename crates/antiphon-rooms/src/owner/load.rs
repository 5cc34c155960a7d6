//! How an owner begins: the records, and the log's tail after what they include.

use super::Owner;
use super::append::{age_left, decode, read_tail};
use crate::access::no_room;
use crate::command::Command;
use crate::fold::RoomState;
use crate::registry::{Registry, Standing, Work};
use antiphon_ai::agent::OnDisconnect;
use antiphon_ai::run::Said;
use antiphon_core::limits::{MAX_PROMPT_MESSAGES, ROOM_RETRY_LEAST};
use antiphon_core::{AnswerError, ChannelName, LogError, ReadFrom, Refusal, RoomEvent, Shard};
use antiphon_sql::StoredMessage;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// The epoch of a process that shares its log with no other.
pub(super) const ALONE: u32 = 0;

/// A room folded together, and whether the records are behind it in more than events.
pub(super) struct Begun {
    state: RoomState,
    channel: ChannelName,
    shard: Shard,
    epoch: u32,
    /// The epoch of the last event before this owner.
    epoch_before: u32,
    tail: Tail,
}

/// What the log had after the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// What follows them.
    Follows,
    /// Something else: the two had to be brought together.
    Differs,
    /// Nothing at all of the room: it is another log.
    Gone,
}

/// Folds the room together.
pub(super) async fn begin(registry: &Registry, room_id: &str, channel: ChannelName) -> Result<Begun, AnswerError> {
    let shard = registry.owned.sharding().shard_of(&channel);
    // Before anything is read: what is read in an epoch is all that there is before this owner's own appends.
    let epoch = registry.owned.epoch(shard).ok_or(AnswerError::NotOwner)?;
    let loaded =
        registry.records.load(room_id, MAX_PROMPT_MESSAGES).await.map_err(Refusal::from)?.ok_or_else(no_room)?;
    let mut state = RoomState::new(loaded, registry.vocabulary.clone());
    let tail = fold_tail(registry, &mut state).await?;
    Ok(Begun { channel, shard, epoch, epoch_before: state.position().epoch, state, tail })
}

impl Owner {
    pub(super) fn new(
        registry: Arc<Registry>,
        begun: Begun,
        standing: Arc<Standing>,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        let Begun { state, channel, shard, epoch, epoch_before, tail } = begun;
        let head = state.head().and_then(|head| Some((head.message.stream_id.clone()?, head.answer.as_ref()?)));
        // Where the owner before this one gave the room away, it said so itself.
        let is_told = tail != Tail::Gone && head.as_ref().is_some_and(|(_, answer)| answer.has_moved());
        let cut_off = head.and_then(|(stream_id, answer)| answer.started_at.map(|_| stream_id));
        let expiry = |stored: &StoredMessage| {
            Some((stored.message.stream_id.clone()?, Instant::now() + age_left(stored.message.created_at)))
        };
        let agent = state.room().agent_id.as_ref().and_then(|agent_id| registry.agents.get(agent_id));
        let viewers = agent
            .filter(|agent| agent.on_disconnect == OnDisconnect::CancelAfterLastViewer)
            .map(|agent| (registry.viewers.watch(&channel), agent.viewer_grace));
        standing.set_deleted(state.is_deleted());
        Self {
            channel,
            took_over: state.open_count() > 0 && !is_told,
            is_from_elsewhere: epoch != ALONE && epoch_before != epoch,
            lacks_past: tail == Tail::Gone,
            project_at: (tail != Tail::Follows || state.unprojected() > 0).then(Instant::now),
            expiries: state.open().filter_map(expiry).collect(),
            phases: registry.phases.subscribe(),
            shards: registry.owned.watch(),
            registry,
            state,
            commands,
            backlog: VecDeque::new(),
            standing,
            run: None,
            unsent: None,
            is_unsent_in_doubt: false,
            stops: VecDeque::new(),
            is_deleting: false,
            is_pausing: false,
            cut_off,
            is_unsure: false,
            in_doubt: Vec::new(),
            shard,
            epoch,
            tried: epoch,
            is_behind: false,
            blocked_until: None,
            is_disowned: false,
            block_for: ROOM_RETRY_LEAST,
            projecting: None,
            project_again_at: None,
            project_pause: ROOM_RETRY_LEAST,
            waiters: HashMap::new(),
            viewers,
            unwatched_until: None,
            counted: Work::default(),
            idle_since: Instant::now(),
        }
    }

    /// Tells clients that the streams that were left open are taken up again.
    pub(super) async fn append_takeover(&mut self) -> Result<(), LogError> {
        if self.state.open_count() == 0 {
            return Ok(());
        }
        let reason = if self.is_from_elsewhere {
            "another process took over this room, and goes on with what was open in it"
        } else {
            "the server that answered stopped, and this one goes on"
        };
        let mut said: Vec<Said> = Vec::new();
        if self.lacks_past
            && let Some(stored) = self.cut_off.as_ref().and_then(|stream_id| self.state.stream(stream_id))
        {
            // In this log the stream has not started yet.
            said.extend(self.start_event(stored));
        }
        said.push(RoomEvent::OwnerChanged { stream_id: self.cut_off.clone(), reason: reason.to_owned() }.into());
        self.append(&said).await?;
        self.lacks_past = false;
        Ok(())
    }

    /// Whether the running stream is to be taken up as a further attempt.
    pub(super) fn take_cut_off(&mut self, stream_id: &str) -> bool {
        self.cut_off.take_if(|cut_off| cut_off == stream_id).is_some()
    }
}

/// Folds in what the log has after the records. The state is of no use where that fails.
pub(crate) async fn fold_tail(registry: &Registry, state: &mut RoomState) -> Result<Tail, AnswerError> {
    let log = registry.log.as_ref();
    let (tail, may_repeat) = match read_tail(log, state, ReadFrom::After(state.position())).await {
        Ok(tail) => (tail, false),
        Err(error @ (LogError::Foreign | LogError::Expired | LogError::Future)) => {
            // The log was replaced, restored or trimmed. The records keep what they have, and whatever the log has that
            // they do not is added.
            tracing::warn!(room_id = state.room().id, %error, "the records and the log differ");
            let bounds = log.bounds(&state.room().channel()?).await?;
            state.move_to(bounds.start);
            (read_tail(log, state, ReadFrom::Start).await?, true)
        }
        Err(error) => return Err(error.into()),
    };
    for record in &tail {
        let Some((event, at)) = decode(record) else { continue };
        hold_what_it_changes(registry, state, &event, may_repeat).await?;
        state.apply(&event, at, record.position);
    }
    if let Some(last) = tail.last() {
        // An event that cannot be read still has its position.
        state.pass(last.position);
    }
    Ok(match (may_repeat, tail.is_empty()) {
        (false, _) => Tail::Follows,
        (true, false) => Tail::Differs,
        (true, true) => Tail::Gone,
    })
}

/// Takes the message that an event is about into memory where it is not: an interrupt may come long after its stream, and
/// what the records know already must not be added again.
async fn hold_what_it_changes(
    registry: &Registry,
    state: &mut RoomState,
    event: &RoomEvent,
    may_repeat: bool,
) -> Result<(), Refusal> {
    let room_id = state.room().id.clone();
    let stored = match event {
        RoomEvent::ArStreamInterrupt { stream_id, .. } if state.stream(stream_id).is_none() => {
            registry.records.message_of_stream(&room_id, stream_id).await?
        }
        RoomEvent::MessageCreated { message, .. } if may_repeat && state.message(&message.id).is_none() => {
            registry.records.message(&room_id, &message.id).await?
        }
        RoomEvent::ArMessageRequest { stream_id, .. } if may_repeat && state.stream(stream_id).is_none() => {
            registry.records.message_of_stream(&room_id, stream_id).await?
        }
        _ => None,
    };
    if let Some(stored) = stored {
        state.hold(stored);
    }
    Ok(())
}
