//! The engine "memory": a window of each channel, gone with the process and never durable.

mod sharded;
mod window;

pub use sharded::ShardedMemoryLog;

use crate::edge::Origin;
use crate::{NamespaceTable, size};
use antiphon_core::limits::{MEMORY_LOG_BYTES, MEMORY_LOG_CHANNELS};
use antiphon_core::{
    Bounds, ChannelName, Event, Log, LogError, OnCommit, Position, ReadFrom, ReadLimit, Record, Timestamp,
};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use window::Window;

/// From the Unix epoch to 2025-01-01T00:00:00Z.
const YEAR_2025: Duration = Duration::from_secs(1_735_689_600);

/// The log in memory. Every start is another log: its positions are foreign to the next one.
///
/// Besides the bounds of each namespace there is one over all channels; the oldest events go first.
pub struct MemoryLog {
    namespaces: NamespaceTable,
    incarnation: u32,
    /// Tells apart two logs that were started at nearly the same time.
    epoch: u32,
    /// Most bytes of JSON over all channels.
    most_bytes: usize,
    /// Most channels.
    most_channels: usize,
    on_commit: OnCommit,
    /// Held from an append to the end of its `on_commit`, so that the log's order is the order of the calls. Readers do
    /// not need it.
    order: Mutex<()>,
    windows: Mutex<Windows>,
}

#[derive(Default)]
struct Windows {
    by_channel: HashMap<ChannelName, Window>,
    /// Events over all channels in the order of their appending, for dropping the oldest; some may be gone already.
    oldest: VecDeque<(ChannelName, u64)>,
    bytes: usize,
    appends: u64,
}

impl MemoryLog {
    /// An empty log. `on_commit` is told of every record, on the appending thread.
    pub fn new(namespaces: NamespaceTable, on_commit: OnCommit) -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::with(namespaces, on_commit, incarnation(started), 1)
    }

    /// An empty log of this incarnation, which may take one of `parts` equal parts of what the process has for such logs.
    fn with(namespaces: NamespaceTable, on_commit: OnCommit, incarnation: u32, parts: usize) -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            namespaces,
            incarnation,
            most_bytes: MEMORY_LOG_BYTES / parts,
            most_channels: MEMORY_LOG_CHANNELS / parts,
            epoch: started.subsec_nanos().max(1),
            on_commit,
            order: Mutex::new(()),
            windows: Mutex::default(),
        }
    }

    /// Trims every channel to its namespace's bounds now; otherwise a channel is trimmed when it is used.
    pub fn enforce_retention_now(&self) {
        let mut windows = self.windows.lock();
        let now_millis = Timestamp::now().millis();
        let Windows { by_channel, bytes, .. } = &mut *windows;
        *bytes = 0;
        for window in by_channel.values_mut() {
            window.enforce(now_millis);
            *bytes += window.bytes();
        }
    }

    fn append_now(&self, channel: &ChannelName, events: Vec<Event>) -> Result<Vec<Position>, LogError> {
        size::check(&events)?;
        let _order = self.order.lock();
        let (positions, records) = {
            let mut windows = self.windows.lock();
            let appended = windows.append(channel, events, || self.window(channel))?;
            windows.shrink(self.most_bytes, self.most_channels);
            appended
        };
        if !records.is_empty() {
            (self.on_commit)(&records);
        }
        Ok(positions)
    }

    fn read_now(&self, channel: &ChannelName, from: ReadFrom, limit: ReadLimit) -> Result<Vec<Record>, LogError> {
        self.with_window(channel, |window| window.read(from, limit))
    }

    fn bounds_now(&self, channel: &ChannelName) -> Bounds {
        let origin = Origin::new(channel, self.incarnation);
        self.with_window(channel, |window| origin.bounds(&window.extent()))
    }

    fn trim_now(&self, channel: &ChannelName, through: Position) -> Result<(), LogError> {
        self.with_window(channel, |window| window.trim(&through))
    }

    fn with_window<T>(&self, channel: &ChannelName, run: impl FnOnce(&mut Window) -> T) -> T {
        let mut windows = self.windows.lock();
        let now_millis = Timestamp::now().millis();
        let Windows { by_channel, bytes, .. } = &mut *windows;
        let Some(window) = by_channel.get_mut(channel) else { return run(&mut self.window(channel)) };
        *bytes -= window.bytes();
        window.enforce(now_millis);
        let result = run(window);
        *bytes += window.bytes();
        result
    }

    fn window(&self, channel: &ChannelName) -> Window {
        let origin = Origin::new(channel, self.incarnation);
        Window::new(origin, self.epoch, self.namespaces.settings(channel.namespace()).keep)
    }
}

/// Quarters of a second since the year 2025: grows from start to start, and lasts a thousand million seconds. Two logs of
/// one process never have the same.
fn incarnation(started: Duration) -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let quarters = started.saturating_sub(YEAR_2025).as_millis() / 250;
    let now = u32::try_from(quarters).unwrap_or(u32::MAX);
    let next = |last: u32| now.max(last.saturating_add(1));
    LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last))).map_or(now, next)
}

impl Windows {
    /// Appends to a window; gives the position of each event, and the records that are new.
    fn append(
        &mut self,
        channel: &ChannelName,
        events: Vec<Event>,
        window: impl FnOnce() -> Window,
    ) -> Result<(Vec<Position>, Vec<Record>), LogError> {
        let Self { by_channel, oldest, bytes, appends } = self;
        check_repeats(by_channel.get(channel), &events)?;
        *appends += 1;
        let window = by_channel.entry(channel.clone()).or_insert_with(window);
        *bytes -= window.bytes();
        let now_millis = Timestamp::now().millis();
        let logged_at = Some(Instant::now());
        let (mut positions, mut records) = (Vec::with_capacity(events.len()), Vec::with_capacity(events.len()));
        for (index, event) in events.into_iter().enumerate() {
            if let Some(had) = event.event_id.as_deref().and_then(|event_id| window.position_of(event_id)) {
                positions.push(had);
                continue;
            }
            let Event { kind, json, event_id, provider_at } = event;
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            let (edge, position) = window.next(*appends, index, json.len());
            let record = Record { channel: channel.clone(), position, kind, json, provider_at, logged_at };
            positions.push(position);
            records.push(record.clone());
            // What is kept is what a reader gets: without the times that only a fresh record has.
            window.push(edge, now_millis, event_id, Record { provider_at: None, logged_at: None, ..record });
            oldest.push_back((channel.clone(), edge.number));
        }
        window.enforce(now_millis);
        *bytes += window.bytes();
        Ok((positions, records))
    }

    /// Drops the oldest events of all until the bounds over all channels hold.
    fn shrink(&mut self, most_bytes: usize, most_channels: usize) {
        let Self { by_channel, oldest, bytes, .. } = self;
        while let Some((channel, number)) = oldest.front() {
            let is_gone = by_channel.get(channel).is_none_or(|window| window.extent().start.number >= *number);
            if !is_gone && *bytes <= most_bytes && by_channel.len() <= most_channels {
                break;
            }
            if let Some(window) = by_channel.get_mut(channel).filter(|_| !is_gone) {
                *bytes -= window.bytes();
                window.drop_oldest();
                *bytes += window.bytes();
            }
            // A forgotten channel begins again at number 1; addresses tell its new events from the old ones.
            let is_empty = by_channel.get(channel).is_some_and(|window| window.extent().start == window.extent().end);
            if is_empty && by_channel.len() > most_channels {
                by_channel.remove(channel);
            }
            oldest.pop_front();
        }
    }
}

/// Refuses events whose id another event of the channel, or of the same array, has.
fn check_repeats(window: Option<&Window>, events: &[Event]) -> Result<(), LogError> {
    let mut of_array: HashMap<&str, &[u8]> = HashMap::new();
    for event in events {
        let Some(event_id) = event.event_id.as_deref() else { continue };
        let kept = window.and_then(|window| window.event_of(event_id)).map(|record| record.json.as_ref());
        if let Some(first) = kept.or_else(|| of_array.get(event_id).copied())
            && !event.repeats(first)
        {
            return Err(LogError::Taken { event_id: event_id.to_owned() });
        }
        of_array.entry(event_id).or_insert(&event.json);
    }
    Ok(())
}

#[async_trait::async_trait]
impl Log for MemoryLog {
    async fn append(&self, channel: &ChannelName, events: Vec<Event>) -> Result<Vec<Position>, LogError> {
        self.append_now(channel, events)
    }

    async fn read(&self, channel: &ChannelName, from: ReadFrom, limit: ReadLimit) -> Result<Vec<Record>, LogError> {
        self.read_now(channel, from, limit)
    }

    async fn bounds(&self, channel: &ChannelName) -> Result<Bounds, LogError> {
        Ok(self.bounds_now(channel))
    }

    async fn trim(&self, channel: &ChannelName, through: Position) -> Result<(), LogError> {
        self.trim_now(channel, through)
    }

    fn is_durable(&self, _namespace: &str) -> bool {
        false
    }

    fn health(&self) -> Result<(), LogError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use antiphon_core::{EventKind, NamespaceSettings, Retention};
    use bytes::Bytes;
    use std::sync::Arc;

    fn event(bytes: usize) -> Event {
        let json = Bytes::from(format!("{{\"x\":\"{}\"}}", "x".repeat(bytes)));
        Event { kind: EventKind::Plain, json, event_id: None, provider_at: None }
    }

    #[tokio::test]
    async fn all_channels_together_are_bounded_and_the_oldest_events_go_first() {
        let keep = Retention { events: None, age: None, bytes: None };
        let settings = HashMap::from([("jobs".to_owned(), NamespaceSettings { keep, ephemeral: true })]);
        let log = MemoryLog::new(NamespaceTable::new(settings), Arc::new(|_| {}));
        let first = ChannelName::parse("jobs:first").unwrap();
        let second = ChannelName::parse("jobs:second").unwrap();
        log.append(&first, vec![event(1), event(1)]).await.unwrap();
        let large = 4_000_000;
        for _ in 0..MEMORY_LOG_BYTES / large + 1 {
            log.append(&second, vec![event(large)]).await.unwrap();
        }
        assert!(log.windows.lock().bytes <= MEMORY_LOG_BYTES);
        let bounds = log.bounds(&first).await.unwrap();
        assert_eq!((bounds.start.number, bounds.end.number), (2, 2));
        assert!(log.bounds(&second).await.unwrap().start.number >= 1);
        assert!(log.windows.lock().oldest.len() <= MEMORY_LOG_BYTES / large + 1);
    }

    #[tokio::test]
    async fn two_logs_started_at_once_are_foreign_to_each_other() {
        let channel = ChannelName::parse("jobs:first").unwrap();
        let start = || MemoryLog::new(NamespaceTable::default(), Arc::new(|_| {}));
        let (one, other) = (start(), start());
        let limit = ReadLimit { events: 1, bytes: 1 };
        let before = one.bounds(&channel).await.unwrap().end;
        let after = one.append(&channel, vec![event(1)]).await.unwrap()[0];
        for position in [before, after] {
            assert_eq!(other.read(&channel, ReadFrom::After(position), limit).await.unwrap_err(), LogError::Foreign);
        }
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let next = incarnation(started + Duration::from_millis(250));
        assert!(next > other.incarnation && other.incarnation > one.incarnation, "it grows");
    }

    #[tokio::test]
    async fn channels_are_bounded_and_a_forgotten_one_does_not_accept_its_old_positions() {
        let log = MemoryLog::new(NamespaceTable::default(), Arc::new(|_| {}));
        let first = ChannelName::parse("jobs:first").unwrap();
        let old = log.append(&first, vec![event(1)]).await.unwrap()[0];
        for number in 0..MEMORY_LOG_CHANNELS {
            let channel = ChannelName::new("jobs", &number.to_string()).unwrap();
            log.append(&channel, vec![event(1)]).await.unwrap();
        }
        assert!(log.windows.lock().by_channel.len() <= MEMORY_LOG_CHANNELS);
        let limit = ReadLimit { events: 1, bytes: 1 };
        assert_eq!(log.read(&first, ReadFrom::After(old), limit).await.unwrap_err(), LogError::Future);
        log.append(&first, vec![event(1)]).await.unwrap();
        assert_eq!(log.read(&first, ReadFrom::After(old), limit).await.unwrap_err(), LogError::Foreign);
    }
}
