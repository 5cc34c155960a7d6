//! The commit thread: takes what is pending, writes and syncs it together, then shows and acknowledges it.
//!
//! It is the only writer of the store, so numbers, ids and trims need no further locks.

use super::channels::{Channel, Tail};
use super::shared::Shared;
use super::store::{Batch, Durability, Store};
use super::stored::{Header, encode_record};
use super::trim::{self, Trim, TrimWriter};
use super::{closed, unavailable};
use crate::edge::Edge;
use antiphon_core::limits::{GROUP_COMMIT_APPENDS, GROUP_COMMIT_BYTES};
use antiphon_core::{ChannelName, Event, LogError, Position, Record, Timestamp};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// What the commit thread is asked.
pub enum Command {
    /// Append events.
    Append(Append),
    /// Forget events; told what [`TrimWriter::write`] gives.
    Trim(Trim, oneshot::Sender<Result<bool, LogError>>),
    /// Try to open the store again, if it has failed.
    Reopen,
    /// Finish, sync, mark the folder as closed and let go of it.
    Close(oneshot::Sender<Result<(), LogError>>),
}

/// Where an append's positions go.
pub type Answer = oneshot::Sender<Result<Vec<Position>, LogError>>;

/// Events to append together.
pub struct Append {
    /// Where.
    pub channel: ChannelName,
    /// What; not empty, and within the limits.
    pub events: Vec<Event>,
    /// Told the positions.
    pub answer: Answer,
}

/// The commit thread's state.
pub struct Committer {
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Command>,
    next_address: u64,
    next_channel: u64,
    scratch: Vec<u8>,
}

/// What a group of appends adds up to.
struct Group<'a> {
    batch: Batch<'a>,
    answers: Vec<(Answer, Vec<Position>)>,
    records: Vec<Record>,
    touched: Vec<Arc<Channel>>,
    /// Event ids of this group, which the store does not have yet.
    event_ids: HashMap<(u64, String), (Edge, Bytes)>,
    logged_millis: u64,
}

impl Committer {
    /// A thread's state; `next_channel` is the first channel id that was never used.
    pub fn new(shared: Arc<Shared>, queue: mpsc::Receiver<Command>, next_channel: u64) -> Self {
        Self { shared, queue, next_address: 1, next_channel, scratch: Vec::new() }
    }

    /// Serves the queue until it is closed or a close was asked for.
    pub fn run(mut self) {
        let mut appends = Vec::new();
        while let Some(mut command) = self.queue.blocking_recv() {
            loop {
                command = match command {
                    Command::Append(append) => match self.gather(append, &mut appends) {
                        Some(next) => next,
                        None => break,
                    },
                    Command::Trim(trim, answer) => {
                        self.trim(&trim, answer);
                        break;
                    }
                    Command::Reopen => {
                        self.reopen();
                        break;
                    }
                    Command::Close(answer) => {
                        // Nobody waits any more if this cannot be told.
                        let _ = answer.send(self.shared.close());
                        return;
                    }
                };
            }
        }
        if let Err(error) = self.shared.close() {
            tracing::error!(%error, "the log could not be closed in order");
        }
    }

    /// Commits an append with those that wait behind it; returns the first command that is something else.
    fn gather(&mut self, first: Append, appends: &mut Vec<Append>) -> Option<Command> {
        let bytes_of = |append: &Append| append.events.iter().map(|event| event.json.len()).sum::<usize>();
        let mut bytes = bytes_of(&first);
        let mut other = None;
        appends.push(first);
        // Lets appenders that are ready to run put theirs in: a sync shared by more costs each less. Where nobody is ready
        // this returns at once.
        std::thread::yield_now();
        while appends.len() < GROUP_COMMIT_APPENDS && bytes < GROUP_COMMIT_BYTES {
            match self.queue.try_recv() {
                Ok(Command::Append(append)) => {
                    bytes += bytes_of(&append);
                    appends.push(append);
                }
                Ok(command) => {
                    other = Some(command);
                    break;
                }
                Err(_) => break,
            }
        }
        self.append(appends);
        other
    }

    fn append(&mut self, appends: &mut Vec<Append>) {
        let contents = self.shared.contents.clone();
        let store = contents.place.check_often().and_then(|()| contents.store());
        let store = match store {
            Ok(store) => store,
            Err(error) => {
                for append in appends.drain(..) {
                    let _ = append.answer.send(Err(error.clone()));
                }
                return;
            }
        };
        let mut group = Group {
            batch: store.batch(2 * appends.len()),
            answers: Vec::with_capacity(appends.len()),
            records: Vec::with_capacity(appends.len()),
            touched: Vec::new(),
            event_ids: HashMap::new(),
            logged_millis: Timestamp::now().millis(),
        };
        for Append { channel, events, answer } in appends.drain(..) {
            match self.add(&store, &mut group, &channel, events) {
                Ok(positions) => group.answers.push((answer, positions)),
                Err(error) => drop(answer.send(Err(error))),
            }
        }
        self.commit(group);
        drop(store);
        if contents.has_failed() {
            self.reopen();
        }
    }

    /// Adds one append to the group. Fails before it has changed anything.
    fn add(
        &mut self,
        store: &Store,
        group: &mut Group<'_>,
        name: &ChannelName,
        events: Vec<Event>,
    ) -> Result<Vec<Position>, LogError> {
        let channel = self.shared.contents.channel(store, name)?;
        let mut tail = channel.tail.lock();
        let known = self.known_event_ids(store, &channel, &mut tail, &events)?;
        check_repeats(store, group, name, channel.id(), &known, &events)?;
        if !tail.is_touched {
            tail.is_touched = true;
            group.touched.push(channel.clone());
        }
        let id = channel.id().unwrap_or_else(|| {
            let id = self.next_channel;
            self.next_channel += 1;
            channel.set_id(id);
            group.batch.put_channel(name, id, Edge::default());
            group.batch.put_next_channel(self.next_channel);
            id
        });
        let address = self.next_address;
        self.next_address += 1;
        let mut positions = Vec::with_capacity(events.len());
        for (index, event) in events.into_iter().enumerate() {
            let event_id = event.event_id.as_deref();
            let had = event_id.and_then(|event_id| {
                let of_group = || group.event_ids.get(&(id, event_id.to_owned())).map(|(edge, _)| *edge);
                known.get(index).copied().flatten().or_else(of_group)
            });
            if let Some(had) = had {
                positions.push(channel.origin.position(&had));
                continue;
            }
            let edge = Edge {
                number: tail.end.number + 1,
                epoch: self.shared.epoch,
                address,
                index: u16::try_from(index).unwrap_or(u16::MAX),
                total_bytes: tail.end.total_bytes + event.json.len() as u64,
            };
            tail.end = edge;
            let header = Header { edge, kind: event.kind, logged_millis: group.logged_millis, event_id };
            encode_record(&mut self.scratch, &header, &event.json);
            group.batch.put_record(id, edge.number, &self.scratch);
            if let Some(event_id) = event.event_id {
                group.event_ids.insert((id, event_id.clone()), (edge, event.json.clone()));
                tail.remember_event_id(store, &mut group.batch, id, &event_id, edge);
            }
            let position = channel.origin.position(&edge);
            positions.push(position);
            group.records.push(Record {
                channel: name.clone(),
                position,
                kind: event.kind,
                json: event.json,
                provider_at: event.provider_at,
                logged_at: None,
            });
        }
        Ok(positions)
    }

    /// Where the store has the events whose ids it knows; empty if none has an id.
    fn known_event_ids(
        &self,
        store: &Store,
        channel: &Channel,
        tail: &mut Tail,
        events: &[Event],
    ) -> Result<Vec<Option<Edge>>, LogError> {
        if events.iter().all(|event| event.event_id.is_none()) {
            return Ok(Vec::new());
        }
        let Some(id) = channel.id() else {
            tail.ordinal = Some(0);
            return Ok(Vec::new());
        };
        if tail.ordinal.is_none() {
            tail.ordinal = Some(store.last_ordinal(id)?);
        }
        let look_up = |event: &Event| match &event.event_id {
            Some(event_id) => Ok(store.event_id(id, event_id)?.map(|row| row.edge)),
            None => Ok(None),
        };
        events.iter().map(look_up).collect()
    }

    /// Writes the group, then shows it, hands it on and acknowledges it, in this order.
    fn commit(&mut self, group: Group<'_>) {
        let Group { batch, answers, mut records, touched, .. } = group;
        let written = if records.is_empty() { Ok(()) } else { batch.commit(self.shared.contents.durability) };
        if let Err(error) = written {
            let failed = records.iter().map(|record| (record.channel.clone(), record.position.number)).collect();
            let refusal = self.shared.contents.fail(&error, failed);
            for channel in touched {
                *channel.tail.lock() = Tail { end: channel.visible().end, ..Tail::default() };
            }
            for (answer, _) in answers {
                let _ = answer.send(Err(refusal.clone()));
            }
            return;
        }
        for channel in touched {
            let mut tail = channel.tail.lock();
            tail.is_touched = false;
            channel.show_end(tail.end);
            drop(tail);
            self.shared.contents.overdue.note(&channel);
        }
        if !records.is_empty() {
            let logged_at = Some(Instant::now());
            records.iter_mut().for_each(|record| record.logged_at = logged_at);
            (self.shared.on_commit)(&records);
        }
        for (answer, positions) in answers {
            // Who dropped its append does not want to know.
            let _ = answer.send(Ok(positions));
        }
    }

    fn trim(&mut self, trim: &Trim, answer: oneshot::Sender<Result<bool, LogError>>) {
        // Nobody waits any more if this cannot be told.
        let _ = answer.send(trim::write(&self.shared.contents, trim));
        if self.shared.contents.has_failed() {
            self.reopen();
        }
    }

    /// Opens the store anew after it has failed, and takes back what it may have kept of the group that was refused.
    fn reopen(&mut self) {
        let next_channel = &mut self.next_channel;
        self.shared.contents.reopen(|store, refused| {
            withdraw(store, refused)?;
            *next_channel = (*next_channel).max(store.next_channel()?);
            Ok(())
        });
    }
}

impl TrimWriter for mpsc::Sender<Command> {
    fn write(&self, trim: Trim) -> Result<bool, LogError> {
        let (answer, answered) = oneshot::channel();
        self.blocking_send(Command::Trim(trim, answer)).map_err(|_| closed())?;
        answered.blocking_recv().map_err(|_| closed())?
    }

    fn reopen(&self) -> bool {
        self.blocking_send(Command::Reopen).is_ok()
    }
}

/// Refuses events whose id another event of the channel has, be it stored, of this group or of the same array.
fn check_repeats(
    store: &Store,
    group: &Group<'_>,
    name: &ChannelName,
    channel: Option<u64>,
    known: &[Option<Edge>],
    events: &[Event],
) -> Result<(), LogError> {
    let mut of_array: HashMap<&str, &Bytes> = HashMap::new();
    for (index, event) in events.iter().enumerate() {
        let Some(event_id) = event.event_id.as_deref() else { continue };
        let mut is_other = of_array.get(event_id).is_some_and(|first| !event.repeats(first));
        if let Some(id) = channel {
            if let Some(edge) = known.get(index).copied().flatten() {
                store.scan(name, id, (edge.number, edge.number), |_, json| {
                    is_other |= !event.repeats(json);
                    false
                })?;
            } else if let Some((_, json)) = group.event_ids.get(&(id, event_id.to_owned())) {
                is_other |= !event.repeats(json);
            }
        }
        if is_other {
            return Err(LogError::Taken { event_id: event_id.to_owned() });
        }
        of_array.entry(event_id).or_insert(&event.json);
    }
    Ok(())
}

/// Removes the events of a refused group, which the store may have written nevertheless.
fn withdraw(store: &Store, refused: &[(ChannelName, u64)]) -> Result<(), LogError> {
    let mut batch = store.batch(refused.len());
    for (name, number) in refused {
        let Some(row) = store.channel_row(name)? else { continue };
        let mut event_id = None;
        store.scan(name, row.id, (*number, *number), |header, _| {
            event_id = header.event_id.map(str::to_owned);
            false
        })?;
        batch.remove_record(row.id, *number);
        if let Some(event_id) = event_id
            && let Some(found) = store.event_id(row.id, &event_id)?.filter(|found| found.edge.number == *number)
        {
            batch.remove_event_id(row.id, &event_id, found.ordinal);
        }
    }
    batch.commit(Durability::Disk).map_err(unavailable)
}
