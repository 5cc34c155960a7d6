//! Every engine and backbone of this crate through the conformance suites.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use antiphon_core::Log;
use antiphon_store::{EmbeddedLog, EmbeddedOptions, InProcessBackbone, MemoryLog, NamespaceTable, RoutedLog, Sync};
use antiphon_testkit::backbone_suite;
use antiphon_testkit::log_suite::{Opened, Promise, Setting, run_all};
use futures::future::BoxFuture;
use std::sync::Arc;

const ON_DISK: Promise = Promise { namespace: "jobs", is_ephemeral: false, survives_restart: true, is_durable: true };
const IN_MEMORY: Promise =
    Promise { namespace: "typing", is_ephemeral: true, survives_restart: false, is_durable: false };

fn open_on_disk(setting: &Setting, sync: Sync) -> Arc<EmbeddedLog> {
    let namespaces = NamespaceTable::new(setting.namespaces.clone());
    let options = EmbeddedOptions { sync, namespaces, on_commit: setting.on_commit.clone() };
    EmbeddedLog::open(&setting.folder, options).unwrap()
}

fn disk(log: Arc<dyn Log>, disk: Arc<EmbeddedLog>, memory: Option<Arc<MemoryLog>>) -> Opened {
    let closed = disk.clone();
    Opened {
        log,
        enforce_retention: Box::new(move || {
            memory.iter().for_each(|memory| memory.enforce_retention_now());
            let disk = disk.clone();
            Box::pin(async move { disk.enforce_retention_now().await.unwrap() })
        }),
        close: Box::new(move || {
            let closed = closed.clone();
            Box::pin(async move { closed.close().await.unwrap() })
        }),
    }
}

fn embedded(sync: Sync) -> impl Fn(Setting) -> BoxFuture<'static, Opened> {
    move |setting| {
        Box::pin(async move {
            let log = open_on_disk(&setting, sync);
            disk(log.clone(), log, None)
        })
    }
}

fn routed(setting: Setting) -> BoxFuture<'static, Opened> {
    Box::pin(async move {
        let namespaces = NamespaceTable::new(setting.namespaces.clone());
        let embedded = open_on_disk(&setting, Sync::Always);
        let memory = Arc::new(MemoryLog::new(namespaces.clone(), setting.on_commit.clone()));
        let log = RoutedLog::new(embedded.clone(), memory.clone(), namespaces);
        disk(Arc::new(log), embedded, Some(memory))
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_on_disk_synced() {
    run_all(ON_DISK, embedded(Sync::Always)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_on_disk_not_synced() {
    run_all(Promise { is_durable: false, ..ON_DISK }, embedded(Sync::Never)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_in_memory() {
    let make = |setting: Setting| -> BoxFuture<'static, Opened> {
        Box::pin(async move {
            let log = Arc::new(MemoryLog::new(NamespaceTable::new(setting.namespaces), setting.on_commit));
            let enforced = log.clone();
            Opened {
                log,
                enforce_retention: Box::new(move || {
                    enforced.enforce_retention_now();
                    Box::pin(async {})
                }),
                close: Box::new(|| Box::pin(async {})),
            }
        })
    };
    run_all(IN_MEMORY, make).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_routed_log_for_a_durable_namespace() {
    run_all(ON_DISK, routed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_routed_log_for_an_ephemeral_namespace() {
    run_all(IN_MEMORY, routed).await;
}

#[tokio::test]
async fn the_in_process_backbone() {
    backbone_suite::run_all(|| Arc::new(InProcessBackbone::new())).await;
}
