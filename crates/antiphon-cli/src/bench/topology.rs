//! The seven topologies, as the source of this comparison names them, and what each is made of.

use super::engines::Kind;
use clap::ValueEnum;

/// One way of getting a token from a model to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Topology {
    Embedded,
    KafkaRelay,
    Kafka,
    Direct,
    RedisStreams,
    Grpc,
    Hybrid,
}

/// What a process of a topology does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Everything.
    All,
    Ai,
    /// HTTP, WebSocket and SSE.
    Front,
    Relay,
}

impl Part {
    pub(super) fn roles(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Ai => "ai",
            Self::Front => "api,realtime",
            Self::Relay => "relay",
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::All => "server",
            Self::Ai => "ai",
            Self::Front => "realtime",
            Self::Relay => "relay",
        }
    }
}

impl Topology {
    /// As in the configuration.
    pub(super) fn name(self) -> &'static str {
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

    pub(super) fn log(self) -> &'static str {
        match self {
            Self::Embedded => "disk",
            Self::Direct | Self::Grpc => "memory",
            Self::KafkaRelay | Self::Kafka | Self::Hybrid => "kafka",
            Self::RedisStreams => "redis-streams",
        }
    }

    pub(super) fn backbone(self) -> &'static str {
        match self {
            Self::Embedded | Self::Direct => "in-process",
            Self::KafkaRelay => "relay, redis pub/sub",
            Self::Kafka => "kafka",
            Self::RedisStreams => "redis streams",
            Self::Grpc => "grpc",
            Self::Hybrid => "redis streams, kafka",
        }
    }

    /// One process that cannot be split.
    pub(super) fn is_whole(self) -> bool {
        matches!(self, Self::Embedded | Self::Direct)
    }

    pub(super) fn engines(self) -> &'static [Kind] {
        match self {
            Self::Embedded | Self::Direct => &[],
            Self::Grpc => &[Kind::Postgres],
            Self::Kafka => &[Kind::Kafka, Kind::Postgres],
            Self::RedisStreams => &[Kind::Redis, Kind::Postgres],
            Self::KafkaRelay | Self::Hybrid => &[Kind::Kafka, Kind::Redis, Kind::Postgres],
        }
    }

    /// The processes with so many of each that can be many.
    pub(super) fn parts(self, ai: usize, fronts: usize) -> Vec<Part> {
        if self.is_whole() {
            return vec![Part::All];
        }
        let relays = if self == Self::KafkaRelay { 1 } else { 0 };
        let of = |part, count| std::iter::repeat_n(part, count);
        of(Part::Ai, ai).chain(of(Part::Relay, relays)).chain(of(Part::Front, fronts)).collect()
    }
}
