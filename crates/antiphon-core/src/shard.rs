//! Shards: what a process owns. A channel belongs to one shard for as long as the deployment lives.

use crate::limits::MAX_SHARDS;
use crate::{ChannelHash, ChannelName, LogError};
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU16;
use std::sync::Arc;
use tokio::sync::watch;

/// A shard's number, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(pub u16);

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// How many shards there are. Fixed when a deployment is created: another count moves channels to other shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharding {
    count: NonZeroU16,
}

impl Sharding {
    /// One shard for everything.
    pub const ONE: Self = Self { count: NonZeroU16::MIN };

    /// `count` shards; none where it is not 1 to [`MAX_SHARDS`].
    pub fn new(count: u16) -> Option<Self> {
        NonZeroU16::new(count).filter(|count| count.get() <= MAX_SHARDS).map(|count| Self { count })
    }

    /// How many.
    pub fn count(self) -> u16 {
        self.count.get()
    }

    /// The shard of a channel. Part of what is stored: never change it.
    pub fn shard_of(self, channel: &ChannelName) -> Shard {
        // FNV's low bits depend on each byte's low bits alone, so the high ones are folded in.
        let hash = ChannelHash::of(channel).number();
        Shard(((hash ^ hash >> 16) % u32::from(self.count.get())) as u16)
    }

    /// Every shard.
    pub fn all(self) -> impl Iterator<Item = Shard> {
        (0..self.count.get()).map(Shard)
    }
}

/// The shards that this process owns, each with the epoch of its ownership: written by whoever holds the leases, read by
/// whoever appends. It avoids contention; what makes a write safe is the log's own fencing.
#[derive(Clone)]
pub struct OwnedShards {
    sharding: Sharding,
    owned: Arc<watch::Sender<BTreeMap<Shard, u32>>>,
}

impl OwnedShards {
    /// None yet.
    pub fn none(sharding: Sharding) -> Self {
        Self { sharding, owned: Arc::default() }
    }

    /// The one shard of a log that no other process writes.
    pub fn everything() -> Self {
        let owned = watch::Sender::new(BTreeMap::from([(Shard(0), 0)]));
        Self { sharding: Sharding::ONE, owned: Arc::new(owned) }
    }

    /// Which channel is in which shard.
    pub fn sharding(&self) -> Sharding {
        self.sharding
    }

    /// The epoch in which this process owns the channel, if it does.
    pub fn epoch_of(&self, channel: &ChannelName) -> Option<u32> {
        self.epoch(self.sharding.shard_of(channel))
    }

    /// The epoch in which this process owns the shard, if it does.
    pub fn epoch(&self, shard: Shard) -> Option<u32> {
        self.owned.borrow().get(&shard).copied()
    }

    /// All of them, and their changes.
    pub fn watch(&self) -> watch::Receiver<BTreeMap<Shard, u32>> {
        self.owned.subscribe()
    }

    /// The process owns the shard from now on, in this epoch.
    pub fn gain(&self, shard: Shard, epoch: u32) {
        self.owned.send_modify(|owned| {
            owned.insert(shard, epoch);
        });
    }

    /// The process no longer owns the shard.
    pub fn lose(&self, shard: Shard) {
        self.owned.send_if_modified(|owned| owned.remove(&shard).is_some());
    }
}

/// Why a shard could not be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BeginError {
    /// The log is at this epoch already: only a higher one takes effect.
    #[error("the log is at epoch {epoch} already")]
    Superseded {
        /// The epoch in force, or the highest that was.
        epoch: u32,
    },
    /// The engine cannot write or read now.
    #[error("{0}")]
    Log(#[from] LogError),
}

/// Told of an ownership that the log itself ended: another one took effect, or an append failed so that what follows it
/// cannot be judged. The engine refuses the shard's appends until [`Fenced::begin`] succeeds again. Must not block.
pub type OnLost = Arc<dyn Fn(Shard, u32) + Send + Sync>;

/// What runs in this process's shards, for whoever moves them to other processes.
#[async_trait::async_trait]
pub trait ShardWork: Send + Sync + 'static {
    /// How many answers are under way in the shard: to move it now would break them off.
    fn under_way(&self, shard: Shard) -> usize;

    /// Begins no further answer in the shard until [`admit`](Self::admit): messages are taken, and wait for theirs.
    fn hold_back(&self, shard: Shard);

    /// Ends what runs in the shard in good order, and begins nothing there until [`admit`](Self::admit). Bounded in time.
    async fn vacate(&self, shard: Shard);

    /// All may run in the shard again.
    fn admit(&self, shard: Shard);
}

/// What an engine that several processes write adds to [`Log`](crate::Log): appends to a shard are taken only between
/// `begin` and `end`, and refused with [`LogError::NotOwner`] otherwise. Whatever two processes believe, at most one of
/// them gets an append into the log.
#[async_trait::async_trait]
pub trait Fenced: Send + Sync + 'static {
    /// Begins an ownership. Once this returns, whatever an earlier owner had acknowledged can be read, and nothing more of
    /// it will be acknowledged. `epoch` has to be above every epoch that the log has seen.
    async fn begin(&self, shard: Shard, epoch: u32) -> Result<(), BeginError>;

    /// Ends this process's ownership. Appends under way are finished or fail.
    async fn end(&self, shard: Shard);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_spread_over_all_shards_and_stay_there() {
        let sharding = Sharding::new(8).unwrap();
        let mut counts = [0_u32; 8];
        for number in 0..8_000 {
            let channel = ChannelName::new("ar-room", &format!("room-{number}")).unwrap();
            counts[usize::from(sharding.shard_of(&channel).0)] += 1;
        }
        assert!(counts.iter().all(|count| (700..1_300).contains(count)), "{counts:?}");
        let known = ChannelName::parse("ar-room:room-1").unwrap();
        assert_eq!(sharding.shard_of(&known), Shard(KNOWN), "a stored assignment has changed");
        assert_eq!((Sharding::new(0), Sharding::new(MAX_SHARDS + 1)), (None, None));
    }

    /// The shard of `ar-room:room-1` among 8.
    const KNOWN: u16 = 1;

    #[test]
    fn ownership_is_gained_and_lost() {
        let owned = OwnedShards::none(Sharding::ONE);
        let channel = ChannelName::parse("jobs:1").unwrap();
        let mut watched = owned.watch();
        assert_eq!(owned.epoch_of(&channel), None);
        owned.gain(Shard(0), 3);
        assert_eq!(owned.epoch_of(&channel), Some(3));
        assert!(watched.has_changed().unwrap());
        watched.mark_unchanged();
        owned.lose(Shard(1));
        assert!(!watched.has_changed().unwrap());
        owned.lose(Shard(0));
        assert_eq!((owned.epoch(Shard(0)), watched.has_changed().unwrap()), (None, true));
        assert_eq!(OwnedShards::everything().epoch_of(&channel), Some(0));
    }
}
