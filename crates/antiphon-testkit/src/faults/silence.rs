//! How long nothing came, and how late what came was.

use super::super::upstream::stamp_of;
use parking_lot::Mutex;
use serde_json::Value;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What one client measures.
#[derive(Debug)]
pub struct Silence {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    last: Instant,
    longest: Duration,
    /// Whether an answer is under way: only then is silence worth a word.
    is_open: bool,
    latest_stamp: u64,
    late: Vec<(Instant, Duration)>,
    keeps_latencies: bool,
}

impl Silence {
    /// Counting from now. Latencies of single tokens are kept where they are asked for.
    pub fn new(keeps_latencies: bool) -> Self {
        let state = State {
            last: Instant::now(),
            longest: Duration::ZERO,
            is_open: false,
            latest_stamp: 0,
            late: Vec::new(),
            keeps_latencies,
        };
        Self { state: Mutex::new(state) }
    }

    /// Notes an event, and the stamps of its tokens ([`stamp_of`]).
    pub fn note(&self, event: &Value) {
        let now = Instant::now();
        let micros = now_micros();
        let mut state = self.state.lock();
        if state.is_open {
            state.longest = state.longest.max(now - state.last);
        }
        state.last = now;
        match event["type"].as_str() {
            Some("ar-stream-start") => state.is_open = true,
            Some("ar-stream-end") => state.is_open = false,
            _ => {}
        }
        let tokens = event["chunk"].as_str().unwrap_or_default().split_inclusive(' ');
        for (_, stamp) in tokens.filter_map(stamp_of) {
            state.latest_stamp = state.latest_stamp.max(stamp);
            if state.keeps_latencies {
                state.late.push((now, Duration::from_micros(micros.saturating_sub(stamp))));
            }
        }
    }

    /// When the provider sent the newest token that has come, in microseconds since the Unix epoch.
    pub fn latest_stamp(&self) -> u64 {
        self.state.lock().latest_stamp
    }

    /// The longest time without an event while an answer was under way, since the last call and until now.
    pub fn take_longest(&self) -> Duration {
        let mut state = self.state.lock();
        let waiting = if state.is_open { state.last.elapsed() } else { Duration::ZERO };
        let longest = state.longest.max(waiting);
        state.longest = Duration::ZERO;
        longest
    }

    /// How late each token was that came within this time.
    pub fn latencies(&self, from: Instant, until: Instant) -> Vec<Duration> {
        let state = self.state.lock();
        state.late.iter().filter(|(at, _)| (from..until).contains(at)).map(|(_, late)| *late).collect()
    }
}

/// Microseconds since the Unix epoch.
pub(super) fn now_micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64
}
