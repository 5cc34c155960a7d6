//! Whether the log is known to take nothing, as far as that passes by itself: what would begin something is refused then.

use super::{Shared, Storage};
use antiphon_core::LogError;
use antiphon_rooms::LogState;

impl Storage {
    /// By this process's own looks at Kafka, unless another process owns the shard and answers; or by what owners say.
    pub fn log_state(&self) -> LogState {
        let (condition, owned) = (self.condition.clone(), self.owned.clone());
        let kafka = self.shared.as_ref().and_then(Shared::kafka);
        let cluster = self.shared.as_ref().map(|shared| shared.cluster.clone());
        Box::new(move |channel| {
            let shard = owned.sharding().shard_of(channel);
            if let (Some(kafka), Some(cluster)) = (&kafka, &cluster) {
                return kafka.reachable().or_else(|away| {
                    let is_elsewhere = owned.epoch(shard).is_none()
                        && cluster.unserved().iter().all(|unserved| unserved.shard != shard);
                    if is_elsewhere { Ok(()) } else { Err(away) }
                });
            }
            match condition.refused_by_owners() {
                Some((shards, reason)) if shards.contains(&shard) => Err(LogError::Unavailable { reason }),
                _ => Ok(()),
            }
        })
    }
}
