//! The fjall database behind the log: its keyspaces, its settings and what is read from them.

use super::folder::corrupt;
use super::incarnations::ShardRow;
use super::stored::{self, ChannelRow, EventIdRow, Header};
use super::sync_ahead::SyncAhead;
use super::{OpenError, unavailable};
use crate::edge::{Edge, Extent};
use antiphon_core::limits::{BLOCK_CACHE_BYTES, MEMTABLE_BYTES};
use antiphon_core::{ChannelName, LogError, Shard};
use fjall::compaction::Leveled;
use fjall::{AbstractTree, CompressionType, Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use fjall::{Readable, Slice};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Tables of this size keep a single compaction short and small.
const TABLE_BYTES: u64 = 16 << 20;
/// fjall's smallest: as little as possible to replay at start.
const JOURNAL_BYTES: u64 = 64 << 20;
/// Memtables on their way to disk before the next commit waits.
const FLUSHES_UNDER_WAY: usize = 2;
/// Tables in the first level before the next commit waits; fjall itself would stall from here on.
const FIRST_LEVEL_RUNS: usize = 20;

/// What a batch has reached when its commit returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The disk: it survives power loss.
    Disk,
    /// The operating system: it survives the process.
    System,
    /// The operating system; and after a power loss, what is there is all that was written up to some batch. For that, no
    /// keyspace is written out as a table before the journal is on disk up to there.
    Prefix,
}

/// The open database.
pub struct Store {
    database: Database,
    records: Keyspace,
    channels: Keyspace,
    event_ids: Keyspace,
    /// Bytes written since the memtables were last rotated.
    unrotated: AtomicU64,
    is_flushing: AtomicBool,
    ahead: SyncAhead,
}

impl Store {
    /// Opens or makes the database. `folder` is named in errors.
    pub fn open(folder: &Path, log: &Path) -> Result<Self, OpenError> {
        let open = || -> fjall::Result<Self> {
            // One worker: with two, the first spins on the queue while the second compacts.
            let database = Database::builder(log)
                .worker_threads(1)
                .cache_size(BLOCK_CACHE_BYTES)
                .journal_compression(CompressionType::None)
                .max_journaling_size(JOURNAL_BYTES)
                .manual_journal_persist(true)
                .open()?;
            // The commit thread rotates memtables itself, at MEMTABLE_BYTES: fjall would ask its worker to with every
            // commit until it is done, and can fill the worker's queue until nobody is left to empty it.
            let options = || {
                KeyspaceCreateOptions::default()
                    .max_memtable_size(u64::MAX)
                    .manual_journal_persist(true)
                    .compaction_strategy(Arc::new(Leveled::default().with_table_target_size(TABLE_BYTES)))
            };
            Ok(Self {
                records: database.keyspace("records", options)?,
                channels: database.keyspace("channels", options)?,
                event_ids: database.keyspace("event_ids", options)?,
                unrotated: AtomicU64::new(database.write_buffer_size()),
                is_flushing: AtomicBool::new(true),
                ahead: SyncAhead::new(log),
                database,
            })
        };
        open().map_err(|error| match error {
            fjall::Error::Io(source) => OpenError::io(log, source),
            fjall::Error::Locked => OpenError::Locked { folder: folder.to_owned(), holder: None },
            error => corrupt(folder, format!("the store in {} cannot be read: {error:?}", log.display())),
        })
    }

    /// A batch to fill and [`commit`](Self::commit).
    pub fn batch(&self, capacity: usize) -> Batch<'_> {
        Batch { store: self, batch: OwnedWriteBatch::with_capacity(self.database.clone(), capacity), bytes: 0 }
    }

    fn commit(&self, batch: OwnedWriteBatch, bytes: u64, durability: Durability) -> fjall::Result<()> {
        self.await_flushes()?;
        let mode = if durability == Durability::Disk { PersistMode::SyncData } else { PersistMode::Buffer };
        batch.durability(Some(mode)).commit()?;
        let unrotated = self.unrotated.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if unrotated >= MEMTABLE_BYTES && self.may_rotate(unrotated, durability) {
            if durability == Durability::Prefix {
                self.database.persist(PersistMode::SyncData)?;
            }
            self.unrotated.store(0, Ordering::Relaxed);
            self.is_flushing.store(true, Ordering::Relaxed);
            // All at once, so that a keyspace that is seldom written does not hold old journals.
            for keyspace in self.keyspaces() {
                // The batch is safe whatever happens here; a fault of the store shows at the next commit.
                if let Err(error) = keyspace.rotate_memtable() {
                    tracing::warn!(%error, "the log's memory could not be written out as a table");
                }
            }
        }
        Ok(())
    }

    /// Where the journal has to be synced first, that is left to another thread for as long as the memtables are not twice
    /// as large as they should be.
    fn may_rotate(&self, unrotated: u64, durability: Durability) -> bool {
        durability != Durability::Prefix || self.ahead.take_done() || unrotated >= 2 * MEMTABLE_BYTES
    }

    /// Waits while the store is behind with its tables. fjall would wait as well, but for ever if its worker has failed.
    fn await_flushes(&self) -> fjall::Result<()> {
        if !self.is_flushing.load(Ordering::Relaxed) {
            return Ok(());
        }
        loop {
            let flushes = self.keyspaces().map(|keyspace| keyspace.sealed_memtable_count());
            let runs = self.keyspaces().map(|keyspace| keyspace.tree.l0_run_count());
            if flushes.iter().all(|count| *count == 0) {
                self.is_flushing.store(false, Ordering::Relaxed);
            }
            if flushes.iter().all(|count| *count < FLUSHES_UNDER_WAY)
                && runs.iter().all(|count| *count < FIRST_LEVEL_RUNS)
            {
                return Ok(());
            }
            // Fails if the store's worker has.
            self.database.persist(PersistMode::Buffer)?;
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn keyspaces(&self) -> [&Keyspace; 3] {
        [&self.records, &self.channels, &self.event_ids]
    }

    /// Writes all events in memory as tables, so that the journal is not needed any more; false if that took too long.
    pub fn write_tables(&self, within: Duration) -> fjall::Result<bool> {
        for keyspace in self.keyspaces() {
            keyspace.rotate_memtable()?;
        }
        let deadline = Instant::now() + within;
        while self.keyspaces().iter().any(|keyspace| keyspace.sealed_memtable_count() > 0) {
            // Fails if the store's worker has.
            self.database.persist(PersistMode::Buffer)?;
            if Instant::now() >= deadline {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(true)
    }

    /// Puts everything that was written on disk.
    pub fn sync(&self) -> fjall::Result<()> {
        self.database.persist(PersistMode::SyncAll)
    }

    /// A channel's row, if it ever had an event.
    pub fn channel_row(&self, channel: &ChannelName) -> Result<Option<ChannelRow>, LogError> {
        let row = self.channels.get(channel.as_str()).map_err(unavailable)?;
        row.map(|row| ChannelRow::decode(&row).ok_or_else(|| damaged(channel, "row"))).transpose()
    }

    /// The next channel id that was never used.
    pub fn next_channel(&self) -> Result<u64, LogError> {
        let stored = self.channels.get(stored::NEXT_CHANNEL).map_err(unavailable)?;
        Ok(stored.and_then(|bytes| Some(u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?))).unwrap_or(1))
    }

    /// The shards of a copy.
    pub fn shards(&self) -> Result<BTreeMap<Shard, ShardRow>, LogError> {
        let mut rows = BTreeMap::new();
        for item in self.database.snapshot().prefix(&self.channels, stored::SHARDS) {
            let (key, value) = item.into_inner().map_err(unavailable)?;
            let row = stored::shard_of_key(&key).zip(ShardRow::decode(&value));
            rows.extend([row.ok_or_else(|| unavailable("the stored row of a shard is damaged"))?]);
        }
        Ok(rows)
    }

    /// What is kept of a channel, from its row and its last event.
    pub fn extent(&self, channel: &ChannelName, row: &ChannelRow) -> Result<Extent, LogError> {
        let from = stored::record_key(row.id, row.start.number.saturating_add(1));
        let last =
            self.database.snapshot().range(&self.records, from..=stored::record_key(row.id, u64::MAX)).next_back();
        let Some(last) = last else { return Ok(Extent { start: row.start, end: row.start }) };
        let (key, value) = last.into_inner().map_err(unavailable)?;
        let end = stored::number_of_key(&key).and_then(|number| stored::decode_record(number, &value));
        let (end, _) = end.ok_or_else(|| damaged(channel, "last event"))?;
        Ok(Extent { start: row.start, end: end.edge })
    }

    /// Hands the events `first..=last` to `each` until it says false. They must be there, one number after the other;
    /// false if the first is not, as when it was trimmed meanwhile.
    pub fn scan(
        &self,
        channel: &ChannelName,
        id: u64,
        (first, last): (u64, u64),
        mut each: impl FnMut(Header<'_>, &[u8]) -> bool,
    ) -> Result<bool, LogError> {
        let mut expected = first;
        let range = stored::record_key(id, first)..=stored::record_key(id, last);
        // A snapshot, so that a trim in the middle cannot leave a hole.
        for item in self.database.snapshot().range(&self.records, range) {
            let (key, value) = item.into_inner().map_err(unavailable)?;
            let number = stored::number_of_key(&key).ok_or_else(|| damaged(channel, "key"))?;
            if number != expected {
                return if expected == first { Ok(false) } else { Err(damaged(channel, "order")) };
            }
            let (header, json) = stored::decode_record(number, &value).ok_or_else(|| damaged(channel, "event"))?;
            if !each(header, value.get(json..).unwrap_or_default()) {
                return Ok(true);
            }
            expected += 1;
        }
        Ok(expected > first)
    }

    /// Where the event of an event id stands.
    pub fn event_id(&self, id: u64, event_id: &str) -> Result<Option<EventIdRow>, LogError> {
        let row = self.event_ids.get(stored::event_id_key(id, event_id)).map_err(unavailable)?;
        Ok(row.and_then(|row| EventIdRow::decode(&row)))
    }

    /// The ordinal of a channel's newest event id; 0 if it has none.
    pub fn last_ordinal(&self, id: u64) -> Result<u64, LogError> {
        let range = stored::ordinal_key(id, 0)..=stored::ordinal_key(id, u64::MAX);
        let Some(last) = self.database.snapshot().range(&self.event_ids, range).next_back() else { return Ok(0) };
        Ok(stored::ordinal_of_key(&last.key().map_err(unavailable)?).unwrap_or(0))
    }

    /// A channel's nth event id, if it is still remembered.
    pub fn event_id_of_ordinal(&self, id: u64, ordinal: u64) -> Result<Option<String>, LogError> {
        let stored = self.event_ids.get(stored::ordinal_key(id, ordinal)).map_err(unavailable)?;
        Ok(stored.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()))
    }

    /// At most `most` channels in the order of their names, after the given one.
    pub fn channels_after(&self, after: Option<&ChannelName>, most: usize) -> Result<Vec<ChannelName>, LogError> {
        // A space sorts before every character of a name and after the zero byte.
        let from = after.map_or(" ".to_owned(), |name| format!("{name} "));
        let mut names = Vec::new();
        for item in self.database.snapshot().range(&self.channels, from..).take(most) {
            let key = item.key().map_err(unavailable)?;
            let name = std::str::from_utf8(&key).ok().and_then(|name| ChannelName::parse(name).ok());
            names.extend(name);
        }
        Ok(names)
    }

    /// Writes all that was committed before this call into an empty database, as tables.
    pub fn copy_to(&self, empty: &Store) -> fjall::Result<()> {
        let snapshot = self.database.snapshot();
        for (from, to) in self.keyspaces().into_iter().zip(empty.keyspaces()) {
            let mut tables = to.start_ingestion()?;
            for item in snapshot.iter(from) {
                let (key, value) = item.into_inner()?;
                tables.write(key, value)?;
            }
            tables.finish()?;
        }
        empty.sync()
    }
}

/// Changes that are made together.
pub struct Batch<'a> {
    store: &'a Store,
    batch: OwnedWriteBatch,
    bytes: u64,
}

impl Batch<'_> {
    fn insert(&mut self, keyspace: &Keyspace, key: impl Into<Slice>, value: impl Into<Slice>) {
        let (key, value) = (key.into(), value.into());
        self.bytes += (key.len() + value.len()) as u64;
        self.batch.insert(keyspace, key, value);
    }

    fn remove(&mut self, keyspace: &Keyspace, key: impl Into<Slice>) {
        let key = key.into();
        self.bytes += key.len() as u64;
        self.batch.remove(keyspace, key);
    }

    /// Adds an event by its stored value.
    pub fn put_record(&mut self, channel: u64, number: u64, value: &[u8]) {
        self.insert(&self.store.records, stored::record_key(channel, number), value);
    }

    /// Removes an event.
    pub fn remove_record(&mut self, channel: u64, number: u64) {
        self.remove(&self.store.records, stored::record_key(channel, number));
    }

    /// Writes a channel's row.
    pub fn put_channel(&mut self, channel: &ChannelName, id: u64, start: Edge) {
        self.insert(&self.store.channels, channel.as_str(), ChannelRow { id, start }.encode());
    }

    /// Removes a channel's row. Nothing of the channel may be left.
    pub fn remove_channel(&mut self, channel: &ChannelName) {
        self.remove(&self.store.channels, channel.as_str());
    }

    /// Writes a shard's row.
    pub fn put_shard(&mut self, shard: Shard, row: &ShardRow) {
        self.insert(&self.store.channels, stored::shard_key(shard), row.encode());
    }

    /// Removes a shard's row.
    pub fn remove_shard(&mut self, shard: Shard) {
        self.remove(&self.store.channels, stored::shard_key(shard));
    }

    /// Writes the next channel id that was never used.
    pub fn put_next_channel(&mut self, id: u64) {
        self.insert(&self.store.channels, stored::NEXT_CHANNEL, id.to_be_bytes());
    }

    /// Remembers an event id.
    pub fn put_event_id(&mut self, channel: u64, event_id: &str, row: EventIdRow) {
        self.insert(&self.store.event_ids, stored::event_id_key(channel, event_id), row.encode());
        self.insert(&self.store.event_ids, stored::ordinal_key(channel, row.ordinal), event_id.as_bytes());
    }

    /// Forgets an event id.
    pub fn remove_event_id(&mut self, channel: u64, event_id: &str, ordinal: u64) {
        self.remove(&self.store.event_ids, stored::event_id_key(channel, event_id));
        self.remove(&self.store.event_ids, stored::ordinal_key(channel, ordinal));
    }

    /// Makes the changes, all or none.
    pub fn commit(self, durability: Durability) -> fjall::Result<()> {
        self.store.commit(self.batch, self.bytes, durability)
    }
}

fn damaged(channel: &ChannelName, what: &str) -> LogError {
    LogError::Unavailable { reason: format!("the stored {what} of channel {channel} is damaged") }
}
