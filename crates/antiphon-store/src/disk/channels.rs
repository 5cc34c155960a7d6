//! The bookkeeping of the channels in use, in memory: where each begins and ends for readers and for the next commit.

use super::incarnations::Incarnations;
use super::store::{Batch, Store};
use super::stored::EventIdRow;
use crate::NamespaceTable;
use crate::edge::{Edge, Extent, Origin};
use antiphon_core::limits::{CHANNEL_CACHE, MAX_EVENT_IDS};
use antiphon_core::{ChannelName, LogError, Retention};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// One channel's bookkeeping.
pub struct Channel {
    /// Its name.
    pub name: ChannelName,
    /// Its hash and its incarnation.
    pub origin: Origin,
    /// What is kept of it.
    pub keep: Retention,
    /// Its id in the store; 0 while it never had an event.
    id: AtomicU64,
    /// What readers may see: never ahead of what is on disk.
    visible: Mutex<Extent>,
    /// Where the commit under way stands. Only the commit thread locks it.
    pub tail: Mutex<Tail>,
    /// True while it waits for a retention pass.
    pub is_overdue: AtomicBool,
    was_used: AtomicBool,
}

/// Where a commit under way stands in a channel.
#[derive(Debug, Default)]
pub struct Tail {
    /// The last event, those of the commit included.
    pub end: Edge,
    /// The newest event id's ordinal, once somebody asked.
    pub ordinal: Option<u64>,
    /// True while a commit under way has changed it.
    pub is_touched: bool,
}

impl Tail {
    /// Remembers an event id, and forgets the channel's oldest where there are too many. `ordinal` has been asked for.
    pub fn remember_event_id(&mut self, store: &Store, batch: &mut Batch<'_>, id: u64, event_id: &str, edge: Edge) {
        let ordinal = self.ordinal.unwrap_or(0) + 1;
        self.ordinal = Some(ordinal);
        batch.put_event_id(id, event_id, EventIdRow { edge: Edge { total_bytes: 0, ..edge }, ordinal });
        if let Some(oldest) = ordinal.checked_sub(MAX_EVENT_IDS as u64).filter(|oldest| *oldest > 0) {
            // Not found: trimmed already, or of this very batch; then it is forgotten with its event.
            if let Ok(Some(oldest_id)) = store.event_id_of_ordinal(id, oldest) {
                batch.remove_event_id(id, &oldest_id, oldest);
            }
        }
    }
}

impl Channel {
    /// The channel's id in the store, if it has one.
    pub fn id(&self) -> Option<u64> {
        Some(self.id.load(Ordering::Acquire)).filter(|id| *id != 0)
    }

    /// Gives the channel its id.
    pub fn set_id(&self, id: u64) {
        self.id.store(id, Ordering::Release);
    }

    /// What readers may see.
    pub fn visible(&self) -> Extent {
        *self.visible.lock()
    }

    /// Lets readers see up to `end`.
    pub fn show_end(&self, end: Edge) {
        self.visible.lock().end = end;
    }

    /// Lets readers see this extent.
    pub fn show(&self, extent: Extent) {
        *self.visible.lock() = extent;
    }

    /// Lets readers see from after `start` only.
    pub fn show_start(&self, start: Edge) {
        self.visible.lock().start = start;
    }
}

/// Channels by name, bounded; one that is not here is loaded from the store.
pub struct Channels {
    namespaces: NamespaceTable,
    incarnations: Incarnations,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    channels: HashMap<ChannelName, Arc<Channel>>,
    /// Grows whenever a channel is forgotten: what was loaded before then may be old.
    forgotten: u64,
}

impl Channels {
    /// An empty cache.
    pub fn new(namespaces: NamespaceTable, incarnations: Incarnations) -> Self {
        Self { namespaces, incarnations, cache: Mutex::default() }
    }

    /// A channel's hash with its incarnation.
    pub fn origin(&self, name: &ChannelName) -> Result<Origin, LogError> {
        Ok(Origin::new(name, self.incarnations.of(name)?))
    }

    /// What is kept of a channel.
    pub fn keep(&self, name: &ChannelName) -> Retention {
        self.namespaces.settings(name.namespace()).keep
    }

    /// The channel, if it is in memory.
    pub fn peek(&self, name: &ChannelName) -> Option<Arc<Channel>> {
        let cache = self.cache.lock();
        let channel = cache.channels.get(name)?;
        channel.was_used.store(true, Ordering::Relaxed);
        Some(channel.clone())
    }

    /// The channel, asking `load` for its id and extent where it is not in memory.
    pub fn get(
        &self,
        name: &ChannelName,
        load: impl Fn() -> Result<(u64, Extent), LogError>,
    ) -> Result<Arc<Channel>, LogError> {
        loop {
            if let Some(channel) = self.peek(name) {
                return Ok(channel);
            }
            let forgotten = self.cache.lock().forgotten;
            let origin = self.origin(name)?;
            let (id, extent) = load()?;
            let mut cache = self.cache.lock();
            if cache.forgotten != forgotten && !cache.channels.contains_key(name) {
                continue;
            }
            if cache.channels.len() >= CHANNEL_CACHE {
                cache.make_room();
            }
            let channel = cache.channels.entry(name.clone()).or_insert_with(|| self.channel(name, origin, id, extent));
            return Ok(channel.clone());
        }
    }

    fn channel(&self, name: &ChannelName, origin: Origin, id: u64, extent: Extent) -> Arc<Channel> {
        Arc::new(Channel {
            name: name.clone(),
            origin,
            keep: self.keep(name),
            id: AtomicU64::new(id),
            visible: Mutex::new(extent),
            tail: Mutex::new(Tail { end: extent.end, ordinal: None, is_touched: false }),
            is_overdue: AtomicBool::new(false),
            was_used: AtomicBool::new(true),
        })
    }

    /// Forgets all channels, as after the store was opened anew.
    pub fn forget_all(&self) {
        self.forget(|_| true);
    }

    /// Forgets the channels for which `is_to_go` holds.
    pub fn forget(&self, is_to_go: impl Fn(&ChannelName) -> bool) {
        let mut cache = self.cache.lock();
        cache.channels.retain(|name, _| !is_to_go(name));
        cache.forgotten += 1;
    }
}

impl Cache {
    /// Forgets channels that nobody holds: first those not used since the last time, then any.
    fn make_room(&mut self) {
        self.forgotten += 1;
        self.channels
            .retain(|_, channel| Arc::strong_count(channel) > 1 || channel.was_used.swap(false, Ordering::Relaxed));
        if self.channels.len() > CHANNEL_CACHE / 8 * 7 {
            self.channels.retain(|_, channel| Arc::strong_count(channel) > 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_bounded_and_never_forgets_a_channel_in_use() {
        let channels = Channels::new(NamespaceTable::default(), Incarnations::One(1));
        let held = ChannelName::parse("jobs:held").unwrap();
        let held = channels.get(&held, || Ok((7, Extent::default()))).unwrap();
        for number in 0..CHANNEL_CACHE + 10 {
            let name = ChannelName::new("jobs", &number.to_string()).unwrap();
            channels.get(&name, || Ok((0, Extent::default()))).unwrap();
        }
        assert!(channels.cache.lock().channels.len() <= CHANNEL_CACHE);
        let again = channels.get(&held.name, || panic!("must not be loaded again")).unwrap();
        assert!(Arc::ptr_eq(&held, &again));
        channels.forget_all();
        assert!(channels.peek(&held.name).is_none());
    }
}
