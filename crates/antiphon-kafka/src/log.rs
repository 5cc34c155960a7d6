//! The engine "kafka".

use crate::client::Complaints;
use crate::commit::{Command, Committer, Ownership};
use crate::encoding::{Anchor, Body, Header, Kind};
use crate::follower;
use crate::health::Health;
use crate::options::{Following, KafkaOptions, KafkaTarget};
use crate::partition::{Applied, Partition, Role, unavailable};
use crate::producer::{Producer, Ticket};
use crate::reader::Reader;
use crate::shared::{LAZY, PROMPT, Shared};
use crate::topic::{self, Finding};
use crate::verdict::Ledger;
use antiphon_core::limits::{
    APPEND_QUEUE, KAFKA_BEGIN_TIMEOUT, KAFKA_COPY_WAIT, MAX_APPEND_BYTES, MAX_APPEND_EVENTS, MAX_CLIENT_ID_LENGTH,
};
use antiphon_core::{
    BeginError, Bounds, ChannelName, Event, Fenced, Log, LogError, Position, ReadFrom, ReadLimit, Record, Shard,
};
use antiphon_store::LocalCopy;
use parking_lot::Mutex;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Why the log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Kafka or the topic is not as it has to be.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Kafka(Vec<Finding>),
    /// A Kafka client could not be made.
    #[error("a Kafka client could not be made: {0}")]
    Client(#[from] rdkafka::error::KafkaError),
    /// The folder of the local copy.
    #[error(transparent)]
    Copy(#[from] antiphon_store::OpenError),
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Thread(std::io::Error),
}

/// The log in one topic of Apache Kafka, each shard one partition, with a copy in a local folder from which it is read.
///
/// Dropping it stops it without order; [`KafkaLog::close`] finishes what is under way.
pub struct KafkaLog {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl KafkaLog {
    /// Fails with the reason while Kafka is known to be away, which passes without anything being written: two looks in a
    /// row found nobody. Unlike [`health`](Log::health), which also counts what was refused a moment ago.
    pub fn reachable(&self) -> Result<(), LogError> {
        self.shared.health.reachable()
    }

    /// Makes or checks the topic, opens the folder and begins to follow. Gives what it found that is no reason to refuse.
    pub async fn open(options: KafkaOptions) -> Result<(Arc<Self>, Vec<Finding>), OpenError> {
        let findings = topic::ensure(&options.target).await;
        if findings.iter().any(|finding| finding.is_fatal) {
            return Err(OpenError::Kafka(findings));
        }
        let complaints = Complaints::default();
        let target = &options.target;
        let fetch = if options.following == Following::Lazy { LAZY } else { PROMPT };
        let identity = format!("kafka {} {}", target.topic, target.sharding.count());
        let (folder, sharding, namespaces) = (options.folder.clone(), target.sharding, options.namespaces.clone());
        let open = move || LocalCopy::open(&folder, &identity, sharding, namespaces);
        let copy =
            tokio::task::spawn_blocking(open).await.map_err(std::io::Error::other).map_err(OpenError::Thread)??;
        let mut shared = Shared {
            producer: Producer::new(target, options.produce_timeout, complaints.clone())?,
            follower: Reader::new(target, fetch, complaints.clone())?,
            partitions: Vec::new(),
            health: Health::new(2 * options.produce_timeout),
            complaints,
            stopping: CancellationToken::new(),
            readers: Mutex::default(),
            copy,
            options,
        };
        shared.partitions = sharding.all().map(|shard| Arc::new(partition(&shared, shard))).collect();
        let shared = Arc::new(shared);
        let (followed, runtime) = (shared.clone(), tokio::runtime::Handle::current());
        let thread = std::thread::Builder::new().name("antiphon-follow".to_owned());
        let thread = thread.spawn(move || follower::run(&followed, &runtime)).map_err(OpenError::Thread)?;
        tokio::spawn(follower::probe(shared.clone()));
        Ok((Arc::new(Self { shared, thread: Mutex::new(Some(thread)) }), findings))
    }

    /// Waits until the copy has all that the topic had when this was called, of the shards that are owned or followed.
    pub async fn caught_up(&self) -> Result<(), LogError> {
        for partition in &self.shared.partitions {
            if matches!(*partition.role.lock(), Role::Idle) {
                continue;
            }
            let high = self.shared.watermarks(partition.shard).await?.high;
            let mut applied = partition.applied.subscribe();
            let is_there = |applied: &Applied| applied.is_placed && applied.next >= high;
            tokio::select! {
                waited = applied.wait_for(is_there) => drop(waited.map_err(unavailable)?),
                () = self.shared.stopping.cancelled() => return Err(unavailable("it is closed")),
            }
        }
        Ok(())
    }

    /// Which log the shard has, once it is known: for the records of leases, so that a later one is higher.
    pub fn incarnation(&self, shard: Shard) -> Option<u32> {
        let partition = self.shared.partition(shard).ok()?;
        let incarnation = partition.applied.borrow().incarnation;
        (incarnation > 0).then_some(incarnation)
    }

    /// Trims the local copy to what the namespaces keep now, rather than in the background.
    pub async fn enforce_retention_now(&self) -> Result<(), LogError> {
        self.shared.copy.enforce_retention_now().await
    }

    /// Ends all ownerships in order, and lets go of Kafka and of the folder.
    pub async fn close(&self) -> Result<(), LogError> {
        futures::future::join_all(self.shared.partitions.iter().map(|partition| self.end(partition.shard))).await;
        self.shared.stopping.cancel();
        let thread = self.thread.lock().take();
        let shared = self.shared.clone();
        let stop = move || {
            let is_joined = thread.is_none_or(|thread| thread.join().is_ok());
            shared.readers.lock().clear();
            is_joined
        };
        if !tokio::task::spawn_blocking(stop).await.map_err(unavailable)? {
            tracing::error!("the thread that follows Kafka panicked");
        }
        self.shared.copy.close().await
    }

    /// The shards that this engine takes appends of now.
    pub fn owned(&self) -> Vec<Shard> {
        let is_owned = |partition: &&Arc<Partition>| matches!(*partition.role.lock(), Role::Owned { .. });
        self.shared.partitions.iter().filter(is_owned).map(|partition| partition.shard).collect()
    }

    pub(crate) fn target(&self) -> &KafkaTarget {
        &self.shared.options.target
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.shared.stopping.is_cancelled()
    }

    /// The copy's answer, once the copy is as far as the position.
    async fn read_copy<T, Reading: Future<Output = Result<T, LogError>>>(
        &self,
        partition: &Partition,
        position: Option<&Position>,
        read: impl Fn() -> Reading,
    ) -> Result<T, LogError> {
        if matches!(*partition.role.lock(), Role::Idle) {
            return Err(LogError::NotOwner);
        }
        self.wait_for(partition, position).await;
        let answer = read().await;
        let is_gone = |position: &&Position| {
            let applied = partition.applied.borrow();
            position.incarnation == applied.incarnation && position.address < applied.first && position.number > 0
        };
        match answer {
            // The copy began after the channel's last event was no longer kept.
            Err(LogError::Future) if position.filter(is_gone).is_some() => Err(LogError::Expired),
            answer => answer,
        }
    }

    /// Waits while the copy lacks what the log has before this position, or has nothing yet.
    async fn wait_for(&self, partition: &Partition, position: Option<&Position>) {
        let is_behind = |applied: &Applied| {
            let is_new = applied.incarnation == 0 || !applied.is_placed;
            is_new
                || position.is_some_and(|position| {
                    position.number > 0
                        && (position.incarnation > applied.incarnation
                            || position.incarnation == applied.incarnation && position.address >= applied.next)
                })
        };
        let mut applied = partition.applied.subscribe();
        let now = *applied.borrow();
        if !is_behind(&now) {
            return;
        }
        if let Some(position) = position
            && position.incarnation == now.incarnation
            && let Ok(marks) = self.shared.watermarks(partition.shard).await
            && position.address >= marks.high
        {
            return;
        }
        // Whatever the copy has then answers.
        let _ = tokio::time::timeout(KAFKA_COPY_WAIT, applied.wait_for(|applied| !is_behind(applied))).await;
    }

    fn commands(&self, channel: &ChannelName) -> Result<mpsc::Sender<Command>, LogError> {
        match &*self.shared.partition_of(channel)?.role.lock() {
            Role::Owned { commands, .. } => Ok(commands.clone()),
            Role::Idle | Role::Following { .. } | Role::Beginning => Err(LogError::NotOwner),
        }
    }
}

fn partition(shared: &Shared, shard: Shard) -> Partition {
    let kept = shared.copy.state(shard).and_then(|state| Ledger::from_bytes(&state));
    let ledger = kept.filter(|ledger| Some(ledger.incarnation) == shared.copy.incarnation(shard));
    Partition::new(shard, ledger, shared.options.incarnation_floor, shared.unowned())
}

impl Drop for KafkaLog {
    fn drop(&mut self) {
        self.shared.stopping.cancel();
        for partition in &self.shared.partitions {
            // Their tasks end once nobody can ask them.
            *partition.role.lock() = Role::Idle;
        }
    }
}

#[async_trait::async_trait]
impl Log for KafkaLog {
    async fn append(&self, channel: &ChannelName, events: Vec<Event>) -> Result<Vec<Position>, LogError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        check_size(&events)?;
        let commands = self.commands(channel)?;
        let (answer, answered) = oneshot::channel();
        let append = Command::Append { channel: channel.clone(), events, answer };
        commands.send(append).await.map_err(|_| LogError::NotOwner)?;
        answered.await.map_err(|_| unavailable("the ownership of the shard ended"))?
    }

    async fn read(&self, channel: &ChannelName, from: ReadFrom, limit: ReadLimit) -> Result<Vec<Record>, LogError> {
        let position = match &from {
            ReadFrom::Start => None,
            ReadFrom::After(position) => Some(position),
        };
        let partition = self.shared.partition_of(channel)?;
        self.read_copy(partition, position, || self.shared.copy.read(channel, from, limit)).await
    }

    async fn bounds(&self, channel: &ChannelName) -> Result<Bounds, LogError> {
        let partition = self.shared.partition_of(channel)?;
        self.read_copy(partition, None, || self.shared.copy.bounds(channel)).await
    }

    async fn trim(&self, channel: &ChannelName, through: Position) -> Result<(), LogError> {
        let commands = self.commands(channel)?;
        let (answer, answered) = oneshot::channel();
        let trim = Command::Trim { channel: channel.clone(), through, answer };
        commands.send(trim).await.map_err(|_| LogError::NotOwner)?;
        answered.await.map_err(|_| unavailable("the ownership of the shard ended"))?
    }

    fn is_durable(&self, _namespace: &str) -> bool {
        true
    }

    fn health(&self) -> Result<(), LogError> {
        self.shared.health.check()?;
        self.shared.copy.health()
    }
}

#[async_trait::async_trait]
impl Fenced for KafkaLog {
    async fn begin(&self, shard: Shard, epoch: u32) -> Result<(), BeginError> {
        let shared = self.shared.clone();
        let partition = self.shared.partition(shard)?.clone();
        let asked = partition.ask_for_turn();
        // A task of its own: whoever asked may stop waiting, and nothing is left half begun.
        let begun = tokio::spawn(async move {
            let _turn = partition.turn.lock().await;
            // Else attempts that nobody waits for any more would queue before each new one, for ever where one takes longer
            // than it is waited for.
            if !partition.is_newest(asked) {
                return Err(unavailable("a later attempt takes the place of this one").into());
            }
            relinquish(&shared, &partition).await;
            let since = Instant::now();
            let begun = begin(&shared, &partition, epoch).await;
            match begun {
                Ok(ownership) => {
                    own(&shared, &partition, ownership);
                    Ok(())
                }
                Err(error) => {
                    // Whoever asked may have given up by now. That a higher epoch is in force is nothing to warn of.
                    if let BeginError::Log(error) = &error {
                        let seconds = since.elapsed().as_secs_f32();
                        tracing::warn!(%shard, epoch, seconds, "an ownership did not begin: {error}");
                    }
                    shared.take_up(&partition, shared.unowned());
                    Err(error)
                }
            }
        });
        begun.await.map_err(unavailable)?
    }

    async fn end(&self, shard: Shard) {
        let Ok(partition) = self.shared.partition(shard) else { return };
        let (shared, partition) = (self.shared.clone(), partition.clone());
        partition.ask_for_turn();
        let ended = tokio::spawn(async move {
            let _turn = partition.turn.lock().await;
            if matches!(*partition.role.lock(), Role::Owned { .. }) {
                relinquish(&shared, &partition).await;
                shared.take_up(&partition, shared.unowned());
            }
        });
        if let Err(error) = ended.await {
            tracing::error!(%shard, "an ownership did not end in order: {error}");
        }
    }
}

/// Finishes what the shard's task has under way, and takes the partition from the follower.
async fn relinquish(shared: &Shared, partition: &Partition) {
    let task = {
        let mut role = partition.role.lock();
        match std::mem::replace(&mut *role, Role::Beginning) {
            // Without its sender the task writes what it was asked before, and ends.
            Role::Owned { task, .. } => Some(task),
            other => {
                *role = other;
                None
            }
        }
    };
    if let Some(task) = task
        && let Err(error) = task.await
    {
        tracing::error!(shard = %partition.shard, "the task of a shard failed: {error}");
    }
    shared.take_up(partition, Role::Beginning);
}

/// Writes a begin record, and reads up to it.
async fn begin(shared: &Arc<Shared>, partition: &Arc<Partition>, epoch: u32) -> Result<Ownership, BeginError> {
    let mut progress = partition.progress.lock().await;
    shared.place(partition, &mut progress).await?;
    if let Some(ledger) = progress.ledger.filter(|ledger| ledger.epoch >= epoch && progress.is_verified) {
        return Err(BeginError::Superseded { epoch: ledger.epoch });
    }
    shared.producer.renew_if_dead().map_err(unavailable)?;
    let owner = uuid::Uuid::new_v4().as_u64_pair().0;
    let incarnation = partition.known_incarnation().saturating_add(1);
    let header = Header { kind: Kind::Begin, incarnation, epoch, owner, sequence: 0, anchor: Anchor::default() };
    let (reply, mut delivered) = mpsc::unbounded_channel();
    let ticket = Ticket { sequence: 0, reply };
    let sent = shared.producer.send(partition.shard, &Body::Begin.encode(&header), ticket);
    let outcome = match sent {
        Ok(()) => delivered.recv().await.map_or(Err("the producer was replaced".to_owned()), |report| report.outcome),
        Err(reason) => Err(reason),
    };
    let begun_at = outcome.map_err(|reason| {
        shared.health.refused(&reason);
        unavailable(format!("no ownership could be begun: {reason}"))
    })?;
    shared.health.taken();
    let read = shared.read_through(partition, &mut progress, begun_at);
    tokio::time::timeout(KAFKA_BEGIN_TIMEOUT, read).await.map_err(unavailable)??;
    match progress.ledger {
        Some(ledger) if (ledger.epoch, ledger.owner) == (epoch, owner) && ledger.sequence == 0 => {
            Ok(Ownership { epoch, owner, incarnation: ledger.incarnation, begun_at })
        }
        ledger => Err(BeginError::Superseded { epoch: ledger.map_or(0, |ledger| ledger.epoch) }),
    }
}

fn own(shared: &Arc<Shared>, partition: &Arc<Partition>, ownership: Ownership) {
    let (commands, asked) = mpsc::channel(APPEND_QUEUE);
    let committer = Committer::new(shared.clone(), partition.clone(), ownership, asked);
    // The lock makes the task's end wait for its beginning.
    let mut role = partition.role.lock();
    let task = tokio::spawn(committer.run());
    *role = Role::Owned { owner: ownership.owner, commands, task };
}

fn check_size(events: &[Event]) -> Result<(), LogError> {
    let bytes = events.iter().map(|event| event.json.len()).sum();
    if bytes > MAX_APPEND_BYTES || events.len() > MAX_APPEND_EVENTS {
        return Err(LogError::TooLarge { bytes, allowed: MAX_APPEND_BYTES });
    }
    // A character takes up to four bytes of UTF-8.
    let allowed = 4 * MAX_CLIENT_ID_LENGTH;
    match events.iter().filter_map(|event| event.event_id.as_ref()).map(String::len).max() {
        Some(bytes) if bytes > allowed => Err(LogError::TooLarge { bytes, allowed }),
        _ => Ok(()),
    }
}
