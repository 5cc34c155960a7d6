//! Reads a partition from an offset on, record by record. Blocking: for threads that may wait.

use crate::client::Complaints;
use crate::options::KafkaTarget;
use antiphon_core::Shard;
use antiphon_core::limits::{KAFKA_BATCH_BYTES, KAFKA_BATCH_RECORDS, KAFKA_CALL_TIMEOUT};
use bytes::Bytes;
use parking_lot::Mutex;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

/// A record as Kafka has it.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The partition's shard.
    pub shard: Shard,
    /// Its place in the partition.
    pub offset: u64,
    /// What it holds.
    pub payload: Bytes,
}

/// Why nothing could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadFault {
    /// The topic no longer has the offset, or has not got that far.
    OutOfRange,
    /// Kafka does not answer, or refuses.
    Away(String),
}

/// The oldest and the next offset of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// The oldest that is kept.
    pub low: u64,
    /// The next one to be written.
    pub high: u64,
}

/// A consumer of the log's topic.
pub struct Reader {
    consumer: BaseConsumer<Complaints>,
    topic: String,
    /// Met after records that had to be given first.
    fault: Mutex<Option<ReadFault>>,
}

impl Reader {
    /// Connects in the background. `fetch` are settings of how it fetches.
    pub fn new(target: &KafkaTarget, fetch: &[(&str, &str)], complaints: Complaints) -> KafkaResult<Self> {
        let mut config = target.consumer_config();
        for (name, value) in fetch {
            config.set(*name, *value);
        }
        let consumer = BaseConsumer::from_config_and_context(&config, complaints)?;
        Ok(Self { consumer, topic: target.topic.clone(), fault: Mutex::default() })
    }

    /// What a partition has.
    pub fn watermarks(&self, shard: Shard) -> Result<Watermarks, ReadFault> {
        let fetched = self.consumer.fetch_watermarks(&self.topic, i32::from(shard.0), KAFKA_CALL_TIMEOUT);
        let (low, high) = fetched.map_err(|error| away(&error))?;
        let offset = |offset: i64| u64::try_from(offset).unwrap_or_default();
        Ok(Watermarks { low: offset(low), high: offset(high) })
    }

    /// Fails while Kafka does not answer.
    pub fn probe(&self, timeout: Duration) -> Result<(), ReadFault> {
        let metadata = self.consumer.fetch_metadata(Some(&self.topic), timeout).map_err(|error| away(&error))?;
        let topic = metadata.topics().first();
        match topic.and_then(rdkafka::metadata::MetadataTopic::error) {
            Some(error) => Err(ReadFault::Away(RDKafkaErrorCode::from(error).to_string())),
            None => Ok(()),
        }
    }

    /// Reads this partition too, from this offset on.
    pub fn add(&self, shard: Shard, offset: u64) -> Result<(), ReadFault> {
        let list = self.list(shard, Some(offset))?;
        self.consumer.incremental_assign(&list).map_err(|error| away(&error))
    }

    /// No longer reads it. What was fetched already may still come.
    pub fn remove(&self, shard: Shard) -> Result<(), ReadFault> {
        let list = self.list(shard, None)?;
        self.consumer.incremental_unassign(&list).map_err(|error| away(&error))
    }

    /// Waits for records, and takes those that are there. Empty after `patience`.
    pub fn batch(&self, patience: Duration) -> Result<Vec<Fetched>, ReadFault> {
        if let Some(fault) = self.fault.lock().take() {
            return Err(fault);
        }
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let deadline = Instant::now() + patience;
        loop {
            let wait =
                if batch.is_empty() { deadline.saturating_duration_since(Instant::now()) } else { Duration::ZERO };
            match self.consumer.poll(wait) {
                Some(Ok(message)) => {
                    let Some(fetched) = fetched(&message) else { continue };
                    bytes += fetched.payload.len();
                    batch.push(fetched);
                    if batch.len() >= KAFKA_BATCH_RECORDS || bytes >= KAFKA_BATCH_BYTES {
                        return Ok(batch);
                    }
                }
                Some(Err(error)) => {
                    let Some(fault) = fault(&error) else { continue };
                    if batch.is_empty() {
                        return Err(fault);
                    }
                    // What came before it is still good.
                    *self.fault.lock() = Some(fault);
                    return Ok(batch);
                }
                None => return Ok(batch),
            }
        }
    }

    /// What this reader's group committed for the partition, besides its offset.
    pub fn committed(&self, shard: Shard) -> Result<Option<Vec<u8>>, ReadFault> {
        let asked = self.consumer.committed_offsets(self.list(shard, None)?, KAFKA_CALL_TIMEOUT);
        let committed = asked.map_err(|error| away(&error))?;
        Ok(committed.elements().first().and_then(|element| from_hex(element.metadata())))
    }

    /// Commits for this reader's group. Its metadata is text, so the bytes are written as hexadecimal digits.
    pub fn commit(&self, shard: Shard, next: u64, bytes: &[u8]) -> Result<(), ReadFault> {
        let list = self.list(shard, Some(next))?;
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        if let Some(mut element) = list.find_partition(&self.topic, i32::from(shard.0)) {
            element.set_metadata(text);
        }
        self.consumer.commit(&list, CommitMode::Sync).map_err(|error| away(&error))
    }

    fn list(&self, shard: Shard, offset: Option<u64>) -> Result<TopicPartitionList, ReadFault> {
        let mut list = TopicPartitionList::new();
        let offset = offset.map_or(Offset::Invalid, |offset| Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX)));
        list.add_partition_offset(&self.topic, i32::from(shard.0), offset).map_err(|error| away(&error))?;
        Ok(list)
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(digits).collect()
}

fn fetched(message: &BorrowedMessage<'_>) -> Option<Fetched> {
    Some(Fetched {
        shard: Shard(u16::try_from(message.partition()).ok()?),
        offset: u64::try_from(message.offset()).ok()?,
        payload: Bytes::copy_from_slice(message.payload().unwrap_or_default()),
    })
}

fn away(error: &KafkaError) -> ReadFault {
    ReadFault::Away(error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string()))
}

/// What a consumer's error means for who reads; none for what passes by itself.
fn fault(error: &KafkaError) -> Option<ReadFault> {
    use RDKafkaErrorCode as Code;
    match error.rdkafka_error_code()? {
        Code::AutoOffsetReset | Code::OffsetOutOfRange => Some(ReadFault::OutOfRange),
        // We are no member of the group, so whether we may be one does not matter.
        Code::GroupAuthorizationFailed => None,
        // librdkafka tries again by itself.
        Code::BrokerTransportFailure | Code::AllBrokersDown | Code::OperationTimedOut | Code::Resolve => None,
        code => Some(ReadFault::Away(code.to_string())),
    }
}
