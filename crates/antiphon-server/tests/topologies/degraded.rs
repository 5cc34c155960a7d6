//! A process whose Redis is away says so and serves, where Redis is no more than the way to be quick.

use crate::world::{TAKEOVER, answer, ended};
use antiphon_testkit::client::{Api, WebSocketClient};
use antiphon_testkit::deployment::{Deployment, Engines, Place, Plan, Role, Stores, Topology};
use antiphon_testkit::proxy::{Link, Proxy};
use antiphon_testkit::upstream::Upstream;
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hybrid_without_redis() {
    run(Topology::Hybrid).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_relay_without_redis() {
    run(Topology::KafkaRelay).await;
}

async fn run(topology: Topology) {
    let Some(engines) = Engines::given(topology) else {
        println!("NOT TESTED: topology {topology} without Redis");
        return;
    };
    let upstream = Upstream::start([]).await.unwrap();
    upstream.respond_with(answer);
    let proxy = Proxy::start(engines.redis.trim_start_matches("redis://").split('/').next().unwrap()).await.unwrap();
    let behind = Engines { redis: format!("redis://{}", proxy.address()), ..engines.clone() };
    let mut roles = vec![Role::Api, Role::Ai, Role::Realtime];
    roles.extend((topology == Topology::KafkaRelay).then_some(Role::Relay));
    let plan = Plan {
        program: env!("CARGO_BIN_EXE_antiphon"),
        topology,
        roles: vec![roles],
        upstream: upstream.address().to_string(),
        max_attempts: 5,
        takeover_seconds: TAKEOVER.as_secs(),
        extra: "",
    };
    let stores = Stores::make(topology, &engines).unwrap();
    let deployment = tokio::task::block_in_place(|| Deployment::start(&plan, stores, &[Place::beside(&behind)]));
    tokio::task::block_in_place(|| deployment.settle());
    let (ann, worker) = (deployment.user("ann", 0), deployment.worker(0));
    let room = ann.room("anna").await;
    let mut client = WebSocketClient::join(&ann, &room, Some("start")).await;
    let with = [json!("healthy"), json!(true), json!(1)];
    until_stats(&worker, &with).await;
    assert_eq!((words(&worker, "/health").await, words(&worker, "/ready").await), ("healthy".into(), "ready".into()));
    assert_eq!((metric(&ann, "antiphon_redis_up").await, metric(&ann, "antiphon_redis_subscriptions").await), (1, 1));
    proxy.set(Link::Cut);
    until_stats(&worker, &[json!("degraded"), json!(false), json!(0)]).await;
    assert_eq!(words(&worker, "/health").await, "degraded without [\"redis\"]");
    assert_eq!(words(&worker, "/ready").await, "ready without [\"redis\"]");
    let stream = ann.ask(&room, "away").await;
    ended(&mut client, &stream).await;
    assert_eq!((metric(&ann, "antiphon_redis_up").await, metric(&ann, "antiphon_log_healthy").await), (0, 1));
    let others_lack = async { while metric(&ann, "antiphon_redis_left_out_total").await == 0 {} };
    tokio::time::timeout(PATIENCE, others_lack).await.expect("it is counted what others did not get by Redis");
    proxy.heal();
    until_stats(&worker, &with).await;
    assert_eq!(words(&worker, "/health").await, "healthy");
}

/// Waits until status, `isConnected` and `redisSubscriptions` are these.
async fn until_stats(worker: &Api, wanted: &[Value; 3]) {
    let look = async {
        loop {
            let stats = worker.get("/api/realtime/stats").await.expect(200);
            let channels = &stats["channels"];
            let are = [&stats["status"], &channels["isConnected"], &channels["redisSubscriptions"]];
            if are.into_iter().eq(wanted) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.unwrap_or_else(|_| panic!("never {wanted:?}"));
}

/// The status, and what the process says to be without.
async fn words(api: &Api, path: &str) -> String {
    let view = api.get(path).await.expect(200);
    let away = if view["away"].is_null() { String::new() } else { format!(" without {}", view["away"]) };
    format!("{}{away}", view["status"].as_str().unwrap())
}

async fn metric(api: &Api, name: &str) -> u64 {
    let metrics = api.get("/metrics").await.expect(200);
    let metrics = metrics.as_str().unwrap();
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name}: {metrics}")).parse().unwrap()
}
