//! A live path that brings nothing for a while and says so again and again: the log is read instead, within bounds.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use antiphon_core::limits::{CATCH_UP_EVENTS, REPAIRS};
use antiphon_core::{
    Backbone, Bounds, ChannelName, Delivery, Event, EventKind, Log, LogError, NamespaceSettings, Position, ReadFrom,
    ReadLimit, Receiver, Record, Retention, ViewerCount,
};
use antiphon_hub::{CloseReason, Connection, Hub, Offer, Outlet, Start, SubscribeRequest};
use antiphon_store::{MemoryLog, NamespaceTable};
use antiphon_wire::{Audience, Format};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const CHANNELS: usize = 2 * REPAIRS;
/// How long one read takes.
const READ: Duration = Duration::from_millis(50);

/// Takes everything, and counts the events.
#[derive(Default)]
struct Counting(AtomicUsize);

#[async_trait::async_trait]
impl Outlet for Counting {
    fn format(&self) -> Format {
        Format::Sse
    }
    fn audience(&self) -> Audience {
        Audience::People
    }
    fn offer(&self, frames: &Bytes) -> Offer {
        let events = String::from_utf8_lossy(frames).matches("\"tick\"").count();
        self.0.fetch_add(events, Ordering::Relaxed);
        Offer::Written
    }
    fn push(&self, _notice: Bytes) {}
    async fn ready(&self) -> bool {
        true
    }
    fn subscription_ended(&self) {}
    fn close(&self, _reason: CloseReason) {}
}

/// Brings nothing but what the test says.
#[derive(Default)]
struct Silent(Mutex<Option<Receiver>>);

impl Silent {
    fn lose(&self) {
        let receiver = self.0.lock().clone().unwrap();
        receiver(Delivery::Lost);
    }
}

impl Backbone for Silent {
    fn deliver(&self, _records: &[Record]) {}
    fn follow(&self, _channel: &ChannelName) {}
    fn unfollow(&self, _channel: &ChannelName) {}
    fn attach(&self, receiver: Receiver) {
        *self.0.lock() = Some(receiver);
    }
}

/// Counts the reads that follow a place, which take their time.
struct Slow {
    log: MemoryLog,
    reads: AtomicUsize,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait::async_trait]
impl Log for Slow {
    async fn append(&self, channel: &ChannelName, events: Vec<Event>) -> Result<Vec<Position>, LogError> {
        self.log.append(channel, events).await
    }
    async fn read(&self, channel: &ChannelName, from: ReadFrom, limit: ReadLimit) -> Result<Vec<Record>, LogError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let under_way = self.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(under_way, Ordering::Relaxed);
        tokio::time::sleep(READ).await;
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        self.log.read(channel, from, limit).await
    }
    async fn bounds(&self, channel: &ChannelName) -> Result<Bounds, LogError> {
        self.log.bounds(channel).await
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

struct World {
    log: Arc<Slow>,
    backbone: Arc<Silent>,
    hub: Arc<Hub>,
    outlet: Arc<Counting>,
}

impl World {
    fn new() -> Self {
        let keep = Retention { events: None, age: None, bytes: None };
        let namespaces = HashMap::from([("jobs".to_owned(), NamespaceSettings { keep, ephemeral: false })]);
        let log = MemoryLog::new(NamespaceTable::new(namespaces), Arc::new(|_: &[Record]| {}));
        let count = AtomicUsize::default;
        let log = Arc::new(Slow { log, reads: count(), under_way: count(), most: count() });
        let backbone = Arc::new(Silent::default());
        let hub = Hub::new(log.clone(), backbone.clone(), ViewerCount::default());
        Self { log, backbone, hub, outlet: Arc::default() }
    }

    async fn append(&self, channel: &ChannelName, events: usize) {
        let json = Bytes::from_static(b"{\"type\":\"tick\"}");
        let event = Event { kind: EventKind::Plain, json, event_id: None, provider_at: None };
        self.log.append(channel, vec![event; events]).await.unwrap();
    }

    async fn subscribe(&self, connection: &Connection, channel: &ChannelName) {
        let request =
            SubscribeRequest { channel: channel.clone(), start: Start::Now, until_end: false, request_id: None };
        connection.subscribe(request).await.unwrap();
    }

    fn connect(&self) -> Connection {
        self.hub.connect("user", self.outlet.clone(), None).unwrap()
    }

    async fn until_taken(&self, events: usize) {
        let taken = async {
            while self.outlet.0.load(Ordering::Relaxed) < events {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), taken).await;
        waited.unwrap_or_else(|_| panic!("only {} of {events} came", self.outlet.0.load(Ordering::Relaxed)));
    }
}

#[tokio::test(start_paused = true)]
async fn many_channels_are_read_within_bounds_however_often_it_is_said() {
    let world = World::new();
    let channels: Vec<ChannelName> =
        (0..CHANNELS).map(|number| ChannelName::new("jobs", &number.to_string()).unwrap()).collect();
    let connections: Vec<Connection> = channels.iter().map(|_| world.connect()).collect();
    for (connection, channel) in connections.iter().zip(&channels) {
        world.subscribe(connection, channel).await;
    }
    for channel in &channels {
        world.append(channel, 1).await;
    }
    assert_eq!(world.log.reads.load(Ordering::Relaxed), 0);
    for _ in 0..50 {
        world.backbone.lose();
        tokio::time::sleep(READ / 50).await;
    }
    world.until_taken(CHANNELS).await;
    tokio::time::sleep(100 * READ).await;
    assert_eq!(world.log.most.load(Ordering::Relaxed), REPAIRS, "no more at once");
    let reads = world.log.reads.load(Ordering::Relaxed);
    assert!(reads <= 2 * CHANNELS, "one that is under way and one that waits: {reads}");
    assert_eq!(world.outlet.0.load(Ordering::Relaxed), CHANNELS, "each once");
}

#[tokio::test(start_paused = true)]
async fn a_long_silence_is_made_up_for_at_once() {
    let (world, channel) = (World::new(), ChannelName::parse("jobs:1").unwrap());
    let connection = world.connect();
    world.subscribe(&connection, &channel).await;
    world.append(&channel, 3 * CATCH_UP_EVENTS + 1).await;
    world.backbone.lose();
    world.until_taken(3 * CATCH_UP_EVENTS + 1).await;
    tokio::time::sleep(100 * READ).await;
    assert_eq!(world.log.reads.load(Ordering::Relaxed), 4, "no page is read in vain");
}
