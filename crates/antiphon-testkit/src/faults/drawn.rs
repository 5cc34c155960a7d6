//! The faults that there are, and the drawing of the next one.

use super::Stage;
use super::stage::Far;
use crate::deployment::{Role, Topology};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use std::fmt;
use std::time::Duration;

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// `kill -9` of a process that runs rooms, mid-answer; it comes back later.
    OwnerKilled,
    /// SIGSTOP of one, and SIGCONT later.
    OwnerPaused,
    /// `kill -9` of a process that clients are connected to; they move to another.
    RealtimeKilled,
    /// SIGSTOP of one.
    RealtimePaused,
    /// `kill -9` of the relay.
    RelayKilled,
    /// Each process in turn is told to leave and started again.
    RollingRestart,
    /// `kill -9` of Redis; it comes back with what it had synced.
    RedisStopped,
    /// SIGSTOP of Redis.
    RedisPaused,
    /// `FLUSHALL`.
    RedisFlushed,
    /// `kill -9` of Redis; it comes back with nothing.
    RedisEmptied,
    /// The only broker is stopped, by SIGTERM or SIGKILL, and started again.
    KafkaStopped,
    /// SIGSTOP of one broker.
    KafkaPaused,
    /// One of three brokers is killed and comes back.
    LeaderGone,
    /// No process reaches PostgreSQL.
    PostgresAway,
    /// One process loses one engine, or the others lose it: connections are reset and refused.
    Cut,
    /// The same, but connections stay open and silent.
    Stalled,
    /// Each block of bytes comes later.
    Delayed,
    /// Few bytes a second.
    Throttled,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::OwnerKilled,
        Self::OwnerPaused,
        Self::RealtimeKilled,
        Self::RealtimePaused,
        Self::RelayKilled,
        Self::RollingRestart,
        Self::RedisStopped,
        Self::RedisPaused,
        Self::RedisFlushed,
        Self::RedisEmptied,
        Self::KafkaStopped,
        Self::KafkaPaused,
        Self::LeaderGone,
        Self::PostgresAway,
        Self::Cut,
        Self::Stalled,
        Self::Delayed,
        Self::Throttled,
    ];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::OwnerKilled => "owner killed",
            Self::OwnerPaused => "owner paused",
            Self::RealtimeKilled => "realtime killed",
            Self::RealtimePaused => "realtime paused",
            Self::RelayKilled => "relay killed",
            Self::RollingRestart => "rolling restart",
            Self::RedisStopped => "Redis stopped",
            Self::RedisPaused => "Redis paused",
            Self::RedisFlushed => "Redis flushed",
            Self::RedisEmptied => "Redis restarted empty",
            Self::KafkaStopped => "Kafka stopped",
            Self::KafkaPaused => "Kafka paused",
            Self::LeaderGone => "leader gone",
            Self::PostgresAway => "PostgreSQL away",
            Self::Cut => "network cut",
            Self::Stalled => "network stalled",
            Self::Delayed => "network delayed",
            Self::Throttled => "network throttled",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }

    /// Whether it can happen to a topology with so many brokers. What destroys the log itself cannot: no log outlives it.
    pub fn applies(self, topology: Topology, brokers: usize) -> bool {
        let is_copy = topology.uses_redis() && topology != Topology::RedisStreams;
        match self {
            Self::OwnerKilled | Self::OwnerPaused | Self::RollingRestart => true,
            Self::RealtimeKilled | Self::RealtimePaused | Self::PostgresAway => topology.is_shared(),
            Self::Cut | Self::Stalled | Self::Delayed | Self::Throttled => topology.is_shared(),
            Self::RelayKilled => topology == Topology::KafkaRelay,
            Self::RedisStopped | Self::RedisPaused => topology.uses_redis(),
            Self::RedisFlushed | Self::RedisEmptied => is_copy,
            Self::KafkaStopped => topology.uses_kafka() && brokers == 1,
            Self::KafkaPaused => topology.uses_kafka(),
            Self::LeaderGone => topology.uses_kafka() && brokers > 1,
        }
    }
}

/// A fault with all that was drawn for it.
#[derive(Clone, Copy, Debug)]
pub struct Drawn {
    /// Which.
    pub fault: Fault,
    /// The process or broker that it happens to.
    pub target: usize,
    /// The link that it happens to, where it is one of the network's.
    pub far: Far,
    /// How long it lasts.
    pub hold: Duration,
    /// Whether a program is asked to leave instead of killed.
    pub kindly: bool,
}

impl Drawn {
    /// Draws who it happens to and for how long.
    pub fn draw(fault: Fault, stage: &Stage, longest: Duration, random: &mut StdRng) -> Self {
        let role = match fault {
            Fault::RealtimeKilled | Fault::RealtimePaused => Some(Role::Realtime),
            Fault::RelayKilled => Some(Role::Relay),
            Fault::OwnerKilled | Fault::OwnerPaused => Some(Role::Ai),
            _ => None,
        };
        let processes = role.map_or_else(|| (0..stage.deployment.size()).collect(), |role| stage.with_role(role));
        let brokers = stage.kafka.as_ref().map_or(1, |kafka| kafka.lock().size());
        let target = match fault {
            Fault::KafkaStopped | Fault::KafkaPaused | Fault::LeaderGone => random.random_range(0..brokers),
            _ => *processes.choose(random).unwrap_or(&0),
        };
        let links = stage.links(target % stage.deployment.size());
        let far = *links.choose(random).unwrap_or(&Far::Process);
        let hold = Duration::from_millis(random.random_range(300..longest.as_millis().max(301) as u64));
        Self { fault, target, far, hold, kindly: random.random_bool(0.5) }
    }
}

impl fmt::Display for Drawn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.fault.name())?;
        match self.fault {
            Fault::Cut | Fault::Stalled | Fault::Delayed | Fault::Throttled => {
                write!(formatter, " (process {}, {:?})", self.target, self.far)?;
            }
            Fault::RollingRestart | Fault::PostgresAway => {}
            Fault::KafkaStopped | Fault::KafkaPaused | Fault::LeaderGone => {
                write!(formatter, " (broker {}{})", self.target, if self.kindly { ", SIGTERM" } else { "" })?;
            }
            _ => write!(formatter, " (process {})", self.target)?,
        }
        write!(formatter, " for {:.1} s", self.hold.as_secs_f64())
    }
}
