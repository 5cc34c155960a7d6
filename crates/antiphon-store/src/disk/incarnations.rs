//! Which incarnation a channel's positions bear: the log's one, or that of the channel's shard.

use antiphon_core::{ChannelName, LogError, Shard, Sharding};
use bytes::Bytes;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where incarnations come from.
pub enum Incarnations {
    /// All channels are of one log.
    One(u32),
    /// Each shard has its own.
    OfShards(Arc<Shards>),
}

impl Incarnations {
    /// That of a channel; fails if nothing is known of its shard.
    pub fn of(&self, channel: &ChannelName) -> Result<u32, LogError> {
        match self {
            Self::One(incarnation) => Ok(*incarnation),
            Self::OfShards(shards) => shards.incarnation_of(channel),
        }
    }
}

/// What a copy knows of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardRow {
    /// That of all its channels.
    pub incarnation: u32,
    /// What the follower had applied; nothing if it has to begin anew.
    pub state: Option<Bytes>,
    /// True while its channels are being forgotten.
    pub is_leaving: bool,
}

/// The shards of a copy, as they are in its store.
pub struct Shards {
    /// Which channel is in which shard.
    pub sharding: Sharding,
    rows: RwLock<BTreeMap<Shard, ShardRow>>,
}

impl Shards {
    /// As the store has them.
    pub fn new(sharding: Sharding, rows: BTreeMap<Shard, ShardRow>) -> Self {
        Self { sharding, rows: RwLock::new(rows) }
    }

    /// What is known of a shard.
    pub fn get(&self, shard: Shard) -> Option<ShardRow> {
        self.rows.read().get(&shard).cloned()
    }

    /// Learns of a shard what the store has of it now; nothing: forgets it.
    pub fn set(&self, shard: Shard, row: Option<ShardRow>) {
        let mut rows = self.rows.write();
        match row {
            Some(row) => rows.insert(shard, row),
            None => rows.remove(&shard),
        };
    }

    /// Replaces all of them.
    pub fn replace(&self, all: BTreeMap<Shard, ShardRow>) {
        *self.rows.write() = all;
    }

    /// The incarnation of a channel that may be read.
    pub fn readable(&self, channel: &ChannelName) -> Result<u32, LogError> {
        let rows = self.rows.read();
        let row = rows.get(&self.sharding.shard_of(channel)).filter(|row| !row.is_leaving);
        row.map(|row| row.incarnation).ok_or_else(unknown)
    }

    fn incarnation_of(&self, channel: &ChannelName) -> Result<u32, LogError> {
        let rows = self.rows.read();
        rows.get(&self.sharding.shard_of(channel)).map(|row| row.incarnation).ok_or_else(unknown)
    }
}

fn unknown() -> LogError {
    LogError::Unavailable { reason: "this process has nothing of the channel's shard yet".to_owned() }
}
