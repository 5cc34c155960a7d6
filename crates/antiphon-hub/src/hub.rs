//! The hub: the channels that this process follows, and the connections that want them.

use crate::connection::Connection;
use crate::feed::Feed;
use crate::latency::Hops;
use crate::outlet::Outlet;
use crate::session::Sessions;
use crate::writer;
use antiphon_core::limits::{CATCH_UP_BYTES, CATCH_UP_EVENTS, REPAIRS};
use antiphon_core::{
    Backbone, ChannelName, Delivery, Log, LogError, Position, ReadFrom, ReadLimit, Record, Refusal, ViewerCount,
    new_client_id,
};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use tokio::sync::Semaphore;

/// Where a log and a backbone meet the clients of this process.
pub struct Hub {
    log: Arc<dyn Log>,
    backbone: Arc<dyn Backbone>,
    viewers: ViewerCount,
    feeds: Mutex<HashMap<ChannelName, Followed>>,
    sessions: Sessions,
    hops: Hops,
    delivered: AtomicU64,
    /// So many channels may be looked up in the log at once because a delivery was missed.
    repairs: Semaphore,
    this: Weak<Hub>,
}

struct Followed {
    feed: Arc<Feed>,
    subscriptions: usize,
}

/// The hub in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HubCounts {
    /// Channels with a subscription, by name, and how many each has.
    pub channels: Vec<(String, usize)>,
    /// Batches handed to live clients.
    pub delivered: u64,
}

impl Hub {
    /// Attaches to the backbone.
    pub fn new(log: Arc<dyn Log>, backbone: Arc<dyn Backbone>, viewers: ViewerCount) -> Arc<Self> {
        let hub = Arc::new_cyclic(|this: &Weak<Hub>| Self {
            log,
            backbone,
            viewers,
            feeds: Mutex::default(),
            sessions: Sessions::default(),
            hops: Hops::default(),
            delivered: AtomicU64::new(0),
            repairs: Semaphore::new(REPAIRS),
            this: this.clone(),
        });
        let receiver = Arc::downgrade(&hub);
        hub.backbone.attach(Arc::new(move |delivery| {
            if let Some(hub) = receiver.upgrade() {
                hub.take(delivery);
            }
        }));
        hub
    }

    /// Opens a connection, or takes a session over with its resume token.
    pub fn connect(
        self: &Arc<Self>,
        user_id: &str,
        outlet: Arc<dyn Outlet>,
        resume: Option<&str>,
    ) -> Result<Connection, Refusal> {
        let user_id: Arc<str> = Arc::from(user_id);
        let grant = self.sessions.open(&user_id, &outlet, resume)?;
        Ok(Connection::new(self.clone(), outlet, Arc::from(new_client_id()), user_id, grant))
    }

    /// The latencies of each hop.
    pub fn hops(&self) -> &Hops {
        &self.hops
    }

    /// The numbers now.
    pub fn counts(&self) -> HubCounts {
        let feeds = self.feeds.lock();
        HubCounts {
            channels: feeds.iter().map(|(name, followed)| (name.to_string(), followed.subscriptions)).collect(),
            delivered: self.delivered.load(Ordering::Relaxed),
        }
    }

    /// The connections in a room.
    pub fn client_ids(&self, room: &ChannelName) -> Vec<String> {
        let feed = self.feeds.lock().get(room).map(|followed| followed.feed.clone());
        feed.map(|feed| feed.client_ids()).unwrap_or_default()
    }

    pub(crate) fn log(&self) -> &dyn Log {
        self.log.as_ref()
    }

    /// Reads what a channel's live clients lack. Where a whole live path is silent all channels come at once, and wait here.
    pub(crate) async fn read_missing(&self, channel: &ChannelName, after: Position) -> Result<Vec<Record>, LogError> {
        // It is never closed.
        let _permit = self.repairs.acquire().await;
        let limit = ReadLimit { events: CATCH_UP_EVENTS, bytes: CATCH_UP_BYTES };
        self.log.read(channel, ReadFrom::After(after), limit).await
    }

    pub(crate) fn viewers(&self) -> &ViewerCount {
        &self.viewers
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    pub(crate) fn count_delivered(&self, clients: usize) {
        self.delivered.fetch_add(clients as u64, Ordering::Relaxed);
    }

    /// The channel's feed, followed from now on; every call is matched by one of `release`.
    pub(crate) fn feed(&self, channel: &ChannelName) -> Arc<Feed> {
        let mut feeds = self.feeds.lock();
        if let Some(followed) = feeds.get_mut(channel) {
            followed.subscriptions += 1;
            return followed.feed.clone();
        }
        let feed = Arc::new(Feed::new(channel.clone()));
        feeds.insert(channel.clone(), Followed { feed: feed.clone(), subscriptions: 1 });
        // Followed before the log's end is read, so that nothing falls between.
        self.backbone.follow(channel);
        if let Some(hub) = self.this.upgrade() {
            tokio::spawn(writer::run(hub, feed.clone()));
        }
        feed
    }

    pub(crate) fn release(&self, channel: &ChannelName) {
        let mut feeds = self.feeds.lock();
        let Some(followed) = feeds.get_mut(channel) else { return };
        followed.subscriptions -= 1;
        if followed.subscriptions == 0 {
            followed.feed.stop();
            feeds.remove(channel);
            self.backbone.unfollow(channel);
        }
    }

    fn take(&self, delivery: Delivery<'_>) {
        match delivery {
            Delivery::Records(records) => self.receive(records),
            Delivery::Tail(channel, end) => {
                let feed = self.feeds.lock().get(channel).map(|found| found.feed.clone());
                if let Some(feed) = feed {
                    feed.moved(end);
                }
            }
            Delivery::Lost => self.feeds.lock().values().for_each(|followed| followed.feed.look()),
        }
    }

    fn receive(&self, records: &[Record]) {
        for run in records.chunk_by(|one, next| one.channel == next.channel) {
            let feed =
                run.first().and_then(|first| self.feeds.lock().get(&first.channel).map(|found| found.feed.clone()));
            if let Some(feed) = feed {
                feed.receive(run);
            }
        }
    }
}
