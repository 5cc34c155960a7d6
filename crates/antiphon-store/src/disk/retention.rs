//! Retention: trims what is over its namespace's bounds, in the background and in small steps.

use super::channels::Channel;
use super::contents::Contents;
use super::stored::Header;
use super::trim::{self, TrimWriter};
use crate::edge::{Cutoff, Edge, Extent};
use antiphon_core::limits::{RETENTION_CHANNELS, RETENTION_INTERVAL, RETENTION_QUEUE, RETENTION_SWEEP, TRIM_STEPS};
use antiphon_core::{ChannelName, LogError, Timestamp};
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

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

/// Prepares trims and has the store's writer make them. All of it blocks.
pub struct Trimmer<W> {
    contents: Arc<Contents>,
    writer: W,
}

impl<W: TrimWriter> Trimmer<W> {
    /// Trims through `writer`.
    pub fn new(contents: Arc<Contents>, writer: W) -> Self {
        Self { contents, writer }
    }

    /// The retention thread: passes until the log closes, and the knock that has a failed store opened again.
    pub fn run(self) {
        let mut cursor = None;
        let mut sweep_at = Instant::now();
        while let Some(overdue) = self.contents.overdue.wait() {
            if self.contents.has_failed() {
                if !self.writer.reopen() {
                    return;
                }
                continue;
            }
            for name in &overdue {
                if let Some(channel) = self.contents.channels.peek(name) {
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
        let names = self.contents.store()?.channels_after(after.as_ref(), RETENTION_CHANNELS)?;
        self.enforce_each(&names)?;
        Ok(names.into_iter().nth(RETENTION_CHANNELS - 1))
    }

    fn enforce_each(&self, names: &[ChannelName]) -> Result<(), LogError> {
        let now = Timestamp::now().millis();
        names.iter().try_for_each(|name| self.enforce(name, now))
    }

    fn enforce(&self, name: &ChannelName, now_millis: u64) -> Result<(), LogError> {
        let keep = self.contents.channels.keep(name);
        for _ in 0..TRIM_STEPS {
            let goes_on = trim::step(
                &self.contents,
                |trim| self.writer.write(trim),
                name,
                |extent| {
                    let cutoff = Cutoff::new(&keep, &extent.end, now_millis);
                    move |before: &Edge, header: &Header<'_>| cutoff.is_past(before, header.logged_millis)
                },
            )?;
            if !goes_on {
                break;
            }
        }
        Ok(())
    }
}
