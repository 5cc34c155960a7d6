//! Publishing: what waits goes out in pipelines, and each second the channels that moved are named.

use super::envelope::{self, Tails};
use super::hearing::Hearing;
use crate::connect::within;
use crate::keys::Keys;
use crate::link::Link;
use crate::outbox::Outbox;
use crate::target::RedisTarget;
use antiphon_core::limits::{
    REDIS_CALL_TIMEOUT, REDIS_GATHER, REDIS_TAIL_CHANNELS, REDIS_TAIL_INTERVAL, REDIS_TAIL_NAMES,
};
use antiphon_core::{ChannelName, Position, Record};
use redis::{Pipeline, RedisResult};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::time::{Instant, MissedTickBehavior};

/// In how many notices a channel is named after it moved.
const NAMED: u8 = 3;

/// The publishing half.
pub struct Publisher {
    id: String,
    keys: Keys,
    link: Arc<Link>,
    outbox: Arc<Outbox>,
    hearing: Arc<Hearing>,
    /// Channels that moved, and in how many more notices they are named.
    moved: HashMap<ChannelName, (Position, u8)>,
    has_published: bool,
    /// Of how many that were left out everybody was told.
    told: u64,
}

impl Publisher {
    pub fn new(id: String, target: &RedisTarget, link: Arc<Link>, outbox: Arc<Outbox>, hearing: Arc<Hearing>) -> Self {
        let keys = Keys::new(&target.prefix);
        Self { id, keys, link, outbox, hearing, moved: HashMap::new(), has_published: false, told: 0 }
    }

    pub async fn run(mut self) {
        let mut ticks = tokio::time::interval(REDIS_TAIL_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let outbox = self.outbox.clone();
        loop {
            tokio::select! {
                records = outbox.take() => {
                    let published_at = Instant::now();
                    self.publish(&records).await;
                    // What comes meanwhile goes together.
                    tokio::time::sleep_until(published_at + REDIS_GATHER).await;
                }
                _ = ticks.tick() => self.say_tails().await,
            }
        }
    }

    async fn publish(&mut self, records: &[Record]) {
        self.has_published = true;
        let mut publish = redis::pipe();
        for record in records {
            let channel = self.keys.published(&record.channel);
            publish.cmd("PUBLISH").arg(channel).arg(envelope::write(&self.id, record)).ignore();
            if self.moved.len() < REDIS_TAIL_CHANNELS || self.moved.contains_key(&record.channel) {
                self.moved.insert(record.channel.clone(), (record.position, NAMED));
            }
        }
        if !self.send(publish).await {
            self.outbox.leave_out(records.len());
        }
    }

    /// Whoever neither relays nor has ever published has nothing to say, and is not waited for. A relay that is cut off from
    /// the log is silent, so that others read it themselves.
    async fn say_tails(&mut self) {
        if !self.hearing.is_well().unwrap_or(self.has_published) {
            return;
        }
        let tails: Vec<(String, Position)> =
            self.moved.iter().map(|(channel, (position, _))| (channel.to_string(), *position)).collect();
        let left_out = self.outbox.left_out();
        let has_left_out = left_out > self.told;
        let mut publish = redis::pipe();
        // An idle one is heard as well.
        let chunks = tails.chunks(REDIS_TAIL_NAMES).chain(tails.is_empty().then_some(&[][..]));
        for chunk in chunks {
            let notice = Tails { from: self.id.clone(), has_left_out, tails: chunk.iter().cloned().collect() };
            if let Ok(notice) = serde_json::to_vec(&notice) {
                publish.cmd("PUBLISH").arg(self.keys.tails()).arg(notice).ignore();
            }
        }
        if self.send(publish).await {
            self.told = left_out;
            self.moved.retain(|_, (_, named)| {
                *named -= 1;
                *named > 0
            });
        }
    }

    async fn send(&self, publish: Pipeline) -> bool {
        let Ok(up) = self.link.up() else { return false };
        let mut connection = up.connection.clone();
        let sent: RedisResult<()> = within(REDIS_CALL_TIMEOUT, publish.query_async(&mut connection)).await;
        if let Err(error) = &sent {
            tracing::debug!("some events were not published to Redis: {error}");
            if error.is_timeout() || error.is_unrecoverable_error() {
                up.give_up();
            }
        }
        sent.is_ok()
    }
}
