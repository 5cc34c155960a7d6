//! The channels in a store and what its writer, the retention thread and readers share of them: reads, faults, bookkeeping.

use super::channels::{Channel, Channels};
use super::retention::Overdue;
use super::store::{Durability, Store};
use super::{OpenError, journal, space};
use crate::edge::{Check, Extent};
use antiphon_core::limits::DISK_LOOK_INTERVAL;
use antiphon_core::{Bounds, ChannelName, LogError, Position, ReadFrom, ReadLimit, Record};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long readers may hold a store that is to be closed. A read takes milliseconds.
const READERS_LEAVE: Duration = Duration::from_secs(5);
/// How long closing may take to write tables; what is left then is replayed at the next opening.
const TABLES: Duration = Duration::from_secs(5);
/// Trims that may overtake one read.
const OVERTAKEN: usize = 16;

/// An open store with its channels.
pub struct Contents {
    /// Where it is.
    pub place: Place,
    /// What a batch has reached when it counts as written.
    pub durability: Durability,
    /// The channels in use.
    pub channels: Channels,
    /// The channels that wait for a retention pass.
    pub overdue: Overdue,
    store: RwLock<Option<Arc<Store>>>,
    fault: Mutex<Option<Fault>>,
}

/// Why appends are refused.
#[derive(Clone, Debug)]
struct Fault {
    /// For the operator.
    reason: String,
    /// The events of the group that was refused, which the store may have written nevertheless.
    refused: Vec<(ChannelName, u64)>,
}

/// Where a store is.
pub struct Place {
    /// The folder that is locked, and named in errors.
    pub folder: PathBuf,
    /// The store's own folder in it.
    pub log: PathBuf,
    /// Bytes of the disk that appends leave free.
    pub reserve: u64,
    /// When the disk was last seen to have that much; a look costs as much as a small write.
    pub seen_free: Mutex<Option<Instant>>,
}

impl Place {
    /// Fails while less than the reserve, divided by `share`, is free.
    pub fn check(&self, share: u64) -> Result<(), LogError> {
        space::check(&self.folder, self.reserve / share)
    }

    /// As [`Self::check`] of the whole reserve, but looks only where the last look is a while ago: what can be written
    /// meanwhile is far less than the reserve.
    pub fn check_often(&self) -> Result<(), LogError> {
        let mut seen_free = self.seen_free.lock();
        if seen_free.is_some_and(|at| at.elapsed() < DISK_LOOK_INTERVAL) {
            return Ok(());
        }
        *seen_free = None;
        self.check(1)?;
        *seen_free = Some(Instant::now());
        Ok(())
    }
}

impl Contents {
    /// Of a store that has just been opened.
    pub fn new(place: Place, durability: Durability, channels: Channels, store: Store) -> Self {
        Self {
            place,
            durability,
            channels,
            overdue: Overdue::default(),
            store: RwLock::new(Some(Arc::new(store))),
            fault: Mutex::default(),
        }
    }

    /// The store to write to; fails while there is a fault.
    pub fn store(&self) -> Result<Arc<Store>, LogError> {
        let reason = self.fault.lock().as_ref().map(|fault| fault.reason.clone());
        match reason {
            Some(reason) => Err(LogError::Unavailable { reason }),
            None => self.store_to_read(),
        }
    }

    /// The store to read from, even if it cannot be written.
    pub fn store_to_read(&self) -> Result<Arc<Store>, LogError> {
        let reason = || match &*self.fault.lock() {
            Some(fault) => fault.reason.clone(),
            None => "it is closed".to_owned(),
        };
        self.store.read().clone().ok_or_else(|| LogError::Unavailable { reason: reason() })
    }

    /// A channel's bookkeeping, from memory or from the store.
    pub fn channel(&self, store: &Store, name: &ChannelName) -> Result<Arc<Channel>, LogError> {
        self.channels.get(name, || match store.channel_row(name)? {
            Some(row) => Ok((row.id, store.extent(name, &row)?)),
            None => Ok((0, Extent::default())),
        })
    }

    /// A channel's id and extent, without keeping it in memory; nothing if it never had an event.
    pub fn look(&self, store: &Store, name: &ChannelName) -> Result<Option<(u64, Extent)>, LogError> {
        if let Some(channel) = self.channels.peek(name) {
            return Ok(channel.id().map(|id| (id, channel.visible())));
        }
        let Some(row) = store.channel_row(name)? else { return Ok(None) };
        Ok(Some((row.id, store.extent(name, &row)?)))
    }

    /// Answers a read that needs no event: most reads ask whether something follows, and nothing does.
    fn read_without_store(&self, name: &ChannelName, from: ReadFrom) -> Option<Result<Vec<Record>, LogError>> {
        let channel = self.channels.peek(name)?;
        let extent = channel.visible();
        let ReadFrom::After(position) = from else { return (extent.start == extent.end).then(|| Ok(Vec::new())) };
        match channel.origin.check(&position, &extent) {
            Ok(Check::Good) if position.number == extent.end.number => Some(Ok(Vec::new())),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// Reads events; blocks on the disk.
    fn read(&self, name: &ChannelName, from: ReadFrom, limit: ReadLimit) -> Result<Vec<Record>, LogError> {
        let store = self.store_to_read()?;
        let channel = self.channel(&store, name)?;
        for _ in 0..OVERTAKEN {
            let extent = channel.visible();
            let (first, must_match) = match from {
                ReadFrom::Start => (extent.start.number + 1, None),
                ReadFrom::After(position) => match channel.origin.check(&position, &extent)? {
                    Check::Good => (position.number + 1, None),
                    Check::IfEventMatches => (position.number, Some(position)),
                },
            };
            let Some(id) = channel.id().filter(|_| first <= extent.end.number) else { return Ok(Vec::new()) };
            let mut page =
                Page { channel: &channel, must_match, limit, bytes: 0, records: Vec::new(), is_foreign: false };
            if store.scan(name, id, (first, extent.end.number), |header, json| page.take(header, json))? {
                return if page.is_foreign { Err(LogError::Foreign) } else { Ok(page.records) };
            }
            // The first event is gone: trimmed since the extent was looked at, or damaged.
            if channel.visible().start == extent.start {
                break;
            }
        }
        Err(LogError::Unavailable { reason: format!("an event of channel {name} is missing") })
    }

    /// What is kept of a channel; blocks on the disk.
    fn bounds(&self, name: &ChannelName) -> Result<Bounds, LogError> {
        let channel = self.channel(&*self.store_to_read()?, name)?;
        Ok(channel.origin.bounds(&channel.visible()))
    }

    /// Where the channel has the event of an id, and its JSON; blocks on the disk.
    pub fn event(&self, name: &ChannelName, event_id: &str) -> Result<Option<(Position, Bytes)>, LogError> {
        let store = self.store_to_read()?;
        let channel = self.channel(&store, name)?;
        let Some(id) = channel.id() else { return Ok(None) };
        let Some(row) = store.event_id(id, event_id)? else { return Ok(None) };
        let mut found = None;
        store.scan(name, id, (row.edge.number, row.edge.number), |header, json| {
            found = Some((channel.origin.position(&header.edge), Bytes::copy_from_slice(json)));
            false
        })?;
        Ok(found)
    }

    /// Refuses everything from here on until the store is open again; gives what to answer.
    pub fn fail(&self, error: &fjall::Error, refused: Vec<(ChannelName, u64)>) -> LogError {
        let reason = format!(
            "the store in {} failed ({error:?}); it is being opened again, see what the disk and the system's log say",
            self.place.folder.display()
        );
        tracing::error!(%reason, "the log refuses appends");
        *self.fault.lock() = Some(Fault { reason: reason.clone(), refused });
        LogError::Unavailable { reason }
    }

    /// Replaces the reason of the fault by one that is nearer.
    fn explain(&self, error: &LogError) {
        if let (Some(fault), LogError::Unavailable { reason }) = (&mut *self.fault.lock(), error)
            && fault.reason != *reason
        {
            tracing::error!(%reason, "the log still refuses appends");
            fault.reason.clone_from(reason);
        }
    }

    /// True while there is a fault.
    pub fn has_failed(&self) -> bool {
        self.fault.lock().is_some()
    }

    /// Opens the store anew after it has failed. `mend` is given the store and the refused events before it is used.
    pub fn reopen(&self, mend: impl FnOnce(&Store, &[(ChannelName, u64)]) -> Result<(), LogError>) {
        let Some(Fault { refused, .. }) = self.fault.lock().clone() else { return };
        let reopened = self.place.check(1).and_then(|()| {
            let store = self.reopen_store()?;
            mend(&store, &refused)?;
            Ok(store)
        });
        match reopened {
            Ok(store) => {
                self.channels.forget_all();
                *self.store.write() = Some(Arc::new(store));
                *self.fault.lock() = None;
                tracing::info!(folder = %self.place.folder.display(), "the log was opened again after a fault");
            }
            Err(error) => self.explain(&error),
        }
    }

    /// Closes the failed store and opens it anew. It is not put to use yet.
    fn reopen_store(&self) -> Result<Store, LogError> {
        self.let_go_of_store()?;
        let Place { folder, log, .. } = &self.place;
        let open = || -> Result<Store, OpenError> {
            journal::cut_torn_tail(folder, log, self.durability == Durability::Disk)?;
            journal::rewrite(log)?;
            Store::open(folder, log)
        };
        open().map_err(super::unavailable)
    }

    /// Syncs and lets go of the store; true if all of it is on disk. Reads and writes fail from here on.
    pub fn close(&self) -> Result<bool, LogError> {
        let Some(store) = self.store.read().clone() else { return Ok(false) };
        let has_failed = self.has_failed();
        let closed = if has_failed { Ok(false) } else { store.sync().and_then(|()| store.write_tables(TABLES)) };
        drop(store);
        let released = self.let_go_of_store();
        let is_all_in_tables = closed.map_err(super::unavailable)?;
        released?;
        if is_all_in_tables {
            journal::empty(&self.place.log).map_err(super::unavailable)?;
        }
        Ok(!has_failed)
    }

    /// Waits until nobody reads and drops the store, on this thread.
    fn let_go_of_store(&self) -> Result<(), LogError> {
        let Some(mut store) = self.store.write().take() else { return Ok(()) };
        let deadline = Instant::now() + READERS_LEAVE;
        loop {
            match Arc::try_unwrap(store) {
                Ok(alone) => {
                    drop(alone);
                    return Ok(());
                }
                Err(_) if Instant::now() >= deadline => {
                    return Err(LogError::Unavailable {
                        reason: "a reader holds the log that is to be closed".to_owned(),
                    });
                }
                Err(held) => store = held,
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Reads events, on another thread where the disk may be needed.
pub async fn read(
    contents: &Arc<Contents>,
    name: &ChannelName,
    from: ReadFrom,
    limit: ReadLimit,
) -> Result<Vec<Record>, LogError> {
    if let Some(answer) = contents.read_without_store(name, from) {
        return answer;
    }
    let (contents, name) = (contents.clone(), name.clone());
    super::blocking(move || contents.read(&name, from, limit)).await
}

/// What is kept of a channel, asked on another thread where the disk may be needed.
pub async fn bounds(contents: &Arc<Contents>, name: &ChannelName) -> Result<Bounds, LogError> {
    if let Some(channel) = contents.channels.peek(name) {
        return Ok(channel.origin.bounds(&channel.visible()));
    }
    let (contents, name) = (contents.clone(), name.clone());
    super::blocking(move || contents.bounds(&name)).await
}

/// What one read collects.
struct Page<'a> {
    channel: &'a Channel,
    /// The first event is not wanted, but must be the one of this position.
    must_match: Option<Position>,
    limit: ReadLimit,
    bytes: usize,
    records: Vec<Record>,
    is_foreign: bool,
}

impl Page<'_> {
    /// Takes an event; false when it was the last that fits.
    fn take(&mut self, header: super::stored::Header<'_>, json: &[u8]) -> bool {
        let position = self.channel.origin.position(&header.edge);
        if let Some(expected) = self.must_match.take() {
            self.is_foreign = position != expected;
            return !self.is_foreign;
        }
        self.bytes += json.len();
        self.records.push(Record {
            channel: self.channel.name.clone(),
            position,
            kind: header.kind,
            json: Bytes::copy_from_slice(json),
            provider_at: None,
            logged_at: None,
        });
        self.records.len() < self.limit.events && self.bytes < self.limit.bytes
    }
}
