//! What this process has seen of each shard: a Redis that has less is not the one that it was.

use crate::keys::Keys;
use crate::reply;
use antiphon_core::{LogError, Shard, Sharding};
use parking_lot::Mutex;
use redis::{RedisResult, Value};

/// How far a shard's log is. A later log compares greater, and a later append of the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reach {
    /// Which log.
    pub incarnation: u32,
    /// Appends and beginnings so far.
    pub counter: u64,
}

/// The farthest that was seen of each shard.
pub struct Known {
    shards: Vec<Mutex<Reach>>,
}

impl Known {
    pub fn new(sharding: Sharding) -> Self {
        Self { shards: sharding.all().map(|_| Mutex::default()).collect() }
    }

    /// The farthest so far.
    pub fn of(&self, shard: Shard) -> Reach {
        self.shards.get(usize::from(shard.0)).map(|reach| *reach.lock()).unwrap_or_default()
    }

    /// The shard was seen to be that far.
    pub fn saw(&self, shard: Shard, reach: Reach) {
        if let Some(known) = self.shards.get(usize::from(shard.0)) {
            let mut known = known.lock();
            *known = reach.max(*known);
        }
    }

    /// Takes what the shard's hash says, asked for after `before` was known.
    ///
    /// # Errors
    /// Where nobody has begun the shard, or it is not as far as it was.
    pub fn judge(&self, shard: Shard, before: Reach, hash: &Value) -> Result<Reach, LogError> {
        let unavailable = |reason: &str| LogError::Unavailable { reason: reason.to_owned() };
        match reach_of(hash) {
            Ok(Some(reach)) if reach >= before => {
                self.saw(shard, reach);
                Ok(reach)
            }
            Ok(Some(_)) => Err(unavailable("Redis has less than it had, and the shard's owner has not begun anew yet")),
            Ok(None) => Err(unavailable("nobody has begun to own the shard in this Redis yet")),
            Err(error) => Err(LogError::Unavailable { reason: error.to_string() }),
        }
    }
}

/// Asks for a shard's reach, and its epoch and owner.
pub fn ask(keys: &Keys, shard: Shard) -> redis::Cmd {
    let mut ask = redis::cmd("HMGET");
    ask.arg(keys.shard(shard)).arg(&["incarnation", "counter", "epoch", "owner"]);
    ask
}

fn reach_of(hash: &Value) -> RedisResult<Option<Reach>> {
    match hash {
        Value::Array(fields) => match fields.as_slice() {
            [Value::Nil, ..] | [_, Value::Nil, ..] => Ok(None),
            [incarnation, counter, ..] => {
                Ok(Some(Reach { incarnation: reply::number(incarnation)?, counter: reply::number(counter)? }))
            }
            _ => Err(reply::unexpected()),
        },
        _ => Err(reply::unexpected()),
    }
}
