//! Subscribing: the followed channels and the tail notices, on a connection of their own.

use super::envelope::{self, Tails};
use super::hearing::Hearing;
use crate::connect::{jittered, within};
use crate::keys::Keys;
use crate::live::{Gap, Live};
use crate::outage::{Connection, Outage};
use crate::target::RedisTarget;
use antiphon_core::limits::{
    MAX_FOLLOWED_CHANNELS, REDIS_CALL_TIMEOUT, REDIS_PROBE_TIMEOUT, REDIS_RECONNECT_LEAST, REDIS_RECONNECT_MOST,
    REDIS_SUBSCRIBE_BATCH, REDIS_TAIL_INTERVAL,
};
use antiphon_core::{ChannelHash, ChannelName, Position};
use futures::StreamExt;
use parking_lot::Mutex;
use redis::aio::PubSubSink;
use redis::{Msg, RedisResult};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
    pub id: String,
    pub target: RedisTarget,
    pub live: Arc<Live>,
    pub changes: Arc<Changes>,
    pub hearing: Arc<Hearing>,
    pub outage: Arc<Outage>,
}

impl Subscriber {
    /// Subscribes once somebody is attached, again and again, and tells of what may be lost.
    pub async fn run(self) {
        self.live.until_attached().await;
        let redis = self.target.to_string();
        let subscriptions =
            Subscriptions { keys: Keys::new(&self.target.prefix), subscribed: HashSet::new(), of: &self };
        // What is lost is told whatever a connection waits for.
        tokio::join!(subscriptions.run(), self.hearing.tell_losses(&self.live, &redis));
    }
}

/// What is subscribed to.
struct Subscriptions<'a> {
    keys: Keys,
    subscribed: HashSet<ChannelName>,
    of: &'a Subscriber,
}

impl Subscriptions<'_> {
    async fn run(mut self) {
        let changes = &self.of.changes;
        let mut pause = REDIS_RECONNECT_LEAST;
        loop {
            let ended = self.subscribe().await;
            let was_up = changes.is_up.swap(false, Ordering::AcqRel);
            self.of.hearing.end();
            match ended {
                Err(error) if was_up => self.of.outage.lost(Connection::Following, &error.to_string()),
                Err(error) => self.of.outage.failed(Connection::Following, &error),
                Ok(()) => {}
            }
            if was_up {
                pause = REDIS_RECONNECT_LEAST;
            }
            self.subscribed.clear();
            changes.subscribed.store(0, Ordering::Relaxed);
            tokio::time::sleep(jittered(pause)).await;
            pause = (pause * 2).min(REDIS_RECONNECT_MOST);
        }
    }

    /// Until the connection fails.
    async fn subscribe(&mut self) -> RedisResult<()> {
        let Subscriber { target, live, changes, hearing, outage, .. } = self.of;
        let (mut sink, mut messages) = target.connect_subscriber().await?.split();
        within(REDIS_CALL_TIMEOUT, sink.subscribe(self.keys.tails())).await?;
        // Before all are looked at, so that none that comes meanwhile is missed.
        changes.is_up.store(true, Ordering::Release);
        self.apply(&mut sink, live.followed().into_iter().collect()).await?;
        outage.over(Connection::Following);
        hearing.begin();
        live.lost();
        let mut ticks = tokio::time::interval(REDIS_TAIL_INTERVAL);
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) => self.take(&message),
                    None => return Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()),
                },
                () = changes.noted.notified() => {
                    let fresh = self.apply(&mut sink, changes.take()).await?;
                    fresh.iter().for_each(|channel| live.tail(channel, somewhere(channel)));
                }
                _ = ticks.tick() => {
                    within(REDIS_PROBE_TIMEOUT, sink.ping::<redis::Value>()).await?;
                }
            }
        }
    }

    /// Subscribes to what is followed and unsubscribes from what is not; returns the new ones.
    async fn apply(&mut self, sink: &mut PubSubSink, changed: HashSet<ChannelName>) -> RedisResult<Vec<ChannelName>> {
        let (wanted, unwanted): (Vec<_>, Vec<_>) =
            changed.into_iter().partition(|channel| self.of.live.is_followed(channel));
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
        self.of.changes.subscribed.store(self.subscribed.len(), Ordering::Relaxed);
        Ok(fresh)
    }

    fn take(&self, message: &Msg) {
        let name = message.get_channel_name();
        if name == self.keys.tails() {
            if let Ok(tails) = serde_json::from_slice::<Tails>(message.get_payload_bytes()) {
                self.take_tails(tails);
            }
            return;
        }
        let Some(channel) = self.keys.channel_of(name) else { return };
        match envelope::read(channel, message.get_payload_bytes()) {
            Some((from, record)) if from != self.of.id => {
                self.of.hearing.hear();
                self.of.live.tell(&[record], Gap::Tell);
            }
            _ => {}
        }
    }

    fn take_tails(&self, Tails { from, has_left_out, tails }: Tails) {
        let Subscriber { id, live, hearing, .. } = self.of;
        if from == *id {
            return;
        }
        for (channel, end) in tails {
            if let Ok(channel) = ChannelName::parse(&channel) {
                live.tail(&channel, end);
            }
        }
        if hearing.hear_of(from) || has_left_out {
            // What came between the one before it and this one may be on no path.
            live.lost();
        }
    }
}

/// After all that anybody has: what was committed before the subscription came about is in the log only.
fn somewhere(channel: &ChannelName) -> Position {
    Position { channel: ChannelHash::of(channel), incarnation: 0, epoch: 0, address: 0, index: 0, number: u64::MAX }
}
