//! Processes of one deployment, all in the test's own, with leases in one SQLite file and gRPC over loopback.

pub mod shared_log;

use self::shared_log::{Outside, SharedLog};
use antiphon_cluster::{Cluster, ClusterError, ClusterOptions, Engine, Reads};
use antiphon_core::{
    AnswerError, Backbone, ChannelName, Event, EventKind, OnCommit, Shard, ShardWork, Sharding, ViewerCount,
};
use antiphon_sql::{Leases, Records};
use antiphon_store::{NamespaceTable, ShardedMemoryLog};
use bytes::Bytes;
use futures::FutureExt;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub const TAKEOVER: Duration = Duration::from_secs(2);
/// Longer than anything here takes, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(30);
pub const SECRET: &str = "one for all";

pub struct Deployment {
    folder: tempfile::TempDir,
    records: Records,
    leases: Leases,
    pub sharding: Sharding,
    pub outside: Arc<Outside>,
}

pub struct Process {
    pub cluster: Arc<Cluster>,
    pub viewers: ViewerCount,
    pub shared: Option<Arc<SharedLog>>,
    /// How many questions it goes on to answer as one that does not own what they are about.
    pub disowns: Arc<AtomicUsize>,
    pub work: Arc<Work>,
}

/// What a process has to do in its shards.
#[derive(Default)]
pub struct Work {
    /// The shards in which answers run.
    pub busy: Mutex<BTreeSet<Shard>>,
    /// Those that were given away so far.
    pub vacated: Mutex<Vec<Shard>>,
}

#[async_trait::async_trait]
impl ShardWork for Work {
    fn under_way(&self, shard: Shard) -> usize {
        usize::from(self.busy.lock().contains(&shard))
    }

    fn hold_back(&self, shard: Shard) {
        panic!("nothing waits for so long here: {shard}");
    }

    async fn vacate(&self, shard: Shard) {
        self.vacated.lock().push(shard);
    }

    fn admit(&self, _: Shard) {}
}

/// A process that can be killed and suspended.
pub struct Apart {
    pub process: Process,
    runtime: tokio::runtime::Runtime,
}

impl Apart {
    /// Ends it where it is; its sockets are closed.
    pub fn kill(self) {
        self.runtime.shutdown_background();
    }

    /// Nothing of it runs until the guard is dropped.
    pub fn suspend(&self) -> std::sync::mpsc::Sender<()> {
        let (guard, woken) = std::sync::mpsc::channel::<()>();
        let (suspended, is_suspended) = std::sync::mpsc::channel();
        self.runtime.spawn(async move {
            suspended.send(()).unwrap();
            // Blocks the only thread, as nobody ever sends.
            let _ = woken.recv();
        });
        is_suspended.recv().unwrap();
        guard
    }
}

impl Deployment {
    pub async fn new(shards: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(&folder.path().join("records.sqlite")).await.unwrap();
        let sharding = Sharding::new(shards).unwrap();
        Self { folder, leases: records.leases(), records, sharding, outside: Outside::new(sharding) }
    }

    async fn bind(&self, id: usize, roles: &str, secret: &str, leases: &Leases) -> Result<Process, ClusterError> {
        let viewers = ViewerCount::default();
        let cluster = Cluster::bind(ClusterOptions {
            process_id: format!("process-{id}"),
            listen: ([127, 0, 0, 1], 0).into(),
            advertise: None,
            roles: roles.into(),
            secret: Some(secret.into()),
            leases: leases.clone(),
            sharding: self.sharding,
            takeover: TAKEOVER,
            reads: Reads::Owner,
            durable: false,
            viewers: viewers.clone(),
        });
        Ok(Process { cluster: cluster.await?, viewers, shared: None, disowns: Arc::default(), work: Arc::default() })
    }

    /// A process that may own shards of the log outside, and answers questions by its number.
    pub async fn owner(&self, id: usize) -> Process {
        self.owner_with(id, self.leases.clone()).await
    }

    async fn owner_with(&self, id: usize, leases: Leases) -> Process {
        let process = self.unready_owner_with(id, leases).await;
        process.start(id);
        process
    }

    /// One that is known to the others, and reads its log before it [`starts`](Process::start).
    pub async fn unready_owner(&self, id: usize) -> Process {
        self.unready_owner_with(id, self.leases.clone()).await
    }

    async fn unready_owner_with(&self, id: usize, leases: Leases) -> Process {
        let mut process = self.bind(id, "ai", SECRET, &leases).await.unwrap();
        let log = Arc::new(SharedLog {
            outside: self.outside.clone(),
            process: id,
            on_commit: process.on_commit(),
            is_stuck: false.into(),
        });
        process.shared = Some(log.clone());
        process.cluster.set_engine(Engine { log: log.clone(), fenced: Some(log), outlives_owner: true });
        process.cluster.set_work(process.work.clone());
        process
    }

    /// A process that may own shards, each in its own memory.
    pub async fn owner_in_memory(&self, id: usize) -> Process {
        self.owner_in_memory_with(id, &self.leases).await
    }

    /// The same with a way of its own to the leases, which is cut by closing the records.
    pub async fn owner_in_memory_apart(&self, id: usize) -> (Process, Records) {
        let records = Records::open(&self.folder.path().join("records.sqlite")).await.unwrap();
        (self.owner_in_memory_with(id, &records.leases()).await, records)
    }

    async fn owner_in_memory_with(&self, id: usize, leases: &Leases) -> Process {
        let process = self.bind(id, "ai", SECRET, leases).await.unwrap();
        let log = Arc::new(ShardedMemoryLog::new(NamespaceTable::default(), process.on_commit(), self.sharding));
        process.cluster.set_engine(Engine { log: log.clone(), fenced: Some(log), outlives_owner: true });
        process.start(id);
        process
    }

    /// A process that owns nothing.
    pub async fn other(&self, id: usize, secret: &str) -> Process {
        let process = self.bind(id, "api,realtime", secret, &self.leases).await.unwrap();
        process.cluster.start(None);
        process
    }

    /// One like [`Deployment::owner`], on a thread of its own, so that it can be killed and suspended.
    pub fn owner_apart(self: &Arc<Self>, id: usize) -> Apart {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        let deployment = self.clone();
        let (started, process) = std::sync::mpsc::channel();
        runtime.spawn(async move {
            let records = Records::open(&deployment.folder.path().join("records.sqlite")).await.unwrap();
            let leases = records.leases();
            started.send(deployment.owner_with(id, leases).await).unwrap();
        });
        Apart { process: process.recv().unwrap(), runtime }
    }

    pub async fn close(&self) {
        self.records.close().await;
    }
}

impl Process {
    fn on_commit(&self) -> OnCommit {
        let backbone = self.cluster.backbone();
        Arc::new(move |records| backbone.deliver(records))
    }

    pub fn start(&self, id: usize) {
        let disowns = self.disowns.clone();
        self.cluster.start(Some(Arc::new(move |question: Bytes| {
            let disowned = disowns.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            let answer = format!("{id}: {}", String::from_utf8_lossy(&question));
            async move { if disowned { Err(AnswerError::NotOwner) } else { Ok(answer.into()) } }.boxed()
        })));
    }

    pub fn owns(&self) -> usize {
        self.cluster.owned().watch().borrow().len()
    }
}

pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let since = Instant::now();
    while !condition() {
        assert!(since.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub fn event(number: usize) -> Event {
    let json = Bytes::from(format!("{{\"type\":\"tick\",\"data\":{number}}}"));
    Event { kind: EventKind::Plain, json, event_id: None, provider_at: None }
}

pub fn channel(id: usize) -> ChannelName {
    ChannelName::new("jobs", &id.to_string()).unwrap()
}
