//! The engine "memory" where several processes own shards: the window of a shard is its owner's, and goes with it.

use super::MemoryLog;
use crate::NamespaceTable;
use antiphon_core::{
    BeginError, Bounds, ChannelName, Event, Fenced, Log, LogError, OnCommit, Position, ReadFrom, ReadLimit, Record,
    Shard, Sharding,
};
use parking_lot::RwLock;
use std::collections::BTreeMap;

/// A log in memory for each owned shard. Each ownership is another log, whose incarnation is its epoch: positions of an
/// earlier owner are foreign to the next.
///
/// The bounds over all channels are those of [`MemoryLog`], in equal parts for each shard of the deployment.
pub struct ShardedMemoryLog {
    namespaces: NamespaceTable,
    on_commit: OnCommit,
    sharding: Sharding,
    /// Read-locked by an append until it is done, so that no ownership begins or ends in the middle of one.
    shards: RwLock<BTreeMap<Shard, Owned>>,
}

struct Owned {
    /// The highest epoch that this process began.
    epoch: u32,
    /// Nothing once the ownership has ended.
    log: Option<MemoryLog>,
}

impl ShardedMemoryLog {
    /// Owns nothing yet. `on_commit` is told of every record, on the appending thread; it must not begin or end an
    /// ownership.
    pub fn new(namespaces: NamespaceTable, on_commit: OnCommit, sharding: Sharding) -> Self {
        Self { namespaces, on_commit, sharding, shards: RwLock::default() }
    }

    /// Trims every owned channel to its namespace's bounds now; otherwise a channel is trimmed when it is used.
    pub fn enforce_retention_now(&self) {
        self.shards.read().values().filter_map(|owned| owned.log.as_ref()).for_each(MemoryLog::enforce_retention_now);
    }

    fn with<T>(
        &self,
        channel: &ChannelName,
        run: impl FnOnce(&MemoryLog) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let shards = self.shards.read();
        let log = shards.get(&self.sharding.shard_of(channel)).and_then(|owned| owned.log.as_ref());
        run(log.ok_or(LogError::NotOwner)?)
    }
}

#[async_trait::async_trait]
impl Fenced for ShardedMemoryLog {
    /// Drops what this process had of the shard.
    async fn begin(&self, shard: Shard, epoch: u32) -> Result<(), BeginError> {
        let mut shards = self.shards.write();
        if let Some(owned) = shards.get(&shard).filter(|owned| owned.epoch >= epoch) {
            return Err(BeginError::Superseded { epoch: owned.epoch });
        }
        let parts = usize::from(self.sharding.count());
        let log = MemoryLog::with(self.namespaces.clone(), self.on_commit.clone(), epoch, parts);
        shards.insert(shard, Owned { epoch, log: Some(log) });
        Ok(())
    }

    async fn end(&self, shard: Shard) {
        if let Some(owned) = self.shards.write().get_mut(&shard) {
            owned.log = None;
        }
    }
}

#[async_trait::async_trait]
impl Log for ShardedMemoryLog {
    async fn append(&self, channel: &ChannelName, events: Vec<Event>) -> Result<Vec<Position>, LogError> {
        self.with(channel, |log| log.append_now(channel, events))
    }

    async fn read(&self, channel: &ChannelName, from: ReadFrom, limit: ReadLimit) -> Result<Vec<Record>, LogError> {
        self.with(channel, |log| log.read_now(channel, from, limit))
    }

    async fn bounds(&self, channel: &ChannelName) -> Result<Bounds, LogError> {
        self.with(channel, |log| Ok(log.bounds_now(channel)))
    }

    async fn trim(&self, channel: &ChannelName, through: Position) -> Result<(), LogError> {
        self.with(channel, |log| log.trim_now(channel, through))
    }

    fn is_durable(&self, _namespace: &str) -> bool {
        false
    }

    fn health(&self) -> Result<(), LogError> {
        Ok(())
    }
}
