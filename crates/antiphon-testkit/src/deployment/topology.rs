//! The seven topologies, and what each promises.

use std::fmt;

/// A duty of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// HTTP calls.
    Api,
    /// Rooms and their answers.
    Ai,
    /// WebSocket and server-sent events.
    Realtime,
    /// Follows Kafka for those that do not.
    Relay,
}

impl Role {
    /// As the configuration names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Ai => "ai",
            Self::Realtime => "realtime",
            Self::Relay => "relay",
        }
    }
}

/// Which log and which live path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in the configuration")]
pub enum Topology {
    Embedded,
    KafkaRelay,
    Kafka,
    Direct,
    RedisStreams,
    Grpc,
    Hybrid,
}

impl Topology {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Embedded, Self::KafkaRelay, Self::Kafka, Self::Direct, Self::RedisStreams, Self::Grpc, Self::Hybrid];

    /// As the configuration names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::KafkaRelay => "kafka-relay",
            Self::Kafka => "kafka",
            Self::Direct => "direct",
            Self::RedisStreams => "redis-streams",
            Self::Grpc => "grpc",
            Self::Hybrid => "hybrid",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topology| topology.name() == name)
    }

    /// Whether it may have more than one process.
    pub fn is_shared(self) -> bool {
        !matches!(self, Self::Embedded | Self::Direct)
    }

    /// Whether Kafka holds its log.
    pub fn uses_kafka(self) -> bool {
        matches!(self, Self::KafkaRelay | Self::Kafka | Self::Hybrid)
    }

    /// Whether Redis is its log or its live path.
    pub fn uses_redis(self) -> bool {
        matches!(self, Self::KafkaRelay | Self::RedisStreams | Self::Hybrid)
    }

    /// Whether what was acknowledged outlives the death of any process.
    pub fn is_durable(self) -> bool {
        !matches!(self, Self::Direct | Self::Grpc)
    }

    /// Roles on processes of their own, two of each, and one relay where there is one: rooms' owners are 0 and 1, those that
    /// clients are connected to 2 and 3. One process where there may be no more.
    pub fn split(self) -> Vec<Vec<Role>> {
        if !self.is_shared() {
            return vec![vec![Role::Api, Role::Ai, Role::Realtime]];
        }
        let owner = || vec![Role::Api, Role::Ai];
        let mut roles = vec![owner(), owner(), vec![Role::Realtime], vec![Role::Realtime]];
        if self == Self::KafkaRelay {
            roles.push(vec![Role::Relay]);
        }
        roles
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
