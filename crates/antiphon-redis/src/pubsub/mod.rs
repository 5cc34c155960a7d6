//! The live path by Redis's publish and subscribe: nothing is kept, so what is lost is told by tail notices.

mod envelope;
mod hearing;
mod publisher;
mod subscriber;

use crate::link::Link;
use crate::live::{Gap, Live};
use crate::outage::Outage;
use crate::outbox::Outbox;
use crate::target::RedisTarget;
use antiphon_core::{Backbone, ChannelName, Receiver, Record};
use hearing::Hearing;
use publisher::Publisher;
use std::sync::Arc;
use subscriber::{Changes, Subscriber};
use tokio_util::task::AbortOnDropHandle;

/// Records published to a pub/sub channel each, named like the channel: `{"from": …, "kind": 0, "event": {…}}` with the event
/// as clients get it. Whoever publishes says each second which channels moved; three times unheard, and subscribers are told
/// that something may be lost. As long as nobody is heard, or Redis is away, they are told so each second: they read the log
/// meanwhile. Nothing waits for Redis.
pub struct RedisPubSub {
    live: Arc<Live>,
    outbox: Arc<Outbox>,
    changes: Arc<Changes>,
    link: Arc<Link>,
    hearing: Arc<Hearing>,
    _tasks: [AbortOnDropHandle<()>; 2],
}

impl RedisPubSub {
    /// Begins to connect; has to be called within a runtime.
    pub fn new(target: RedisTarget) -> Self {
        let (live, outbox) = (Arc::new(Live::default()), Arc::new(Outbox::default()));
        let changes = Arc::<Changes>::default();
        let id = uuid::Uuid::new_v4().simple().to_string();
        let outage = Arc::new(Outage::new("the live path", target.clone()));
        let (link, hearing) = (Arc::new(Link::new(target.clone(), outage.clone())), Arc::<Hearing>::default());
        let publisher = Publisher::new(id.clone(), &target, link.clone(), outbox.clone(), hearing.clone());
        let subscriber =
            Subscriber { id, target, live: live.clone(), changes: changes.clone(), hearing: hearing.clone(), outage };
        let tasks = [
            AbortOnDropHandle::new(tokio::spawn(publisher.run())),
            AbortOnDropHandle::new(tokio::spawn(subscriber.run())),
        ];
        Self { live, outbox, changes, link, hearing, _tasks: tasks }
    }

    /// From now on `deliver` is called with whatever anybody commits: others are told each second that this process is there,
    /// and it needs nobody else. While not `is_well`, asked each second, others are told nothing, and read the log.
    pub fn begin_relaying(&self, is_well: impl Fn() -> bool + Send + Sync + 'static) {
        self.hearing.begin_relaying(Box::new(is_well));
    }

    /// Whether [`Self::begin_relaying`] was called.
    pub fn is_relaying(&self) -> bool {
        self.hearing.is_relaying()
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
