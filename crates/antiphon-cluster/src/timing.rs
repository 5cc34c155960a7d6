//! What follows from the takeover time.

use std::time::Duration;

/// When what is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// How long a lease holds that is not renewed.
    pub(crate) ttl: Duration,
    /// Between two renewals: some may fail.
    pub(crate) renew: Duration,
    /// Between two looks at the leases.
    pub(crate) look: Duration,
    /// How long an ownership may fail to begin before somebody else is given a try.
    pub(crate) patience: Duration,
}

impl Timing {
    /// A lease that ran out, a look at it, and what is left for reading the log's tail make up the takeover time.
    pub(crate) fn of(takeover: Duration) -> Self {
        Self { ttl: takeover.mul_f64(0.6), renew: takeover / 10, look: takeover / 20, patience: takeover }
    }
}
