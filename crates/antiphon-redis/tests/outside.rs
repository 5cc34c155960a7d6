//! What outside programs and operators see: keys, states of streams, findings; and what it costs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use antiphon_core::{
    Backbone, ChannelName, Delivery, Event, EventKind, Fenced, Log, NamespaceSettings, Outcome, Position, Record,
    Retention, RoomEvent, Shard, Sharding, Timestamp,
};
use antiphon_redis::{FindingKind, RedisLog, RedisOptions, RedisTarget, StreamStates, check, remove};
use antiphon_testkit::servers;
use bytes::Bytes;
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn fresh_prefix() -> String {
    format!("test-{}:", uuid::Uuid::new_v4().simple())
}

async fn connection(url: &str) -> MultiplexedConnection {
    redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap()
}

async fn open(url: &str, prefix: &str, shards: u16) -> Arc<RedisLog> {
    let settings = NamespaceSettings { keep: Retention::DEFAULT, ephemeral: false };
    let options = RedisOptions {
        target: RedisTarget::parse(url, prefix).unwrap(),
        sharding: Sharding::new(shards).unwrap(),
        settings: Arc::new(move |_| settings),
        on_commit: Arc::new(|_| {}),
        on_lost: Arc::new(|_, _| {}),
        incarnation_floor: 0,
        is_durable_unless_known: false,
        append_timeout: Duration::from_secs(5),
    };
    Arc::new(RedisLog::open(options).await.unwrap())
}

#[tokio::test]
async fn outside_programs_find_a_rooms_events_in_its_stream() {
    let Some(url) = servers::redis() else { return };
    let prefix = fresh_prefix();
    let log = open(&url, &prefix, 1).await;
    log.begin(Shard(0), 1).await.unwrap();
    let channel = ChannelName::parse("ar-room:room-1").unwrap();
    let json = Bytes::from_static(b"{\"type\":\"message-created\"}");
    let event = Event { kind: EventKind::Plain, json, event_id: None, provider_at: None };
    log.append(&channel, vec![event]).await.unwrap();
    let mut connection = connection(&url).await;
    let mut read = redis::cmd("XRANGE");
    read.arg(format!("{prefix}ar:stream:room-1")).arg("-").arg("+");
    let entries: Vec<(String, HashMap<String, String>)> = read.query_async(&mut connection).await.unwrap();
    assert_eq!(entries[0].0, "1-0");
    assert_eq!(entries[0].1["event"], "{\"type\":\"message-created\"}");
    log.close().await;
}

#[tokio::test]
async fn only_the_keys_of_a_prefix_are_removed() {
    let Some(url) = servers::redis() else { return };
    let (gone, kept) = (fresh_prefix(), fresh_prefix());
    let mut connection = connection(&url).await;
    let fill = "for at = 1, 2500 do redis.call('SET', ARGV[1] .. at, 1) end redis.call('SET', ARGV[2] .. 1, 1)";
    let _: () = redis::cmd("EVAL").arg(fill).arg(&[0]).arg(&[&gone, &kept]).query_async(&mut connection).await.unwrap();
    let left = async |prefix: &str| {
        let mut connection = connection.clone();
        let keys: Vec<String> =
            redis::cmd("KEYS").arg(format!("{prefix}*")).query_async(&mut connection).await.unwrap();
        keys.len()
    };
    assert_eq!((left(&gone).await, left(&kept).await), (2_500, 1));
    remove(&RedisTarget::parse(&url, &gone).unwrap()).await.unwrap();
    assert_eq!((left(&gone).await, left(&kept).await), (0, 1));
    remove(&RedisTarget::parse(&url, &kept).unwrap()).await.unwrap();
    assert_eq!(left(&kept).await, 0);
}

#[tokio::test]
async fn the_state_of_a_stream_can_be_looked_up() {
    let Some(url) = servers::redis() else { return };
    let prefix = fresh_prefix();
    let states = StreamStates::new(RedisTarget::parse(&url, &prefix).unwrap());
    let mut connection = connection(&url).await;
    let key = format!("{prefix}ar:stream:stream-1");
    let started_at = Timestamp::from_millis(1_734_206_400_007);
    let (stream_id, message_id) = ("stream-1".to_owned(), "msg-1".to_owned());
    let start = RoomEvent::ArStreamStart {
        stream_id: stream_id.clone(),
        message_id: message_id.clone(),
        agent_id: "guide".to_owned(),
        user_id: "anna".to_owned(),
        started_at,
        durable: true,
    };
    let end = RoomEvent::ArStreamEnd {
        stream_id: stream_id.clone(),
        message_id,
        outcome: Outcome::Truncated,
        total_chunks: 1,
        ended_at: started_at,
        finish_reason: None,
        usage: None,
        error: None,
        citations: vec![],
        heard: None,
    };
    let queued = RoomEvent::StreamQueued { stream_id: stream_id.clone(), queued: 2, waiting_for: None };
    let pause = RoomEvent::ArStreamPause { stream_id, by: "anna".to_owned() };
    for (number, event, status) in
        [(1, queued, "queued"), (2, start, "active"), (3, pause, "paused"), (4, end, "failed")]
    {
        let channel = ChannelName::parse("ar-room:room-1").unwrap();
        let position = Position { number, ..Position::before_first(&channel, 1) };
        let Event { kind, json, .. } = event.encode("room-1", None).unwrap();
        let record = Record { channel, position, kind, json, provider_at: None, logged_at: None };
        let since = Instant::now();
        loop {
            // Best effort, and the connection may not be there yet.
            states.note(std::slice::from_ref(&record));
            let state: HashMap<String, String> =
                redis::cmd("HGETALL").arg(&key).query_async(&mut connection).await.unwrap();
            if state.get("status").map(String::as_str) == Some(status) {
                assert_eq!((state["streamId"].as_str(), state["roomId"].as_str()), ("stream-1", "room-1"));
                assert!(number < 2 || state["startedAt"] == "2024-12-14T20:00:00.007Z" && state["agentId"] == "guide");
                assert!(number < 4 || state["outcome"] == "truncated");
                break;
            }
            assert!(since.elapsed() < Duration::from_secs(10), "{status} is not there: {state:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let left: i64 = redis::cmd("TTL").arg(&key).query_async(&mut connection).await.unwrap();
    assert!((86_000..=86_400).contains(&left), "it goes after a day: {left}");
}

/// A Redis with settings of the test's own. Killed when dropped.
struct Server {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn until_listening(port: u16) {
    let since = Instant::now();
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(since.elapsed() < Duration::from_secs(10), "redis-server does not come up");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn server(settings: &[&str]) -> Option<Server> {
    loop {
        let port = free_port();
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string(), "--logfile", "log", "--dir"]);
        command.arg(folder.path()).args(settings).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(child) = command.spawn() else {
            eprintln!("NOT TESTED: findings about Redis: install redis-server");
            return None;
        };
        let mut server = Server { child, port, folder };
        if is_up(&mut server).await {
            return Some(server);
        }
    }
}

/// Waits until it says that it is ready; false where it ended, as somebody else took the port meanwhile.
async fn is_up(server: &mut Server) -> bool {
    let since = Instant::now();
    while server.child.try_wait().unwrap().is_none() {
        let said = std::fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
        if said.contains("Ready to accept connections") {
            return true;
        }
        assert!(since.elapsed() < Duration::from_secs(10), "redis-server does not come up: {said}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

async fn kinds(url: &str, is_log: bool) -> Vec<FindingKind> {
    let findings = check(&RedisTarget::parse(url, "").unwrap(), is_log).await.findings;
    findings.iter().for_each(|finding| println!("{finding}"));
    assert!(findings.iter().all(|finding| !finding.sentence.contains("s3cret")), "no password is shown");
    findings.into_iter().map(|finding| finding.kind).collect()
}

#[tokio::test]
async fn the_doctor_tells_apart_what_can_be_wrong() {
    let Some(good) = server(&["--appendonly", "yes", "--appendfsync", "always"]).await else { return };
    let url = format!("redis://127.0.0.1:{}", good.port);
    assert_eq!(kinds(&url, true).await, []);
    let server_name = check(&RedisTarget::parse(&url, "").unwrap(), true).await.server.unwrap();
    assert!(server_name.starts_with("Redis ") || server_name.starts_with("Valkey "), "{server_name}");
    assert_eq!(kinds("redis://127.0.0.1:1", true).await, [FindingKind::Unreachable]);
    assert_eq!(kinds(&format!("rediss://127.0.0.1:{}", good.port), true).await, [FindingKind::Tls]);

    let lax = ["--appendonly", "no", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"];
    let Some(lax) = server(&lax).await else { return };
    let url = format!("redis://127.0.0.1:{}", lax.port);
    assert_eq!(kinds(&url, true).await, [FindingKind::NotDurable, FindingKind::Eviction]);
    assert_eq!(kinds(&url, false).await, [FindingKind::Eviction]);
    let mut admin = connection(&url).await;
    let mut replicate = redis::cmd("REPLICAOF");
    let _: () = replicate.arg("127.0.0.1").arg(good.port).query_async(&mut admin).await.unwrap();
    assert!(kinds(&url, false).await.contains(&FindingKind::ReadOnly));

    let secured = ["--requirepass", "s3cret", "--appendonly", "yes", "--appendfsync", "always"];
    let Some(secured) = server(&secured).await else { return };
    let url = |user: &str| format!("redis://{user}127.0.0.1:{}", secured.port);
    assert_eq!(kinds(&url(""), true).await, [FindingKind::Credentials]);
    assert_eq!(kinds(&url(":wrong@"), true).await, [FindingKind::Credentials]);
    assert_eq!(kinds(&url(":s3cret@"), true).await, []);
    let mut admin = connection(&url(":s3cret@")).await;
    let mut user = redis::cmd("ACL");
    user.arg(&["SETUSER", "anna", "on", ">s3cret2", "~*", "&*", "+@all", "-xadd", "-publish", "-config"]);
    let _: () = user.query_async(&mut admin).await.unwrap();
    let found = kinds(&url("anna:s3cret2@"), true).await;
    assert_eq!(found, [FindingKind::Settings, FindingKind::NotAuthorised]);
    // What the sentence asks for is enough.
    let mut user = redis::cmd("ACL");
    let advice = "SETUSER bert on >s3cret3 ~antiphon:* ~ar:stream:* &* +@read +@write +@stream +@hash +@scripting +@pubsub \
                  +@connection +@transaction +info +time +config|get";
    let advice: Vec<&str> = advice.split_whitespace().collect();
    let _: () = user.arg(&advice).query_async(&mut admin).await.unwrap();
    assert_eq!(kinds(&url("bert:s3cret3@"), true).await, []);
    let log = open(&url("bert:s3cret3@"), "", 1).await;
    log.begin(Shard(0), 1).await.unwrap();
    let channel = ChannelName::parse("jobs:1").unwrap();
    let json = Bytes::from_static(b"{}");
    let event = Event { kind: EventKind::Plain, json, event_id: Some("1".to_owned()), provider_at: None };
    let position = log.append(&channel, vec![event]).await.unwrap()[0];
    log.trim(&channel, position).await.unwrap();
    assert_eq!(log.bounds(&channel).await.unwrap().start, position);
}

#[tokio::test]
async fn the_master_is_found_by_its_sentinels() {
    let Some(master) = server(&[]).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let (file, port) = (folder.path().join("sentinel.conf"), free_port());
    let text = format!("port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {} 1\n", master.port);
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("redis-server");
    command.arg(&file).arg("--sentinel").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let sentinel = Server { child: command.spawn().unwrap(), port, folder };
    until_listening(sentinel.port).await;
    let url = |name: &str| format!("redis+sentinel://127.0.0.1:1,127.0.0.1:{port}/{name}");
    assert_eq!(kinds(&url("main"), false).await, []);
    assert_eq!(kinds(&url("other"), false).await, [FindingKind::Unreachable]);
    let log = open(&url("main"), "", 1).await;
    log.begin(Shard(0), 1).await.unwrap();
    assert!(!log.is_durable("jobs"), "a failover may lose what was acknowledged");
}

const ROOMS: usize = 200;
const APPENDS: usize = 75;

/// Appends fifty times a second: where each event is, when it was said and how long it took.
async fn speak(log: Arc<RedisLog>, channel: ChannelName, after: Duration) -> Vec<(Position, Instant, Duration)> {
    // Models do not speak in step.
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + after, Duration::from_millis(20));
    let mut said = Vec::new();
    for _ in 0..APPENDS {
        ticks.tick().await;
        let json = Bytes::from(format!("{{\"type\":\"ar-stream-chunk\",\"text\":\"{}\"}}", "x".repeat(200)));
        let event = Event { kind: EventKind::Chunk, json, event_id: None, provider_at: None };
        let began = Instant::now();
        let position = log.append(&channel, vec![event]).await.unwrap()[0];
        said.push((position, began, began.elapsed()));
    }
    said
}

/// Two hundred rooms with fifty appends a second each; another process follows them all.
#[tokio::test(flavor = "multi_thread")]
async fn what_many_rooms_cost() {
    let Some(url) = servers::redis() else { return };
    let prefix = fresh_prefix();
    let (owner, other) = (open(&url, &prefix, 8).await, open(&url, &prefix, 8).await);
    for shard in 0..8 {
        owner.begin(Shard(shard), 1).await.unwrap();
    }
    let arrived = Arc::new(Mutex::new(HashMap::new()));
    let arriving = arrived.clone();
    let follower = other.follower();
    follower.attach(Arc::new(move |delivery| {
        if let Delivery::Records(records) = delivery {
            let now = Instant::now();
            arriving.lock().extend(records.iter().map(|record| (record.position, now)));
        }
    }));
    follower.until_following().await;
    let mut connection = connection(&url).await;
    let lone = ChannelName::parse("ar-room:lone").unwrap();
    let mut alone = Vec::new();
    for _ in 0..100 {
        let began = Instant::now();
        let event =
            Event { kind: EventKind::Plain, json: Bytes::from_static(b"{}"), event_id: None, provider_at: None };
        owner.append(&lone, vec![event]).await.unwrap();
        alone.push(began.elapsed());
    }
    let before = server_seconds(&mut connection).await;
    let append = |room: usize| {
        let channel = ChannelName::new("ar-room", &format!("room-{room}")).unwrap();
        follower.follow(&channel);
        tokio::spawn(speak(owner.clone(), channel, Duration::from_millis(20).mul_f64(room as f64 / ROOMS as f64)))
    };
    let rooms: Vec<_> = (0..ROOMS).map(append).collect();
    let mut sent = Vec::new();
    for room in rooms {
        sent.extend(room.await.unwrap());
    }
    let since = Instant::now();
    while arrived.lock().len() < sent.len() {
        assert!(since.elapsed() < Duration::from_secs(20), "not all is delivered to the other process");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let spent = server_seconds(&mut connection).await - before;
    let arrived = arrived.lock().clone();
    let percentile = |mut times: Vec<Duration>, percent: usize| {
        times.sort();
        times[times.len() * percent / 100]
    };
    let appends: Vec<_> = sent.iter().map(|(_, _, took)| *took).collect();
    let deliveries: Vec<_> = sent.iter().map(|(position, began, _)| arrived[position] - *began).collect();
    println!(
        "alone: append p50 {:?} p99 {:?}; {ROOMS} rooms: append p50 {:?} p99 {:?}; delivered in another process p50 {:?} p99 {:?}; Redis spent {:.1} µs an append",
        percentile(alone.clone(), 50),
        percentile(alone, 99),
        percentile(appends.clone(), 50),
        percentile(appends, 99),
        percentile(deliveries.clone(), 50),
        percentile(deliveries, 99),
        spent * 1e6 / sent.len() as f64
    );
    owner.close().await;
}

async fn server_seconds(connection: &mut MultiplexedConnection) -> f64 {
    let info: String = redis::cmd("INFO").arg("cpu").query_async(connection).await.unwrap();
    let value = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.trim().parse::<f64>().unwrap()
    };
    value("used_cpu_user") + value("used_cpu_sys")
}
