//! The processes that follow shards of this one: what each has asked for, and what waits for it.

use antiphon_core::limits::{FOLLOW_MESSAGE_BYTES, FOLLOW_QUEUE_BYTES, FOLLOW_QUEUE_RECORDS, MAX_FOLLOWED_CHANNELS};
use antiphon_core::{ChannelName, Position, Record, Shard};
use parking_lot::{Mutex, RwLock};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use tokio::sync::Notify;

/// All followers of this process's shards.
#[derive(Default)]
pub(crate) struct Followers {
    by_shard: RwLock<HashMap<Shard, Vec<Arc<Follower>>>>,
}

/// One process that follows one shard.
pub(crate) struct Follower {
    shard: Shard,
    state: Mutex<State>,
    /// Rings when something waits.
    waiting: Notify,
}

#[derive(Default)]
struct State {
    channels: HashSet<ChannelName>,
    queue: VecDeque<Record>,
    bytes: usize,
    is_lost: bool,
    /// Last events of channels that moved since the last tail notice.
    moved: HashMap<ChannelName, Position>,
    /// Last events of channels that were followed just now.
    ends: Vec<(ChannelName, Position)>,
}

/// What a follower is to be told next.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// Records were left out before these.
    pub(crate) is_lost: bool,
    pub(crate) records: Vec<Record>,
    pub(crate) tails: Vec<(ChannelName, Position)>,
}

impl Followers {
    /// A new follower, told of what is committed from now on, until it is removed.
    pub(crate) fn add(&self, shard: Shard) -> Arc<Follower> {
        let follower = Arc::new(Follower { shard, state: Mutex::default(), waiting: Notify::new() });
        self.by_shard.write().entry(shard).or_default().push(follower.clone());
        follower
    }

    pub(crate) fn remove(&self, follower: &Arc<Follower>) {
        let mut by_shard = self.by_shard.write();
        if let Some(followers) = by_shard.get_mut(&follower.shard) {
            followers.retain(|known| !Arc::ptr_eq(known, follower));
            if followers.is_empty() {
                by_shard.remove(&follower.shard);
            }
        }
    }

    /// Hands records of one channel to whoever follows it. Never waits for any of them.
    pub(crate) fn deliver(&self, shard: Shard, records: &[Record]) {
        let by_shard = self.by_shard.read();
        for follower in by_shard.get(&shard).into_iter().flatten() {
            follower.deliver(records);
        }
    }
}

impl Follower {
    /// Adds channels to those that are followed. False where they are too many.
    pub(crate) fn follow(&self, channels: &[ChannelName]) -> bool {
        let mut state = self.state.lock();
        state.channels.extend(channels.iter().cloned());
        state.channels.len() <= MAX_FOLLOWED_CHANNELS
    }

    pub(crate) fn unfollow(&self, channels: &[ChannelName]) {
        let mut state = self.state.lock();
        for channel in channels {
            state.channels.remove(channel);
            state.moved.remove(channel);
        }
    }

    /// Tells where channels end that were followed just now: what was committed before is not delivered.
    pub(crate) fn tell_ends(&self, ends: Vec<(ChannelName, Position)>) {
        self.state.lock().ends.extend(ends);
        self.waiting.notify_one();
    }

    fn deliver(&self, records: &[Record]) {
        let mut state = self.state.lock();
        let State { channels, queue, bytes, is_lost, moved, .. } = &mut *state;
        let Some(last) = records.last().filter(|last| channels.contains(&last.channel)) else { return };
        moved.insert(last.channel.clone(), last.position);
        queue.extend(records.iter().cloned());
        *bytes += records.iter().map(|record| record.json.len()).sum::<usize>();
        if queue.len() > FOLLOW_QUEUE_RECORDS || *bytes > FOLLOW_QUEUE_BYTES {
            queue.clear();
            *bytes = 0;
            *is_lost = true;
        }
        drop(state);
        self.waiting.notify_one();
    }

    /// Comes once something may wait to be told.
    pub(crate) async fn something(&self) {
        self.waiting.notified().await;
    }

    /// What is to be told now. With `tail` also where the channels end that moved since the last time.
    pub(crate) fn due(&self, tail: bool) -> Due {
        let mut state = self.state.lock();
        let State { queue, bytes, is_lost, moved, ends, .. } = &mut *state;
        let mut due = Due { is_lost: std::mem::take(is_lost), ..Due::default() };
        let mut taken = 0;
        while taken < FOLLOW_MESSAGE_BYTES
            && let Some(record) = queue.pop_front()
        {
            taken += record.json.len();
            due.records.push(record);
        }
        *bytes -= taken;
        let most = ends.len().min(FOLLOW_QUEUE_RECORDS);
        due.tails = ends.drain(..most).collect();
        // A tail must not overtake the records that it speaks of.
        if tail && queue.is_empty() {
            let channels: Vec<ChannelName> = moved.keys().take(FOLLOW_QUEUE_RECORDS).cloned().collect();
            due.tails.extend(channels.iter().filter_map(|channel| moved.remove_entry(channel)));
        }
        if !queue.is_empty() || !ends.is_empty() {
            self.waiting.notify_one();
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use antiphon_core::EventKind;
    use bytes::Bytes;

    fn record(number: u64, bytes: usize) -> Record {
        let channel = ChannelName::parse("jobs:1").unwrap();
        let position = Position { number, ..Position::before_first(&channel, 1) };
        let json = Bytes::from(vec![b' '; bytes]);
        Record { channel, position, kind: EventKind::Plain, json, provider_at: None, logged_at: None }
    }

    #[test]
    fn one_that_does_not_read_is_told_that_it_lost_and_never_fills_the_memory() {
        let followers = Followers::default();
        let (slow, quick) = (followers.add(Shard(0)), followers.add(Shard(0)));
        for follower in [&slow, &quick] {
            assert!(follower.follow(&[record(0, 0).channel]));
        }
        let large = FOLLOW_QUEUE_BYTES / 8;
        for number in 1..=100 {
            followers.deliver(Shard(0), &[record(number, large)]);
            let due = quick.due(false);
            assert_eq!((due.is_lost, due.records[0].position.number), (false, number));
            assert!(slow.state.lock().bytes <= FOLLOW_QUEUE_BYTES);
        }
        for number in 1..=2 * FOLLOW_QUEUE_RECORDS as u64 {
            followers.deliver(Shard(0), &[record(100 + number, 0)]);
            assert!(slow.state.lock().queue.len() <= FOLLOW_QUEUE_RECORDS);
        }
        assert!(slow.due(true).is_lost);
        assert!(!slow.due(true).is_lost);
    }

    #[test]
    fn tails_follow_their_records_and_name_what_moved_once() {
        let followers = Followers::default();
        let follower = followers.add(Shard(0));
        let (one, two) = (record(1, FOLLOW_MESSAGE_BYTES), record(2, 1));
        followers.deliver(Shard(0), std::slice::from_ref(&one));
        assert!(follower.due(true).records.is_empty(), "nothing was followed");
        follower.follow(std::slice::from_ref(&one.channel));
        followers.deliver(Shard(0), &[one, two.clone()]);
        let first = follower.due(true);
        assert_eq!((first.records.len(), first.tails.len()), (1, 0));
        let second = follower.due(true);
        assert_eq!((second.records.len(), second.tails), (1, vec![(two.channel.clone(), two.position)]));
        assert!(follower.due(true).tails.is_empty());
        follower.unfollow(std::slice::from_ref(&two.channel));
        followers.deliver(Shard(0), &[two]);
        assert!(follower.due(true).records.is_empty());
        followers.remove(&follower);
        assert!(followers.by_shard.read().is_empty());
    }
}
