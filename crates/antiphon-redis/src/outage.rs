//! What the process's log says of a Redis that is away: each reason once, and that it is back.

use crate::check::of_error;
use crate::target::RedisTarget;
use antiphon_core::limits::REDIS_OUTAGE_REASONS;
use parking_lot::Mutex;
use redis::RedisError;
use std::collections::HashSet;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Connection {
    /// Calls.
    Calls,
    /// Following what others write.
    Following,
}

/// The connections that serve one purpose, as far as they are away.
pub struct Outage {
    purpose: &'static str,
    target: RedisTarget,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    away: HashSet<Connection>,
    said: Vec<String>,
    was_up: bool,
}

impl Outage {
    /// Redis is used as the `purpose`.
    pub fn new(purpose: &'static str, target: RedisTarget) -> Self {
        Self { purpose, target, state: Mutex::default() }
    }

    /// A connection does not come about, or cannot be used.
    pub fn failed(&self, connection: Connection, error: &RedisError) {
        let mut state = self.state.lock();
        state.away.insert(connection);
        self.say(&mut state, of_error(&self.target, error).sentence);
    }

    /// A connection that was up is not any more.
    pub fn lost(&self, connection: Connection, reason: &str) {
        let mut state = self.state.lock();
        let is_first = state.away.is_empty();
        state.away.insert(connection);
        // That the others broke as well is no news.
        if is_first {
            self.say(&mut state, format!("the connection to {} is lost: {reason}", self.target));
        }
    }

    /// A connection is up.
    pub fn over(&self, connection: Connection) {
        let mut state = self.state.lock();
        state.away.remove(&connection);
        if !state.away.is_empty() {
            return;
        }
        let (was_up, said) = (std::mem::replace(&mut state.was_up, true), std::mem::take(&mut state.said));
        drop(state);
        match (said.is_empty(), was_up) {
            (false, _) => tracing::info!("Redis at {} is back as {}", self.target, self.purpose),
            (true, false) => tracing::info!("connected to Redis at {} as {}", self.target, self.purpose),
            (true, true) => {}
        }
    }

    fn say(&self, state: &mut State, reason: String) {
        let reason = self.target.without_password(reason);
        if state.said.len() < REDIS_OUTAGE_REASONS && !state.said.contains(&reason) {
            tracing::warn!("Redis is away as {}: {reason}", self.purpose);
            state.said.push(reason);
        }
    }
}
