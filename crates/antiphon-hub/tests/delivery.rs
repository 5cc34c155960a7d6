//! Order, exactly once, isolation: whatever the clients and the backbone do.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use antiphon_core::limits::{CATCH_UP_BYTES, OUTBOX_BYTES};
use antiphon_core::{
    Backbone, Bounds, ChannelName, Code, Delivery, Event, EventKind, Log, LogError, NamespaceSettings, Position,
    ReadFrom, ReadLimit, Receiver, Record, Retention, RoomEvent, ViewerCount,
};
use antiphon_hub::{CloseReason, Connection, Hub, Offer, Outlet, Start, SubscribeRequest};
use antiphon_store::{MemoryLog, NamespaceTable};
use antiphon_wire::{Audience, Format};
use bytes::Bytes;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// A client that takes what it has room for, as a socket does.
struct TestOutlet {
    state: Mutex<(Vec<u8>, usize, bool)>,
    changed: Notify,
    /// Subscriptions that the hub ended.
    ended: AtomicUsize,
}

impl TestOutlet {
    fn new(room: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new((Vec::new(), room, false)),
            changed: Notify::new(),
            ended: AtomicUsize::new(0),
        })
    }

    fn give_room(&self, bytes: usize) {
        let mut state = self.state.lock();
        state.1 = state.1.saturating_add(bytes);
        drop(state);
        self.changed.notify_waiters();
    }

    /// Every message so far, from the server-sent events.
    fn messages(&self) -> Vec<Value> {
        let state = self.state.lock();
        let text = String::from_utf8(state.0.clone()).unwrap();
        text.lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|json| serde_json::from_str(json).unwrap())
            .collect()
    }

    async fn until(&self, is_done: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let waited = tokio::time::timeout(Duration::from_secs(20), async {
            loop {
                let changed = self.changed.notified();
                let messages = self.messages();
                if is_done(&messages) {
                    return messages;
                }
                let _ = tokio::time::timeout(Duration::from_millis(20), changed).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("never came: {:#?}", self.messages()))
    }
}

#[async_trait::async_trait]
impl Outlet for TestOutlet {
    fn format(&self) -> Format {
        Format::Sse
    }
    fn audience(&self) -> Audience {
        Audience::People
    }
    fn offer(&self, frames: &Bytes) -> Offer {
        let mut state = self.state.lock();
        if state.2 {
            return Offer::Closed;
        }
        if state.1 == 0 {
            return Offer::Refused;
        }
        assert!(frames.len() <= CATCH_UP_BYTES * 4 + OUTBOX_BYTES, "one batch is bounded: {}", frames.len());
        state.0.extend_from_slice(frames);
        state.1 = state.1.saturating_sub(frames.len());
        let is_full = state.1 == 0;
        drop(state);
        self.changed.notify_waiters();
        if is_full { Offer::Backlogged } else { Offer::Written }
    }
    fn push(&self, notice: Bytes) {
        self.state.lock().0.extend_from_slice(&notice);
        self.changed.notify_waiters();
    }
    async fn ready(&self) -> bool {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let state = self.state.lock();
                if state.2 || state.1 > 0 {
                    return !state.2;
                }
            }
            changed.await;
        }
    }
    fn subscription_ended(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }
    fn close(&self, _reason: CloseReason) {
        self.state.lock().2 = true;
        self.changed.notify_waiters();
    }
}

/// A live path that loses, repeats and reorders by a seed.
struct FaultyBackbone {
    receiver: Mutex<Option<Receiver>>,
    random: Mutex<StdRng>,
    held: Mutex<Vec<Record>>,
    faults: bool,
}

impl Backbone for FaultyBackbone {
    fn deliver(&self, records: &[Record]) {
        let receiver = self.receiver.lock().clone().unwrap();
        if !self.faults {
            return receiver(Delivery::Records(records));
        }
        for record in records {
            let dice = self.random.lock().random_range(0..10);
            let mut held = self.held.lock();
            match dice {
                0 => {}
                1 | 2 => held.push(record.clone()),
                3 => receiver(Delivery::Records(&[record.clone(), record.clone()])),
                _ => {
                    receiver(Delivery::Records(std::slice::from_ref(record)));
                    for late in held.drain(..) {
                        receiver(Delivery::Records(&[late]));
                    }
                }
            }
        }
    }
    fn follow(&self, _channel: &ChannelName) {}
    fn unfollow(&self, _channel: &ChannelName) {}
    fn attach(&self, receiver: Receiver) {
        *self.receiver.lock() = Some(receiver);
    }
}

struct World {
    log: Arc<dyn Log>,
    hub: Arc<Hub>,
    channel: ChannelName,
}

fn world(seed: u64, faults: bool, keep: Retention) -> World {
    let backbone = Arc::new(FaultyBackbone {
        receiver: Mutex::default(),
        random: Mutex::new(StdRng::seed_from_u64(seed)),
        held: Mutex::default(),
        faults,
    });
    let delivering = backbone.clone();
    let namespaces = HashMap::from([("jobs".to_owned(), NamespaceSettings { keep, ephemeral: false })]);
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(
        NamespaceTable::new(namespaces),
        Arc::new(move |records: &[Record]| delivering.deliver(records)),
    ));
    let hub = Hub::new(log.clone(), backbone, ViewerCount::default());
    World { log, hub, channel: ChannelName::parse("jobs:1").unwrap() }
}

const ALL: Retention = Retention { events: None, age: None, bytes: None };

impl World {
    async fn publish(&self, number: usize) -> Position {
        let json = format!("{{\"type\":\"tick\",\"data\":{number}}}").into();
        let event = Event { kind: EventKind::Plain, json, event_id: None, provider_at: None };
        self.log.append(&self.channel, vec![event]).await.unwrap()[0]
    }

    async fn subscribe(&self, outlet: &Arc<TestOutlet>, start: Start) -> Connection {
        let connection = self.hub.connect("user", outlet.clone(), None).unwrap();
        let request = SubscribeRequest { channel: self.channel.clone(), start, until_end: false, request_id: None };
        connection.subscribe(request).await.unwrap();
        connection
    }
}

fn ticks(messages: &[Value]) -> Vec<u64> {
    messages
        .iter()
        .filter(|message| message["type"] == "tick")
        .map(|message| message["data"].as_u64().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_gets_everything_once_and_in_order_whatever_the_backbone_does() {
    let seed = rand::rng().random();
    println!("seed {seed}");
    let world = world(seed, true, ALL);
    let mut random = StdRng::seed_from_u64(seed);
    for number in 0..50 {
        world.publish(number).await;
    }
    let mut clients = Vec::new();
    for number in 50..1_000 {
        if number % 50 == 0 {
            // Some read fast, some have no room at all and get it now and then.
            let outlet = TestOutlet::new(if random.random_bool(0.5) { usize::MAX } else { 0 });
            clients.push((world.subscribe(&outlet, Start::Kept).await, outlet));
        }
        world.publish(number).await;
        let (_, lucky) = &clients[random.random_range(0..clients.len())];
        lucky.give_room(random.random_range(0..5_000));
    }
    // The very last delivery may be lost: another event shows the gap.
    tokio::time::sleep(Duration::from_millis(10)).await;
    for number in 1_000..1_030 {
        world.publish(number).await;
    }
    let expected: Vec<u64> = (0..1_000).collect();
    for (_, outlet) in &clients {
        outlet.give_room(usize::MAX);
        let is_done = |messages: &[Value]| messages.iter().any(|message| message["type"] == "caught-up");
        let messages = outlet.until(|messages| is_done(messages) && ticks(messages).len() >= 1_000).await;
        assert_eq!(ticks(&messages)[..1_000], expected, "seed {seed}");
        assert_eq!(messages[0]["type"], "subscribed");
        assert_eq!(messages.iter().filter(|message| message["type"] == "caught-up").count(), 1);
    }
}

#[tokio::test]
async fn a_position_resumes_exactly_after_it() {
    let world = world(1, false, ALL);
    let mut positions = Vec::new();
    for number in 0..20 {
        positions.push(world.publish(number).await);
    }
    let outlet = TestOutlet::new(usize::MAX);
    let _connection = world.subscribe(&outlet, Start::After(positions[6])).await;
    outlet.until(|messages| messages.iter().any(|message| message["type"] == "caught-up")).await;
    world.publish(20).await;
    let messages = outlet.until(|messages| ticks(messages).len() == 14).await;
    assert_eq!(ticks(&messages), (7..=20).collect::<Vec<_>>());
    assert_eq!(messages[0]["position"], positions[6].to_string());
    let caught_up = messages.iter().position(|message| message["type"] == "caught-up").unwrap();
    assert_eq!((caught_up, &messages[caught_up]["position"]), (14, &Value::from(positions[19].to_string())));
}

#[tokio::test]
async fn a_stalled_reader_costs_a_batch_and_gets_every_character_merged() {
    let world = world(2, false, ALL);
    let outlet = TestOutlet::new(1);
    let _connection = world.subscribe(&outlet, Start::Now).await;
    let mut whole = String::new();
    for index in 0..3_000_u64 {
        let text = format!("w{index} ");
        whole += &text;
        let chunk = RoomEvent::ArStreamChunk {
            stream_id: "stream-1".into(),
            message_id: "msg-1".into(),
            attempt: 1,
            chunk: text.clone(),
            text,
            markers: vec![],
            unknown_markers: vec![],
            chunk_index: index,
            chunk_count: 1,
            is_final: index == 2_999,
        };
        world.log.append(&world.channel, vec![chunk.encode("room-1", None).unwrap()]).await.unwrap();
    }
    let held = outlet.state.lock().0.len();
    assert!(held < 4 * CATCH_UP_BYTES, "a stalled reader holds {held} bytes");
    outlet.give_room(usize::MAX);
    let messages = outlet.until(|messages| messages.iter().any(|message| message["isFinal"] == true)).await;
    let chunks: Vec<_> = messages.iter().filter(|message| message["type"] == "ar-stream-chunk").collect();
    let text: String = chunks.iter().map(|chunk| chunk["text"].as_str().unwrap()).collect();
    assert_eq!(text, whole);
    assert!(chunks.len() < 1_000, "merged into fewer deliveries: {}", chunks.len());
    let mut next = 0;
    for chunk in chunks {
        assert_eq!(chunk["chunkIndex"], next);
        next += chunk["chunkCount"].as_u64().unwrap();
    }
}

#[tokio::test]
async fn a_reader_that_retention_overtakes_is_told() {
    let keep = Retention { events: Some(10), ..ALL };
    let world = world(3, false, keep);
    let early = world.publish(0).await;
    let outlet = TestOutlet::new(1);
    let _connection = world.subscribe(&outlet, Start::Kept).await;
    for number in 1..2_000 {
        world.publish(number).await;
    }
    let end = world.log.bounds(&world.channel).await.unwrap().end;
    world.log.trim(&world.channel, end).await.unwrap();
    outlet.give_room(usize::MAX);
    let messages = outlet.until(|messages| messages.iter().any(|message| message["type"] == "error")).await;
    assert_eq!(messages.last().unwrap()["code"], Code::PositionExpired.as_str());
    let other = TestOutlet::new(usize::MAX);
    let connection = world.hub.connect("user", other, None).unwrap();
    let request = SubscribeRequest {
        channel: world.channel.clone(),
        start: Start::After(early),
        until_end: false,
        request_id: None,
    };
    assert_eq!(connection.subscribe(request).await.unwrap_err().code, Code::PositionExpired);
    assert_eq!(world.hub.counts().channels.len(), 0, "a refused subscription leaves nothing behind");
}

/// A log elsewhere, whose answers take their time, and which may no longer know any place that it knew.
struct RemoteLog {
    log: Arc<dyn Log>,
    forgot: Arc<Mutex<Option<LogError>>>,
}

#[async_trait::async_trait]
impl Log for RemoteLog {
    async fn append(&self, channel: &ChannelName, events: Vec<Event>) -> Result<Vec<Position>, LogError> {
        self.log.append(channel, events).await
    }
    async fn read(&self, channel: &ChannelName, from: ReadFrom, limit: ReadLimit) -> Result<Vec<Record>, LogError> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let forgot = self.forgot.lock().clone();
        if let (ReadFrom::After(_), Some(error)) = (from, forgot) {
            Err(error)
        } else {
            self.log.read(channel, from, limit).await
        }
    }
    async fn bounds(&self, channel: &ChannelName) -> Result<Bounds, LogError> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let bounds = self.log.bounds(channel).await?;
        Ok(match *self.forgot.lock() {
            Some(LogError::Foreign) => {
                let end = Position::before_first(channel, bounds.end.incarnation + 1);
                Bounds { start: end, end }
            }
            Some(LogError::Future) => Bounds { end: bounds.start, ..bounds },
            _ => bounds,
        })
    }
    async fn trim(&self, channel: &ChannelName, through: Position) -> Result<(), LogError> {
        self.log.trim(channel, through).await
    }
    fn is_durable(&self, namespace: &str) -> bool {
        self.log.is_durable(namespace)
    }
    fn health(&self) -> Result<(), LogError> {
        self.log.health()
    }
}

#[tokio::test]
async fn live_clients_are_told_at_once_that_the_log_does_not_know_their_place_any_more() {
    for (error, code) in [
        (LogError::Foreign, Code::PositionForeign),
        (LogError::Future, Code::PositionFuture),
        (LogError::Expired, Code::PositionExpired),
    ] {
        let (World { log, channel, .. }, forgot) = (world(6, false, ALL), Arc::<Mutex<Option<LogError>>>::default());
        let backbone = Arc::new(FaultyBackbone {
            receiver: Mutex::default(),
            random: Mutex::new(StdRng::seed_from_u64(6)),
            held: Mutex::default(),
            faults: false,
        });
        let remote = Arc::new(RemoteLog { log: log.clone(), forgot: forgot.clone() });
        let hub = Hub::new(remote, backbone.clone(), ViewerCount::default());
        let world = World { log, hub, channel };
        for number in 0..10 {
            world.publish(number).await;
        }
        let outlets = [TestOutlet::new(usize::MAX), TestOutlet::new(usize::MAX)];
        let mut connections = Vec::new();
        for outlet in &outlets {
            connections.push(world.subscribe(outlet, Start::Kept).await);
            outlet.until(|messages| messages.iter().any(|message| message["type"] == "caught-up")).await;
        }
        *forgot.lock() = Some(error);
        let receiver = backbone.receiver.lock().clone().unwrap();
        receiver(Delivery::Lost);
        for outlet in &outlets {
            let messages = outlet.until(|messages| messages.iter().any(|message| message["type"] == "error")).await;
            assert_eq!(messages.last().unwrap()["code"], code.as_str());
        }
    }
}

#[tokio::test]
async fn the_last_event_of_a_channel_ends_its_subscriptions() {
    let world = world(1, false, ALL);
    let ready = TestOutlet::new(usize::MAX);
    let stuck = TestOutlet::new(0);
    let connections = [world.subscribe(&ready, Start::Now).await, world.subscribe(&stuck, Start::Kept).await];
    world.publish(0).await;
    let json = "{\"type\":\"tick\",\"data\":1}".into();
    let last = Event { kind: EventKind::Last, json, event_id: None, provider_at: None };
    world.log.append(&world.channel, vec![last]).await.unwrap();
    for (outlet, connection) in [&ready, &stuck].into_iter().zip(&connections) {
        outlet.give_room(usize::MAX);
        let got = outlet.until(|messages| ticks(messages).len() == 2).await;
        assert_eq!(ticks(&got), [0, 1]);
        for _ in 0..1_000 {
            if outlet.ended.load(Ordering::Relaxed) == 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(outlet.ended.load(Ordering::Relaxed), 1, "once");
        assert!(!connection.is_subscribed(&world.channel));
        let kinds: Vec<_> = outlet.messages().iter().map(|message| message["type"].clone()).collect();
        assert!(!kinds.iter().any(|kind| kind == "error"), "quietly: {kinds:?}");
        assert_eq!(kinds.iter().filter(|kind| *kind == "caught-up").count(), 1, "{kinds:?}");
    }
    assert!(world.hub.counts().channels.is_empty(), "nobody follows it any more");
}

#[tokio::test]
async fn until_end_closes_at_what_was_the_end() {
    let world = world(4, false, ALL);
    for number in 0..600 {
        world.publish(number).await;
    }
    let outlet = TestOutlet::new(usize::MAX);
    let connection = world.hub.connect("user", outlet.clone(), None).unwrap();
    let request =
        SubscribeRequest { channel: world.channel.clone(), start: Start::Kept, until_end: true, request_id: None };
    connection.subscribe(request).await.unwrap();
    world.publish(600).await;
    while !outlet.state.lock().2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ticks(&outlet.messages()), (0..600).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_session_is_taken_over_by_its_secret_once_and_by_its_user_only() {
    let world = world(5, false, ALL);
    let first_outlet = TestOutlet::new(usize::MAX);
    let first = world.hub.connect("ann", first_outlet.clone(), None).unwrap();
    let token = first.resume_token().to_owned();
    let stranger = world.hub.connect("bob", TestOutlet::new(1), Some(&token));
    assert_eq!(stranger.err().unwrap().code, Code::Unauthorized);
    let second = world.hub.connect("ann", TestOutlet::new(1), Some(&token)).unwrap();
    assert_eq!(second.session_id(), first.session_id());
    assert!(first_outlet.state.lock().2, "the former connection is closed");
    let again = world.hub.connect("ann", TestOutlet::new(1), Some(&token));
    assert_eq!(again.err().unwrap().code, Code::Unauthorized);
}
