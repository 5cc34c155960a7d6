//! What the tasks and threads of one open log share, and how records get from Kafka into the copy.

use crate::client::Complaints;
use crate::health::Health;
use crate::options::{Following, KafkaOptions};
use crate::partition::{Judged, Partition, Progress, Role, Setback, unavailable};
use crate::producer::Producer;
use crate::reader::{Fetched, ReadFault, Reader, Watermarks};
use crate::verdict::Ledger;
use antiphon_core::limits::{KAFKA_BATCH_RECORDS, KAFKA_CALL_TIMEOUT};
use antiphon_core::{ChannelName, LogError, Shard};
use antiphon_store::LocalCopy;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Readers that are kept for the next ownership that begins: connecting takes longer than reading.
const KEPT_READERS: usize = 2;

/// Everything that is open.
pub struct Shared {
    /// As it was opened.
    pub options: KafkaOptions,
    /// What this process has of the log.
    pub copy: Arc<LocalCopy>,
    /// Writes.
    pub producer: Producer,
    /// Brings what others write.
    pub follower: Reader,
    /// By shard.
    pub partitions: Vec<Arc<Partition>>,
    /// For `/ready`.
    pub health: Health,
    /// What the clients complained of.
    pub complaints: Complaints,
    /// Ends the tasks and threads.
    pub stopping: CancellationToken,
    /// Idle ones.
    pub readers: Mutex<Vec<Reader>>,
}

impl Shared {
    /// The partition of a shard.
    pub fn partition(&self, shard: Shard) -> Result<&Arc<Partition>, LogError> {
        self.partitions.get(usize::from(shard.0)).ok_or(LogError::NotOwner)
    }

    /// The partition of a channel.
    pub fn partition_of(&self, channel: &ChannelName) -> Result<&Arc<Partition>, LogError> {
        self.partition(self.options.target.sharding.shard_of(channel))
    }

    /// What a partition becomes that is not written here.
    pub fn unowned(&self) -> Role {
        match self.options.following {
            Following::None => Role::Idle,
            Following::Prompt | Following::Lazy => Role::Following { is_assigned: false },
        }
    }

    /// Gives the partition another role, and takes it from the follower.
    pub fn take_up(&self, partition: &Partition, role: Role) {
        let mut current = partition.role.lock();
        if matches!(*current, Role::Following { is_assigned: true })
            && let Err(fault) = self.follower.remove(partition.shard)
        {
            tracing::debug!(shard = %partition.shard, ?fault, "a partition could not be taken from the follower");
        }
        *current = role;
    }

    /// Puts what was judged into the copy, hands it on and shows it.
    pub async fn apply(&self, partition: &Partition, progress: &mut Progress, judged: Judged) -> Result<(), LogError> {
        let Judged { ledger, changes, records } = judged;
        if progress.ledger != Some(ledger) && ledger.incarnation > 0 {
            self.copy.apply(partition.shard, ledger.incarnation, changes, ledger.to_bytes()).await?;
        }
        progress.ledger = Some(ledger);
        partition.publish(progress);
        if !records.is_empty() {
            (self.options.on_commit)(&records);
        }
        Ok(())
    }

    /// The copy has nothing of the shard from now on, and begins again with this.
    pub async fn begin_anew(
        &self,
        partition: &Partition,
        progress: &mut Progress,
        ledger: Ledger,
    ) -> Result<(), LogError> {
        if progress.ledger.is_some_and(|ledger| ledger.incarnation > 0) {
            tracing::warn!(
                shard = %partition.shard, offset = ledger.next,
                "the local copy of the shard no longer follows on the topic and is built anew"
            );
        }
        self.copy.discard(partition.shard).await?;
        (progress.ledger, progress.is_verified) = (Some(ledger), true);
        if ledger.incarnation > 0 {
            self.copy.apply(partition.shard, ledger.incarnation, Vec::new(), ledger.to_bytes()).await?;
        }
        partition.publish(progress);
        Ok(())
    }

    /// Compares the copy with what the topic has now, and begins it anew where the two cannot fit.
    pub async fn place(self: &Arc<Self>, partition: &Partition, progress: &mut Progress) -> Result<(), LogError> {
        let marks = self.watermarks(partition.shard).await?;
        match progress.ledger {
            Some(ledger) if (marks.low..=marks.high).contains(&ledger.next) => {
                progress.is_verified = ledger.next == marks.low || ledger.fingerprint == 0;
                partition.publish(progress);
                Ok(())
            }
            _ => self.begin_anew(partition, progress, Ledger::at_start(marks.low)).await,
        }
    }

    /// Overcomes a setback, so that reading can go on from [`Progress::wanted`].
    pub async fn overcome(
        self: &Arc<Self>,
        partition: &Partition,
        progress: &mut Progress,
        setback: Setback,
    ) -> Result<(), LogError> {
        match setback {
            Setback::Anchored(ledger) => self.begin_anew(partition, progress, ledger).await,
            Setback::Stale => {
                let marks = self.watermarks(partition.shard).await?;
                self.begin_anew(partition, progress, Ledger::at_start(marks.low)).await
            }
            Setback::Gap => self.place(partition, progress).await,
        }
    }

    /// What the topic has of a shard.
    pub async fn watermarks(self: &Arc<Self>, shard: Shard) -> Result<Watermarks, LogError> {
        let shared = self.clone();
        let asked = tokio::task::spawn_blocking(move || shared.follower.watermarks(shard)).await;
        asked.map_err(unavailable)?.map_err(|fault| unavailable(describe(&fault)))
    }

    /// Reads and applies what the copy lacks, up to and including an offset that is known to exist.
    pub async fn read_through(
        self: &Arc<Self>,
        partition: &Partition,
        progress: &mut Progress,
        through: u64,
    ) -> Result<(), LogError> {
        while progress.ledger.is_none_or(|ledger| ledger.next <= through) || !progress.is_verified {
            let (shared, shard, from) = (self.clone(), partition.shard, progress.wanted());
            let opened = tokio::task::spawn_blocking(move || shared.open_reader(shard, from)).await;
            let reader = opened.map_err(unavailable)?.map_err(|fault| unavailable(describe(&fault)))?;
            let (reader, setback) = self.read_with(reader, partition, progress, through).await?;
            self.keep(reader, partition.shard);
            if let Some(setback) = setback {
                self.overcome(partition, progress, setback).await?;
            }
        }
        Ok(())
    }

    async fn read_with(
        &self,
        mut reader: Reader,
        partition: &Partition,
        progress: &mut Progress,
        through: u64,
    ) -> Result<(Reader, Option<Setback>), LogError> {
        while progress.ledger.is_none_or(|ledger| ledger.next <= through) || !progress.is_verified {
            let read = move || {
                let batch = reader.batch(KAFKA_CALL_TIMEOUT);
                (reader, batch)
            };
            let (given_back, batch) = tokio::task::spawn_blocking(read).await.map_err(unavailable)?;
            reader = given_back;
            let mut batch: Vec<Fetched> = match batch {
                Ok(batch) if batch.is_empty() => return Err(unavailable("Kafka does not give what it has")),
                Ok(batch) => batch,
                Err(ReadFault::OutOfRange) => return Ok((reader, Some(Setback::Gap))),
                Err(fault) => return Err(unavailable(describe(&fault))),
            };
            // A reader that was used before may still bring what it had fetched of another partition.
            batch.retain(|fetched| fetched.shard == partition.shard && fetched.offset <= through);
            match progress.judge(&batch) {
                Ok(judged) => self.apply(partition, progress, judged).await?,
                Err(setback) => return Ok((reader, Some(setback))),
            }
        }
        Ok((reader, None))
    }

    fn open_reader(&self, shard: Shard, from: u64) -> Result<Reader, ReadFault> {
        let kept = self.readers.lock().pop();
        let reader = match kept {
            Some(reader) => reader,
            None => Reader::new(&self.options.target, PROMPT, self.complaints.clone())
                .map_err(|error| ReadFault::Away(error.to_string()))?,
        };
        reader.add(shard, from)?;
        Ok(reader)
    }

    fn keep(self: &Arc<Self>, reader: Reader, shard: Shard) {
        let shared = self.clone();
        // Closing a reader waits for its threads.
        tokio::task::spawn_blocking(move || {
            if reader.remove(shard).is_ok() && !shared.stopping.is_cancelled() {
                let mut readers = shared.readers.lock();
                if readers.len() < KEPT_READERS {
                    readers.push(reader);
                }
            }
        });
    }

    /// Applies what the follower brought of one partition, if it still follows it.
    pub async fn follow(self: &Arc<Self>, partition: &Partition, batch: &[Fetched]) {
        let mut progress = partition.progress.lock().await;
        if !matches!(*partition.role.lock(), Role::Following { is_assigned: true }) {
            return;
        }
        let result = match progress.judge(batch) {
            Ok(judged) => self.apply(partition, &mut progress, judged).await,
            Err(setback) => match self.overcome(partition, &mut progress, setback).await {
                Ok(()) => Err(unavailable("it begins anew")),
                Err(error) => Err(error),
            },
        };
        if let Err(error) = result {
            tracing::debug!(shard = %partition.shard, "following stopped: {error}");
            self.unassign(partition);
        }
    }

    /// Has the follower find out anew where to go on.
    pub fn unassign(&self, partition: &Partition) {
        let mut role = partition.role.lock();
        if let Role::Following { is_assigned } = &mut *role
            && std::mem::replace(is_assigned, false)
            && let Err(fault) = self.follower.remove(partition.shard)
        {
            tracing::debug!(shard = %partition.shard, ?fault, "a partition could not be taken from the follower");
        }
    }

    /// Has the follower bring a partition that waits for it.
    pub async fn assign(self: &Arc<Self>, partition: &Partition) -> Result<(), LogError> {
        let mut progress = partition.progress.lock().await;
        if !matches!(*partition.role.lock(), Role::Following { is_assigned: false }) {
            return Ok(());
        }
        self.place(partition, &mut progress).await?;
        let mut role = partition.role.lock();
        if let Role::Following { is_assigned } = &mut *role {
            let added = self.follower.add(partition.shard, progress.wanted());
            added.map_err(|fault| unavailable(describe(&fault)))?;
            *is_assigned = true;
        }
        Ok(())
    }
}

/// How a reader fetches that is waited for: the broker answers as soon as it has anything.
pub const PROMPT: &[(&str, &str)] = &[("fetch.wait.max.ms", "100"), ("fetch.min.bytes", "1")];
/// How a reader fetches that has time: the broker gathers for as long.
pub const LAZY: &[(&str, &str)] = &[("fetch.wait.max.ms", "100"), ("fetch.min.bytes", "1048576")];

/// For people.
pub fn describe(fault: &ReadFault) -> String {
    match fault {
        ReadFault::OutOfRange => "the topic no longer has what follows on the copy".to_owned(),
        ReadFault::Away(reason) => format!("Kafka: {reason}"),
    }
}

/// Splits what the follower brought by shard, each in its order.
pub fn by_shard(batch: Vec<Fetched>) -> VecDeque<(Shard, Vec<Fetched>)> {
    let mut parts: VecDeque<(Shard, Vec<Fetched>)> = VecDeque::new();
    for fetched in batch {
        match parts.iter_mut().find(|(shard, _)| *shard == fetched.shard) {
            Some((_, part)) => part.push(fetched),
            None => {
                let mut part = Vec::with_capacity(KAFKA_BATCH_RECORDS.min(16));
                let shard = fetched.shard;
                part.push(fetched);
                parts.push_back((shard, part));
            }
        }
    }
    parts
}

/// How long the follower waits for records before it looks whether anything else is to do.
pub const FOLLOW_PATIENCE: Duration = Duration::from_millis(100);
