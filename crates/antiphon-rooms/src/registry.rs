//! The owners of this process's rooms: one task each, started when somebody needs the room, gone when nobody does.

use crate::access::no_room;
use crate::command::Command;
use crate::owner;
use crate::stop_latencies::StopLatencies;
use antiphon_ai::agent::Agents;
use antiphon_core::limits::ROOM_COMMANDS;
use antiphon_core::{Code, Log, Refusal, Room, RoomStatus, ViewerCount};
use antiphon_markers::Vocabulary;
use antiphon_sql::Records;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// How far the process is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(crate) enum Phase {
    Serving,
    /// Nothing new starts; what runs may finish.
    Finishing,
    /// Owners stop where they are.
    Leaving,
}

/// Streams of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// Without their end.
    pub(crate) open: usize,
    /// Whose provider is being read, or whose end is not in the log yet.
    pub(crate) running: usize,
}

/// How a room's owner is reached.
#[derive(Clone)]
pub(crate) struct Handle {
    pub(crate) commands: mpsc::Sender<Command>,
    /// The room as it was made; nothing of it changes but that it can be deleted.
    pub(crate) room: Arc<Room>,
    pub(crate) is_deleted: Arc<AtomicBool>,
}

/// What all owners share.
pub(crate) struct Registry {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) records: Records,
    pub(crate) agents: Agents,
    pub(crate) viewers: ViewerCount,
    pub(crate) vocabulary: Arc<Vocabulary>,
    pub(crate) stop_latencies: StopLatencies,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) work: watch::Sender<Work>,
    owners: Mutex<HashMap<String, Handle>>,
    tasks: Mutex<JoinSet<()>>,
}

impl Registry {
    pub(crate) fn new(log: Arc<dyn Log>, records: Records, agents: Agents, viewers: ViewerCount) -> Arc<Self> {
        Arc::new(Self {
            log,
            records,
            agents,
            viewers,
            vocabulary: Arc::default(),
            stop_latencies: StopLatencies::default(),
            phase: watch::Sender::new(Phase::Serving),
            work: watch::Sender::default(),
            owners: Mutex::default(),
            tasks: Mutex::default(),
        })
    }

    /// The room's owner if it has one at the moment.
    pub(crate) fn present(&self, room_id: &str) -> Option<Handle> {
        self.owners.lock().get(room_id).filter(|handle| !handle.commands.is_closed()).cloned()
    }

    /// The room's owner, started where there is none. A deleted room is not found.
    pub(crate) async fn owner(self: &Arc<Self>, room_id: &str) -> Result<Handle, Refusal> {
        let handle = match self.present(room_id) {
            Some(handle) => handle,
            None => {
                let stored = self.records.room(room_id).await?;
                let stored = stored.filter(|stored| stored.room.status == RoomStatus::Active).ok_or_else(no_room)?;
                self.start(stored.room)?
            }
        };
        if handle.is_deleted.load(Ordering::Acquire) { Err(no_room()) } else { Ok(handle) }
    }

    fn start(self: &Arc<Self>, room: Room) -> Result<Handle, Refusal> {
        let mut owners = self.owners.lock();
        if let Some(handle) = owners.get(&room.id).filter(|handle| !handle.commands.is_closed()) {
            return Ok(handle.clone());
        }
        if *self.phase.borrow() == Phase::Leaving {
            return Err(leaving());
        }
        let (commands, receiver) = mpsc::channel(ROOM_COMMANDS);
        let handle = Handle { commands, room: Arc::new(room), is_deleted: Arc::default() };
        owners.insert(handle.room.id.clone(), handle.clone());
        self.spawn(owner_task(self.clone(), handle.room.clone(), handle.is_deleted.clone(), receiver));
        Ok(handle)
    }

    /// Runs a task that ends with the rooms at the latest.
    pub(crate) fn spawn(&self, task: BoxFuture<'static, ()>) {
        let mut tasks = self.tasks.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
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
    pub(crate) fn forget(&self, room_id: &str, is_deleted: &Arc<AtomicBool>) {
        let mut owners = self.owners.lock();
        if owners.get(room_id).is_some_and(|handle| Arc::ptr_eq(&handle.is_deleted, is_deleted)) {
            owners.remove(room_id);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.owners.lock().is_empty()
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

/// Runs an owner; one that panics is started again, as attempts are counted in the log and so bounded.
fn owner_task(
    registry: Arc<Registry>,
    room: Arc<Room>,
    is_deleted: Arc<AtomicBool>,
    commands: mpsc::Receiver<Command>,
) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let owning = owner::own(registry.clone(), room.id.clone(), is_deleted.clone(), commands);
        let panicked = AssertUnwindSafe(owning).catch_unwind().await.is_err();
        registry.forget(&room.id, &is_deleted);
        if panicked {
            tracing::error!(room_id = room.id, "a room's owner panicked and is started again");
            tokio::time::sleep(Duration::from_secs(1)).await;
            if let Err(refusal) = registry.owner(&room.id).await {
                tracing::warn!(room_id = room.id, %refusal, "the room could not be taken up again");
            }
        }
    })
}
