//! Where Kafka is, how to get in, and what the log's topic is to be like.

use antiphon_core::{OnCommit, OnLost, Sharding};
use antiphon_store::NamespaceTable;
use rdkafka::ClientConfig;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How a name and password are proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// As they are: for encrypted connections only.
    Plain,
    /// RFC 5802 with SHA-256.
    ScramSha256,
    /// RFC 5802 with SHA-512.
    ScramSha512,
}

impl Mechanism {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// A name, a password and how to prove them. Never formatted.
#[derive(Clone)]
pub struct Credentials {
    /// How.
    pub mechanism: Mechanism,
    /// The name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Credentials({}, {:?})", self.mechanism.name(), self.username)
    }
}

/// How connections are encrypted.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// Certificates of the authorities that are trusted, as PEM; the system's where none is given.
    pub ca_file: Option<PathBuf>,
}

/// How to get in. None of both is `plaintext`, both are `sasl_ssl`.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// Encryption.
    pub tls: Option<Tls>,
    /// Who we are.
    pub credentials: Option<Credentials>,
}

/// The topic that is the log, and where it is.
#[derive(Clone, Debug)]
pub struct KafkaTarget {
    /// `host:port`, several separated by commas.
    pub brokers: String,
    /// How to get in.
    pub security: Security,
    /// The topic's name.
    pub topic: String,
    /// Copies of each record, where the topic is made here.
    pub replication_factor: u16,
    /// One partition for each shard.
    pub sharding: Sharding,
    /// How long records are kept, where the topic is made here.
    pub retention: Duration,
}

/// Whether the shards that this process does not own are followed into its local copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Following {
    /// As fast as Kafka tells.
    Prompt,
    /// About ten times a second, which costs little: where another path is the live one.
    Lazy,
    /// Not at all: only what is owned here can be read here.
    None,
}

/// How to open a [`KafkaLog`](crate::KafkaLog).
#[derive(Clone)]
pub struct KafkaOptions {
    /// Which topic.
    pub target: KafkaTarget,
    /// This process's folder for its local copy.
    pub folder: PathBuf,
    /// What each namespace keeps.
    pub namespaces: NamespaceTable,
    /// Told of every committed record, own and followed, in the log's order per channel. Must not block.
    pub on_commit: OnCommit,
    /// Told of an ownership that the log ended. Must not block.
    pub on_lost: OnLost,
    /// The highest incarnation that any shard is known to have had; a partition without records begins above it.
    pub incarnation_floor: u32,
    /// Whether other processes' shards are followed.
    pub following: Following,
    /// How long an append may take before it is refused.
    pub produce_timeout: Duration,
}

impl KafkaTarget {
    /// What all clients have in common.
    pub(crate) fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "antiphon")
            .set("allow.auto.create.topics", "false")
            .set("socket.nagle.disable", "true")
            .set("socket.keepalive.enable", "true")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("topic.metadata.refresh.fast.interval.ms", "100")
            .set("statistics.interval.ms", "0")
            .set("log.connection.close", "false");
        let Security { tls, credentials } = &self.security;
        config.set(
            "security.protocol",
            match (tls.is_some(), credentials.is_some()) {
                (false, false) => "plaintext",
                (true, false) => "ssl",
                (false, true) => "sasl_plaintext",
                (true, true) => "sasl_ssl",
            },
        );
        if let Some(ca_file) = tls.as_ref().and_then(|tls| tls.ca_file.as_ref()) {
            config.set("ssl.ca.location", ca_file.to_string_lossy());
        }
        if let Some(credentials) = credentials {
            config
                .set("sasl.mechanism", credentials.mechanism.name())
                .set("sasl.username", &credentials.username)
                .set("sasl.password", &credentials.password);
        }
        config
    }

    /// For whoever reads the topic by partitions and offsets. It is no member of the group, and commits nothing.
    pub(crate) fn consumer_config(&self) -> ClientConfig {
        let mut config = self.client_config();
        config
            .set("group.id", GROUP)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("fetch.error.backoff.ms", "100")
            .set("fetch.queue.backoff.ms", "20")
            .set("queued.max.messages.kbytes", "16384");
        config
    }

    /// Where the topic's partitions are more than a single copy: how many must have a record before it is acknowledged.
    pub(crate) fn min_insync_replicas(&self) -> u16 {
        self.replication_factor.clamp(1, 2)
    }
}

const GROUP: &str = "antiphon-log";
