//! The topologies that several processes share: an engine for the log, and the cluster that says who writes it.

use super::{Storage, kafka, namespaces, open_records};
use crate::config::{Role, Settings, Topology};
use crate::serve::ServeError;
use antiphon_cluster::{Answer, Cluster, ClusterOptions, Engine, Reads};
use antiphon_core::{Backbone, OnCommit, ViewerCount};
use antiphon_kafka::{Following, KafkaLog};
use antiphon_sql::Leases;
use antiphon_store::{InProcessBackbone, ShardedMemoryLog};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What a process of a deployment has beside its log.
pub struct Shared {
    /// Who owns what, and the way to them.
    pub cluster: Arc<Cluster>,
    roles: BTreeSet<Role>,
    leases: Leases,
    kafka: Option<Arc<KafkaLog>>,
}

impl Shared {
    /// Owns and answers from now on; returns once what the log had at the start can be read here.
    pub async fn join(&self, answer: Answer) -> Result<(), ServeError> {
        if let Some(kafka) = &self.kafka {
            let caught_up = kafka.caught_up().await;
            caught_up.map_err(|error| ServeError::Start(format!("the log in Kafka cannot be read: {error}")))?;
            tokio::spawn(note_incarnations(kafka.clone(), self.cluster.clone(), self.leases.clone()));
        }
        self.cluster.start(self.roles.contains(&Role::Ai).then_some(answer));
        Ok(())
    }

    /// Leaves the deployment.
    pub async fn close(self) {
        self.cluster.stop().await;
        if let Some(kafka) = self.kafka
            && let Err(error) = kafka.close().await
        {
            tracing::warn!(%error, "the copy of Kafka's log was not closed in order");
        }
    }
}

/// Opens the engine, and finds the other processes.
pub async fn open(settings: &Settings, viewers: &ViewerCount) -> Result<Storage, ServeError> {
    let records = open_records(settings, "records.sqlite").await?;
    let opening =
        Opening { settings, roles: settings.role_set()?, topology: settings.topology(), leases: records.leases() };
    let cluster = opening.bind(viewers).await?;
    let (backbone, kafka) = opening.engine(&cluster).await?;
    let (log, owned) = (cluster.log(), cluster.owned());
    let Opening { roles, leases, .. } = opening;
    let shared = Shared { cluster, roles, leases, kafka };
    Ok(Storage { log, backbone, records, owned, disk: None, shared: Some(shared) })
}

struct Opening<'a> {
    settings: &'a Settings,
    roles: BTreeSet<Role>,
    topology: Topology,
    leases: Leases,
}

type Opened = (Arc<dyn Backbone>, Option<Arc<KafkaLog>>);

impl Opening<'_> {
    fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether this process reads the log by itself, rather than by way of its owner.
    fn reads_log(&self) -> bool {
        match self.topology {
            Topology::Grpc => false,
            Topology::KafkaRelay => self.has(Role::Relay),
            _ => true,
        }
    }

    async fn bind(&self, viewers: &ViewerCount) -> Result<Arc<Cluster>, ServeError> {
        let section = &self.settings.cluster;
        let words: Vec<String> = self.roles.iter().map(ToString::to_string).collect();
        Cluster::bind(ClusterOptions {
            process_id: uuid::Uuid::new_v4().to_string(),
            listen: self.settings.cluster_address()?,
            advertise: section.advertise.clone(),
            roles: words.join(","),
            secret: section.secret.as_ref().map(|secret| secret.reveal("cluster.secret")).transpose()?,
            leases: self.leases.clone(),
            sharding: self.settings.sharding()?,
            takeover: Duration::from_secs(section.takeover_seconds),
            reads: if self.reads_log() { Reads::Local } else { Reads::Owner },
            durable: self.topology != Topology::Grpc,
            viewers: viewers.clone(),
        })
        .await
        .map_err(|error| ServeError::Start(error.to_string()))
    }

    async fn engine(&self, cluster: &Arc<Cluster>) -> Result<Opened, ServeError> {
        match self.topology {
            Topology::Grpc => self.grpc(cluster),
            Topology::Kafka => self.kafka(cluster).await,
            other => Err(ServeError::Start(format!("topology `{other}` is not in this version"))),
        }
    }

    fn grpc(&self, cluster: &Cluster) -> Result<Opened, ServeError> {
        let backbone = cluster.backbone();
        if self.has(Role::Ai) {
            let delivering = backbone.clone();
            let on_commit: OnCommit = Arc::new(move |records| delivering.deliver(records));
            let log = ShardedMemoryLog::new(namespaces(self.settings), on_commit, self.settings.sharding()?);
            let log = Arc::new(log);
            cluster.set_engine(Engine { log: log.clone(), fenced: Some(log), outlives_owner: false });
        }
        Ok((backbone, None))
    }

    async fn kafka(&self, cluster: &Cluster) -> Result<Opened, ServeError> {
        let backbone = Arc::new(InProcessBackbone::new());
        let delivering = backbone.clone();
        let on_commit: OnCommit = Arc::new(move |records| delivering.deliver(records));
        let log = self.kafka_log(cluster, Following::Prompt, on_commit).await?;
        Ok((backbone, Some(log)))
    }

    async fn kafka_log(
        &self,
        cluster: &Cluster,
        following: Following,
        on_commit: OnCommit,
    ) -> Result<Arc<KafkaLog>, ServeError> {
        let leases = self.leases.all().await;
        let leases = leases.map_err(|error| ServeError::Start(format!("the leases cannot be read: {error}")))?;
        // A window in memory is called by its epoch, and may have been the log before.
        let floor = leases.iter().map(|lease| lease.incarnation.max(lease.epoch)).max().unwrap_or(0);
        let log = kafka::open(self.settings, following, floor, on_commit, cluster.on_lost()).await?;
        cluster.set_engine(Engine { log: log.clone(), fenced: Some(log.clone()), outlives_owner: true });
        Ok(log)
    }
}

/// How often what a shard's log is called is written down, so that a topic which is made anew is called otherwise.
const NOTE: Duration = Duration::from_secs(2);

async fn note_incarnations(kafka: Arc<KafkaLog>, cluster: Arc<Cluster>, leases: Leases) {
    let mut noted = std::collections::BTreeMap::new();
    loop {
        let owned: Vec<_> = cluster.owned().watch().borrow().keys().copied().collect();
        for shard in owned {
            let Some(incarnation) = kafka.incarnation(shard) else { continue };
            if noted.get(&shard) != Some(&incarnation) && leases.raise_incarnation(shard, incarnation).await.is_ok() {
                noted.insert(shard, incarnation);
            }
        }
        tokio::time::sleep(NOTE).await;
    }
}
