//! The thread that follows what other processes write.

use crate::partition::Role;
use crate::reader::ReadFault;
use crate::shared::{FOLLOW_PATIENCE, Shared, by_shard, describe};
use antiphon_core::limits::KAFKA_PROBE_INTERVAL;
use futures::future::join_all;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Between two tries to take up a partition while Kafka does not answer.
const TRY_AGAIN: Duration = Duration::from_millis(250);

/// Follows until the log stops. Blocks its thread.
pub fn run(shared: &Arc<Shared>, runtime: &Handle) {
    let mut try_again = Instant::now();
    while !shared.stopping.is_cancelled() {
        if Instant::now() >= try_again && !runtime.block_on(assign_all(shared)) {
            try_again = Instant::now() + TRY_AGAIN;
        }
        match shared.follower.batch(FOLLOW_PATIENCE) {
            Ok(batch) if batch.is_empty() => {}
            Ok(batch) => {
                let parts = by_shard(batch);
                let apply = parts.iter().filter_map(|(shard, part)| {
                    let partition = shared.partition(*shard).ok()?;
                    Some(shared.follow(partition, part))
                });
                runtime.block_on(join_all(apply));
            }
            // librdkafka does not say whose, so each is compared with the topic again.
            Err(fault) => {
                tracing::debug!("the follower was interrupted: {}", describe(&fault));
                shared.partitions.iter().for_each(|partition| shared.unassign(partition));
                if fault != ReadFault::OutOfRange {
                    try_again = Instant::now() + TRY_AGAIN;
                }
            }
        }
    }
}

/// Takes up all partitions that wait for it. False if one could not be.
async fn assign_all(shared: &Arc<Shared>) -> bool {
    let mut all = true;
    for partition in &shared.partitions {
        let waits = matches!(*partition.role.lock(), Role::Following { is_assigned: false });
        if waits && let Err(error) = shared.assign(partition).await {
            tracing::debug!(shard = %partition.shard, "a partition is not followed yet: {error}");
            all = false;
            break;
        }
    }
    all
}

/// Asks now and then whether Kafka answers, until the log stops.
pub async fn probe(shared: Arc<Shared>) {
    loop {
        tokio::select! {
            () = shared.stopping.cancelled() => return,
            () = tokio::time::sleep(KAFKA_PROBE_INTERVAL) => {}
        }
        let asked = shared.clone();
        let probed = tokio::task::spawn_blocking(move || asked.follower.probe(KAFKA_PROBE_INTERVAL)).await;
        shared.health.probed(match probed {
            Ok(Ok(())) => Ok(()),
            Ok(Err(fault)) => Err(describe(&fault)),
            Err(error) => Err(error.to_string()),
        });
    }
}
