//! What the topology says of the rest of the configuration: which roles can be had apart, and what they need.

use super::{ClusterSection, ConfigError, Engine, KafkaSection, KafkaSecurity, RedisSection, Role, Settings, Topology};
use antiphon_ai::agent::OnDisconnect;
use antiphon_core::Sharding;
use antiphon_core::limits::{MAX_SHARDS, MAX_STREAM_AGE};
use std::collections::BTreeSet;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

/// The longest that a takeover may be set to take, in seconds.
const MAX_TAKEOVER_SECONDS: u64 = 60;
/// What a log keeps beyond the age of its oldest open stream, so that whoever takes it over finds its beginning.
const KEEP_MARGIN: Duration = Duration::from_secs(600);

impl Settings {
    /// Which log and which live path.
    pub fn topology(&self) -> Topology {
        self.topology.or_else(|| self.log.engine.map(Topology::of_engine)).unwrap_or_default()
    }

    /// The duties of this process; every one that the topology has where it says `all`.
    pub fn role_set(&self) -> Result<BTreeSet<Role>, ConfigError> {
        let mut roles = BTreeSet::new();
        for word in &self.roles {
            match word.as_str() {
                "all" => roles.extend(self.topology().roles()),
                "api" => drop(roles.insert(Role::Api)),
                "ai" => drop(roles.insert(Role::Ai)),
                "realtime" => drop(roles.insert(Role::Realtime)),
                "relay" => drop(roles.insert(Role::Relay)),
                other => {
                    return Err(ConfigError::new(format!(
                        "roles: `{other}` is not one of all, api, ai, realtime, relay"
                    )));
                }
            }
        }
        if roles.is_empty() {
            return Err(ConfigError::new("roles: a process needs at least one; leave it out, or say `all`"));
        }
        Ok(roles)
    }

    /// Where other processes reach this one.
    pub fn cluster_address(&self) -> Result<SocketAddr, ConfigError> {
        let listen = &self.cluster.listen;
        let found = listen.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
        found.ok_or_else(|| {
            ConfigError::new(format!("cluster.listen: `{listen}` is not an address and port, such as 127.0.0.1:9787"))
        })
    }

    /// How many parts the log has.
    pub fn sharding(&self) -> Result<Sharding, ConfigError> {
        Sharding::new(self.cluster.shards)
            .ok_or_else(|| ConfigError::new(format!("cluster.shards: it is 1 to {MAX_SHARDS}")))
    }

    /// Tables that say something which has no effect in this topology.
    pub fn unused_tables(&self) -> Vec<&'static str> {
        let topology = self.topology();
        let tables = [
            ("kafka", topology.uses_kafka(), self.kafka == KafkaSection::default()),
            ("redis", topology.uses_redis(), self.redis == RedisSection::default()),
            ("cluster", topology.is_shared(), self.cluster == ClusterSection::default()),
        ];
        tables.iter().filter(|(_, is_used, is_default)| !is_used && !is_default).map(|(name, ..)| *name).collect()
    }

    pub(super) fn check_topology(&self, problems: &mut Vec<String>) {
        let topology = self.topology();
        if let Some(engine) = self.log.engine.filter(|engine| *engine != topology.engine()) {
            problems.push(format!(
                "log.engine: `{engine}` is not the log of topology `{topology}`, which is `{}`: leave log.engine out",
                topology.engine()
            ));
        }
        self.check_roles(topology, problems);
        if topology.is_shared() {
            self.check_cluster(problems);
        }
        if topology.uses_kafka() {
            self.check_kafka(problems);
        }
        if topology.engine() == Engine::RedisStreams || topology.uses_kafka() {
            self.check_ephemeral(topology, problems);
        }
    }

    fn check_roles(&self, topology: Topology, problems: &mut Vec<String>) {
        let roles = match self.role_set() {
            Ok(roles) => roles,
            Err(problem) => return problems.push(problem.to_string()),
        };
        if roles.contains(&Role::Relay) && topology != Topology::KafkaRelay {
            problems
                .push(format!("roles: `relay` has nothing to do in topology `{topology}`; only `kafka-relay` has one"));
        }
        let is_whole = topology.roles().iter().all(|role| roles.contains(role));
        if is_whole {
            return;
        }
        if !topology.is_shared() {
            problems.push(format!(
                "roles: in topology `{topology}` the log belongs to one process, which has all roles; leave roles out, \
                 or choose a topology that processes share: kafka, kafka-relay, redis-streams, grpc or hybrid"
            ));
        } else if self.records.url.is_none() {
            problems.push(
                "records.url is missing: a process without all roles needs rooms and messages where every process sees \
                 them, such as postgres://antiphon@127.0.0.1/antiphon"
                    .into(),
            );
        }
        if !roles.contains(&Role::Ai) {
            return;
        }
        for (id, agent) in &self.agents {
            if agent.on_disconnect == OnDisconnect::CancelAfterLastViewer
                && Duration::from_secs(agent.viewer_grace_seconds) < VIEWERS_KNOWN
            {
                problems.push(format!(
                    "agents.{id}.viewer_grace_seconds: at least {} where roles are apart, as viewers are counted over all \
                     processes",
                    VIEWERS_KNOWN.as_secs()
                ));
            }
        }
    }

    fn check_cluster(&self, problems: &mut Vec<String>) {
        if let Err(problem) = self.sharding() {
            problems.push(problem.to_string());
        }
        if !(1..=MAX_TAKEOVER_SECONDS).contains(&self.cluster.takeover_seconds) {
            problems.push(format!("cluster.takeover_seconds: it is 1 to {MAX_TAKEOVER_SECONDS}"));
        }
        match self.cluster_address() {
            Err(problem) => problems.push(problem.to_string()),
            Ok(address) if !address.ip().to_canonical().is_loopback() && self.cluster.secret.is_none() => {
                problems.push(format!(
                    "cluster.secret is missing: other machines reach {address}, so that processes have to know each other \
                     by a secret; make one with `openssl rand -base64 48`"
                ));
            }
            Ok(address) if address.ip().is_unspecified() && self.cluster.advertise.is_none() => {
                problems.push(
                    "cluster.advertise is missing: `listen` takes any address, and other processes have to be told which \
                     one reaches this process, such as 10.0.0.7:9787"
                        .into(),
                );
            }
            Ok(_) => {}
        }
    }

    fn check_kafka(&self, problems: &mut Vec<String>) {
        let kafka = &self.kafka;
        if kafka.brokers.trim().is_empty() {
            problems.push("kafka.brokers is empty: HOST:PORT of some brokers, with commas between them".into());
        }
        if kafka.replication_factor == 0 {
            problems.push("kafka.replication_factor: it is at least 1".into());
        }
        if kafka.keep < MAX_STREAM_AGE + KEEP_MARGIN {
            problems.push(format!(
                "kafka.keep: the log keeps at least {} seconds, as an answer may take an hour and be taken over at its end",
                (MAX_STREAM_AGE + KEEP_MARGIN).as_secs()
            ));
        }
        let has_password = matches!(kafka.security, KafkaSecurity::SaslPlaintext | KafkaSecurity::SaslSsl);
        if has_password && (kafka.username.is_none() || kafka.password.is_none()) {
            problems.push("kafka.username and kafka.password are missing: kafka.security asks for them".into());
        }
        if !has_password && (kafka.username.is_some() || kafka.password.is_some()) {
            problems.push(
                "kafka.username and kafka.password: kafka.security is without a password; choose sasl-ssl".into(),
            );
        }
    }

    fn check_ephemeral(&self, topology: Topology, problems: &mut Vec<String>) {
        for (name, namespace) in &self.namespaces {
            if namespace.ephemeral {
                problems.push(format!(
                    "namespaces.{name}.ephemeral: in topology `{topology}` every namespace is in the log; in-memory ones \
                     are for embedded, direct and grpc"
                ));
            }
        }
    }
}

/// How soon an owner has heard of the viewers that other processes have.
const VIEWERS_KNOWN: Duration = Duration::from_secs(5);

impl Topology {
    /// The roles that somebody has to have.
    pub fn roles(self) -> Vec<Role> {
        let mut roles = vec![Role::Api, Role::Ai, Role::Realtime];
        if self == Self::KafkaRelay {
            roles.push(Role::Relay);
        }
        roles
    }
}
