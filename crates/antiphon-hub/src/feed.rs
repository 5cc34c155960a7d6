//! A channel that somebody subscribes to: what is pending, what was recent, who waits to join the live clients.

use crate::subscription::Subscription;
use antiphon_core::limits::{CATCH_UP_BYTES, CATCH_UP_EVENTS, MAX_PRESENCE_MEMBERS, WINDOW_BYTES, WINDOW_EVENTS};
use antiphon_core::{ChannelName, Position, Record, Timestamp};
use antiphon_wire::ServerMessage;
use antiphon_wire::server_message::Member;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::{Notify, OnceCell};

/// The meeting point of one channel's log and its clients.
pub(crate) struct Feed {
    pub(crate) channel: ChannelName,
    /// Set once the channel's end has been read from the log.
    pub(crate) opened: OnceCell<()>,
    /// Wakes the writer.
    pub(crate) wake: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The last event that the writer has taken: whoever has it is caught up.
    claimed: Option<Position>,
    /// The last events that the writer took, for short lags.
    window: VecDeque<Record>,
    window_bytes: usize,
    pending: Vec<Record>,
    pending_bytes: usize,
    joining: Vec<Joined>,
    members: HashMap<Arc<str>, Arc<str>>,
    presence_changed: bool,
    has_leavers: bool,
    /// The log has events that no delivery brought, or may have.
    is_to_be_read: bool,
    is_stopped: bool,
}

/// A live subscription and the last event that it had when it joined.
pub(crate) struct Joined {
    pub(crate) subscription: Arc<Subscription>,
    pub(crate) has: Position,
}

/// What the writer is to do next.
pub(crate) enum Turn {
    /// Give these records, which follow `after`, to the live clients.
    Deliver { after: Position, records: Vec<Record> },
    /// Read what is missing after this position from the log.
    Repair { after: Position },
    /// Tell the live clients who is there.
    Presence(ServerMessage),
    /// Drop the clients that left.
    Sweep,
    /// Wait.
    Rest,
    /// Nobody subscribes any more.
    Stop,
}

impl Feed {
    pub(crate) fn new(channel: ChannelName) -> Self {
        Self { channel, opened: OnceCell::new(), wake: Notify::new(), state: Mutex::default() }
    }

    /// Sets where live begins; the records before it are dropped as known.
    pub(crate) fn open(&self, end: Position) {
        self.state.lock().open(end);
        self.wake.notify_one();
    }

    /// Sets where live begins in a log that no longer knows where it was. All who were live are in `live` afterwards, and
    /// nobody joins any more who knows only the old place.
    pub(crate) fn reopen(&self, end: Position, live: &mut Vec<Joined>) {
        let mut state = self.state.lock();
        live.append(&mut state.joining);
        state.open(end);
        drop(state);
        self.wake.notify_one();
    }

    /// The channel has events up to here. What is not pending is read from the log.
    pub(crate) fn moved(&self, end: Position) {
        let mut state = self.state.lock();
        let is_known = |known: &Position| known.incarnation == end.incarnation && known.number >= end.number;
        let is_pending = state.pending.last().is_some_and(|record| is_known(&record.position));
        if is_pending || state.claimed.is_none_or(|claimed| is_known(&claimed)) {
            return;
        }
        state.is_to_be_read = true;
        drop(state);
        self.wake.notify_one();
    }

    /// The channel may have events that no delivery brought.
    pub(crate) fn look(&self) {
        self.state.lock().is_to_be_read = true;
        self.wake.notify_one();
    }

    /// Takes live records, in any order; what does not fit is read from the log later.
    pub(crate) fn receive(&self, records: &[Record]) {
        let mut state = self.state.lock();
        for record in records {
            if state.pending_bytes > 4 * WINDOW_BYTES {
                // The writer sees the hole and reads the log.
                state.pending.clear();
                state.pending_bytes = 0;
            }
            state.pending_bytes += record.json.len();
            state.pending.push(record.clone());
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Joins the live clients if the subscription has everything that they have; says that it caught up.
    pub(crate) fn join(&self, subscription: &Arc<Subscription>, cursor: Position) -> bool {
        let mut state = self.state.lock();
        let has_all = |claimed: Position| cursor.incarnation == claimed.incarnation && cursor.number >= claimed.number;
        if !state.claimed.is_some_and(has_all) {
            return false;
        }
        // Under the lock, so that no live event can come before it.
        subscription.announce_caught_up(cursor);
        state.joining.push(Joined { subscription: subscription.clone(), has: cursor });
        if self.channel.is_room() {
            subscription.notify(&state.presence(self.channel.id()));
        }
        drop(state);
        self.wake.notify_one();
        true
    }

    /// Recent events after the cursor, if the window reaches back that far.
    pub(crate) fn recent_after(&self, cursor: Position) -> Option<Vec<Record>> {
        let state = self.state.lock();
        let oldest = state.window.front().filter(|oldest| oldest.position.incarnation == cursor.incarnation)?;
        let first = oldest.position.number;
        let skip = usize::try_from(cursor.number.checked_sub(first)?.checked_add(1)?).ok()?;
        let mut bytes = 0;
        let within = |record: &&Record| {
            let fits = bytes < CATCH_UP_BYTES;
            bytes += record.json.len();
            fits
        };
        let records: Vec<Record> =
            state.window.iter().skip(skip).take(CATCH_UP_EVENTS).take_while(within).cloned().collect();
        (!records.is_empty()).then_some(records)
    }

    pub(crate) fn enter(&self, client_id: &Arc<str>, user_id: &Arc<str>) {
        if self.channel.is_room() {
            let mut state = self.state.lock();
            state.members.insert(client_id.clone(), user_id.clone());
            state.presence_changed = true;
            drop(state);
            self.wake.notify_one();
        }
    }

    pub(crate) fn leave(&self, client_id: &Arc<str>) {
        let mut state = self.state.lock();
        state.presence_changed |= state.members.remove(client_id).is_some();
        state.has_leavers = true;
        drop(state);
        self.wake.notify_one();
    }

    pub(crate) fn stop(&self) {
        self.state.lock().is_stopped = true;
        self.wake.notify_one();
    }

    pub(crate) fn client_ids(&self) -> Vec<String> {
        self.state.lock().members.keys().map(|id| id.to_string()).collect()
    }

    /// The writer's next turn; clients that wait to join do so first.
    pub(crate) fn claim(&self, live: &mut Vec<Joined>) -> Turn {
        let mut state = self.state.lock();
        if state.is_stopped {
            return Turn::Stop;
        }
        live.append(&mut state.joining);
        let Some(after) = state.claimed else { return Turn::Rest };
        if let Some(turn) = state.claim_records(after) {
            return turn;
        }
        if std::mem::take(&mut state.is_to_be_read) {
            return Turn::Repair { after };
        }
        if std::mem::take(&mut state.has_leavers) {
            return Turn::Sweep;
        }
        if std::mem::take(&mut state.presence_changed) {
            return Turn::Presence(state.presence(self.channel.id()));
        }
        Turn::Rest
    }

    /// Gives the writer what it read from the log to close a gap.
    pub(crate) fn repair(&self, mut records: Vec<Record>) {
        let mut state = self.state.lock();
        records.append(&mut state.pending);
        state.pending_bytes = records.iter().map(|record| record.json.len()).sum();
        state.pending = records;
    }
}

impl State {
    fn open(&mut self, end: Position) {
        if self.claimed != Some(end) {
            self.window.clear();
            self.window_bytes = 0;
        }
        self.claimed = Some(end);
    }

    fn claim_records(&mut self, after: Position) -> Option<Turn> {
        if self.pending.is_empty() {
            return None;
        }
        let mut pending = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        let place = |record: &Record| (record.position.incarnation, record.position.number);
        if !pending.is_sorted_by_key(place) {
            pending.sort_by_key(place);
        }
        let (mut last, mut bytes) = (after, 0);
        let mut records = Vec::with_capacity(pending.len());
        let mut rest = pending.into_iter();
        for record in rest.by_ref() {
            if place(&record) <= (last.incarnation, last.number) {
                continue;
            }
            // Another incarnation is another log: the read that is to close the gap says so.
            let is_gap = place(&record) != (last.incarnation, last.number + 1);
            if is_gap || bytes >= CATCH_UP_BYTES {
                self.pending_bytes += record.json.len();
                self.pending.push(record);
                break;
            }
            last = record.position;
            bytes += record.json.len();
            records.push(record);
        }
        for record in rest {
            self.pending_bytes += record.json.len();
            self.pending.push(record);
        }
        if records.is_empty() {
            return (!self.pending.is_empty()).then_some(Turn::Repair { after });
        }
        self.claimed = Some(last);
        self.remember(&records);
        Some(Turn::Deliver { after, records })
    }

    fn remember(&mut self, records: &[Record]) {
        for record in records {
            self.window_bytes += record.json.len();
            self.window.push_back(record.clone());
        }
        while self.window.len() > WINDOW_EVENTS || self.window_bytes > WINDOW_BYTES {
            let Some(oldest) = self.window.pop_front() else { break };
            self.window_bytes -= oldest.json.len();
        }
    }

    fn presence(&self, room_id: &str) -> ServerMessage {
        let mut connections: BTreeMap<&str, usize> = BTreeMap::new();
        for user_id in self.members.values() {
            *connections.entry(user_id).or_default() += 1;
        }
        let members = connections
            .into_iter()
            .take(MAX_PRESENCE_MEMBERS)
            .map(|(user_id, connections)| Member { user_id: user_id.to_owned(), connections })
            .collect();
        ServerMessage::Presence { room_id: room_id.to_owned(), members, timestamp: Timestamp::now() }
    }
}
