//! A topic of a test's own, and processes that share it.

use antiphon_core::limits::MAX_STREAM_AGE;
use antiphon_core::{
    BeginError, ChannelName, Event, EventKind, Fenced, Log, LogError, OnCommit, OnLost, Position, ReadFrom, ReadLimit,
    Record, Shard, Sharding,
};
use antiphon_kafka::{Following, KafkaLog, KafkaOptions, KafkaTarget, Security};
use antiphon_store::NamespaceTable;
use bytes::Bytes;
use parking_lot::Mutex;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub const NO_LIMIT: ReadLimit = ReadLimit { events: usize::MAX, bytes: usize::MAX };

/// What a process was told, in order.
pub type Told<T> = Arc<Mutex<Vec<T>>>;

/// A topic, deleted by [`Deployment::end`].
pub struct Deployment {
    pub target: KafkaTarget,
    folder: tempfile::TempDir,
}

/// A process's log, and what it was told.
pub struct Process {
    pub log: Arc<KafkaLog>,
    pub committed: Told<Record>,
    pub lost: Told<(Shard, u32)>,
}

pub fn target(brokers: &str, topic: &str, sharding: Sharding) -> KafkaTarget {
    KafkaTarget {
        brokers: brokers.to_owned(),
        security: Security::default(),
        topic: topic.to_owned(),
        replication_factor: 1,
        sharding,
        retention: 24 * MAX_STREAM_AGE,
    }
}

pub fn options(target: KafkaTarget, folder: PathBuf, on_commit: OnCommit, on_lost: OnLost) -> KafkaOptions {
    KafkaOptions {
        target,
        folder,
        namespaces: NamespaceTable::new(HashMap::new()),
        on_commit,
        on_lost,
        incarnation_floor: 0,
        following: Following::Prompt,
        produce_timeout: Duration::from_secs(5),
    }
}

impl Deployment {
    pub fn new(brokers: &str, shards: u16) -> Self {
        let topic = format!("antiphon-test-{}", uuid::Uuid::new_v4().simple());
        let folder = tempfile::tempdir().unwrap();
        Self { target: target(brokers, &topic, Sharding::new(shards).unwrap()), folder }
    }

    pub fn options(&self, process: &str) -> (KafkaOptions, Told<Record>, Told<(Shard, u32)>) {
        let committed = Arc::new(Mutex::new(Vec::new()));
        let lost = Arc::new(Mutex::new(Vec::new()));
        let (told, told_lost) = (committed.clone(), lost.clone());
        let on_commit: OnCommit = Arc::new(move |records| told.lock().extend_from_slice(records));
        let on_lost: OnLost = Arc::new(move |shard, epoch| told_lost.lock().push((shard, epoch)));
        (options(self.target.clone(), self.folder.path().join(process), on_commit, on_lost), committed, lost)
    }

    pub async fn process(&self, name: &str) -> Process {
        self.process_with(name, |_| {}).await
    }

    pub async fn process_with(&self, name: &str, change: impl FnOnce(&mut KafkaOptions)) -> Process {
        let (mut options, committed, lost) = self.options(name);
        change(&mut options);
        let (log, _) = KafkaLog::open(options).await.unwrap();
        Process { log, committed, lost }
    }

    pub fn admin(&self) -> AdminClient<DefaultClientContext> {
        admin(&self.target.brokers)
    }

    pub async fn make_topic(&self, partitions: u16, settings: &[(&str, &str)]) {
        let mut topic = NewTopic::new(&self.target.topic, i32::from(partitions), TopicReplication::Fixed(1));
        for (name, value) in settings {
            topic = topic.set(name, value);
        }
        let begun = Instant::now();
        // One of that name may be on its way out still.
        while let Err((_, code)) = &self.admin().create_topics([&topic], &AdminOptions::new()).await.unwrap()[0] {
            assert!(begun.elapsed() < Duration::from_secs(10), "{code}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn delete_topic(&self) {
        self.admin().delete_topics(&[&self.target.topic], &AdminOptions::new()).await.unwrap();
    }

    pub async fn end(self, processes: impl IntoIterator<Item = Process>) {
        for process in processes {
            process.log.close().await.unwrap();
        }
        self.delete_topic().await;
    }
}

pub fn admin(brokers: &str) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap()
}

impl Process {
    /// Begins in the first epoch that takes effect, from this one on.
    pub async fn own(&self, shard: u16, epoch: u32) -> u32 {
        own(&*self.log, Shard(shard), epoch).await
    }

    pub async fn append(&self, channel: &ChannelName, texts: &[&str]) -> Result<Vec<Position>, LogError> {
        self.log.append(channel, texts.iter().map(|text| event(text)).collect()).await
    }

    pub async fn texts(&self, channel: &ChannelName) -> Vec<String> {
        texts(&self.log.read(channel, ReadFrom::Start, NO_LIMIT).await.unwrap())
    }

    /// What it was told of, in the order in which it was.
    pub fn told(&self) -> Vec<String> {
        texts(&self.committed.lock())
    }

    pub async fn until_told(&self, count: usize) {
        until(&format!("{count} records are told of"), || self.committed.lock().len() >= count).await;
    }
}

pub async fn own(log: &dyn Fenced, shard: Shard, mut epoch: u32) -> u32 {
    loop {
        match log.begin(shard, epoch).await {
            Ok(()) => return epoch,
            Err(BeginError::Superseded { epoch: in_force }) => epoch = in_force + 1,
            Err(error) => panic!("an ownership did not begin: {error}"),
        }
    }
}

pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub fn channel(id: &str) -> ChannelName {
    ChannelName::new("jobs", id).unwrap()
}

pub fn event(text: &str) -> Event {
    let json = serde_json::json!({"type": "test", "text": text}).to_string();
    Event { kind: EventKind::Plain, json: Bytes::from(json), event_id: None, provider_at: None }
}

pub fn texts(records: &[Record]) -> Vec<String> {
    let text = |record: &Record| {
        let value: serde_json::Value = serde_json::from_slice(&record.json).unwrap();
        value["text"].as_str().unwrap().to_owned()
    };
    records.iter().map(text).collect()
}
