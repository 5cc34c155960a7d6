//! The log in memory for owned shards: the suite of fenced engines, and that of all engines on one owned shard.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use antiphon_core::{Fenced, Shard, Sharding};
use antiphon_store::{NamespaceTable, ShardedMemoryLog};
use antiphon_testkit::{fenced_suite, log_suite};
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_memory_log_of_owned_shards_is_fenced() {
    let promise = fenced_suite::Promise { namespace: "jobs", survives_owner: false, is_durable: false };
    fenced_suite::run_all(promise, |setting| {
        Box::pin(async move {
            let namespaces = NamespaceTable::new(setting.namespaces);
            let log = Arc::new(ShardedMemoryLog::new(namespaces, setting.on_commit, setting.sharding));
            fenced_suite::Opened {
                log: log.clone(),
                fenced: log,
                follow: Box::new(|_| {}),
                close: Box::new(|| Box::pin(async {})),
            }
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owned_shard_is_a_log_in_memory() {
    let promise =
        log_suite::Promise { namespace: "typing", is_ephemeral: true, survives_restart: false, is_durable: false };
    let epoch = Arc::new(std::sync::atomic::AtomicU32::new(1));
    log_suite::run_all(promise, move |setting| {
        let epoch = epoch.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Box::pin(async move {
            let namespaces = NamespaceTable::new(setting.namespaces);
            let log = Arc::new(ShardedMemoryLog::new(namespaces, setting.on_commit, Sharding::ONE));
            log.begin(Shard(0), epoch).await.unwrap();
            let enforced = log.clone();
            log_suite::Opened {
                log,
                enforce_retention: Box::new(move || {
                    enforced.enforce_retention_now();
                    Box::pin(async {})
                }),
                close: Box::new(|| Box::pin(async {})),
            }
        })
    })
    .await;
}
