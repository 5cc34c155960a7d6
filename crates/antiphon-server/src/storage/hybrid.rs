//! The live path of the topology `hybrid`: copies in Redis for speed, and the log's own follower for whatever they lack.

use antiphon_core::{Backbone, ChannelName, OnCommit, OwnedShards, Receiver, Record};
use antiphon_redis::RedisCopies;
use antiphon_store::InProcessBackbone;
use std::sync::Arc;

/// Both paths into one receiver, which drops by number what comes a second time.
pub struct Hybrid {
    copies: Arc<RedisCopies>,
    log: InProcessBackbone,
    owned: OwnedShards,
}

impl Hybrid {
    /// The path of a process that owns these shards.
    pub fn new(copies: RedisCopies, owned: OwnedShards) -> Arc<Self> {
        Arc::new(Self { copies: Arc::new(copies), log: InProcessBackbone::new(), owned })
    }

    /// For the log: hands on what it committed or followed.
    pub fn on_commit(self: &Arc<Self>) -> OnCommit {
        let this = self.clone();
        Arc::new(move |records| this.deliver(records))
    }
}

impl Backbone for Hybrid {
    fn deliver(&self, records: &[Record]) {
        self.log.deliver(records);
        // What other owners commit they copy themselves.
        for run in records.chunk_by(|one, next| one.channel == next.channel) {
            if run.first().is_some_and(|first| self.owned.epoch_of(&first.channel).is_some()) {
                self.copies.deliver(run);
            }
        }
    }

    fn follow(&self, channel: &ChannelName) {
        self.log.follow(channel);
        self.copies.follow(channel);
    }

    fn unfollow(&self, channel: &ChannelName) {
        self.log.unfollow(channel);
        self.copies.unfollow(channel);
    }

    fn attach(&self, receiver: Receiver) {
        self.log.attach(receiver.clone());
        self.copies.attach(receiver);
    }
}
