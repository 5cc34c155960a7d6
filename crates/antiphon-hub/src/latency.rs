//! How long an event takes from hop to hop.

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use std::time::Duration;

/// One hop's latencies, in microseconds, up to a minute.
pub struct Hop(Mutex<Histogram<u64>>);

/// A hop's latencies in short.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct HopSummary {
    /// Median, in milliseconds.
    pub p50: f64,
    /// 99th percentile, in milliseconds.
    pub p99: f64,
    /// How many were measured.
    pub count: u64,
}

const LONGEST_MICROS: u64 = 60_000_000;

impl Default for Hop {
    fn default() -> Self {
        // Two significant figures over a fixed range: the arguments are in the range that the library documents.
        let histogram = Histogram::new_with_bounds(1, LONGEST_MICROS, 2);
        #[expect(clippy::expect_used, reason = "the bounds are constants that the library accepts")]
        Self(Mutex::new(histogram.expect("constant bounds are valid")))
    }
}

impl Hop {
    /// Records one latency; longer than a minute counts as a minute.
    pub fn record(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(LONGEST_MICROS);
        self.0.lock().saturating_record(micros.clamp(1, LONGEST_MICROS));
    }

    /// The percentiles so far.
    pub fn summary(&self) -> HopSummary {
        let histogram = self.0.lock();
        if histogram.is_empty() {
            return HopSummary::default();
        }
        let millis = |quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        HopSummary { p50: millis(0.5), p99: millis(0.99), count: histogram.len() }
    }
}

/// The hops of one event from its place in the log.
#[derive(Default)]
pub struct Hops {
    /// From the log to the channel's writer.
    pub log_to_hub: Hop,
    /// From the channel's writer to a client's socket.
    pub hub_to_socket: Hop,
}
