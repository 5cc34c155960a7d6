//! What became of this process's ownerships: how many began and ended, and why the log lets none begin.

use antiphon_core::{BeginError, Fenced, LogError, OwnedShards, Shard};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// All of them since the start.
pub struct Ownerships {
    taken: AtomicU64,
    lost: AtomicU64,
    /// When and why the log refused to let an ownership begin, if none of the shard did since.
    refusals: Mutex<BTreeMap<Shard, (Instant, String)>>,
    /// How long a refusal counts: until it would have been repeated.
    lasts: Duration,
}

impl Ownerships {
    /// None yet, where a takeover may take this long.
    pub fn new(takeover: Duration) -> Arc<Self> {
        Arc::new(Self {
            taken: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            refusals: Mutex::default(),
            lasts: 2 * takeover,
        })
    }

    /// The same fencing, whose refusals are remembered here.
    pub fn watch(self: &Arc<Self>, fenced: Arc<dyn Fenced>) -> Arc<dyn Fenced> {
        Arc::new(WatchedFencing { fenced, ownerships: self.clone() })
    }

    /// Counts what is owned and no longer, until the process ends.
    pub async fn count(self: Arc<Self>, owned: OwnedShards) {
        let mut changes = owned.watch();
        let mut before = BTreeMap::new();
        loop {
            let now = changes.borrow_and_update().clone();
            let differ = |these: &BTreeMap<Shard, u32>, those: &BTreeMap<Shard, u32>| {
                these.iter().filter(|(shard, epoch)| those.get(shard) != Some(epoch)).count() as u64
            };
            self.taken.fetch_add(differ(&now, &before), Ordering::Relaxed);
            self.lost.fetch_add(differ(&before, &now), Ordering::Relaxed);
            before = now;
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Ownerships that began, and those of them that ended.
    pub fn counts(&self) -> (u64, u64) {
        (self.taken.load(Ordering::Relaxed), self.lost.load(Ordering::Relaxed))
    }

    /// Why the log lets no ownership begin, of a shard for which that matters.
    pub fn refusal(&self, matters: impl Fn(Shard) -> bool) -> Option<String> {
        let refusals = self.refusals.lock();
        let lasting = refusals.iter().filter(|(_, (at, _))| at.elapsed() < self.lasts);
        lasting.filter(|(shard, _)| matters(**shard)).map(|(_, (_, reason))| reason.clone()).next()
    }
}

struct WatchedFencing {
    fenced: Arc<dyn Fenced>,
    ownerships: Arc<Ownerships>,
}

#[async_trait::async_trait]
impl Fenced for WatchedFencing {
    async fn begin(&self, shard: Shard, epoch: u32) -> Result<(), BeginError> {
        let begun = self.fenced.begin(shard, epoch).await;
        let mut refusals = self.ownerships.refusals.lock();
        match &begun {
            Err(BeginError::Log(error)) => {
                let reason = match error {
                    LogError::Unavailable { reason } => reason.clone(),
                    other => other.to_string(),
                };
                refusals.insert(shard, (Instant::now(), reason));
            }
            Ok(()) | Err(BeginError::Superseded { .. }) => drop(refusals.remove(&shard)),
        }
        drop(refusals);
        begun
    }

    async fn end(&self, shard: Shard) {
        self.fenced.end(shard).await;
    }
}
