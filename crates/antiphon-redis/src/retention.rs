//! Retention: the owner forgets what is over its namespace's bounds, the busy channels each second, all of them each minute.

use crate::connect::within;
use crate::log::Shared;
use crate::owned::Term;
use crate::reply;
use crate::script;
use antiphon_core::limits::{
    MAX_APPEND_BYTES, REDIS_CALL_TIMEOUT, RETENTION_CHANNELS, RETENTION_INTERVAL, RETENTION_QUEUE, RETENTION_SWEEP,
    TRIM_RECORDS,
};
use antiphon_core::{ChannelName, LogError, Retention};
use parking_lot::Mutex;
use redis::{RedisResult, Value};
use std::collections::HashSet;
use std::sync::Weak;
use std::time::Instant;

/// Channels that were seen to be over their bounds.
#[derive(Default)]
pub struct Overfull {
    channels: Mutex<HashSet<ChannelName>>,
}

impl Overfull {
    /// The channel is over its bounds; where there is no room to note it, the sweep finds it.
    pub fn note(&self, channel: &ChannelName) {
        let mut channels = self.channels.lock();
        if channels.len() < RETENTION_QUEUE && !channels.contains(channel) {
            channels.insert(channel.clone());
        }
    }

    fn take(&self) -> Vec<ChannelName> {
        let mut channels = self.channels.lock();
        let some: Vec<_> = channels.iter().take(RETENTION_CHANNELS).cloned().collect();
        for channel in &some {
            channels.remove(channel);
        }
        some
    }
}

/// What is to be forgotten.
#[derive(Clone, Copy, Debug)]
pub enum Forget {
    /// Everything up to this number.
    Through(u64),
    /// What is over the bounds.
    Over(Retention),
}

/// Works until the log is gone.
pub async fn run(shared: Weak<Shared>) {
    let mut swept = Instant::now();
    loop {
        tokio::time::sleep(RETENTION_INTERVAL).await;
        let Some(shared) = shared.upgrade() else { return };
        for channel in shared.retention.take() {
            shared.enforce(&channel).await;
        }
        if swept.elapsed() >= RETENTION_SWEEP {
            swept = Instant::now();
            if let Err(error) = shared.sweep().await {
                tracing::warn!("not all channels in Redis could be looked at for what is too old: {error}");
            }
        }
    }
}

impl Shared {
    /// Enforces the bounds of every channel of the owned shards.
    pub async fn sweep(&self) -> Result<(), LogError> {
        for term in self.owned.terms() {
            let mut cursor = 0_u64;
            loop {
                let mut scan = redis::cmd("SSCAN");
                scan.arg(self.keys.channels(term.shard)).arg(cursor).arg("COUNT").arg(RETENTION_CHANNELS);
                let (next, names): (u64, Vec<String>) = self.query(&scan).await?;
                for channel in names.iter().filter_map(|name| ChannelName::parse(name).ok()) {
                    self.enforce(&channel).await;
                }
                cursor = next;
                if cursor == 0 || self.owned.term(term.shard).as_ref() != Some(&term) {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn enforce(&self, channel: &ChannelName) {
        let keep = (self.settings)(channel.namespace()).keep;
        if keep.events.is_none() && keep.bytes.is_none() && keep.age.is_none() {
            return;
        }
        let Some(term) = self.owned.term(self.sharding.shard_of(channel)) else { return };
        if let Err(error) = self.forget(&term, channel, Forget::Over(keep)).await {
            tracing::debug!("{channel} was not brought within its bounds: {error}");
        }
    }

    /// Forgets in steps, so that no step holds Redis up.
    pub async fn forget(&self, term: &Term, channel: &ChannelName, what: Forget) -> Result<(), LogError> {
        let (through, keep) = match what {
            Forget::Through(number) => (number, Retention { events: None, age: None, bytes: None }),
            Forget::Over(keep) => (0, keep),
        };
        let text = |bound: Option<u64>| bound.map(|bound| bound.to_string()).unwrap_or_default();
        let mut script = script::TRIM.prepare_invoke();
        script.key(self.keys.shard(term.shard)).key(self.keys.events(channel));
        script.key(self.keys.extent(channel)).key(self.keys.event_ids(channel));
        script.arg(term.incarnation).arg(term.epoch).arg(&term.owner).arg(through);
        script.arg(text(keep.events)).arg(text(keep.bytes));
        script.arg(text(keep.age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX))));
        script.arg(TRIM_RECORDS).arg(MAX_APPEND_BYTES);
        loop {
            let up = self.link.up()?;
            let mut connection = up.connection.clone();
            let answer: RedisResult<Value> = within(REDIS_CALL_TIMEOUT, script.invoke_async(&mut connection)).await;
            let words = answer
                .and_then(reply::items)
                .and_then(|words| words.into_iter().map(reply::text).collect::<RedisResult<Vec<_>>>());
            let words = words.map_err(|error| self.failed(&up, &error))?;
            match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["trimmed", "1"] => {}
                ["trimmed", _] => return Ok(()),
                _ => {
                    self.owned.lose(term, "a later epoch has begun");
                    return Err(LogError::NotOwner);
                }
            }
        }
    }
}
