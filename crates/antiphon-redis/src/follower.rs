//! The live path of the engine "redis-streams": the process's own commits at once, everybody else's by Redis's notices.

use crate::following::{Following, Judge, Verdict};
use crate::keys::Keys;
use crate::known::{Known, Reach};
use crate::live::{Gap, Live};
use crate::notice::Notice;
use crate::outage::Outage;
use crate::owned::Owned;
use crate::target::RedisTarget;
use antiphon_core::limits::REDIS_FOLLOW_WAIT;
use antiphon_core::{Backbone, ChannelName, Receiver, Record, Shard, Sharding};
use std::sync::Arc;

/// The [`Backbone`] that belongs to a [`RedisLog`](crate::RedisLog). The log itself feeds it, so `deliver` has nothing to do.
pub struct RedisFollower {
    live: Arc<Live>,
    following: Following,
}

impl RedisFollower {
    pub(crate) fn new(
        target: RedisTarget,
        outage: Arc<Outage>,
        sharding: Sharding,
        known: Arc<Known>,
        owned: Arc<Owned>,
    ) -> Self {
        let keys = Keys::new(&target.prefix);
        let streams = sharding.all().map(|shard| (shard, keys.notices(shard))).collect();
        let live = Arc::new(Live::default());
        let judge = Arc::new(LogNotices { known, owned });
        let following = Following::new(target, outage, streams, live.clone(), judge);
        Self { live, following }
    }

    /// Whether other processes' commits are followed now, where anybody is attached.
    pub fn is_up(&self) -> bool {
        !self.live.is_attached() || self.following.is_up()
    }

    /// Channels that are followed now.
    pub fn subscriptions(&self) -> usize {
        if self.following.is_up() { self.live.count() } else { 0 }
    }

    /// Waits until other processes' commits are followed; that begins once somebody is attached.
    pub async fn until_following(&self) {
        self.following.until_up().await;
    }

    /// Hands over what this process has committed.
    pub(crate) fn tell(&self, records: &[Record]) {
        self.live.tell(records, Gap::Leave);
    }

    /// Waits, if anybody is attached, until whatever was committed before is handed over.
    pub(crate) async fn until(&self, shard: Shard, reach: Reach) {
        if self.live.is_attached() && self.following.is_up() {
            let id = (u64::from(reach.incarnation), reach.counter);
            let until = self.following.until(usize::from(shard.0), id);
            // Whoever is late then is told that something was lost, by the gap.
            let _ = tokio::time::timeout(REDIS_FOLLOW_WAIT, until).await;
        }
    }
}

impl Backbone for RedisFollower {
    fn deliver(&self, _records: &[Record]) {}

    fn follow(&self, channel: &ChannelName) {
        self.live.follow(channel);
    }

    fn unfollow(&self, channel: &ChannelName) {
        self.live.unfollow(channel);
    }

    fn attach(&self, receiver: Receiver) {
        self.live.attach(receiver);
    }
}

struct LogNotices {
    known: Arc<Known>,
    owned: Arc<Owned>,
}

impl Judge for LogNotices {
    fn judge(&self, shard: Shard, before: (u64, u64), notice: &Notice) -> Verdict {
        let (incarnation, counter) = notice.id;
        let Ok(incarnation) = u32::try_from(incarnation) else { return Verdict::Skip };
        self.known.saw(shard, Reach { incarnation, counter });
        if let Some(epoch) = notice.epoch {
            self.owned.saw_epoch(shard, epoch);
        }
        // Each counter is told of once; the first notice of a log of its own says that there is another.
        let is_gap = before != (0, 0) && (before.0 != notice.id.0 || notice.from != Some(before.1 + 1));
        Verdict::Take { incarnation, is_gap }
    }
}
