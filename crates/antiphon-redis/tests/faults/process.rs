//! One process of a deployment, as the tests see it.

use super::url;
use antiphon_core::{
    Backbone, ChannelName, Delivery, Event, EventKind, Fenced, Log, LogError, NamespaceSettings, Position, ReadFrom,
    ReadLimit, Receiver, Retention, Shard, Sharding,
};
use antiphon_redis::{RedisLog, RedisOptions, RedisTarget};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

pub const NO_LIMIT: ReadLimit = ReadLimit { events: usize::MAX, bytes: usize::MAX };
pub const SHARD: Shard = Shard(0);

/// What came on a live path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Record(ChannelName, Position),
    Tail(ChannelName, Position),
    Lost,
}

#[derive(Clone, Default)]
pub struct Sight(Arc<Mutex<Vec<Seen>>>);

impl Sight {
    pub fn receiver(&self) -> Receiver {
        let seen = self.0.clone();
        Arc::new(move |delivery| {
            let mut seen = seen.lock();
            match delivery {
                Delivery::Records(records) => {
                    seen.extend(records.iter().map(|record| Seen::Record(record.channel.clone(), record.position)));
                }
                Delivery::Tail(channel, end) => seen.push(Seen::Tail(channel.clone(), end)),
                Delivery::Lost => seen.push(Seen::Lost),
            }
        })
    }

    pub fn all(&self) -> Vec<Seen> {
        self.0.lock().clone()
    }

    pub fn losses(&self) -> usize {
        self.0.lock().iter().filter(|seen| **seen == Seen::Lost).count()
    }

    pub fn has(&self, number: u64) -> bool {
        self.0.lock().iter().any(|seen| matches!(seen, Seen::Record(_, position) if position.number == number))
    }
}

pub struct Process {
    pub log: Arc<RedisLog>,
    pub sight: Sight,
    lost: Arc<Mutex<Vec<(Shard, u32)>>>,
}

impl Process {
    /// Opens the log and follows the channel.
    pub async fn open(address: &str, channel: &ChannelName) -> Self {
        Self::of(&RedisTarget::parse(&url(address), "t:").unwrap(), channel).await
    }

    /// The same, wherever it is.
    pub async fn of(target: &RedisTarget, channel: &ChannelName) -> Self {
        let lost = Arc::<Mutex<Vec<_>>>::default();
        let telling = lost.clone();
        let settings = NamespaceSettings { keep: Retention::DEFAULT, ephemeral: false };
        let options = RedisOptions {
            target: target.clone(),
            sharding: Sharding::ONE,
            settings: Arc::new(move |_| settings),
            on_commit: Arc::new(|_| {}),
            on_lost: Arc::new(move |shard, epoch| telling.lock().push((shard, epoch))),
            incarnation_floor: 0,
            is_durable_unless_known: false,
            append_timeout: Duration::from_millis(500),
        };
        let log = Arc::new(RedisLog::open(options).await.unwrap());
        let sight = Sight::default();
        log.follower().follow(channel);
        log.follower().attach(sight.receiver());
        log.follower().until_following().await;
        Self { log, sight, lost }
    }

    pub fn lost(&self) -> Vec<(Shard, u32)> {
        self.lost.lock().clone()
    }

    pub async fn append(&self, channel: &ChannelName, text: &str) -> Result<Position, LogError> {
        Ok(self.log.append(channel, vec![event(text)]).await?[0])
    }

    /// Begins once Redis lets it.
    pub async fn begin(&self, epoch: u32) {
        for _ in 0..2_000 {
            match self.log.begin(SHARD, epoch).await {
                Ok(()) => return,
                Err(antiphon_core::BeginError::Log(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
                Err(error) => panic!("{error}"),
            }
        }
        panic!("epoch {epoch} does not begin");
    }

    /// Reads once Redis lets it.
    pub async fn read(&self, channel: &ChannelName, from: ReadFrom) -> Result<Vec<Position>, LogError> {
        for _ in 0..2_000 {
            match self.log.read(channel, from, NO_LIMIT).await {
                Err(LogError::Unavailable { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
                read => return read.map(|records| records.iter().map(|record| record.position).collect()),
            }
        }
        panic!("Redis does not come back");
    }
}

pub fn event(text: &str) -> Event {
    let json = Bytes::from(serde_json::json!({"type": "test", "text": text}).to_string());
    Event { kind: EventKind::Plain, json, event_id: None, provider_at: None }
}

pub fn channel() -> ChannelName {
    ChannelName::parse("jobs:1").unwrap()
}
