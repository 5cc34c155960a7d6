//! Copies of rooms' events for other consumers: one topic for each kind, keyed by room, each event at least once.
//!
//! Whoever owns a shard copies it. How far it got is the committed offset of the group [`GROUP`] for the log's own topic,
//! with what was in force there as the commit's metadata, so that the next owner goes on.

use crate::client::Complaints;
use crate::log::KafkaLog;
use crate::options::KafkaTarget;
use crate::partition::Progress;
use crate::reader::{Fetched, ReadFault, Reader};
use crate::shared::{FOLLOW_PATIENCE, LAZY, by_shard, describe};
use crate::topic;
use crate::verdict::Ledger;
use antiphon_core::limits::KAFKA_CALL_TIMEOUT;
use antiphon_core::{AR_ROOM, ROOM, Record, Shard};
use futures::future::join_all;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// The consumer group that holds how far the copies are.
const GROUP: &str = "antiphon-copies";
/// The kinds of events that are copied; the topic's name has dots for hyphens.
const KINDS: [&str; 8] = [
    "ar-stream-start",
    "ar-stream-chunk",
    "ar-stream-end",
    "ar-stream-interrupt",
    "ar-message-request",
    "room-created",
    "room-deleted",
    "message-created",
];
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Copies what this process owns until it is dropped.
pub struct Copies {
    stopping: CancellationToken,
}

struct Copier {
    log: Arc<KafkaLog>,
    reader: Reader,
    producer: FutureProducer<Complaints>,
    progress: BTreeMap<Shard, Progress>,
    runtime: Handle,
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, rename = "type")]
    kind: std::borrow::Cow<'a, str>,
}

impl Copies {
    /// Makes the topics where they are missing, and begins to copy.
    pub async fn start(log: Arc<KafkaLog>) -> Result<Self, crate::OpenError> {
        let target = log.target().clone();
        let names: Vec<String> = KINDS.iter().map(|kind| topic_of(kind)).collect();
        topic::make_copies(&target, &names).await.map_err(|finding| crate::OpenError::Kafka(vec![finding]))?;
        let settings: Vec<_> = LAZY.iter().copied().chain([("group.id", GROUP)]).collect();
        let stopping = CancellationToken::new();
        let copier = Copier {
            reader: Reader::new(&target, &settings, Complaints::default())?,
            producer: producer(&target)?,
            progress: BTreeMap::new(),
            runtime: Handle::current(),
            log,
        };
        let stop = stopping.clone();
        let thread = std::thread::Builder::new().name("antiphon-copies".to_owned());
        thread.spawn(move || copier.run(&stop)).map_err(crate::OpenError::Thread)?;
        Ok(Self { stopping })
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

fn topic_of(kind: &str) -> String {
    kind.replace('-', ".")
}

fn producer(target: &KafkaTarget) -> rdkafka::error::KafkaResult<FutureProducer<Complaints>> {
    let mut config = target.client_config();
    // As other clients assign keys to partitions, so that a room's events of all producers meet.
    config.set("enable.idempotence", "true").set("partitioner", "murmur2_random").set("linger.ms", "5");
    FutureProducer::from_config_and_context(&config, Complaints::default())
}

impl Copier {
    fn run(mut self, stopping: &CancellationToken) {
        while !stopping.is_cancelled() && !self.log.is_closed() {
            if let Err(fault) = self.turn() {
                tracing::debug!("copies for other consumers wait: {}", describe(&fault));
                let shards: Vec<Shard> = self.progress.keys().copied().collect();
                shards.into_iter().for_each(|shard| self.give_up(shard));
                std::thread::sleep(TRY_AGAIN);
            }
        }
    }

    fn turn(&mut self) -> Result<(), ReadFault> {
        let owned = self.log.owned();
        let left: Vec<Shard> = self.progress.keys().copied().filter(|shard| !owned.contains(shard)).collect();
        left.into_iter().for_each(|shard| self.give_up(shard));
        for shard in owned {
            if !self.progress.contains_key(&shard) {
                let ledger = self.resume(shard)?;
                self.go_on(shard, ledger)?;
            }
        }
        for (shard, batch) in by_shard(self.reader.batch(FOLLOW_PATIENCE)?) {
            self.copy(shard, &batch)?;
        }
        Ok(())
    }

    /// Where the last owner's copies ended, or the oldest that is kept.
    fn resume(&self, shard: Shard) -> Result<Ledger, ReadFault> {
        let marks = self.reader.watermarks(shard)?;
        let kept = self.reader.committed(shard)?.and_then(|bytes| Ledger::from_bytes(&bytes));
        let fits = |ledger: &Ledger| (marks.low..=marks.high).contains(&ledger.next);
        Ok(kept.filter(fits).unwrap_or_else(|| Ledger::at_start(marks.low)))
    }

    fn go_on(&mut self, shard: Shard, ledger: Ledger) -> Result<(), ReadFault> {
        self.give_up(shard);
        self.reader.add(shard, ledger.next)?;
        self.progress.insert(shard, Progress { ledger: Some(ledger), is_verified: true, strange: None });
        Ok(())
    }

    fn give_up(&mut self, shard: Shard) {
        if self.progress.remove(&shard).is_some()
            && let Err(fault) = self.reader.remove(shard)
        {
            tracing::debug!(%shard, ?fault, "a shard could not be left");
        }
    }

    fn copy(&mut self, shard: Shard, batch: &[Fetched]) -> Result<(), ReadFault> {
        let Some(progress) = self.progress.get_mut(&shard) else { return Ok(()) };
        let judged = match progress.judge(batch) {
            Ok(judged) => judged,
            Err(crate::partition::Setback::Anchored(ledger)) => return self.go_on(shard, ledger),
            Err(_) => return Err(ReadFault::OutOfRange),
        };
        progress.ledger = Some(judged.ledger);
        self.send(&judged.records)?;
        self.reader.commit(shard, judged.ledger.next, &judged.ledger.to_bytes())
    }

    fn send(&self, records: &[Record]) -> Result<(), ReadFault> {
        let mut sent = Vec::new();
        for record in records.iter().filter(|record| matches!(record.channel.namespace(), AR_ROOM | ROOM)) {
            let Ok(Typed { kind }) = serde_json::from_slice(&record.json) else { continue };
            if KINDS.contains(&kind.as_ref()) {
                let mut json = Vec::with_capacity(record.json.len() + 64);
                record.write_json(&mut json);
                let (topic, key) = (topic_of(&kind), record.channel.id().to_owned());
                sent.push(async move {
                    let copy = FutureRecord::to(&topic).key(&key).payload(&json);
                    self.producer.send(copy, KAFKA_CALL_TIMEOUT).await
                });
            }
        }
        let failed = self.runtime.block_on(join_all(sent)).into_iter().find_map(Result::err);
        failed.map_or(Ok(()), |(error, _)| Err(ReadFault::Away(error.to_string())))
    }
}
