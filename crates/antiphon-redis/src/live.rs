//! Where the records of followed channels go in this process: each once, in order, whichever way they came.

use antiphon_core::{ChannelName, Delivery, Position, Receiver, Record};
use parking_lot::{Mutex, RwLock};
use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;
use tokio::sync::Notify;

/// What to do with records that do not follow the last one that was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// Tell them: whoever gets them sees the gap.
    Tell,
    /// Leave them to the way that brings what is missing as well.
    Leave,
}

/// The followed channels and their receiver.
#[derive(Default)]
pub struct Live {
    receiver: OnceLock<Receiver>,
    attached: Notify,
    followed: RwLock<HashSet<ChannelName>>,
    /// Held while the receiver is called, so that two ways cannot overtake each other. A receiver follows and unfollows
    /// meanwhile, and therefore those do not take it.
    told: Mutex<HashMap<ChannelName, (u32, u64)>>,
}

impl Live {
    /// Sets the receiver, once.
    pub fn attach(&self, receiver: Receiver) {
        if self.receiver.set(receiver).is_err() {
            tracing::warn!("a second receiver was attached to a live path through Redis and is ignored");
        }
        self.attached.notify_waiters();
    }

    pub fn is_attached(&self) -> bool {
        self.receiver.get().is_some()
    }

    /// Waits until somebody wants anything.
    pub async fn until_attached(&self) {
        loop {
            let attached = self.attached.notified();
            tokio::pin!(attached);
            attached.as_mut().enable();
            if self.is_attached() {
                return;
            }
            attached.await;
        }
    }

    /// True if it was not followed before.
    pub fn follow(&self, channel: &ChannelName) -> bool {
        self.followed.write().insert(channel.clone())
    }

    /// True if it was followed before.
    pub fn unfollow(&self, channel: &ChannelName) -> bool {
        self.followed.write().remove(channel)
    }

    pub fn is_followed(&self, channel: &ChannelName) -> bool {
        self.followed.read().contains(channel)
    }

    /// How many channels are followed.
    pub fn count(&self) -> usize {
        self.followed.read().len()
    }

    /// All followed channels.
    pub fn followed(&self) -> Vec<ChannelName> {
        self.followed.read().iter().cloned().collect()
    }

    /// Incarnation and number of the last record that was told of a channel.
    pub fn last_told(&self, channel: &ChannelName) -> Option<(u32, u64)> {
        self.told.lock().get(channel).copied()
    }

    /// Hands over what is followed and was not told yet.
    pub fn tell(&self, records: &[Record], gap: Gap) {
        let Some(receiver) = self.receiver.get() else { return };
        if self.followed.read().is_empty() {
            return;
        }
        let mut told = self.told.lock();
        for run in records.chunk_by(|one, next| one.channel == next.channel) {
            let Some(channel) = run.first().map(|record| &record.channel) else { continue };
            if !self.is_followed(channel) {
                told.remove(channel);
                continue;
            }
            let before = told.get(channel).copied();
            let known = run.iter().take_while(|record| before.is_some_and(|before| place(record) <= before)).count();
            let Some((fresh, last)) = run.get(known..).and_then(|fresh| Some((fresh, place(fresh.last()?)))) else {
                continue;
            };
            let follows = |(incarnation, number)| fresh.first().map(place) <= Some((incarnation, number + 1));
            if gap == Gap::Leave && !before.is_none_or(follows) {
                continue;
            }
            told.insert(channel.clone(), last);
            receiver(Delivery::Records(fresh));
        }
        let followed = self.followed.read();
        if told.len() > 2 * followed.len() + 64 {
            told.retain(|channel, _| followed.contains(channel));
        }
    }

    /// Tells of a channel's last event without the events.
    pub fn tail(&self, channel: &ChannelName, end: Position) {
        if let Some(receiver) = self.receiver.get()
            && self.is_followed(channel)
        {
            receiver(Delivery::Tail(channel, end));
        }
    }

    /// Something may have been lost.
    pub fn lost(&self) {
        if let Some(receiver) = self.receiver.get() {
            receiver(Delivery::Lost);
        }
    }
}

fn place(record: &Record) -> (u32, u64) {
    (record.position.incarnation, record.position.number)
}
