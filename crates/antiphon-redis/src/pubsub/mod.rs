//! The live path by Redis's publish and subscribe: nothing is kept, so what is lost is told by tail notices.

mod envelope;
mod publisher;
mod subscriber;

use crate::link::Link;
use crate::live::{Gap, Live};
use crate::outbox::Outbox;
use crate::target::RedisTarget;
use antiphon_core::{Backbone, ChannelName, Receiver, Record};
use publisher::Publisher;
use std::sync::Arc;
use subscriber::{Changes, Subscriber};
use tokio_util::task::AbortOnDropHandle;

/// Records published to a pub/sub channel each, named like the channel: `{"from": …, "kind": 0, "event": {…}}` with the event
/// as clients get it. Whoever publishes says each second which channels moved; three times unheard, and subscribers are told
/// that something may be lost. While Redis is away nothing waits for it.
pub struct RedisPubSub {
    live: Arc<Live>,
    outbox: Arc<Outbox>,
    changes: Arc<Changes>,
    link: Arc<Link>,
    _tasks: [AbortOnDropHandle<()>; 2],
}

impl RedisPubSub {
    /// Begins to connect; has to be called within a runtime.
    pub fn new(target: RedisTarget) -> Self {
        let (live, outbox, changes) = (Arc::new(Live::default()), Arc::new(Outbox::default()), Arc::default());
        let id = uuid::Uuid::new_v4().simple().to_string();
        let link = Arc::new(Link::new(target.clone()));
        let publisher = Publisher::new(id.clone(), &target, link.clone(), outbox.clone());
        let subscriber = Subscriber::new(id, target, live.clone(), Arc::clone(&changes));
        let tasks = [
            AbortOnDropHandle::new(tokio::spawn(publisher.run())),
            AbortOnDropHandle::new(tokio::spawn(subscriber.run())),
        ];
        Self { live, outbox, changes, link, _tasks: tasks }
    }

    /// Whether Redis takes what is published, and is subscribed to where anybody is attached.
    pub fn is_up(&self) -> bool {
        self.link.up().is_ok() && (!self.live.is_attached() || self.changes.is_up())
    }

    /// Records that were not published, as Redis was away or too slow.
    pub fn left_out(&self) -> u64 {
        self.outbox.left_out()
    }

    /// Channels that are subscribed to now.
    pub fn subscriptions(&self) -> usize {
        self.changes.subscribed()
    }
}

impl Backbone for RedisPubSub {
    fn deliver(&self, records: &[Record]) {
        // This process needs no publishing.
        self.live.tell(records, Gap::Tell);
        self.outbox.push(records.iter().cloned());
    }

    fn follow(&self, channel: &ChannelName) {
        if self.live.follow(channel) {
            self.changes.note(channel);
        }
    }

    fn unfollow(&self, channel: &ChannelName) {
        if self.live.unfollow(channel) {
            self.changes.note(channel);
        }
    }

    fn attach(&self, receiver: Receiver) {
        self.live.attach(receiver);
    }
}
