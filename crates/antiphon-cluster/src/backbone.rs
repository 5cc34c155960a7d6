//! The live path by gRPC: each process follows the channels that its clients look at, at their owners.

use crate::follower::Followers;
use antiphon_core::{Backbone, ChannelName, Delivery, OwnedShards, Receiver, Record, Shard};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use tokio::sync::Notify;

/// Hands an owner's records to the processes that follow their channels, and to this one's own receiver.
///
/// [`Backbone::deliver`] is for what this process's engine committed; what other owners commit comes by itself.
pub struct GrpcBackbone {
    pub(crate) owned: OwnedShards,
    pub(crate) followers: Arc<Followers>,
    pub(crate) shards: Vec<Wanted>,
    receiver: OnceLock<Receiver>,
}

/// What this process follows of one shard.
#[derive(Default)]
pub(crate) struct Wanted {
    state: Mutex<WantedState>,
    /// Rings when there are changes.
    pub(crate) changed: Notify,
}

#[derive(Default)]
struct WantedState {
    channels: HashSet<ChannelName>,
    /// What the owner has not been told: true follows, false no longer does.
    changes: HashMap<ChannelName, bool>,
}

impl Wanted {
    fn set(&self, channel: &ChannelName, follow: bool) {
        let mut state = self.state.lock();
        let is_new = if follow { state.channels.insert(channel.clone()) } else { state.channels.remove(channel) };
        if is_new {
            state.changes.insert(channel.clone(), follow);
            drop(state);
            self.changed.notify_one();
        }
    }

    pub(crate) fn has(&self, channel: &ChannelName) -> bool {
        self.state.lock().channels.contains(channel)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.state.lock().channels.is_empty()
    }

    /// Everything, for an owner that has been told nothing.
    pub(crate) fn all(&self) -> Vec<(ChannelName, bool)> {
        let mut state = self.state.lock();
        state.changes.clear();
        state.channels.iter().map(|channel| (channel.clone(), true)).collect()
    }

    /// What the owner has not been told yet.
    pub(crate) fn changes(&self) -> Vec<(ChannelName, bool)> {
        self.state.lock().changes.drain().collect()
    }
}

impl GrpcBackbone {
    /// A backbone that reaches this process alone until a [`Cluster`](crate::Cluster) connects it.
    pub(crate) fn new(owned: OwnedShards) -> Self {
        let shards = owned.sharding().all().map(|_| Wanted::default()).collect();
        Self { owned, followers: Arc::default(), shards, receiver: OnceLock::new() }
    }

    pub(crate) fn wanted(&self, shard: Shard) -> Option<&Wanted> {
        self.shards.get(usize::from(shard.0))
    }

    /// Hands something to this process's receiver.
    pub(crate) fn receive(&self, delivery: Delivery<'_>) {
        if let Some(receiver) = self.receiver.get() {
            receiver(delivery);
        }
    }

    fn set(&self, channel: &ChannelName, follow: bool) {
        if let Some(wanted) = self.wanted(self.owned.sharding().shard_of(channel)) {
            wanted.set(channel, follow);
        }
    }
}

impl Backbone for GrpcBackbone {
    fn deliver(&self, records: &[Record]) {
        for run in records.chunk_by(|one, next| one.channel == next.channel) {
            let Some(first) = run.first() else { continue };
            let shard = self.owned.sharding().shard_of(&first.channel);
            self.followers.deliver(shard, run);
            if self.wanted(shard).is_some_and(|wanted| wanted.has(&first.channel)) {
                self.receive(Delivery::Records(run));
            }
        }
    }

    fn follow(&self, channel: &ChannelName) {
        self.set(channel, true);
    }

    fn unfollow(&self, channel: &ChannelName) {
        self.set(channel, false);
    }

    fn attach(&self, receiver: Receiver) {
        if self.receiver.set(receiver).is_err() {
            tracing::warn!("a second receiver was attached to the gRPC backbone and is ignored");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use antiphon_core::Sharding;

    #[tokio::test]
    async fn within_one_process_it_does_what_every_backbone_must() {
        let sharding = Sharding::new(8).unwrap();
        antiphon_testkit::backbone_suite::run_all(|| Arc::new(GrpcBackbone::new(OwnedShards::none(sharding)))).await;
    }

    #[test]
    fn an_owner_is_told_what_changed_once() {
        let wanted = Wanted::default();
        let channels: Vec<_> = (0..3).map(|id| ChannelName::new("jobs", &id.to_string()).unwrap()).collect();
        for channel in &channels {
            wanted.set(channel, true);
        }
        assert_eq!(wanted.all().len(), 3);
        wanted.set(&channels[0], true);
        wanted.set(&channels[1], false);
        assert_eq!(wanted.changes(), [(channels[1].clone(), false)]);
        assert!(wanted.changes().is_empty() && wanted.has(&channels[0]) && !wanted.has(&channels[1]));
    }
}
