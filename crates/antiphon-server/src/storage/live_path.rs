//! What brings events from one process to the clients of another, and whether it does now.

use antiphon_redis::{RedisCopies, RedisFollower, RedisPubSub};
use std::sync::Arc;

/// The live path of a topology.
#[derive(Clone)]
pub enum LivePath {
    /// Within the process.
    InProcess,
    /// Whatever the log itself is reached by.
    Log,
    /// Copies in Redis beside a log that is followed as well.
    Copies(Arc<RedisCopies>),
    /// What a relay publishes to Redis.
    PubSub(Arc<RedisPubSub>),
    /// The log in Redis.
    Streams(Arc<RedisFollower>),
}

/// How it is with Redis as a live path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedisState {
    /// Whether it takes and brings events now.
    pub is_up: bool,
    /// Channels that are followed there now.
    pub subscriptions: usize,
    /// Records of this process that others did not get by it, since the start.
    pub left_out: u64,
}

impl LivePath {
    /// None where no event goes through Redis.
    pub fn redis(&self) -> Option<RedisState> {
        let (is_up, subscriptions, left_out) = match self {
            Self::InProcess | Self::Log => return None,
            Self::Copies(copies) => (copies.is_up(), copies.subscriptions(), copies.left_out()),
            Self::PubSub(backbone) => (backbone.is_up(), backbone.subscriptions(), backbone.left_out()),
            // The log leaves nothing out: what it does not take is refused.
            Self::Streams(follower) => (follower.is_up(), follower.subscriptions(), 0),
        };
        Some(RedisState { is_up, subscriptions, left_out })
    }

    /// Whether events come the quick way, given whether the log is well.
    pub fn is_connected(&self, is_log_healthy: bool) -> bool {
        match (self, self.redis()) {
            (_, Some(redis)) => redis.is_up,
            (Self::InProcess, None) => true,
            (_, None) => is_log_healthy,
        }
    }
}
