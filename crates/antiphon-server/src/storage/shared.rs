//! The topologies that several processes share: an engine for the log, and the cluster that says who writes it.

use super::condition::Condition;
use super::counted::CountedLog;
use super::measured::measured;
use super::owners_log::OwnersLog;
use super::ownerships::Ownerships;
use super::{LivePath, RECORDS_FILE, Storage, findings, hybrid, kafka, namespaces, open_records, redis, watched};
use crate::config::{ConfigError, Role, Settings, Topology};
use crate::serve::ServeError;
use antiphon_cluster::{Answer, Cluster, ClusterOptions, Engine, Reads};
use antiphon_core::limits::REDIS_CALL_TIMEOUT;
use antiphon_core::{Backbone, Log, OnCommit, OwnedShards, Record, Shard, ViewerCount};
use antiphon_hub::Hop;
use antiphon_kafka::{Copies, Following, KafkaLog};
use antiphon_redis::{RedisCopies, RedisLog, RedisOptions, RedisPubSub, StreamStates};
use antiphon_sql::{Deployment, Leases};
use antiphon_store::{InProcessBackbone, ShardedMemoryLog};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What a process of a deployment has beside its log.
pub struct Shared {
    /// Who owns what, and the way to them.
    pub cluster: Arc<Cluster>,
    roles: BTreeSet<Role>,
    leases: Leases,
    engines: Engines,
}

/// What has to be closed, and lives as long as the process.
#[derive(Default)]
struct Engines {
    kafka: Option<Arc<KafkaLog>>,
    redis: Option<Arc<RedisLog>>,
    /// Where this process's relay publishes: not what its copy is still catching up with.
    relay: Option<Arc<RedisPubSub>>,
    copies: Option<Copies>,
}

impl Engines {
    /// The log's engine in this process, as far as others can be without it.
    fn log(&self) -> Option<Arc<dyn Log>> {
        match (&self.kafka, &self.redis) {
            (Some(kafka), _) => Some(kafka.clone()),
            (None, Some(redis)) => Some(redis.clone()),
            (None, None) => None,
        }
    }
}

impl Shared {
    /// The log, where this process has it in Kafka.
    pub fn kafka(&self) -> Option<Arc<KafkaLog>> {
        self.engines.kafka.clone()
    }

    /// Owns and answers from now on; returns once what the log had at the start can be read here.
    pub async fn join(&self, answer: Answer) -> Result<(), ServeError> {
        if let Some(kafka) = &self.engines.kafka {
            let caught_up = kafka.caught_up().await;
            caught_up.map_err(|error| ServeError::Start(format!("the log in Kafka cannot be read: {error}")))?;
        }
        if let (Some(relay), Some(kafka)) = (&self.engines.relay, self.engines.kafka.clone()) {
            relay.begin_relaying(move || kafka.health().is_ok());
        }
        let (kafka, redis) = (self.engines.kafka.clone(), self.engines.redis.clone());
        let (cluster, leases) = (self.cluster.clone(), self.leases.clone());
        let owns = self.roles.contains(&Role::Ai);
        match (kafka, redis) {
            (Some(kafka), _) if owns => {
                tokio::spawn(note_incarnations(move |shard| kafka.incarnation(shard), cluster, leases));
            }
            (None, Some(redis)) if owns => {
                tokio::spawn(note_incarnations(move |shard| redis.incarnation(shard), cluster, leases));
            }
            _ => {}
        }
        self.cluster.start(owns.then_some(answer));
        Ok(())
    }

    /// Leaves the deployment.
    pub async fn close(self) {
        self.cluster.stop().await;
        drop(self.engines.copies);
        if let Some(kafka) = self.engines.kafka
            && let Err(error) = kafka.close().await
        {
            tracing::warn!(%error, "the copy of Kafka's log was not closed in order");
        }
        if let Some(redis) = self.engines.redis {
            redis.close().await;
        }
    }
}

/// Opens the engine, and finds the other processes.
pub async fn open(settings: &Settings, viewers: &ViewerCount) -> Result<Storage, ServeError> {
    let records = open_records(settings, RECORDS_FILE).await?;
    let ownerships = Ownerships::new(Duration::from_secs(settings.cluster.takeover_seconds));
    let opening = Opening {
        settings,
        roles: settings.role_set()?,
        topology: settings.topology(),
        leases: records.leases(),
        ownerships,
        provider_to_log: Arc::default(),
    };
    if let Err(error) = opening.leases.join(&deployment(settings)?).await {
        return Err(findings::records_refused(settings, error).await);
    }
    let cluster = opening.bind(viewers).await?;
    let Opened { backbone, live_path, engines } = opening.engine(&cluster).await?;
    let (log, owned) = (cluster.log(), cluster.owned());
    let Opening { roles, leases, ownerships, provider_to_log, .. } = opening;
    tokio::spawn(ownerships.clone().count(owned.clone()));
    let engine = engines.log().map(|log| (settings.topology().engine(), log));
    let is_remote = engine.is_none() && settings.topology().uses_kafka();
    let condition = Condition {
        engine,
        owners_log: is_remote.then(|| OwnersLog::watch(cluster.clone())),
        live_path: live_path.clone(),
        silent_since: Arc::default(),
        records: watched(settings, &records),
        shared: Some((cluster.clone(), ownerships)),
        appends_refused: Arc::default(),
    };
    let shared = Shared { cluster, roles, leases, engines };
    let log = Arc::new(CountedLog { log, refused: condition.appends_refused.clone() });
    Ok(Storage {
        log,
        backbone,
        live_path,
        records,
        owned,
        provider_to_log,
        condition,
        disk: None,
        shared: Some(shared),
    })
}

/// What this process has to have in common with the others.
pub fn deployment(settings: &Settings) -> Result<Deployment, ConfigError> {
    let topology = settings.topology();
    Ok(Deployment {
        topology: topology.to_string(),
        sharding: settings.sharding()?,
        kafka_topic: topology.uses_kafka().then(|| settings.kafka.topic.clone()),
        redis_prefix: topology.uses_redis().then(|| settings.redis.prefix.clone()),
    })
}

struct Opening<'a> {
    settings: &'a Settings,
    roles: BTreeSet<Role>,
    topology: Topology,
    leases: Leases,
    ownerships: Arc<Ownerships>,
    provider_to_log: Arc<Hop>,
}

struct Opened {
    backbone: Arc<dyn Backbone>,
    live_path: LivePath,
    engines: Engines,
}

impl Opening<'_> {
    fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Where this process reads what it does not own.
    fn reads(&self) -> Reads {
        match self.topology {
            Topology::Kafka | Topology::Hybrid => Reads::Copy,
            Topology::KafkaRelay if self.has(Role::Relay) => Reads::Copy,
            Topology::KafkaRelay | Topology::Grpc => Reads::Owner,
            Topology::RedisStreams | Topology::Embedded | Topology::Direct => Reads::Local,
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
            reads: self.reads(),
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
            Topology::KafkaRelay => self.kafka_relay(cluster).await,
            Topology::RedisStreams => self.redis_streams(cluster).await,
            Topology::Hybrid => self.hybrid(cluster).await,
            Topology::Embedded | Topology::Direct => {
                Err(ServeError::Start(format!("topology `{}` is one process's own", self.topology)))
            }
        }
    }

    fn grpc(&self, cluster: &Cluster) -> Result<Opened, ServeError> {
        let backbone = cluster.backbone();
        if self.has(Role::Ai) {
            let delivering = backbone.clone();
            let on_commit = measured(&self.provider_to_log, Arc::new(move |records| delivering.deliver(records)));
            let log = ShardedMemoryLog::new(namespaces(self.settings), on_commit, self.settings.sharding()?);
            let log = Arc::new(log);
            cluster.set_engine(Engine {
                log: log.clone(),
                fenced: Some(self.ownerships.watch(log)),
                outlives_owner: false,
            });
        }
        Ok(Opened { backbone, live_path: LivePath::Log, engines: Engines::default() })
    }

    async fn kafka(&self, cluster: &Cluster) -> Result<Opened, ServeError> {
        let backbone = Arc::new(InProcessBackbone::new());
        let delivering = backbone.clone();
        let on_commit: OnCommit = Arc::new(move |records| delivering.deliver(records));
        let engines = self.kafka_log(cluster, Following::Prompt, on_commit).await?;
        Ok(Opened { backbone, live_path: LivePath::Log, engines })
    }

    async fn kafka_relay(&self, cluster: &Cluster) -> Result<Opened, ServeError> {
        let backbone = Arc::new(RedisPubSub::new(redis::target(self.settings)?));
        let live_path = LivePath::PubSub(backbone.clone());
        let is_relay = self.has(Role::Relay);
        if !is_relay && !self.has(Role::Ai) {
            return Ok(Opened { backbone, live_path, engines: Engines::default() });
        }
        let (states, owned) = (self.stream_states()?, cluster.owned());
        let relay = is_relay.then(|| backbone.clone());
        let publishing = relay.clone();
        let on_commit: OnCommit = Arc::new(move |records| {
            if let Some(relay) = publishing.as_ref().filter(|relay| relay.is_relaying()) {
                relay.deliver(records);
            }
            if let Some(states) = &states {
                note_states(states, &owned, records);
            }
        });
        let following = if is_relay { Following::Prompt } else { Following::None };
        let engines = self.kafka_log(cluster, following, on_commit).await?;
        Ok(Opened { backbone, live_path, engines: Engines { relay, ..engines } })
    }

    async fn hybrid(&self, cluster: &Cluster) -> Result<Opened, ServeError> {
        let copies = RedisCopies::new(redis::target(self.settings)?, self.settings.sharding()?);
        let backbone = Arc::new(copies);
        let live_path = LivePath::Copies(backbone.clone());
        let on_commit = hybrid::on_commit(backbone.clone(), self.stream_states()?, cluster.owned());
        let engines = self.kafka_log(cluster, Following::Lazy, on_commit).await?;
        Ok(Opened { backbone, live_path, engines })
    }

    async fn redis_streams(&self, cluster: &Cluster) -> Result<Opened, ServeError> {
        let table = namespaces(self.settings);
        let states = self.stream_states()?;
        let options = RedisOptions {
            target: redis::target(self.settings)?,
            sharding: self.settings.sharding()?,
            settings: Arc::new(move |namespace| table.settings(namespace)),
            on_commit: measured(
                &self.provider_to_log,
                Arc::new(move |records| {
                    if let Some(states) = &states {
                        states.note(records);
                    }
                }),
            ),
            on_lost: cluster.on_lost(),
            incarnation_floor: self.incarnation_floor().await?,
            is_durable_unless_known: false,
            append_timeout: REDIS_CALL_TIMEOUT,
        };
        let log = match RedisLog::open(options).await {
            Ok(log) => Arc::new(log),
            Err(error) => return Err(findings::redis_refused(self.settings, error).await),
        };
        cluster.set_engine(Engine {
            log: log.clone(),
            fenced: Some(self.ownerships.watch(log.clone())),
            outlives_owner: true,
        });
        let backbone = log.follower();
        let live_path = LivePath::Streams(backbone.clone());
        Ok(Opened { backbone, live_path, engines: Engines { redis: Some(log), ..Engines::default() } })
    }

    /// The mirror of the streams' states: only who owns rooms has any to write.
    fn stream_states(&self) -> Result<Option<StreamStates>, ServeError> {
        Ok(if self.has(Role::Ai) { Some(StreamStates::new(redis::target(self.settings)?)) } else { None })
    }

    async fn kafka_log(
        &self,
        cluster: &Cluster,
        following: Following,
        on_commit: OnCommit,
    ) -> Result<Engines, ServeError> {
        let floor = self.incarnation_floor().await?;
        let on_commit = measured(&self.provider_to_log, on_commit);
        let log = kafka::open(self.settings, following, floor, on_commit, cluster.on_lost()).await?;
        cluster.set_engine(Engine {
            log: log.clone(),
            fenced: Some(self.ownerships.watch(log.clone())),
            outlives_owner: true,
        });
        let copies = match self.settings.kafka.copies && self.has(Role::Ai) {
            false => None,
            true => {
                let copies = Copies::start(log.clone()).await;
                Some(copies.map_err(|error| ServeError::Start(format!("kafka.copies: {error}")))?)
            }
        };
        Ok(Engines { kafka: Some(log), copies, ..Engines::default() })
    }

    /// Above every incarnation that a shard's log has had, whatever the log was.
    async fn incarnation_floor(&self) -> Result<u32, ServeError> {
        let leases = match self.leases.all().await {
            Ok(leases) => leases,
            Err(error) => return Err(findings::records_refused(self.settings, error).await),
        };
        // A window in memory is called by its epoch, and may have been the log before.
        Ok(leases.iter().map(|lease| lease.incarnation.max(lease.epoch)).max().unwrap_or(0))
    }
}

/// Mirrors the states of the streams that this process owns.
fn note_states(states: &StreamStates, owned: &OwnedShards, records: &[Record]) {
    for run in records.chunk_by(|one, next| one.channel == next.channel) {
        if run.first().is_some_and(|first| owned.epoch_of(&first.channel).is_some()) {
            states.note(run);
        }
    }
}

/// How often what a shard's log is called is written down, so that a topic which is made anew is called otherwise.
const NOTE: Duration = Duration::from_secs(2);

async fn note_incarnations(incarnation: impl Fn(Shard) -> Option<u32>, cluster: Arc<Cluster>, leases: Leases) {
    let mut noted = BTreeMap::new();
    loop {
        let owned: Vec<_> = cluster.owned().watch().borrow().keys().copied().collect();
        for shard in owned {
            let Some(incarnation) = incarnation(shard) else { continue };
            if noted.get(&shard) != Some(&incarnation) && leases.raise_incarnation(shard, incarnation).await.is_ok() {
                noted.insert(shard, incarnation);
            }
        }
        tokio::time::sleep(NOTE).await;
    }
}
