//! The owners of this process's rooms: one task each, started when somebody needs the room, gone when nobody does or when
//! the shard of its channel is another process's.

use crate::access::no_room;
use crate::call::Unanswered;
use crate::command::Command;
use crate::owner::{self, Ending};
use crate::rooms::RoomsOptions;
use crate::stop_latencies::StopLatencies;
use antiphon_ai::agent::Agents;
use antiphon_core::limits::{ROOM_COMMANDS, ROOM_RETRY_LEAST};
use antiphon_core::{ChannelName, Code, Log, LogError, OwnedShards, Refusal, Room, RoomStatus, Shard, ViewerCount};
use antiphon_markers::Vocabulary;
use antiphon_sql::Records;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

/// Says why the log takes nothing for a channel now, where that is known. Waits for nothing.
pub type LogState = Box<dyn Fn(&ChannelName) -> Result<(), LogError> + Send + Sync>;

/// How far the process is on its way out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    #[default]
    Serving,
    /// Nothing new starts; what runs may finish.
    Finishing,
    /// Owners stop where they are.
    Leaving,
}

/// How far the process is, and those of its shards that are to be moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Phases {
    pub(crate) process: Phase,
    /// Further than the process: at most one entry a shard.
    pub(crate) shards: BTreeMap<Shard, Phase>,
}

impl Phases {
    /// How far the shard is.
    pub(crate) fn of(&self, shard: Shard) -> Phase {
        self.shards.get(&shard).copied().unwrap_or_default().max(self.process)
    }
}

/// Streams of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// Without their end.
    pub(crate) open: usize,
    /// Whose provider is being read, or whose end is not in the log yet.
    pub(crate) running: usize,
    /// Begun and without their end, paused ones included.
    pub(crate) begun: usize,
}

/// What becomes of an owner, for those who ask it something.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    is_deleted: AtomicBool,
    has_moved: AtomicBool,
}

impl Standing {
    /// True once the log has the room's end.
    pub(crate) fn is_deleted(&self) -> bool {
        self.is_deleted.load(Ordering::Acquire)
    }

    pub(crate) fn set_deleted(&self, is_deleted: bool) {
        self.is_deleted.store(is_deleted, Ordering::Release);
    }

    /// True once the owner stopped because the room is, or was, another process's.
    pub(crate) fn has_moved(&self) -> bool {
        self.has_moved.load(Ordering::Acquire)
    }

    pub(crate) fn set_moved(&self) {
        self.has_moved.store(true, Ordering::Release);
    }
}

/// How a room's owner is reached.
#[derive(Clone)]
pub(crate) struct Handle {
    pub(crate) commands: mpsc::Sender<Command>,
    /// The room as it was made; nothing of it changes but that it can be deleted.
    pub(crate) room: Arc<Room>,
    pub(crate) channel: ChannelName,
    pub(crate) standing: Arc<Standing>,
}

/// What all owners share.
pub(crate) struct Registry {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) records: Records,
    pub(crate) agents: Agents,
    pub(crate) viewers: ViewerCount,
    pub(crate) owned: OwnedShards,
    pub(crate) vocabulary: Arc<Vocabulary>,
    pub(crate) stop_latencies: StopLatencies,
    pub(crate) phases: watch::Sender<Phases>,
    pub(crate) work: watch::Sender<Work>,
    /// Answers under way in each shard that has any.
    pub(crate) begun: Mutex<BTreeMap<Shard, usize>>,
    log_state: LogState,
    owners: Mutex<HashMap<String, Handle>>,
    tasks: Mutex<JoinSet<()>>,
}

impl Registry {
    pub(crate) fn new(options: RoomsOptions) -> Arc<Self> {
        let RoomsOptions { log, records, agents, viewers, owned, log_state, elsewhere: _ } = options;
        Arc::new(Self {
            log,
            records,
            agents,
            viewers,
            owned,
            vocabulary: Arc::default(),
            stop_latencies: StopLatencies::default(),
            phases: watch::Sender::default(),
            work: watch::Sender::default(),
            begun: Mutex::default(),
            log_state,
            owners: Mutex::default(),
            tasks: Mutex::default(),
        })
    }

    /// Refuses where the log is known to take nothing: whoever asked would only wait to hear the same.
    pub(crate) fn check_log(&self, channel: &ChannelName) -> Result<(), Refusal> {
        Ok((self.log_state)(channel)?)
    }

    /// The room's owner if it has one at the moment.
    pub(crate) fn present(&self, room_id: &str) -> Option<Handle> {
        self.owners.lock().get(room_id).filter(|handle| !handle.commands.is_closed()).cloned()
    }

    /// The room's owner, started where there is none. A deleted room is not found, nor one of the other kind where one is
    /// said.
    pub(crate) async fn owner(self: &Arc<Self>, room_id: &str, is_ar: Option<bool>) -> Result<Handle, Unanswered> {
        let handle = match self.present(room_id) {
            Some(handle) => handle,
            None => {
                let stored = self.records.room(room_id).await?;
                let stored = stored.filter(|stored| {
                    let is_meant = is_ar.is_none_or(|is_ar| is_ar == stored.room.is_ar_conversation);
                    is_meant && stored.room.status == RoomStatus::Active
                });
                self.start(stored.ok_or_else(no_room)?.room)?
            }
        };
        if is_ar.is_some_and(|is_ar| is_ar != handle.room.is_ar_conversation) {
            return Err(no_room().into());
        }
        // The owner stops by itself; whoever comes meanwhile is sent on.
        if self.owned.epoch_of(&handle.channel).is_none() {
            return Err(Unanswered::Away(handle.channel));
        }
        if handle.standing.is_deleted() { Err(no_room().into()) } else { Ok(handle) }
    }

    fn start(self: &Arc<Self>, room: Room) -> Result<Handle, Unanswered> {
        let channel = room.channel()?;
        let mut owners = self.owners.lock();
        if let Some(handle) = owners.get(&room.id).filter(|handle| !handle.commands.is_closed()) {
            return Ok(handle.clone());
        }
        if self.owned.epoch_of(&channel).is_none() {
            return Err(Unanswered::Away(channel));
        }
        if self.phases.borrow().of(self.owned.sharding().shard_of(&channel)) == Phase::Leaving {
            return Err(Unanswered::Away(channel));
        }
        let (commands, receiver) = mpsc::channel(ROOM_COMMANDS);
        let handle = Handle { commands, room: Arc::new(room), channel, standing: Arc::default() };
        owners.insert(handle.room.id.clone(), handle.clone());
        // The task's own handle must not keep the channel of commands open.
        let Handle { room, channel, standing, .. } = handle.clone();
        self.spawn(owner_task(self.clone(), room, channel, standing, receiver));
        Ok(handle)
    }

    /// Comes once this process does not own the shard.
    pub(crate) fn lost(&self, shard: Shard) -> impl Future<Output = ()> + Send + use<> {
        let mut shards = self.owned.watch();
        async move {
            // An error would say that nobody can change them any more, and the rooms end with that too.
            let _ = shards.wait_for(|owned| !owned.contains_key(&shard)).await;
        }
    }

    /// Runs a task that ends with the rooms at the latest.
    pub(crate) fn spawn(&self, task: BoxFuture<'static, ()>) -> AbortHandle {
        let mut tasks = self.tasks.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task)
    }

    /// An owner takes its leave. False, and it has to stay, where somebody is about to ask something of it.
    pub(crate) fn leave(&self, room_id: &str, commands: &mpsc::Receiver<Command>) -> bool {
        let mut owners = self.owners.lock();
        // The registry's own handle is the one; new ones are made under the lock.
        if !commands.is_empty() || commands.sender_strong_count() > 1 {
            return false;
        }
        owners.remove(room_id);
        true
    }

    /// Forgets an owner that stopped, whoever may still hold its handle.
    pub(crate) fn forget(&self, room_id: &str, standing: &Arc<Standing>) {
        let mut owners = self.owners.lock();
        if owners.get(room_id).is_some_and(|handle| Arc::ptr_eq(&handle.standing, standing)) {
            owners.remove(room_id);
        }
    }

    /// Comes once no room has an owner any more, of the shard where one is said.
    pub(crate) async fn all_left(&self, shard: Option<Shard>) {
        let is_meant = |handle: &Handle| shard.is_none_or(|shard| self.shard_of(handle) == shard);
        while self.owners.lock().values().any(is_meant) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn shard_of(&self, handle: &Handle) -> Shard {
        self.owned.sharding().shard_of(&handle.channel)
    }

    /// Stops every task where it is, as the end of the process would.
    pub(crate) fn abort(&self) {
        self.owners.lock().clear();
        self.tasks.lock().abort_all();
    }
}

/// The process is on its way out.
pub(crate) fn leaving() -> Refusal {
    Refusal::new(Code::Unavailable, "the server is about to restart and takes nothing new, try again")
        .retry_after(Duration::from_secs(2))
}

/// Runs an owner for as long as the shard is this process's: what it does ends in the middle of it once that is over. One
/// that panics is started again, as attempts are counted in the log and so bounded.
fn owner_task(
    registry: Arc<Registry>,
    room: Arc<Room>,
    channel: ChannelName,
    standing: Arc<Standing>,
    commands: mpsc::Receiver<Command>,
) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let lost = registry.lost(registry.owned.sharding().shard_of(&channel));
        let moved = async {
            lost.await;
            // Before the owner is dropped, so that whoever waits for its answer can tell why none comes.
            standing.set_moved();
        };
        let owning = owner::own(registry.clone(), room.id.clone(), channel, standing.clone(), commands);
        let ended = tokio::select! {
            biased;
            () = moved => Ok(Ending::Over),
            ended = AssertUnwindSafe(owning).catch_unwind() => ended,
        };
        registry.forget(&room.id, &standing);
        match ended {
            Ok(Ending::Over) => return,
            Ok(Ending::Behind) => tokio::time::sleep(ROOM_RETRY_LEAST).await,
            Err(_) => {
                tracing::error!(room_id = room.id, "a room's owner panicked and is started again");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        match registry.owner(&room.id, None).await {
            Ok(_) | Err(Unanswered::Away(_)) => {}
            Err(Unanswered::Refused(refusal)) => {
                tracing::warn!(room_id = room.id, %refusal, "the room could not be taken up again");
            }
        }
    })
}
