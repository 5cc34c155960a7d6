//! A process that can do nothing is not ready, and says what it lacks; one of another deployment does not start.

use crate::refused::failure;
use crate::world::{TAKEOVER, answer};
use antiphon_testkit::client::Api;
use antiphon_testkit::deployment::{Deployment, Engines, KEY, Place, Plan, Role, Stores, Topology};
use antiphon_testkit::process::{ServerProcess, free_address};
use antiphon_testkit::proxy::{Link, Proxy};
use antiphon_testkit::upstream::Upstream;
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);
/// How long the answer may take, whatever is away: nothing is asked for it.
const AT_ONCE: Duration = Duration::from_secs(1);

/// One process with all roles, whose own way to the engines is `behind`; none where an engine is missing.
async fn one(topology: Topology, upstream: &Upstream, behind: impl FnOnce(&Engines) -> Engines) -> Option<Deployment> {
    start(topology, vec![vec![Role::Api, Role::Ai, Role::Realtime]], upstream, behind).await
}

/// A process with each of these sets of roles, likewise.
async fn start(
    topology: Topology,
    roles: Vec<Vec<Role>>,
    upstream: &Upstream,
    behind: impl FnOnce(&Engines) -> Engines,
) -> Option<Deployment> {
    let Some(engines) = Engines::given(topology) else {
        println!("NOT TESTED: what a process of {topology} lacks");
        return None;
    };
    upstream.respond_with(answer);
    let plan = Plan {
        program: env!("CARGO_BIN_EXE_antiphon"),
        topology,
        roles,
        upstream: upstream.address().to_string(),
        max_attempts: 5,
        takeover_seconds: TAKEOVER.as_secs(),
        extra: "",
    };
    let stores = Stores::make(topology, &engines).unwrap();
    let behind = behind(&engines);
    let places: Vec<Place> = plan.roles.iter().map(|_| Place::beside(&behind)).collect();
    Some(tokio::task::block_in_place(|| Deployment::start(&plan, stores, &places)))
}

/// Waits until the process is ready, or lacks something with these words; gives what it says.
async fn until(api: &Api, wanted: Option<&str>) -> String {
    let look = async {
        loop {
            let began = Instant::now();
            let said = api.get("/ready").await;
            assert!(began.elapsed() < AT_ONCE, "it waited {:?}", began.elapsed());
            let detail = said.body["detail"].as_str().unwrap_or_default().to_owned();
            match wanted {
                None if said.status == 200 => return detail,
                Some(words) if detail.contains(words) => {
                    said.expect_problem(503, "unavailable");
                    assert!(said.headers.contains_key("retry-after"));
                    return detail;
                }
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    let waited = tokio::time::timeout(PATIENCE, look).await;
    let Ok(said) = waited else { panic!("never {wanted:?}: {}", api.get("/ready").await.body) };
    said
}

async fn metric(api: &Api, name: &str) -> u64 {
    let metrics = api.get("/metrics").await.expect(200);
    let metrics = metrics.as_str().unwrap();
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name}: {metrics}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_postgresql() {
    let upstream = Upstream::start([]).await.unwrap();
    let Some(engines) = Engines::given(Topology::Grpc) else { return };
    let proxy = Proxy::start(&engines.postgres_address()).await.unwrap();
    let Some(deployment) = one(Topology::Grpc, &upstream, |engines| engines.with_postgres_at(&proxy)).await else {
        return;
    };
    let worker = deployment.worker(0);
    until(&worker, None).await;
    assert_eq!(metric(&worker, "antiphon_postgres_up").await, 1);
    assert_eq!(
        (metric(&worker, "antiphon_owned_shards").await, metric(&worker, "antiphon_ownerships_taken_total").await),
        (4, 4)
    );
    for link in [Link::Cut, Link::Paused] {
        proxy.set(link);
        let said = until(&worker, Some("PostgreSQL does not answer")).await;
        assert!(!said.contains("127.0.0.1") && !said.contains("owns"), "{said}");
        let health = worker.get("/health").await.expect(200);
        assert_eq!((&health["status"], &health["away"]), (&json!("degraded"), &json!(["records"])));
        let up =
            [metric(&worker, "antiphon_postgres_up").await, metric(&worker, "antiphon_shards_without_owner").await];
        assert_eq!(up, [0, 0], "the owners are who they were");
        proxy.heal();
        until(&worker, None).await;
        assert_eq!(worker.get("/health").await.expect(200)["status"], "healthy");
    }
}

/// A way to Kafka that can be cut, and what to call Kafka by it: one of those that nobody else uses now.
async fn way_to_kafka() -> Option<(Proxy, String)> {
    let links = std::env::var("ANTIPHON_TEST_KAFKA_LINKS").unwrap_or_default();
    for link in links.split(';').filter(|link| !link.contains(',')) {
        let Some((advertised, listening)) = link.split_once('=') else { continue };
        let (advertised, listening) = (format!("127.0.0.1:{advertised}"), format!("127.0.0.1:{listening}"));
        if let Ok(proxy) = Proxy::start_on(&advertised, &listening).await {
            return Some((proxy, advertised));
        }
    }
    println!("NOT TESTED: Kafka away (set ANTIPHON_TEST_KAFKA_LINKS or run `cargo xtask servers`)");
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_kafka() {
    let upstream = Upstream::start([]).await.unwrap();
    let Some((proxy, kafka)) = way_to_kafka().await else { return };
    let behind = |engines: &Engines| Engines { kafka, ..engines.clone() };
    let Some(deployment) = one(Topology::Kafka, &upstream, behind).await else { return };
    let worker = deployment.worker(0);
    until(&worker, None).await;
    assert_eq!(metric(&worker, "antiphon_kafka_up").await, 1);
    let said = is_told_of(&proxy, &worker, "Kafka takes no events for the log: ").await;
    assert!(!said.contains("PostgreSQL"), "{said}");
    assert_eq!(metric(&worker, "antiphon_kafka_up").await, 1);
}

/// A process without the roles `ai` and `relay` does not speak to Kafka, and can do no more without it than one that does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_kafka_where_only_others_speak_to_it() {
    let upstream = Upstream::start([]).await.unwrap();
    let Some((proxy, kafka)) = way_to_kafka().await else { return };
    let behind = |engines: &Engines| Engines { kafka, ..engines.clone() };
    let roles = vec![vec![Role::Ai, Role::Relay], vec![Role::Api, Role::Realtime], vec![Role::Realtime]];
    let Some(deployment) = start(Topology::KafkaRelay, roles, &upstream, behind).await else { return };
    until(&deployment.worker(0), None).await;
    for process in [1, 2] {
        let front = deployment.worker(process);
        until(&front, None).await;
        assert_eq!(front.get("/health").await.expect(200)["status"], "healthy");
        let words = "Kafka takes no events for the log, say the owners of shards 0, 1, 2, 3: ";
        is_told_of(&proxy, &front, words).await;
        assert_eq!(front.get("/health").await.expect(200)["status"], "healthy");
    }
}

/// Cuts the way to Kafka, waits for these words, heals it, and waits until the process is ready. Gives what it said.
async fn is_told_of(proxy: &Proxy, api: &Api, words: &str) -> String {
    proxy.set(Link::Cut);
    let said = until(api, Some(words)).await;
    println!("{said}");
    assert!(!said.contains("127.0.0.1"), "{said}");
    let health = api.get("/health").await.expect(200);
    assert_eq!((&health["status"], &health["away"]), (&json!("degraded"), &json!(["log"])));
    assert_eq!(metric(api, "antiphon_log_healthy").await, 0);
    proxy.heal();
    until(api, None).await;
    assert_eq!(metric(api, "antiphon_log_healthy").await, 1);
    said
}

/// Sends one command that Redis takes as a line.
fn redis(url: &str, command: &str) {
    let mut socket = TcpStream::connect(url.trim_start_matches("redis://").split('/').next().unwrap()).unwrap();
    socket.write_all(format!("{command}\r\n").as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(socket).read_line(&mut line).unwrap();
    assert!(line.starts_with('+') || line.starts_with(':'), "{command}: {line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_redis_lets_it_own_nothing() {
    let upstream = Upstream::start([]).await.unwrap();
    let Some(engines) = Engines::given(Topology::RedisStreams) else { return };
    let user = format!("limited-{:08x}", std::process::id());
    redis(&engines.redis, &format!("ACL SETUSER {user} on >a-password ~* &* +@all -eval -evalsha"));
    let as_user = |engines: &Engines| Engines {
        redis: engines.redis.replace("redis://", &format!("redis://{user}:a-password@")),
        ..engines.clone()
    };
    let Some(deployment) = one(Topology::RedisStreams, &upstream, as_user).await else { return };
    let worker = deployment.worker(0);
    let said = until(&worker, Some("Redis lets this process own no shard")).await;
    assert!(said.contains("evalsha") && said.contains("no process owns shards 0, 1, 2, 3"), "{said}");
    assert!(!said.contains("a-password") && !said.contains("127.0.0.1"), "{said}");
    let gauges =
        [metric(&worker, "antiphon_owned_shards").await, metric(&worker, "antiphon_shards_without_owner").await];
    assert_eq!(gauges, [0, 4]);
    redis(&engines.redis, &format!("ACL SETUSER {user} +@all"));
    until(&worker, None).await;
    assert_eq!(metric(&worker, "antiphon_owned_shards").await, 4);
    drop(deployment);
    redis(&engines.redis, &format!("ACL DELUSER {user}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_secret_and_of_another_deployment() {
    let upstream = Upstream::start([]).await.unwrap();
    let Some(deployment) = one(Topology::Grpc, &upstream, Engines::clone).await else { return };
    let config = std::fs::read_to_string(deployment.process(0).config()).unwrap();
    deployment.process(0).kill9();
    let start = |config: &str, secret: &str| {
        let config = config.replace("[cluster]\n", &format!("[cluster]\nsecret = \"{secret}\"\n"));
        ServerProcess::start(env!("CARGO_BIN_EXE_antiphon"), &config, &[])
    };
    let owner = tokio::task::block_in_place(|| start(&config, "the-secret-of-all-0123456789"));
    let api = |process: &ServerProcess| Api::new(&process.url(), deployment.worker(0).credential().clone());
    until(&api(&owner), None).await;

    let roles = config.lines().find(|line| line.starts_with("roles")).unwrap();
    let mut front = config.replace(roles, "roles = [\"api\", \"realtime\"]");
    let cluster: Vec<String> = config
        .lines()
        .filter_map(|line| Some(line.strip_prefix("listen = \"")?.trim_end_matches('"').to_owned()))
        .collect();
    front = front.replace(&cluster[0], &free_address());
    let other = tokio::task::block_in_place(|| start(&front, "another-secret-0123456789012"));
    let said = until(&api(&other), Some("refuse this process's cluster.secret")).await;
    assert!(said.contains("shards 0, 1, 2, 3") && !said.contains("another-secret"), "{said}");
    assert_eq!(metric(&api(&other), "antiphon_shards_unreachable").await, 4);
    drop(other);
    let same = tokio::task::block_in_place(|| start(&front, "the-secret-of-all-0123456789"));
    until(&api(&same), None).await;
    assert_eq!(metric(&api(&same), "antiphon_owned_shards").await, 0);

    for topology in ["kafka", "direct"] {
        let config = config.replace("topology = \"grpc\"", &format!("topology = \"{topology}\""));
        for command in ["serve", "doctor"] {
            let said = tokio::task::block_in_place(|| failure(command, &config));
            assert!(said.contains("set topology to \"grpc\""), "{command}: {said}");
            assert!(said.contains(&format!("{topology:?}")) && !said.contains(KEY), "{command}: {said}");
        }
    }
}
