//! How many clients look at a channel: written where clients are, read by the policy that stops unwatched answers.

use crate::ChannelName;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

/// Counts of viewers by channel. A channel nobody views or asks about takes no room.
#[derive(Clone, Default)]
pub struct ViewerCount {
    channels: Arc<Mutex<HashMap<ChannelName, watch::Sender<usize>>>>,
}

/// One viewer, counted until it is dropped.
pub struct Viewing {
    channel: ChannelName,
    counts: ViewerCount,
}

impl ViewerCount {
    /// Counts one more viewer.
    pub fn enter(&self, channel: &ChannelName) -> Viewing {
        self.channels
            .lock()
            .entry(channel.clone())
            .or_insert_with(|| watch::channel(0).0)
            .send_modify(|count| *count += 1);
        Viewing { channel: channel.clone(), counts: self.clone() }
    }

    /// The count now and its changes.
    pub fn watch(&self, channel: &ChannelName) -> watch::Receiver<usize> {
        self.channels.lock().entry(channel.clone()).or_insert_with(|| watch::channel(0).0).subscribe()
    }

    /// The channels that somebody views.
    pub fn viewed(&self) -> Vec<ChannelName> {
        let channels = self.channels.lock();
        channels.iter().filter(|(_, count)| *count.borrow() > 0).map(|(channel, _)| channel.clone()).collect()
    }

    /// Forgets a channel that nobody views or watches any more; for whoever has stopped watching it.
    pub fn release(&self, channel: &ChannelName) {
        let mut channels = self.channels.lock();
        if channels.get(channel).is_some_and(|count| *count.borrow() == 0 && count.receiver_count() == 0) {
            channels.remove(channel);
        }
    }
}

impl Drop for Viewing {
    fn drop(&mut self) {
        let mut channels = self.counts.channels.lock();
        if let Some(count) = channels.get(&self.channel) {
            count.send_modify(|count| *count = count.saturating_sub(1));
            if *count.borrow() == 0 && count.receiver_count() == 0 {
                channels.remove(&self.channel);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_forgets() {
        let counts = ViewerCount::default();
        let channel = ChannelName::parse("ar-room:room-1").unwrap();
        let first = counts.enter(&channel);
        let watched = counts.watch(&channel);
        let second = counts.enter(&channel);
        assert_eq!(*watched.borrow(), 2);
        assert_eq!(counts.viewed(), std::slice::from_ref(&channel));
        drop((first, second));
        assert_eq!(*watched.borrow(), 0);
        assert!(counts.viewed().is_empty());
        drop(watched);
        counts.release(&channel);
        assert!(counts.channels.lock().is_empty());
        drop(counts.enter(&channel));
        assert!(counts.channels.lock().is_empty());
    }
}
