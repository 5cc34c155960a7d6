//! A process's copy of shards that another log keeps: events at the places which that log gave them.
//!
//! | file | what |
//! |---|---|
//! | `LOCK` | locked by the process that has the folder open, and its id |
//! | `COPY` | the copy's format version, the number of shards, and what it is a copy of |
//! | `copy/` | the database; its stored bytes are those of the engine on disk, and a row for each shard |
//!
//! Nothing is synced when it is applied, as all of it can be had again: after a power loss the copy is that of a moment
//! before. A copy that is damaged, or of something else, is thrown away.

mod writer;

use super::channels::Channels;
use super::contents::{self, Contents, Place};
use super::folder::{self, Lock};
use super::incarnations::{Incarnations, Shards};
use super::retention::Trimmer;
use super::store::{Durability, Store};
use super::{OpenError, blocking, journal, spawn};
use crate::NamespaceTable;
use antiphon_core::limits::DISK_RESERVE_BYTES;
use antiphon_core::{Bounds, ChannelName, LogError, Position, ReadFrom, ReadLimit, Record, Shard, Sharding};
use bytes::Bytes;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use writer::{Applied, Writer};

const COPY_FILE: &str = "COPY";
const COPY_FOLDER: &str = "copy";
/// The version of the copies that this program makes; one of any other is thrown away.
const FORMAT: u32 = 1;

/// An event as the other log has it.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The event, at the position that the log gave it.
    pub record: Record,
    /// The channel's end before it.
    pub before: Position,
    /// The publisher's own id.
    pub event_id: Option<String>,
    /// When the log had it, in milliseconds since 1970.
    pub logged_millis: u64,
}

/// What happened in a shard.
#[derive(Clone, Debug)]
pub enum Change {
    /// An event was appended.
    Put(Placed),
    /// A channel's events up to and including a position were forgotten.
    Trim {
        /// Which.
        channel: ChannelName,
        /// The position of the last one.
        through: Position,
    },
}

/// The copy. Dropping it closes it in order.
///
/// Of a shard that nothing was applied of, nothing is known: reads are refused as unavailable, not answered as empty.
pub struct LocalCopy {
    contents: Arc<Contents>,
    shards: Arc<Shards>,
    writer: Arc<Writer>,
    lock: Mutex<Option<Lock>>,
    retention: Mutex<Option<JoinHandle<()>>>,
}

impl LocalCopy {
    /// Opens the copy in a folder, or begins one. `identity` says what it is a copy of: a folder with a copy of something
    /// else is emptied, and so is a damaged one. Blocks.
    pub fn open(
        folder: &Path,
        identity: &str,
        sharding: Sharding,
        namespaces: NamespaceTable,
    ) -> Result<Arc<Self>, OpenError> {
        std::fs::create_dir_all(folder).map_err(|source| OpenError::io(folder, source))?;
        let lock = Lock::take(folder)?;
        let log = folder.join(COPY_FOLDER);
        let marker = format!("format {FORMAT}\nshards {}\nof {identity:?}\n", sharding.count());
        let found = folder::read_if_there(folder, COPY_FILE)?;
        let opened = if found.as_deref() == Some(marker.as_str()) { open_store(folder, &log) } else { Ok(None) };
        let (store, rows, next_channel) = match opened {
            Ok(Some(opened)) => opened,
            Err(error @ (OpenError::Io { .. } | OpenError::Locked { .. })) => return Err(error),
            other => {
                if let Err(error) = other {
                    tracing::warn!(%error, "the copy of the log is damaged and is made anew");
                }
                begin_anew(folder, &log, &marker)?
            }
        };
        let shards = Arc::new(Shards::new(sharding, rows));
        let channels = Channels::new(namespaces, Incarnations::OfShards(shards.clone()));
        let place = Place { folder: folder.to_owned(), log, reserve: DISK_RESERVE_BYTES, seen_free: Mutex::default() };
        let contents = Arc::new(Contents::new(place, Durability::Prefix, channels, store));
        let writer = Arc::new(Writer::new(contents.clone(), shards.clone(), next_channel));
        writer.finish_discards().map_err(|error| folder::corrupt(folder, error.to_string()))?;
        let trimmer = Trimmer::new(contents.clone(), writer.clone());
        let retention = spawn(folder, "antiphon-retain", move || trimmer.run())?;
        let (lock, retention) = (Mutex::new(Some(lock)), Mutex::new(Some(retention)));
        Ok(Arc::new(Self { contents, shards, writer, lock, retention }))
    }

    /// What the follower of the shard had applied, in its own words; nothing if it has to begin anew.
    pub fn state(&self, shard: Shard) -> Option<Bytes> {
        self.shards.get(shard)?.state
    }

    /// The incarnation that the copy of the shard is of.
    pub fn incarnation(&self, shard: Shard) -> Option<u32> {
        self.shards.get(shard).filter(|row| !row.is_leaving).map(|row| row.incarnation)
    }

    /// Applies what happened in a shard, in order, with the follower's state after it. It can be read when this returns.
    ///
    /// What the copy has already is skipped, so that the same changes may be applied again after a failure. If a channel's
    /// events do not follow the ones that the copy has, those are forgotten: a reader of theirs is told that they expired.
    /// Another incarnation than before throws away what the copy has of the shard.
    ///
    /// Fails before anything is changed with [`LogError::Foreign`] if a change is of another shard or incarnation, with
    /// [`LogError::TooLarge`] if the state is larger than
    /// [`MAX_COPY_STATE_BYTES`](antiphon_core::limits::MAX_COPY_STATE_BYTES).
    pub async fn apply(
        &self,
        shard: Shard,
        incarnation: u32,
        changes: Vec<Change>,
        state: Bytes,
    ) -> Result<(), LogError> {
        let writer = self.writer.clone();
        blocking(move || writer.apply(shard, Applied { incarnation, changes, state })).await
    }

    /// Forgets all that the copy has of a shard.
    pub async fn discard(&self, shard: Shard) -> Result<(), LogError> {
        let writer = self.writer.clone();
        blocking(move || writer.discard(shard)).await
    }

    /// Reads in order, as [`Log::read`](antiphon_core::Log::read).
    pub async fn read(&self, channel: &ChannelName, from: ReadFrom, limit: ReadLimit) -> Result<Vec<Record>, LogError> {
        let incarnation = self.shards.readable(channel)?;
        let answer = contents::read(&self.contents, channel, from, limit).await;
        self.check_unchanged(channel, incarnation)?;
        answer
    }

    /// What is kept of a channel, as [`Log::bounds`](antiphon_core::Log::bounds).
    pub async fn bounds(&self, channel: &ChannelName) -> Result<Bounds, LogError> {
        let incarnation = self.shards.readable(channel)?;
        let answer = contents::bounds(&self.contents, channel).await;
        self.check_unchanged(channel, incarnation)?;
        answer
    }

    /// Where the channel has the events of these ids, and their JSON; one answer for each id.
    pub async fn events(
        &self,
        channel: &ChannelName,
        event_ids: Vec<String>,
    ) -> Result<Vec<Option<(Position, Bytes)>>, LogError> {
        let incarnation = self.shards.readable(channel)?;
        let (contents, name) = (self.contents.clone(), channel.clone());
        let answer = blocking(move || {
            let find = |event_id: &String| contents.event(&name, event_id);
            event_ids.iter().map(find).collect()
        });
        let answer = answer.await;
        self.check_unchanged(channel, incarnation)?;
        answer
    }

    /// Trims every channel to its namespace's bounds now, exactly, rather than in the background.
    pub async fn enforce_retention_now(&self) -> Result<(), LogError> {
        let trimmer = Trimmer::new(self.contents.clone(), self.writer.clone());
        blocking(move || trimmer.enforce_all()).await
    }

    /// Fails with the reason while nothing can be applied.
    pub fn health(&self) -> Result<(), LogError> {
        self.contents.store()?;
        self.contents.place.check(1)
    }

    /// Syncs and lets go of the folder; everything fails from then on.
    pub async fn close(&self) -> Result<(), LogError> {
        self.contents.overdue.close();
        let writer = self.writer.clone();
        let result = blocking(move || writer.close()).await;
        *self.lock.lock() = None;
        result
    }

    /// Refuses an answer that was read while the shard was thrown away.
    fn check_unchanged(&self, channel: &ChannelName, incarnation: u32) -> Result<(), LogError> {
        if self.shards.readable(channel)? == incarnation {
            return Ok(());
        }
        Err(LogError::Unavailable { reason: "the copy of the channel's shard has just been made anew".to_owned() })
    }
}

impl Drop for LocalCopy {
    fn drop(&mut self) {
        self.contents.overdue.close();
        if let Some(thread) = self.retention.get_mut().take()
            && thread.join().is_err()
        {
            tracing::error!("the retention thread of the copy panicked");
        }
        if let Err(error) = self.writer.close() {
            tracing::error!(%error, "the copy of the log could not be closed in order");
        }
    }
}

/// A store with what a copy has to know of it.
type Opened = (Store, std::collections::BTreeMap<Shard, super::incarnations::ShardRow>, u64);

/// Opens the store that is there, if there is one.
fn open_store(folder: &Path, log: &Path) -> Result<Option<Opened>, OpenError> {
    if !log.try_exists().map_err(|source| OpenError::io(log, source))? {
        return Ok(None);
    }
    journal::cut_torn_tail(folder, log, false)?;
    let store = Store::open(folder, log)?;
    let damaged = |error: LogError| folder::corrupt(folder, error.to_string());
    let (rows, next_channel) = (store.shards().map_err(damaged)?, store.next_channel().map_err(damaged)?);
    Ok(Some((store, rows, next_channel)))
}

/// Makes an empty store. The marker is written last, so that a store that was not finished is not taken for a copy.
fn begin_anew(folder: &Path, log: &Path, marker: &str) -> Result<Opened, OpenError> {
    let gone = |path: &Path, result: std::io::Result<()>| match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(OpenError::io(path, error)),
        _ => Ok(()),
    };
    let marker_path = folder.join(COPY_FILE);
    gone(&marker_path, std::fs::remove_file(&marker_path))?;
    folder::sync_folder(folder)?;
    gone(log, std::fs::remove_dir_all(log))?;
    let store = Store::open(folder, log)?;
    folder::write_atomically(folder, COPY_FILE, marker)?;
    Ok((store, std::collections::BTreeMap::new(), 1))
}
