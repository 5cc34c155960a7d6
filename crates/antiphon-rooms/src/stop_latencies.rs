//! How long it took from a stop to a closed provider connection.

use antiphon_core::limits::STOP_LATENCIES;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::time::Duration;

/// The latest stops, for the statistics.
#[derive(Default)]
pub(crate) struct StopLatencies {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    latest: VecDeque<Duration>,
    count: u64,
    chunks_after: u64,
}

/// Stops in numbers. The quantiles are of the latest stops, the counts of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StopSummary {
    /// Stops of running streams.
    pub count: u64,
    /// Half of the calls were dropped within this, from the request on.
    pub p50: Duration,
    /// All but a hundredth were.
    pub p99: Duration,
    /// The longest.
    pub most: Duration,
    /// Chunks that came after their stream's interrupt or end: a fault where it is not 0.
    pub chunks_after: u64,
}

impl StopLatencies {
    pub(crate) fn stopped(&self, after: Duration) {
        let mut seen = self.seen.lock();
        if seen.latest.len() == STOP_LATENCIES {
            seen.latest.pop_front();
        }
        seen.latest.push_back(after);
        seen.count += 1;
    }

    pub(crate) fn chunk_after(&self) {
        self.seen.lock().chunks_after += 1;
    }

    pub(crate) fn summary(&self) -> StopSummary {
        let seen = self.seen.lock();
        let mut sorted: Vec<Duration> = seen.latest.iter().copied().collect();
        sorted.sort_unstable();
        let quantile = |of_hundred: usize| {
            let rank = (sorted.len() * of_hundred).div_ceil(100).saturating_sub(1);
            sorted.get(rank).copied().unwrap_or_default()
        };
        StopSummary {
            count: seen.count,
            p50: quantile(50),
            p99: quantile(99),
            most: quantile(100),
            chunks_after: seen.chunks_after,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_latest_stops() {
        let latencies = StopLatencies::default();
        assert_eq!(latencies.summary(), StopSummary::default());
        for millis in 1..=STOP_LATENCIES as u64 + 100 {
            latencies.stopped(Duration::from_millis(millis));
        }
        let summary = latencies.summary();
        assert_eq!(summary.count, STOP_LATENCIES as u64 + 100);
        assert_eq!(summary.most, Duration::from_millis(STOP_LATENCIES as u64 + 100));
        assert_eq!(summary.p50, Duration::from_millis(STOP_LATENCIES as u64 / 2 + 100));
    }
}
