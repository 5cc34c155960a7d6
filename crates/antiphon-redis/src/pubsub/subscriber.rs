//! Subscribing: the followed channels and the tail notices, on a connection of their own.

use super::envelope::{self, Tails};
use crate::connect::{jittered, within};
use crate::keys::Keys;
use crate::live::{Gap, Live};
use crate::target::RedisTarget;
use antiphon_core::limits::{
    MAX_FOLLOWED_CHANNELS, REDIS_CALL_TIMEOUT, REDIS_PROBE_TIMEOUT, REDIS_PUBLISHERS, REDIS_RECONNECT_LEAST,
    REDIS_RECONNECT_MOST, REDIS_SUBSCRIBE_BATCH, REDIS_TAIL_INTERVAL,
};
use antiphon_core::{ChannelHash, ChannelName, Position};
use futures::StreamExt;
use parking_lot::Mutex;
use redis::aio::PubSubSink;
use redis::{Msg, RedisResult};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::Notify;

/// Channels that were followed or unfollowed since they were last looked at.
#[derive(Default)]
pub struct Changes {
    channels: Mutex<HashSet<ChannelName>>,
    noted: Notify,
    is_up: AtomicBool,
    subscribed: AtomicUsize,
}

impl Changes {
    /// The channel is followed now, or is not any more. Without a connection all are looked at once there is one.
    pub fn note(&self, channel: &ChannelName) {
        if self.is_up.load(Ordering::Acquire) {
            let mut channels = self.channels.lock();
            if channels.len() < MAX_FOLLOWED_CHANNELS {
                channels.insert(channel.clone());
            }
            drop(channels);
            self.noted.notify_one();
        }
    }

    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Acquire)
    }

    pub fn subscribed(&self) -> usize {
        self.subscribed.load(Ordering::Relaxed)
    }

    fn take(&self) -> HashSet<ChannelName> {
        std::mem::take(&mut *self.channels.lock())
    }
}

/// The subscribing half.
pub struct Subscriber {
    id: String,
    keys: Keys,
    target: RedisTarget,
    live: Arc<Live>,
    changes: Arc<Changes>,
    subscribed: HashSet<ChannelName>,
    /// When each publisher was last heard.
    heard: HashMap<String, Instant>,
}

impl Subscriber {
    pub fn new(id: String, target: RedisTarget, live: Arc<Live>, changes: Arc<Changes>) -> Self {
        let keys = Keys::new(&target.prefix);
        Self { id, keys, target, live, changes, subscribed: HashSet::new(), heard: HashMap::new() }
    }

    /// Subscribes once somebody is attached, again and again.
    pub async fn run(mut self) {
        self.live.until_attached().await;
        let mut pause = REDIS_RECONNECT_LEAST;
        loop {
            let ended = self.subscribe().await;
            if self.changes.is_up.swap(false, Ordering::AcqRel) {
                pause = REDIS_RECONNECT_LEAST;
                if let Err(error) = ended {
                    tracing::warn!("the subscriptions at Redis {} are lost: {error}", self.target);
                }
            }
            self.subscribed.clear();
            self.heard.clear();
            self.changes.subscribed.store(0, Ordering::Relaxed);
            tokio::time::sleep(jittered(pause)).await;
            pause = (pause * 2).min(REDIS_RECONNECT_MOST);
        }
    }

    /// Until the connection fails.
    async fn subscribe(&mut self) -> RedisResult<()> {
        let (mut sink, mut messages) = self.target.connect_subscriber().await?.split();
        within(REDIS_CALL_TIMEOUT, sink.subscribe(self.keys.tails())).await?;
        // Before all are looked at, so that none that comes meanwhile is missed.
        self.changes.is_up.store(true, Ordering::Release);
        let all = self.live.followed();
        self.apply(&mut sink, all.into_iter().collect()).await?;
        self.live.lost();
        let changes = self.changes.clone();
        let mut ticks = tokio::time::interval(REDIS_TAIL_INTERVAL);
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) => self.take(&message),
                    None => return Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()),
                },
                () = changes.noted.notified() => {
                    let fresh = self.apply(&mut sink, changes.take()).await?;
                    fresh.iter().for_each(|channel| self.live.tail(channel, somewhere(channel)));
                }
                _ = ticks.tick() => {
                    within(REDIS_PROBE_TIMEOUT, sink.ping::<redis::Value>()).await?;
                    self.miss();
                }
            }
        }
    }

    /// Subscribes to what is followed and unsubscribes from what is not; returns the new ones.
    async fn apply(&mut self, sink: &mut PubSubSink, changed: HashSet<ChannelName>) -> RedisResult<Vec<ChannelName>> {
        let (wanted, unwanted): (Vec<_>, Vec<_>) =
            changed.into_iter().partition(|channel| self.live.is_followed(channel));
        let fresh: Vec<_> = wanted.into_iter().filter(|channel| self.subscribed.insert(channel.clone())).collect();
        let over: Vec<_> = unwanted.into_iter().filter(|channel| self.subscribed.remove(channel)).collect();
        let names = |channels: &[ChannelName]| -> Vec<String> {
            channels.iter().map(|channel| self.keys.published(channel)).collect()
        };
        for batch in fresh.chunks(REDIS_SUBSCRIBE_BATCH) {
            within(REDIS_CALL_TIMEOUT, sink.subscribe(names(batch))).await?;
        }
        for batch in over.chunks(REDIS_SUBSCRIBE_BATCH) {
            within(REDIS_CALL_TIMEOUT, sink.unsubscribe(names(batch))).await?;
        }
        self.changes.subscribed.store(self.subscribed.len(), Ordering::Relaxed);
        Ok(fresh)
    }

    fn take(&mut self, message: &Msg) {
        let name = message.get_channel_name();
        if name == self.keys.tails() {
            if let Ok(tails) = serde_json::from_slice::<Tails>(message.get_payload_bytes()) {
                self.take_tails(tails);
            }
            return;
        }
        let Some(channel) = self.keys.channel_of(name) else { return };
        match envelope::read(channel, message.get_payload_bytes()) {
            Some((from, record)) if from != self.id => self.live.tell(&[record], Gap::Tell),
            _ => {}
        }
    }

    fn take_tails(&mut self, Tails { from, has_left_out, tails }: Tails) {
        if from == self.id {
            return;
        }
        for (channel, end) in tails {
            if let Ok(channel) = ChannelName::parse(&channel) {
                self.live.tail(&channel, end);
            }
        }
        let is_new = !self.heard.contains_key(&from);
        if !is_new || self.heard.len() < REDIS_PUBLISHERS {
            self.heard.insert(from, Instant::now());
        }
        if is_new || has_left_out {
            // What came between the one before it and this one may be on no path.
            self.live.lost();
        }
    }

    /// Whoever was not heard for three notices may have published what did not come.
    fn miss(&mut self) {
        let before = self.heard.len();
        self.heard.retain(|_, at| at.elapsed() < 3 * REDIS_TAIL_INTERVAL + REDIS_TAIL_INTERVAL / 2);
        if self.heard.len() < before {
            self.live.lost();
        }
    }
}

/// After all that anybody has: what was committed before the subscription came about is in the log only.
fn somewhere(channel: &ChannelName) -> Position {
    Position { channel: ChannelHash::of(channel), incarnation: 0, epoch: 0, address: 0, index: 0, number: u64::MAX }
}
