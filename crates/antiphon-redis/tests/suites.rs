//! The conformance suites of both seams against a real Redis.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use antiphon_core::{Backbone, Delivery, Fenced, NamespaceSettings, Retention, Shard, Sharding};
use antiphon_redis::{RedisCopies, RedisLog, RedisOptions, RedisPubSub, RedisTarget, Settings, check};
use antiphon_testkit::{backbone_suite, fenced_suite, log_suite, servers};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const NAMESPACE: &str = "jobs";

fn target(url: &str, prefix: &str) -> RedisTarget {
    RedisTarget::parse(url, prefix).unwrap()
}

fn fresh_prefix() -> String {
    format!("test-{}:", uuid::Uuid::new_v4().simple())
}

fn settings(namespaces: HashMap<String, NamespaceSettings>) -> Settings {
    let rest = NamespaceSettings { keep: Retention::DEFAULT, ephemeral: false };
    Arc::new(move |namespace| namespaces.get(namespace).copied().unwrap_or(rest))
}

/// Whether the server at hand syncs before it answers.
async fn is_durable(url: &str) -> bool {
    let findings = check(&target(url, &fresh_prefix()), true).await.findings;
    !findings.iter().any(|finding| finding.kind == antiphon_redis::FindingKind::NotDurable)
}

fn options(target: RedisTarget, namespaces: HashMap<String, NamespaceSettings>) -> RedisOptions {
    RedisOptions {
        target,
        sharding: Sharding::ONE,
        settings: settings(namespaces),
        on_commit: Arc::new(|_| {}),
        on_lost: Arc::new(|_, _| {}),
        incarnation_floor: 0,
        is_durable_unless_known: false,
        append_timeout: Duration::from_secs(5),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_does_what_every_engine_must() {
    let Some(url) = servers::redis() else { return };
    let is_durable = is_durable(&url).await;
    let promise = log_suite::Promise { namespace: NAMESPACE, is_ephemeral: false, survives_restart: true, is_durable };
    let epochs = Arc::new(AtomicU32::new(1));
    log_suite::run_all(promise, move |setting| {
        let (url, epochs) = (url.clone(), epochs.clone());
        Box::pin(async move {
            let prefix = format!("test{}:", setting.folder.display());
            let options = options(target(&url, &prefix), setting.namespaces);
            let log = Arc::new(RedisLog::open(RedisOptions { on_commit: setting.on_commit, ..options }).await.unwrap());
            log.begin(Shard(0), epochs.fetch_add(1, Ordering::Relaxed)).await.unwrap();
            let (retaining, closing) = (log.clone(), log.clone());
            log_suite::Opened {
                log,
                enforce_retention: Box::new(move || {
                    let log = retaining.clone();
                    Box::pin(async move { log.enforce_retention().await.unwrap() })
                }),
                close: Box::new(move || {
                    let log = closing.clone();
                    Box::pin(async move { log.close().await })
                }),
            }
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_share_the_log_as_they_must() {
    let Some(url) = servers::redis() else { return };
    let is_durable = is_durable(&url).await;
    let promise = fenced_suite::Promise { namespace: NAMESPACE, survives_owner: true, is_durable };
    fenced_suite::run_all(promise, move |setting| {
        let url = url.clone();
        Box::pin(async move {
            let options = options(target(&url, &format!("test-{}:", setting.deployment)), setting.namespaces);
            let options = RedisOptions { on_lost: setting.on_lost, sharding: setting.sharding, ..options };
            let log = Arc::new(RedisLog::open(options).await.unwrap());
            let follower = log.follower();
            let on_commit = setting.on_commit;
            follower.attach(Arc::new(move |delivery| {
                if let Delivery::Records(records) = delivery {
                    on_commit(records);
                }
            }));
            follower.until_following().await;
            let closing = log.clone();
            fenced_suite::Opened {
                log: log.clone(),
                fenced: log,
                follow: Box::new(move |channel| follower.follow(channel)),
                close: Box::new(move || {
                    let log = closing.clone();
                    Box::pin(async move { log.close().await })
                }),
            }
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn publish_and_subscribe_is_a_backbone() {
    let Some(url) = servers::redis() else { return };
    backbone_suite::run_all(|| Arc::new(RedisPubSub::new(target(&url, &fresh_prefix()))) as Arc<dyn Backbone>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_are_a_backbone() {
    let Some(url) = servers::redis() else { return };
    let make = || Arc::new(RedisCopies::new(target(&url, &fresh_prefix()), Sharding::ONE)) as Arc<dyn Backbone>;
    backbone_suite::run_all(make).await;
}
