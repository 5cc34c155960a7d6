//! Trimming: what a caller asks for, and what is over its namespace's bounds, in the background and in small steps.

use super::channels::Channel;
use super::commit::{Command, Trim};
use super::shared::Shared;
use super::stored::Header;
use crate::edge::{Check, Cutoff, Edge, Extent};
use antiphon_core::limits::{
    RETENTION_CHANNELS, RETENTION_INTERVAL, RETENTION_QUEUE, RETENTION_SWEEP, TRIM_RECORDS, TRIM_STEPS,
};
use antiphon_core::{ChannelName, LogError, Position, Timestamp};
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// Channels that went over their count or bytes by an eighth, so that a hot channel is not trimmed with every event.
#[derive(Default)]
pub struct Overdue {
    state: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    channels: Vec<ChannelName>,
    is_closing: bool,
}

impl Overdue {
    /// Notes the channel if it is over its bounds by more than the slack.
    pub fn note(&self, channel: &Channel) {
        let Extent { start, end } = channel.visible();
        let is_over = |kept: u64, bound: Option<u64>| bound.is_some_and(|bound| kept > bound.saturating_add(bound / 8));
        let keep = &channel.keep;
        let due =
            is_over(end.number - start.number, keep.events) || is_over(end.total_bytes - start.total_bytes, keep.bytes);
        if !due || channel.is_overdue.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut waiting = self.state.lock();
        if waiting.channels.len() < RETENTION_QUEUE {
            waiting.channels.push(channel.name.clone());
            self.changed.notify_one();
        } else {
            channel.is_overdue.store(false, Ordering::Relaxed);
        }
    }

    /// Ends the retention thread.
    pub fn close(&self) {
        self.state.lock().is_closing = true;
        self.changed.notify_one();
    }

    /// What is overdue, at the latest after an interval; nothing once the log is closing.
    fn wait(&self) -> Option<Vec<ChannelName>> {
        let mut waiting = self.state.lock();
        if waiting.channels.is_empty() && !waiting.is_closing {
            self.changed.wait_for(&mut waiting, RETENTION_INTERVAL);
        }
        if waiting.is_closing { None } else { Some(std::mem::take(&mut waiting.channels)) }
    }
}

/// Prepares trims and has the commit thread make them. All of it blocks.
#[derive(Clone)]
pub struct Trimmer {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Command>,
}

/// Whether a channel needs another step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Last,
    More,
}

impl Trimmer {
    /// Trims through the commit thread behind `queue`.
    pub fn new(shared: Arc<Shared>, queue: mpsc::Sender<Command>) -> Self {
        Self { shared, queue }
    }

    /// The retention thread: passes until the log closes, and the knock that has a failed store opened again.
    pub fn run(self) {
        let mut cursor = None;
        let mut sweep_at = Instant::now();
        while let Some(overdue) = self.shared.overdue.wait() {
            if self.shared.has_failed() {
                if self.queue.blocking_send(Command::Reopen).is_err() {
                    return;
                }
                continue;
            }
            for name in &overdue {
                if let Some(channel) = self.shared.channels.peek(name) {
                    channel.is_overdue.store(false, Ordering::Relaxed);
                }
            }
            let pass = self.enforce_each(&overdue).and_then(|()| {
                if cursor.is_none() && Instant::now() < sweep_at {
                    return Ok(());
                }
                cursor = self.sweep(cursor.take())?;
                sweep_at = Instant::now() + RETENTION_SWEEP;
                Ok(())
            });
            if let Err(error) = pass {
                tracing::warn!(%error, "a retention pass did not finish and is tried again");
            }
        }
    }

    /// Enforces the bounds of every channel now.
    pub fn enforce_all(&self) -> Result<(), LogError> {
        let mut cursor = self.sweep(None)?;
        while cursor.is_some() {
            cursor = self.sweep(cursor)?;
        }
        Ok(())
    }

    /// Enforces the bounds of the next channels by name; gives where to go on, nothing after the last.
    fn sweep(&self, after: Option<ChannelName>) -> Result<Option<ChannelName>, LogError> {
        let names = self.shared.store()?.channels_after(after.as_ref(), RETENTION_CHANNELS)?;
        self.enforce_each(&names)?;
        Ok(names.into_iter().nth(RETENTION_CHANNELS - 1))
    }

    fn enforce_each(&self, names: &[ChannelName]) -> Result<(), LogError> {
        let now = Timestamp::now().millis();
        names.iter().try_for_each(|name| self.enforce(name, now))
    }

    fn enforce(&self, name: &ChannelName, now_millis: u64) -> Result<(), LogError> {
        let keep = self.shared.channels.keep(name);
        for _ in 0..TRIM_STEPS {
            let step = self.step(name, |extent| {
                let cutoff = Cutoff::new(&keep, &extent.end, now_millis);
                move |before: &Edge, header: &Header<'_>| cutoff.is_past(before, header.logged_millis)
            })?;
            if step == Step::Last {
                break;
            }
        }
        Ok(())
    }

    /// Forgets the events up to and including the position.
    pub fn trim_through(&self, name: &ChannelName, through: Position) -> Result<(), LogError> {
        let store = self.shared.store()?;
        let (id, extent) = self.shared.look(&store, name)?.unwrap_or_default();
        match self.shared.origin(name).check(&through, &extent) {
            Err(LogError::Expired) => return Ok(()),
            Err(error) => return Err(error),
            Ok(Check::Good) => {}
            Ok(Check::IfEventMatches) => {
                let mut is_foreign = false;
                let origin = self.shared.origin(name);
                store.scan(name, id, (through.number, through.number), |header, _| {
                    is_foreign = origin.position(&header.edge) != through;
                    false
                })?;
                if is_foreign {
                    return Err(LogError::Foreign);
                }
            }
        }
        drop(store);
        while self.step(name, |_| move |_: &Edge, header: &Header<'_>| header.edge.number <= through.number)?
            == Step::More
        {}
        Ok(())
    }

    /// Trims the oldest events for which the condition holds, as many as one step may.
    fn step<Condition>(&self, name: &ChannelName, condition: impl Fn(&Extent) -> Condition) -> Result<Step, LogError>
    where
        Condition: Fn(&Edge, &Header<'_>) -> bool,
    {
        let store = self.shared.store()?;
        let Some((id, extent)) = self.shared.look(&store, name)? else { return Ok(Step::Last) };
        if extent.start.number == extent.end.number {
            return Ok(Step::Last);
        }
        let is_past = condition(&extent);
        let last = extent.end.number.min(extent.start.number + TRIM_RECORDS as u64);
        let (mut through, mut event_ids, mut step) = (extent.start, Vec::new(), Step::More);
        let found = store.scan(name, id, (extent.start.number + 1, last), |header, _| {
            if !is_past(&through, &header) {
                step = Step::Last;
                return false;
            }
            through = header.edge;
            event_ids.extend(header.event_id.map(|event_id| (event_id.to_owned(), header.edge.number)));
            true
        })?;
        if !found {
            let moved = self.shared.look(&store, name)?.is_some_and(|(_, now)| now.start != extent.start);
            let reason = format!("the first event of channel {name} is missing");
            return if moved { Ok(Step::More) } else { Err(LogError::Unavailable { reason }) };
        }
        drop(store);
        if through.number > extent.start.number {
            let (answer, answered) = oneshot::channel();
            let trim = Trim { channel: name.clone(), after: extent.start.number, through, event_ids, answer };
            self.queue.blocking_send(Command::Trim(trim)).map_err(|_| super::closed())?;
            if !answered.blocking_recv().map_err(|_| super::closed())?? {
                return Ok(Step::More);
            }
        }
        Ok(if last == extent.end.number { Step::Last } else { step })
    }
}
