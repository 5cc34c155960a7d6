//! Nothing comes by Redis, as Redis is cut off, suspended or refuses, or as no relay publishes: clients go on receiving tokens,
//! which their process reads from the log meanwhile.

use crate::world::{TAKEOVER, answer};
use antiphon_testkit::client::{Checker, WebSocketClient, is_event};
use antiphon_testkit::deployment::{Deployment, Engines, Place, Plan, Role, Stores, Topology};
use antiphon_testkit::faults::Silence;
use antiphon_testkit::proxy::{Link, Proxy};
use antiphon_testkit::upstream::Upstream;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Twenty tokens a second for as long as the phases take, and some more.
const TOKENS: usize = 950;
const PHASE: Duration = Duration::from_secs(7);
/// The longest that a process takes to see that nobody is heard, and to read the log.
const NOTICED: Duration = Duration::from_secs(4);
/// How late tokens are at most from then on.
const LATE: Duration = Duration::from_secs(1);
/// What a machine that is busy with other tests may need beyond these.
const BUSY: Duration = Duration::from_secs(1);
const WELL: usize = 1;
const REFUSED: usize = 2;
const RELAY: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_get_tokens_where_nothing_comes_by_redis() {
    let Some(engines) = Engines::given(Topology::KafkaRelay) else {
        println!("NOT TESTED: topology kafka-relay with a silent Redis");
        return;
    };
    let upstream = Upstream::start([]).await.unwrap();
    upstream.respond_with(answer);
    let redis = engines.redis.trim_start_matches("redis://").split('/').next().unwrap();
    let proxy = Proxy::start(redis).await.unwrap();
    let deployment = start(&upstream, &engines, &proxy);
    let room = deployment.user("ann", 0).room("anna").await;
    let (well, refused) =
        (Watching::start(&deployment, WELL, &room).await, Watching::start(&deployment, REFUSED, &room).await);
    let both = [("", &well), (" (refused from the start)", &refused)];
    deployment.user("ann", 0).ask(&room, &format!("paced {TOKENS} 20 silence")).await;
    while both.iter().any(|(_, client)| client.silence.latest_stamp() == 0) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    phase("Redis is there", &both).await;
    proxy.set(Link::Cut);
    phase("Redis is cut off", &both).await;
    proxy.heal();
    phase("Redis is back", &both).await;
    proxy.set(Link::Paused);
    phase("Redis is suspended", &both).await;
    proxy.heal();
    phase("Redis is back again", &both).await;
    tokio::task::block_in_place(|| deployment.process(RELAY).kill9());
    phase("the relay is gone", &both).await;
    tokio::task::block_in_place(|| deployment.process(RELAY).restart());
    let (well, refused) = (well.seen.await.unwrap(), refused.seen.await.unwrap());
    let checker = Checker::of(&well);
    checker.assert_same(&Checker::of(&refused));
    let (stream, folded) = checker.streams().first_key_value().unwrap();
    assert_eq!(folded.text.matches('@').count(), TOKENS, "every token of {stream} once");
    let said = |number: usize, words: &str| deployment.process(number).stderr().matches(words).count();
    let away = said(WELL, "Redis is away as the live path");
    assert!((1..10).contains(&away), "each outage has a word or two: {away}");
    assert!(said(WELL, "is back as the live path") > 0, "and so has its end");
    assert!(said(WELL, "no relay is heard any more") > 0, "nor is the relay's end passed over");
    assert_eq!(said(REFUSED, "no relay is heard any more"), 0, "where it cannot be heard that is no news");
    assert_eq!(said(REFUSED, "Redis is away as the live path"), 1, "one line, however often it was tried");
    assert_eq!(said(REFUSED, "wr0ng"), 0, "and no password");
}

fn start(upstream: &Upstream, engines: &Engines, proxy: &Proxy) -> Deployment {
    let plan = Plan {
        program: env!("CARGO_BIN_EXE_antiphon"),
        topology: Topology::KafkaRelay,
        roles: vec![vec![Role::Api, Role::Ai], vec![Role::Realtime], vec![Role::Realtime], vec![Role::Relay]],
        upstream: upstream.address().to_string(),
        max_attempts: 5,
        takeover_seconds: TAKEOVER.as_secs(),
        extra: "",
    };
    let behind = Engines { redis: format!("redis://{}", proxy.address()), ..engines.clone() };
    let wrong = Engines { redis: engines.redis.replacen("redis://", "redis://:wr0ng@", 1), ..engines.clone() };
    let places = [&behind, &behind, &wrong, &behind].map(Place::beside);
    let stores = Stores::make(Topology::KafkaRelay, engines).unwrap();
    tokio::task::block_in_place(|| {
        let deployment = Deployment::start(&plan, stores, &places);
        deployment.settle();
        deployment
    })
}

/// A client that takes what comes until the answer's end, and notes how late it is.
struct Watching {
    silence: Arc<Silence>,
    seen: JoinHandle<Vec<serde_json::Value>>,
}

impl Watching {
    async fn start(deployment: &Deployment, process: usize, room: &str) -> Self {
        let mut socket = WebSocketClient::join(&deployment.user("ann", process), room, Some("start")).await;
        let silence = Arc::new(Silence::new(true));
        let noting = silence.clone();
        let seen = tokio::spawn(async move {
            while let Some(event) = socket.next().await {
                noting.note(&event);
                if is_event(&event, "ar-stream-end", "") {
                    break;
                }
            }
            std::mem::take(&mut socket.seen)
        });
        Self { silence, seen }
    }
}

/// Lets some seconds pass, and looks at what came in them.
async fn phase(name: &str, clients: &[(&str, &Watching)]) {
    let began = Instant::now();
    for (_, client) in clients {
        client.silence.take_longest();
    }
    tokio::time::sleep(PHASE).await;
    for (which, client) in clients {
        let longest = client.silence.take_longest();
        let mut late = client.silence.latencies(began + NOTICED, began + PHASE);
        late.sort();
        let (middle, last) = (late[late.len() / 2], late[late.len() - 1]);
        println!("{name}{which}: longest without an event {longest:.1?}; later p50 {middle:.1?}, at most {last:.1?}");
        assert!(longest < NOTICED + BUSY, "{name}{which}: nothing for {longest:?}");
        assert!(last < LATE + BUSY, "{name}{which}: {last:?} late");
    }
}
