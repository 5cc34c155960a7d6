//! Records on their way to a Redis that nobody waits for: bounded, and left out where they do not fit.

use antiphon_core::Record;
use antiphon_core::limits::{REDIS_OUTBOX_BATCH, REDIS_OUTBOX_BYTES, REDIS_OUTBOX_RECORDS};
use parking_lot::Mutex;
use std::collections::VecDeque;
use tokio::sync::Notify;

/// A bounded queue.
#[derive(Default)]
pub struct Outbox {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Default)]
struct Waiting {
    records: VecDeque<Record>,
    bytes: usize,
    left_out: u64,
}

impl Outbox {
    /// Takes what there is room for. Never blocks.
    pub fn push(&self, records: impl Iterator<Item = Record>) {
        let mut waiting = self.waiting.lock();
        for record in records {
            let bytes = record.json.len();
            if waiting.records.len() >= REDIS_OUTBOX_RECORDS || waiting.bytes + bytes > REDIS_OUTBOX_BYTES {
                waiting.left_out += 1;
                continue;
            }
            waiting.bytes += bytes;
            waiting.records.push_back(record);
        }
        drop(waiting);
        self.filled.notify_one();
    }

    /// The oldest that wait, at least one.
    pub async fn take(&self) -> Vec<Record> {
        loop {
            {
                let mut waiting = self.waiting.lock();
                let count = waiting.records.len().min(REDIS_OUTBOX_BATCH);
                if count > 0 {
                    let taken: Vec<Record> = waiting.records.drain(..count).collect();
                    waiting.bytes -= taken.iter().map(|record| record.json.len()).sum::<usize>();
                    return taken;
                }
            }
            self.filled.notified().await;
        }
    }

    /// Leaves out all that waits, and so many that were taken. Whoever cannot send does so, rather than send late what was
    /// repaired from the log long ago.
    pub fn leave_out(&self, taken: usize) {
        let mut waiting = self.waiting.lock();
        waiting.left_out += (waiting.records.len() + taken) as u64;
        waiting.records.clear();
        waiting.bytes = 0;
    }

    /// Records that were left out so far.
    pub fn left_out(&self) -> u64 {
        self.waiting.lock().left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use antiphon_core::{ChannelName, EventKind, Position};
    use bytes::Bytes;

    #[tokio::test]
    async fn what_does_not_fit_is_left_out_and_the_oldest_come_first() {
        let outbox = Outbox::default();
        let channel = ChannelName::parse("jobs:1").unwrap();
        let record = |number: u64| Record {
            channel: channel.clone(),
            position: Position { number, ..Position::before_first(&channel, 1) },
            kind: EventKind::Plain,
            json: Bytes::from_static(b"{}"),
            provider_at: None,
            logged_at: None,
        };
        outbox.push((0..REDIS_OUTBOX_RECORDS as u64 + 5).map(record));
        assert_eq!(outbox.left_out(), 5);
        assert_eq!(outbox.take().await[0].position.number, 0);
        outbox.leave_out(0);
        assert_eq!(outbox.left_out(), (REDIS_OUTBOX_RECORDS - REDIS_OUTBOX_BATCH) as u64 + 5);
        outbox.push(std::iter::once(record(7)));
        assert_eq!(outbox.take().await.len(), 1);
    }
}
