//! A log that several processes write, and that tells them apart: the one whose epoch is in force gets in, no other.

use antiphon_core::*;
use antiphon_store::{MemoryLog, NamespaceTable};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use tokio::sync::{Mutex, watch};

/// What happens to the next append of a process. Each but the first two ends the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    None,
    /// It is not answered until the fault is over.
    Stuck,
    /// It is not taken.
    Refused,
    /// It is taken, and reported as failed.
    Lost,
    /// It is reported as failed, and taken just before the next epoch begins.
    Late,
}

const FAULTS: [Fault; 5] = [Fault::None, Fault::Stuck, Fault::Refused, Fault::Lost, Fault::Late];

#[derive(Default)]
struct State {
    /// The epoch in force and whose it is.
    in_force: BTreeMap<Shard, (u32, usize)>,
    /// The highest epoch so far.
    epochs: BTreeMap<Shard, u32>,
    late: Vec<(ChannelName, Vec<Event>)>,
    /// Who wrote each event.
    writers: Vec<(ChannelName, u64, u32)>,
}

/// What the processes share.
pub struct SharedLog {
    inner: MemoryLog,
    pub sharding: Sharding,
    state: Mutex<State>,
    pub appended: watch::Sender<u64>,
}

impl SharedLog {
    pub fn new(sharding: Sharding) -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryLog::new(NamespaceTable::default(), Arc::new(|_| {})),
            sharding,
            state: Mutex::default(),
            appended: watch::Sender::new(0),
        })
    }

    /// Begins an epoch of a process; everything that was under way is in the log, or never will be.
    pub async fn begin(&self, shard: Shard, process: usize) -> u32 {
        let mut state = self.state.lock().await;
        for (channel, events) in std::mem::take(&mut state.late) {
            let epoch = state.epochs.get(&self.sharding.shard_of(&channel)).copied().unwrap_or_default();
            self.write(&mut state, &channel, events, epoch).await.unwrap();
        }
        let epoch = state.epochs.entry(shard).and_modify(|epoch| *epoch += 1).or_insert(1);
        let epoch = *epoch;
        state.in_force.insert(shard, (epoch, process));
        epoch
    }

    /// The epoch in force, if one is.
    pub async fn in_force(&self, shard: Shard) -> Option<(u32, usize)> {
        self.state.lock().await.in_force.get(&shard).copied()
    }

    /// The epochs that wrote a channel's events, in the log's order.
    pub async fn epochs_of(&self, channel: &ChannelName) -> Vec<u32> {
        let state = self.state.lock().await;
        let mut written: Vec<(u64, u32)> =
            state.writers.iter().filter(|(of, ..)| of == channel).map(|(_, number, epoch)| (*number, *epoch)).collect();
        written.sort_unstable();
        written.into_iter().map(|(_, epoch)| epoch).collect()
    }

    async fn write(
        &self,
        state: &mut State,
        channel: &ChannelName,
        events: Vec<Event>,
        epoch: u32,
    ) -> Result<Vec<Position>, LogError> {
        let positions = self.inner.append(channel, events).await?;
        state.writers.extend(positions.iter().map(|position| (channel.clone(), position.number, epoch)));
        self.appended.send_modify(|count| *count += 1);
        Ok(positions)
    }

    /// What an append that was called in `epoch` comes to.
    async fn settle(
        &self,
        channel: &ChannelName,
        events: Vec<Event>,
        epoch: (u32, usize),
        fault: Fault,
    ) -> Result<Vec<Position>, LogError> {
        let shard = self.sharding.shard_of(channel);
        let mut state = self.state.lock().await;
        if state.in_force.get(&shard) != Some(&epoch) {
            return Err(LogError::NotOwner);
        }
        if matches!(fault, Fault::None | Fault::Stuck) {
            return self.write(&mut state, channel, events, epoch.0).await;
        }
        state.in_force.remove(&shard);
        match fault {
            Fault::Lost => drop(self.write(&mut state, channel, events, epoch.0).await),
            Fault::Late => state.late.push((channel.clone(), events)),
            _ => {}
        }
        Err(LogError::Unavailable { reason: "the engine did not answer".into() })
    }
}

/// The log as one process has it.
pub struct ProcessLog {
    pub shared: Arc<SharedLog>,
    process: usize,
    fault: Arc<AtomicU8>,
    released: watch::Sender<()>,
    /// It says that it takes nothing.
    pub is_away: AtomicBool,
    /// It gives nothing that it has.
    pub is_unreadable: AtomicBool,
}

impl ProcessLog {
    pub fn new(shared: Arc<SharedLog>, process: usize) -> Self {
        Self {
            shared,
            process,
            fault: Arc::default(),
            released: watch::Sender::default(),
            is_away: AtomicBool::new(false),
            is_unreadable: AtomicBool::new(false),
        }
    }

    pub fn fault(&self, fault: Fault) {
        self.fault.store(fault as u8, Ordering::Relaxed);
        self.released.send_replace(());
    }

    fn now(&self) -> Fault {
        FAULTS[usize::from(self.fault.load(Ordering::Relaxed))]
    }

    async fn settled(&self) -> Fault {
        let mut released = self.released.subscribe();
        while self.now() == Fault::Stuck {
            released.changed().await.unwrap();
        }
        let fault = self.now();
        self.fault.store(Fault::None as u8, Ordering::Relaxed);
        fault
    }
}

#[async_trait::async_trait]
impl Log for ProcessLog {
    async fn append(&self, channel: &ChannelName, events: Vec<Event>) -> Result<Vec<Position>, LogError> {
        let epoch = self.shared.in_force(self.shared.sharding.shard_of(channel)).await;
        let epoch = epoch.filter(|(_, process)| *process == self.process).ok_or(LogError::NotOwner)?;
        // Lets other tasks in, as an engine does.
        tokio::task::yield_now().await;
        let fault = self.settled().await;
        let (shared, channel) = (self.shared.clone(), channel.clone());
        // Whoever called may be gone before it is done.
        let appending = tokio::spawn(async move { shared.settle(&channel, events, epoch, fault).await });
        appending.await.unwrap()
    }

    async fn read(&self, channel: &ChannelName, from: ReadFrom, limit: ReadLimit) -> Result<Vec<Record>, LogError> {
        check(&self.is_unreadable)?;
        self.shared.inner.read(channel, from, limit).await
    }

    async fn bounds(&self, channel: &ChannelName) -> Result<Bounds, LogError> {
        check(&self.is_unreadable)?;
        self.shared.inner.bounds(channel).await
    }

    async fn trim(&self, channel: &ChannelName, through: Position) -> Result<(), LogError> {
        self.shared.inner.trim(channel, through).await
    }

    fn is_durable(&self, _: &str) -> bool {
        true
    }

    fn health(&self) -> Result<(), LogError> {
        check(&self.is_away)
    }
}

fn check(is_away: &AtomicBool) -> Result<(), LogError> {
    if is_away.load(Ordering::Relaxed) {
        return Err(LogError::Unavailable { reason: "no broker answers".into() });
    }
    Ok(())
}
