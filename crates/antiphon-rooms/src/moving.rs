//! What the rooms do for those that move shards between processes.

use crate::registry::Phase;
use crate::rooms::Rooms;
use antiphon_core::limits::ROOMS_LEAVE_TIMEOUT;
use antiphon_core::{Shard, ShardWork};

impl Rooms {
    fn set_phase(&self, shard: Shard, phase: Phase) {
        self.registry.phases.send_if_modified(|phases| match phase {
            Phase::Serving => phases.shards.remove(&shard).is_some(),
            phase => phases.shards.insert(shard, phase) != Some(phase),
        });
    }
}

#[async_trait::async_trait]
impl ShardWork for Rooms {
    fn under_way(&self, shard: Shard) -> usize {
        self.registry.begun.lock().get(&shard).copied().unwrap_or_default()
    }

    fn hold_back(&self, shard: Shard) {
        self.set_phase(shard, Phase::Finishing);
    }

    async fn vacate(&self, shard: Shard) {
        self.set_phase(shard, Phase::Leaving);
        if tokio::time::timeout(ROOMS_LEAVE_TIMEOUT, self.registry.all_left(Some(shard))).await.is_err() {
            tracing::warn!(%shard, "some rooms were left as they were; their log has everything");
        }
    }

    fn admit(&self, shard: Shard) {
        self.set_phase(shard, Phase::Serving);
    }
}
