//! A log that all processes of a test write, fenced as Kafka's or Redis's is: it outlives each of them.

use antiphon_core::{
    BeginError, Bounds, ChannelName, Event, Fenced, Log, LogError, OnCommit, Position, ReadFrom, ReadLimit, Record,
    Shard, Sharding,
};
use antiphon_store::{MemoryLog, NamespaceTable};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Mutex;

/// What stands outside of the processes.
pub struct Outside {
    log: MemoryLog,
    sharding: Sharding,
    in_force: Mutex<BTreeMap<Shard, (u32, usize)>>,
}

impl Outside {
    pub fn new(sharding: Sharding) -> Arc<Self> {
        let log = MemoryLog::new(NamespaceTable::default(), Arc::new(|_| {}));
        Arc::new(Self { log, sharding, in_force: Mutex::default() })
    }

    pub async fn everything(&self, channel: &ChannelName) -> Vec<Record> {
        let limit = ReadLimit { events: usize::MAX, bytes: usize::MAX };
        self.log.read(channel, ReadFrom::Start, limit).await.unwrap()
    }
}

/// One process's engine.
pub struct SharedLog {
    pub outside: Arc<Outside>,
    pub process: usize,
    pub on_commit: OnCommit,
    /// Appends are taken, and never answered.
    pub is_stuck: AtomicBool,
}

#[async_trait::async_trait]
impl Fenced for SharedLog {
    async fn begin(&self, shard: Shard, epoch: u32) -> Result<(), BeginError> {
        let mut in_force = self.outside.in_force.lock().await;
        match in_force.get(&shard) {
            Some((known, _)) if *known >= epoch => Err(BeginError::Superseded { epoch: *known }),
            _ => {
                in_force.insert(shard, (epoch, self.process));
                Ok(())
            }
        }
    }

    async fn end(&self, shard: Shard) {
        let mut in_force = self.outside.in_force.lock().await;
        if let Some((_, process)) = in_force.get_mut(&shard).filter(|(_, process)| *process == self.process) {
            *process = usize::MAX;
        }
    }
}

#[async_trait::async_trait]
impl Log for SharedLog {
    async fn append(&self, channel: &ChannelName, events: Vec<Event>) -> Result<Vec<Position>, LogError> {
        let in_force = self.outside.in_force.lock().await;
        if in_force.get(&self.outside.sharding.shard_of(channel)).is_none_or(|(_, process)| *process != self.process) {
            return Err(LogError::NotOwner);
        }
        let positions = self.outside.log.append(channel, events.clone()).await?;
        let record = |(event, position): (Event, &Position)| Record {
            channel: channel.clone(),
            position: *position,
            kind: event.kind,
            json: event.json,
            provider_at: None,
            logged_at: None,
        };
        let records: Vec<Record> = events.into_iter().zip(&positions).map(record).collect();
        (self.on_commit)(&records);
        if self.is_stuck.load(Ordering::SeqCst) {
            drop(in_force);
            std::future::pending::<()>().await;
        }
        Ok(positions)
    }

    async fn read(&self, channel: &ChannelName, from: ReadFrom, limit: ReadLimit) -> Result<Vec<Record>, LogError> {
        self.outside.log.read(channel, from, limit).await
    }

    async fn bounds(&self, channel: &ChannelName) -> Result<Bounds, LogError> {
        self.outside.log.bounds(channel).await
    }

    async fn trim(&self, channel: &ChannelName, through: Position) -> Result<(), LogError> {
        self.outside.log.trim(channel, through).await
    }

    fn is_durable(&self, _namespace: &str) -> bool {
        true
    }

    fn health(&self) -> Result<(), LogError> {
        Ok(())
    }
}
