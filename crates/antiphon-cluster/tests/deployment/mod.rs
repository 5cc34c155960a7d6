//! Processes of one deployment, all in the test's own, with leases in one SQLite file and gRPC over loopback.

pub mod shared_log;

use antiphon_cluster::{Cluster, ClusterError, ClusterOptions, Engine, Reads};
use antiphon_core::{Backbone, ChannelName, Event, EventKind, OnCommit, Sharding, ViewerCount};
use antiphon_sql::{Leases, Records};
use antiphon_store::{NamespaceTable, ShardedMemoryLog};
use bytes::Bytes;
use futures::FutureExt;
use shared_log::{Outside, SharedLog};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub const TAKEOVER: Duration = Duration::from_secs(2);
/// Longer than anything here takes, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(30);
pub const SECRET: &str = "one for all";

pub struct Deployment {
    _folder: tempfile::TempDir,
    records: Records,
    leases: Leases,
    pub sharding: Sharding,
    pub outside: Arc<Outside>,
}

pub struct Process {
    pub cluster: Arc<Cluster>,
    pub viewers: ViewerCount,
    pub shared: Option<Arc<SharedLog>>,
}

impl Deployment {
    pub async fn new(shards: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(&folder.path().join("records.sqlite")).await.unwrap();
        let sharding = Sharding::new(shards).unwrap();
        Self { _folder: folder, leases: records.leases(), records, sharding, outside: Outside::new(sharding) }
    }

    pub async fn bind(&self, id: usize, roles: &str, secret: &str) -> Result<Process, ClusterError> {
        let viewers = ViewerCount::default();
        let cluster = Cluster::bind(ClusterOptions {
            process_id: format!("process-{id}"),
            listen: ([127, 0, 0, 1], 0).into(),
            advertise: None,
            roles: roles.into(),
            secret: Some(secret.into()),
            leases: self.leases.clone(),
            sharding: self.sharding,
            takeover: TAKEOVER,
            reads: Reads::Owner,
            durable: false,
            viewers: viewers.clone(),
        });
        Ok(Process { cluster: cluster.await?, viewers, shared: None })
    }

    /// A process that may own shards of the log outside, and answers questions by its number.
    pub async fn owner(&self, id: usize) -> Process {
        let mut process = self.bind(id, "ai", SECRET).await.unwrap();
        let log = Arc::new(SharedLog {
            outside: self.outside.clone(),
            process: id,
            on_commit: process.on_commit(),
            is_stuck: false.into(),
        });
        process.shared = Some(log.clone());
        process.cluster.set_engine(Engine { log: log.clone(), fenced: Some(log) });
        process.start(id);
        process
    }

    /// A process that may own shards, each in its own memory.
    pub async fn owner_in_memory(&self, id: usize) -> Process {
        let process = self.bind(id, "ai", SECRET).await.unwrap();
        let log = Arc::new(ShardedMemoryLog::new(NamespaceTable::default(), process.on_commit(), self.sharding));
        process.cluster.set_engine(Engine { log: log.clone(), fenced: Some(log) });
        process.start(id);
        process
    }

    /// A process that owns nothing.
    pub async fn other(&self, id: usize, secret: &str) -> Process {
        let process = self.bind(id, "api,realtime", secret).await.unwrap();
        process.cluster.start(None);
        process
    }

    pub async fn close(self) {
        self.records.close().await;
    }
}

impl Process {
    fn on_commit(&self) -> OnCommit {
        let backbone = self.cluster.backbone();
        Arc::new(move |records| backbone.deliver(records))
    }

    fn start(&self, id: usize) {
        self.cluster.start(Some(Arc::new(move |question: Bytes| {
            let answer = format!("{id}: {}", String::from_utf8_lossy(&question));
            async move { Ok(answer.into()) }.boxed()
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
