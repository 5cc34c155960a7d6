//! The one writer of a copy: what was applied, what was trimmed, and shards that are thrown away.

use super::{Change, Placed};
use crate::disk::channels::Channel;
use crate::disk::contents::Contents;
use crate::disk::incarnations::{ShardRow, Shards};
use crate::disk::store::{Batch, Store};
use crate::disk::stored::{Header, encode_record};
use crate::disk::trim::{self, Trim, TrimWriter};
use crate::edge::{Edge, Extent};
use antiphon_core::limits::{MAX_COPY_STATE_BYTES, RETENTION_CHANNELS};
use antiphon_core::{ChannelHash, ChannelName, LogError, Position, Shard};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;

/// What is applied together.
pub struct Applied {
    /// That of the shard.
    pub incarnation: u32,
    /// In order.
    pub changes: Vec<Change>,
    /// The follower's state after them.
    pub state: Bytes,
}

/// Writes a copy's store, one call at a time.
pub struct Writer {
    contents: Arc<Contents>,
    shards: Arc<Shards>,
    turn: Mutex<Turn>,
}

/// What the writer whose turn it is needs.
struct Turn {
    next_channel: u64,
    scratch: Vec<u8>,
}

/// Changes on their way into one batch.
struct Pending<'a> {
    batch: Batch<'a>,
    touched: Vec<Touched>,
}

/// A channel that a batch under way changes.
struct Touched {
    channel: Arc<Channel>,
    /// Where it begins from now on, if that changes.
    start: Option<Edge>,
}

impl Writer {
    /// Writes the store behind `contents`; `next_channel` is the first channel id that was never used.
    pub fn new(contents: Arc<Contents>, shards: Arc<Shards>, next_channel: u64) -> Self {
        Self { contents, shards, turn: Mutex::new(Turn { next_channel, scratch: Vec::new() }) }
    }

    /// Applies what happened in a shard.
    pub fn apply(&self, shard: Shard, applied: Applied) -> Result<(), LogError> {
        let Applied { incarnation, changes, state } = applied;
        if state.len() > MAX_COPY_STATE_BYTES {
            return Err(LogError::TooLarge { bytes: state.len(), allowed: MAX_COPY_STATE_BYTES });
        }
        changes.iter().try_for_each(|change| self.check(shard, incarnation, change))?;
        let mut turn = self.turn.lock();
        self.contents.place.check_often()?;
        if self.shards.get(shard).is_some_and(|row| row.is_leaving || row.incarnation != incarnation) {
            self.discard_now(shard)?;
        }
        let store = self.contents.store()?;
        if self.shards.get(shard).is_none() {
            // Before any of its channels, so that none is ever without an incarnation.
            self.write_shard(&store, shard, ShardRow { incarnation, state: None, is_leaving: false })?;
        }
        let mut pending = Pending { batch: store.batch(2 * changes.len() + 1), touched: Vec::new() };
        let row = ShardRow { incarnation, state: Some(state), is_leaving: false };
        let result = self.apply_each(&mut turn, &store, &mut pending, changes).and_then(|()| {
            pending.batch.put_shard(shard, &row);
            self.flush(&store, &mut pending)
        });
        match result {
            Ok(()) => self.shards.set(shard, Some(row)),
            // They say more than the store has: they are read from it again.
            Err(_) => self.contents.channels.forget(|name| pending.touched.iter().any(|it| it.channel.name == *name)),
        }
        result
    }

    /// Refuses what is not the shard's, or not of this incarnation.
    fn check(&self, shard: Shard, incarnation: u32, change: &Change) -> Result<(), LogError> {
        let (name, position, before) = match change {
            Change::Put(placed) => (&placed.record.channel, &placed.record.position, Some(&placed.before)),
            Change::Trim { channel, through } => (channel, through, None),
        };
        let hash = ChannelHash::of(name);
        let is_of = |position: &Position| position.channel == hash && position.incarnation == incarnation;
        if !is_of(position) || self.shards.sharding.shard_of(name) != shard {
            return Err(LogError::Foreign);
        }
        match before {
            Some(before) if !is_of(before) || before.number.checked_add(1) != Some(position.number) => {
                Err(LogError::Foreign)
            }
            _ => Ok(()),
        }
    }

    fn apply_each<'a>(
        &self,
        turn: &mut Turn,
        store: &'a Store,
        pending: &mut Pending<'a>,
        changes: Vec<Change>,
    ) -> Result<(), LogError> {
        for change in changes {
            match change {
                Change::Put(placed) => self.put(turn, store, pending, &placed)?,
                Change::Trim { channel, through } => self.trim(turn, store, pending, &channel, &through)?,
            }
        }
        Ok(())
    }

    fn put<'a>(
        &self,
        turn: &mut Turn,
        store: &'a Store,
        pending: &mut Pending<'a>,
        placed: &Placed,
    ) -> Result<(), LogError> {
        let (name, position) = (&placed.record.channel, &placed.record.position);
        let channel = self.contents.channel(store, name)?;
        let end = channel.tail.lock().end;
        if position.number <= end.number {
            return Ok(());
        }
        if channel.id().is_none() || !end.is_at(&placed.before) {
            self.begin_at(turn, store, pending, &channel, &placed.before)?;
        }
        let Some(id) = channel.id() else { return Err(LogError::Foreign) };
        let mut tail = channel.tail.lock();
        if !tail.is_touched {
            tail.is_touched = true;
            pending.touched.push(Touched { channel: channel.clone(), start: None });
        }
        let edge = Edge::at(position, tail.end.total_bytes + placed.record.json.len() as u64);
        tail.end = edge;
        let event_id = placed.event_id.as_deref();
        let header = Header { edge, kind: placed.record.kind, logged_millis: placed.logged_millis, event_id };
        encode_record(&mut turn.scratch, &header, &placed.record.json);
        pending.batch.put_record(id, edge.number, &turn.scratch);
        if let Some(event_id) = event_id {
            if tail.ordinal.is_none() {
                tail.ordinal = Some(store.last_ordinal(id)?);
            }
            tail.remember_event_id(store, &mut pending.batch, id, event_id, edge);
        }
        Ok(())
    }

    /// Forgets what the copy has of a channel and has it begin, empty, at a place.
    fn begin_at<'a>(
        &self,
        turn: &mut Turn,
        store: &'a Store,
        pending: &mut Pending<'a>,
        channel: &Arc<Channel>,
        place: &Position,
    ) -> Result<(), LogError> {
        let id = match channel.id() {
            Some(id) => {
                tracing::warn!(channel = %channel.name, "the copy of the log has a gap and begins after it");
                self.flush(store, pending)?;
                self.forget(&channel.name, u64::MAX)?;
                id
            }
            None => {
                let id = turn.next_channel;
                turn.next_channel += 1;
                channel.set_id(id);
                pending.batch.put_next_channel(turn.next_channel);
                id
            }
        };
        let mut tail = channel.tail.lock();
        tail.end = Edge::at(place, tail.end.total_bytes);
        tail.is_touched = true;
        pending.batch.put_channel(&channel.name, id, tail.end);
        pending.touched.push(Touched { channel: channel.clone(), start: Some(tail.end) });
        Ok(())
    }

    fn trim<'a>(
        &self,
        turn: &mut Turn,
        store: &'a Store,
        pending: &mut Pending<'a>,
        name: &ChannelName,
        through: &Position,
    ) -> Result<(), LogError> {
        let channel = self.contents.channel(store, name)?;
        let end = channel.tail.lock().end;
        if through.number > end.number {
            return self.begin_at(turn, store, pending, &channel, through);
        }
        self.flush(store, pending)?;
        self.forget(name, through.number)
    }

    /// Forgets a channel's events up to and including a number; in this turn.
    fn forget(&self, name: &ChannelName, number: u64) -> Result<(), LogError> {
        trim::up_to(&self.contents, |trim| trim::write(&self.contents, &trim), name, number)
    }

    /// Writes what is pending and lets readers see it.
    fn flush<'a>(&self, store: &'a Store, pending: &mut Pending<'a>) -> Result<(), LogError> {
        let batch = std::mem::replace(&mut pending.batch, store.batch(0));
        batch.commit(self.contents.durability).map_err(|error| self.contents.fail(&error, Vec::new()))?;
        for Touched { channel, start } in pending.touched.drain(..) {
            let mut tail = channel.tail.lock();
            tail.is_touched = false;
            channel.show(Extent { start: start.unwrap_or(channel.visible().start), end: tail.end });
            drop(tail);
            self.contents.overdue.note(&channel);
        }
        Ok(())
    }

    fn write_shard(&self, store: &Store, shard: Shard, row: ShardRow) -> Result<(), LogError> {
        let mut batch = store.batch(1);
        batch.put_shard(shard, &row);
        batch.commit(self.contents.durability).map_err(|error| self.contents.fail(&error, Vec::new()))?;
        self.shards.set(shard, Some(row));
        Ok(())
    }

    /// Forgets all of a shard.
    pub fn discard(&self, shard: Shard) -> Result<(), LogError> {
        let _turn = self.turn.lock();
        self.discard_now(shard)
    }

    /// Finishes discards that a crash cut off.
    pub fn finish_discards(&self) -> Result<(), LogError> {
        let _turn = self.turn.lock();
        self.finish_discards_now()
    }

    fn finish_discards_now(&self) -> Result<(), LogError> {
        let is_leaving = |shard: &Shard| self.shards.get(*shard).is_some_and(|row| row.is_leaving);
        self.shards.sharding.all().filter(is_leaving).try_for_each(|shard| self.discard_now(shard))
    }

    /// First marks the shard, so that this goes on after a crash; then empties its channels; then removes them.
    fn discard_now(&self, shard: Shard) -> Result<(), LogError> {
        let Some(row) = self.shards.get(shard) else { return Ok(()) };
        let store = self.contents.store()?;
        self.write_shard(&store, shard, ShardRow { state: None, is_leaving: true, ..row })?;
        let is_of_shard = |name: &ChannelName| self.shards.sharding.shard_of(name) == shard;
        each_channel(&store, |names| {
            names.iter().filter(|name| is_of_shard(name)).try_for_each(|name| self.forget(name, u64::MAX))
        })?;
        // Nobody can load one of its channels from here on.
        self.shards.set(shard, None);
        self.contents.channels.forget(is_of_shard);
        let commit = |batch: Batch<'_>| {
            batch.commit(self.contents.durability).map_err(|error| self.contents.fail(&error, Vec::new()))
        };
        each_channel(&store, |names| {
            let mut batch = store.batch(names.len());
            names.iter().filter(|name| is_of_shard(name)).for_each(|name| batch.remove_channel(name));
            commit(batch)
        })?;
        let mut batch = store.batch(1);
        batch.remove_shard(shard);
        commit(batch)
    }

    /// Syncs and lets go of the store, once nobody writes.
    pub fn close(&self) -> Result<(), LogError> {
        let _turn = self.turn.lock();
        self.contents.close().map(drop)
    }
}

impl TrimWriter for Arc<Writer> {
    fn write(&self, trim: Trim) -> Result<bool, LogError> {
        let _turn = self.turn.lock();
        trim::write(&self.contents, &trim)
    }

    fn reopen(&self) -> bool {
        let mut turn = self.turn.lock();
        self.contents.reopen(|store, _| {
            self.shards.replace(store.shards()?);
            turn.next_channel = turn.next_channel.max(store.next_channel()?);
            Ok(())
        });
        if let Err(error) = self.finish_discards_now() {
            tracing::warn!(%error, "a shard of the copy could not be thrown away yet");
        }
        true
    }
}

/// Hands all channels to `each`, some at a time, in the order of their names.
fn each_channel(store: &Store, mut each: impl FnMut(&[ChannelName]) -> Result<(), LogError>) -> Result<(), LogError> {
    let mut after = None;
    loop {
        let names = store.channels_after(after.as_ref(), RETENTION_CHANNELS)?;
        each(&names)?;
        after = names.into_iter().nth(RETENTION_CHANNELS - 1);
        if after.is_none() {
            return Ok(());
        }
    }
}
