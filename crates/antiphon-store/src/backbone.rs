//! The live path of a single process: from the log's commit straight to the hub.

use antiphon_core::{Backbone, ChannelName, Delivery, Receiver, Record};
use parking_lot::RwLock;
use std::collections::HashSet;
use std::sync::OnceLock;

/// Hands the records of followed channels to this process's receiver, in the order in which they are delivered.
#[derive(Default)]
pub struct InProcessBackbone {
    followed: RwLock<HashSet<ChannelName>>,
    receiver: OnceLock<Receiver>,
}

impl InProcessBackbone {
    /// A backbone that nobody has attached to yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next records of followed channels that stand together, from `from` on.
    fn next_run(&self, records: &[Record], from: usize) -> Option<std::ops::Range<usize>> {
        let followed = self.followed.read();
        if followed.is_empty() {
            return None;
        }
        let is_followed = |record: &Record| followed.contains(&record.channel);
        let start = from + records.get(from..)?.iter().position(is_followed)?;
        let rest = records.get(start..)?;
        let length = rest.iter().position(|record| !is_followed(record)).unwrap_or(rest.len());
        Some(start..start + length)
    }
}

impl Backbone for InProcessBackbone {
    fn deliver(&self, records: &[Record]) {
        let Some(receiver) = self.receiver.get() else { return };
        let mut from = 0;
        // The receiver runs without the lock, so that it may follow and unfollow.
        while let Some(run) = self.next_run(records, from) {
            from = run.end;
            if let Some(run) = records.get(run) {
                receiver(Delivery::Records(run));
            }
        }
    }

    fn follow(&self, channel: &ChannelName) {
        self.followed.write().insert(channel.clone());
    }

    fn unfollow(&self, channel: &ChannelName) {
        self.followed.write().remove(channel);
    }

    fn attach(&self, receiver: Receiver) {
        if self.receiver.set(receiver).is_err() {
            tracing::warn!("a second receiver was attached to the in-process backbone and is ignored");
        }
    }
}
