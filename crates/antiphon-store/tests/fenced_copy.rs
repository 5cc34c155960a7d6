//! A model of a shared log with fencing, kept in a local copy: it passes the suite that engines for several processes run.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use antiphon_core::{
    BeginError, Bounds, ChannelName, Event, Fenced, Log, LogError, OnCommit, OnLost, Position, ReadFrom, ReadLimit,
    Record, Shard, Sharding, Timestamp,
};
use antiphon_store::{Change, LocalCopy, NamespaceTable, Placed};
use antiphon_testkit::fenced_suite::{Opened, Promise, Setting, run_all};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

const INCARNATION: u32 = 3;

/// What the processes of a deployment share.
struct Topic {
    copy: Arc<LocalCopy>,
    /// The ownership in force of each shard: its epoch and process. Locked by who writes.
    in_force: tokio::sync::Mutex<BTreeMap<Shard, (u32, usize)>>,
    address: std::sync::atomic::AtomicU64,
    listeners: Mutex<BTreeMap<usize, OnCommit>>,
}

struct Process {
    topic: Arc<Topic>,
    number: usize,
    sharding: Sharding,
    owned: Mutex<BTreeMap<Shard, u32>>,
    on_lost: OnLost,
}

impl Process {
    /// Fails if the process does not own the channel's shard, or no longer; gives the epoch.
    fn check(&self, channel: &ChannelName, in_force: &BTreeMap<Shard, (u32, usize)>) -> Result<u32, LogError> {
        let shard = self.sharding.shard_of(channel);
        let epoch = *self.owned.lock().unwrap().get(&shard).ok_or(LogError::NotOwner)?;
        if in_force.get(&shard) != Some(&(epoch, self.number)) {
            self.owned.lock().unwrap().remove(&shard);
            (self.on_lost)(shard, epoch);
            return Err(LogError::Unavailable { reason: "another epoch is in force".to_owned() });
        }
        Ok(epoch)
    }

    async fn apply(&self, shard: Shard, changes: Vec<Change>) -> Result<(), LogError> {
        self.topic.copy.apply(shard, INCARNATION, changes, Bytes::from_static(b"state")).await
    }
}

#[async_trait::async_trait]
impl Log for Process {
    async fn append(&self, channel: &ChannelName, events: Vec<Event>) -> Result<Vec<Position>, LogError> {
        let in_force = self.topic.in_force.lock().await;
        let epoch = self.check(channel, &in_force)?;
        let address = self.topic.address.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut before = self.topic.copy.bounds(channel).await?.end;
        let (mut positions, mut changes, mut records) = (Vec::new(), Vec::new(), Vec::new());
        let mut known: HashMap<String, (Position, Bytes)> = HashMap::new();
        for (index, event) in (0..).zip(events) {
            if let Some(event_id) = &event.event_id {
                let of_copy = self.topic.copy.events(channel, vec![event_id.clone()]).await?.remove(0);
                if let Some((position, json)) = known.get(event_id).cloned().or(of_copy) {
                    if !event.repeats(&json) {
                        return Err(LogError::Taken { event_id: event_id.clone() });
                    }
                    positions.push(position);
                    continue;
                }
            }
            let position = Position { epoch, address, index, number: before.number + 1, ..before };
            let Event { kind, json, event_id, provider_at } = event;
            known.extend(event_id.clone().map(|event_id| (event_id, (position, json.clone()))));
            let record = Record { channel: channel.clone(), position, kind, json, provider_at, logged_at: None };
            records.push(record.clone());
            let logged_millis = Timestamp::now().millis();
            changes.push(Change::Put(Placed { record, before, event_id, logged_millis }));
            positions.push(position);
            before = position;
        }
        self.apply(self.sharding.shard_of(channel), changes).await?;
        self.topic.listeners.lock().unwrap().values().for_each(|on_commit| on_commit(&records));
        Ok(positions)
    }

    async fn read(&self, channel: &ChannelName, from: ReadFrom, limit: ReadLimit) -> Result<Vec<Record>, LogError> {
        self.topic.copy.read(channel, from, limit).await
    }

    async fn bounds(&self, channel: &ChannelName) -> Result<Bounds, LogError> {
        self.topic.copy.bounds(channel).await
    }

    async fn trim(&self, channel: &ChannelName, through: Position) -> Result<(), LogError> {
        let in_force = self.topic.in_force.lock().await;
        self.check(channel, &in_force)?;
        let trim = Change::Trim { channel: channel.clone(), through };
        self.apply(self.sharding.shard_of(channel), vec![trim]).await
    }

    fn is_durable(&self, _namespace: &str) -> bool {
        false
    }

    fn health(&self) -> Result<(), LogError> {
        self.topic.copy.health()
    }
}

#[async_trait::async_trait]
impl Fenced for Process {
    async fn begin(&self, shard: Shard, epoch: u32) -> Result<(), BeginError> {
        let mut in_force = self.topic.in_force.lock().await;
        if let Some((highest, _)) = in_force.get(&shard).filter(|(highest, _)| *highest >= epoch) {
            return Err(BeginError::Superseded { epoch: *highest });
        }
        self.apply(shard, Vec::new()).await?;
        in_force.insert(shard, (epoch, self.number));
        self.owned.lock().unwrap().insert(shard, epoch);
        Ok(())
    }

    async fn end(&self, shard: Shard) {
        self.owned.lock().unwrap().remove(&shard);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_fences_passes_the_suite() {
    let topics: Arc<Mutex<HashMap<String, Arc<Topic>>>> = Arc::default();
    let make = move |setting: Setting| {
        let topics = topics.clone();
        let opened = async move {
            let open = || {
                let folder = setting.folder.parent().unwrap().join("shared");
                let namespaces = NamespaceTable::new(setting.namespaces.clone());
                Arc::new(Topic {
                    copy: LocalCopy::open(&folder, &setting.deployment, setting.sharding, namespaces).unwrap(),
                    in_force: tokio::sync::Mutex::default(),
                    address: 1.into(),
                    listeners: Mutex::default(),
                })
            };
            let topic = topics.lock().unwrap().entry(setting.deployment.clone()).or_insert_with(open).clone();
            topic.listeners.lock().unwrap().insert(setting.process, setting.on_commit);
            let (number, sharding, on_lost) = (setting.process, setting.sharding, setting.on_lost);
            let process = Arc::new(Process { topic, number, sharding, owned: Mutex::default(), on_lost });
            let closed = process.topic.clone();
            Opened {
                log: process.clone(),
                fenced: process,
                follow: Box::new(|_| {}),
                close: Box::new(move || {
                    closed.listeners.lock().unwrap().remove(&number);
                    Box::pin(async {})
                }),
            }
        };
        Box::pin(opened) as futures::future::BoxFuture<'static, Opened>
    };
    run_all(Promise { namespace: "jobs", survives_owner: true, is_durable: false }, make).await;
}
