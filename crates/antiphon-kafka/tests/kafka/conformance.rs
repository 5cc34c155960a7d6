//! The conformance suites of the log and of what several processes write.

use crate::deployment::{admin, options, own, target};
use antiphon_core::{Shard, Sharding};
use antiphon_kafka::KafkaLog;
use antiphon_store::NamespaceTable;
use antiphon_testkit::log_suite::{self, Opened, Setting};
use antiphon_testkit::{fenced_suite, servers};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use rdkafka::admin::AdminOptions;
use std::collections::BTreeSet;
use std::sync::Arc;

type Topics = Arc<Mutex<BTreeSet<String>>>;

async fn delete(brokers: &str, topics: &Topics) {
    let topics: Vec<String> = topics.lock().iter().cloned().collect();
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    admin(brokers).delete_topics(&names, &AdminOptions::new()).await.unwrap();
}

fn open(brokers: String, topics: Topics) -> impl Fn(Setting) -> BoxFuture<'static, Opened> {
    move |setting| {
        let (brokers, topics) = (brokers.clone(), topics.clone());
        Box::pin(async move {
            let name = setting.folder.file_name().unwrap().to_string_lossy().replace('.', "");
            let topic = format!("antiphon-test-{}-{name}", std::process::id());
            topics.lock().insert(topic.clone());
            let target = target(&brokers, &topic, Sharding::ONE);
            let mut options = options(target, setting.folder.clone(), setting.on_commit, Arc::new(|_, _| {}));
            options.namespaces = NamespaceTable::new(setting.namespaces);
            let (log, _) = KafkaLog::open(options).await.unwrap();
            own(&*log, Shard(0), 1).await;
            let (enforced, closed) = (log.clone(), log.clone());
            Opened {
                log,
                enforce_retention: Box::new(move || {
                    let log = enforced.clone();
                    Box::pin(async move { log.enforce_retention_now().await.unwrap() })
                }),
                close: Box::new(move || {
                    let log = closed.clone();
                    Box::pin(async move { log.close().await.unwrap() })
                }),
            }
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_on_kafka() {
    let Some(brokers) = servers::kafka() else { return };
    let topics = Topics::default();
    let promise =
        log_suite::Promise { namespace: "jobs", is_ephemeral: false, survives_restart: true, is_durable: true };
    log_suite::run_all(promise, open(brokers.clone(), topics.clone())).await;
    delete(&brokers, &topics).await;
}

fn open_one_of_several(
    brokers: String,
    topics: Topics,
) -> impl Fn(fenced_suite::Setting) -> BoxFuture<'static, fenced_suite::Opened> {
    move |setting| {
        let (brokers, topics) = (brokers.clone(), topics.clone());
        Box::pin(async move {
            let topic = format!("antiphon-test-{}", setting.deployment);
            topics.lock().insert(topic.clone());
            let target = target(&brokers, &topic, setting.sharding);
            let mut options = options(target, setting.folder, setting.on_commit, setting.on_lost);
            options.namespaces = NamespaceTable::new(setting.namespaces);
            let (log, _) = KafkaLog::open(options).await.unwrap();
            log.caught_up().await.unwrap();
            let closed = log.clone();
            fenced_suite::Opened {
                log: log.clone(),
                fenced: log,
                follow: Box::new(|_| {}),
                close: Box::new(move || {
                    let log = closed.clone();
                    Box::pin(async move { log.close().await.unwrap() })
                }),
            }
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_on_kafka() {
    let Some(brokers) = servers::kafka() else { return };
    let topics = Topics::default();
    let promise = fenced_suite::Promise { namespace: "jobs", survives_owner: true, is_durable: true };
    fenced_suite::run_all(promise, open_one_of_several(brokers.clone(), topics.clone())).await;
    delete(&brokers, &topics).await;
}
