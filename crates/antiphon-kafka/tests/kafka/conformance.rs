//! The conformance suite of the log.

use crate::deployment::{admin, options, own, target};
use antiphon_core::{Shard, Sharding};
use antiphon_kafka::KafkaLog;
use antiphon_store::NamespaceTable;
use antiphon_testkit::log_suite::{self, Opened, Setting};
use antiphon_testkit::servers;
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
