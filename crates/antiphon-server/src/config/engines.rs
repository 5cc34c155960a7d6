//! The tables of the topology: which engines there are, and how processes find each other.

use super::Secret;
use antiphon_core::limits::DEFAULT_SHARDS;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Which log and which live path: one line of the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topology {
    /// The data directory and this process.
    #[default]
    Embedded,
    /// A window in memory and this process.
    Direct,
    /// Kafka, which every realtime process follows.
    Kafka,
    /// Kafka, which relays follow; they publish to Redis.
    KafkaRelay,
    /// Redis Streams, which every realtime process follows.
    RedisStreams,
    /// Windows in the memory of the processes that answer, and gRPC between processes.
    Grpc,
    /// Kafka, with copies in Redis Streams for speed.
    Hybrid,
}

impl Topology {
    /// What keeps the log.
    pub fn engine(self) -> Engine {
        match self {
            Self::Embedded => Engine::Disk,
            Self::Direct | Self::Grpc => Engine::Memory,
            Self::Kafka | Self::KafkaRelay | Self::Hybrid => Engine::Kafka,
            Self::RedisStreams => Engine::RedisStreams,
        }
    }

    /// The topology that is meant where only the engine is named.
    pub fn of_engine(engine: Engine) -> Self {
        match engine {
            Engine::Disk => Self::Embedded,
            Engine::Memory => Self::Direct,
            Engine::Kafka => Self::Kafka,
            Engine::RedisStreams => Self::RedisStreams,
        }
    }

    /// Whether several processes can share it.
    pub fn is_shared(self) -> bool {
        !matches!(self, Self::Embedded | Self::Direct)
    }

    /// Whether it needs Kafka.
    pub fn uses_kafka(self) -> bool {
        self.engine() == Engine::Kafka
    }

    /// Whether it needs Redis.
    pub fn uses_redis(self) -> bool {
        matches!(self, Self::KafkaRelay | Self::RedisStreams | Self::Hybrid)
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(formatter)
    }
}

/// What keeps the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// The data directory.
    Disk,
    /// A window in memory, gone with the process.
    Memory,
    /// Apache Kafka.
    Kafka,
    /// Redis Streams.
    RedisStreams,
}

impl fmt::Display for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(formatter)
    }
}

/// A duty of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Calls over HTTP.
    Api,
    /// Owns rooms and answers in them.
    Ai,
    /// WebSocket and SSE.
    Realtime,
    /// Follows Kafka for the others.
    Relay,
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(formatter)
    }
}

/// `[cluster]`: how the processes of a deployment find and ask each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClusterSection {
    /// Where other processes reach this one: `ADDRESS:PORT`; port 0 picks a free one.
    pub listen: String,
    /// What the others are told, where that is another address than `listen`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advertise: Option<String>,
    /// What the processes know each other by; needed where `listen` is not on this machine alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// Parts of the log that can have owners of their own; fixed for the deployment's life.
    pub shards: u16,
    /// How soon another process answers for a room whose process died.
    pub takeover_seconds: u64,
}

impl Default for ClusterSection {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".into(),
            advertise: None,
            secret: None,
            shards: DEFAULT_SHARDS,
            takeover_seconds: 5,
        }
    }
}

/// How Kafka is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KafkaSecurity {
    /// Anybody, in clear.
    Plaintext,
    /// Over TLS.
    Ssl,
    /// With a password, in clear.
    SaslPlaintext,
    /// With a password over TLS.
    SaslSsl,
}

/// How a password is shown to Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KafkaMechanism {
    /// As it is.
    Plain,
    /// RFC 7677.
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// The same with SHA-512.
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
}

/// `[kafka]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaSection {
    /// `HOST:PORT` of some brokers, with commas between them.
    pub brokers: String,
    /// The topic that is the log.
    pub topic: String,
    /// Copies of a topic that is made.
    pub replication_factor: u16,
    /// How long a topic that is made keeps its records.
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
    /// How Kafka is spoken to.
    pub security: KafkaSecurity,
    /// How the password is shown.
    pub mechanism: KafkaMechanism,
    /// Whose password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// Certificates in PEM that are trusted instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// How long an append may wait for Kafka.
    #[serde(with = "humantime_serde")]
    pub produce_timeout: Duration,
    /// Whether events are copied to topics of their own for other consumers.
    pub copies: bool,
}

impl Default for KafkaSection {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".into(),
            topic: "antiphon.log".into(),
            replication_factor: 1,
            keep: Duration::from_secs(7 * 24 * 3600),
            security: KafkaSecurity::Plaintext,
            mechanism: KafkaMechanism::ScramSha512,
            username: None,
            password: None,
            ca_file: None,
            produce_timeout: Duration::from_secs(5),
            copies: false,
        }
    }
}

/// `[redis]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisSection {
    /// `redis://`, `rediss://` for TLS, or `redis+sentinel://HOST:PORT,HOST:PORT/MASTER`; it may hold a user and a password.
    /// Where nothing is said, `redis://127.0.0.1:6379`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Secret>,
    /// Certificates in PEM that are trusted instead of the system's, where the URL asks for TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Stands before every key and channel.
    pub prefix: String,
}

/// `[records]`: where rooms and messages are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordsSection {
    /// `postgres://…`; where nothing is said, SQLite in the data directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Secret>,
}
