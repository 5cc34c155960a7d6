//! What follows from the takeover time.

use crate::presence::TELLING;
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
    /// Leases that were not looked at for longer may have run out though their owners are well: nobody could renew them.
    pub(crate) gap: Duration,
    /// How long owners are then given to renew them, before those that ran out are taken.
    pub(crate) grace: Duration,
}

impl Timing {
    /// A lease that ran out, a look at it, and what is left for reading the log's tail make up the takeover time.
    pub(crate) fn of(takeover: Duration) -> Self {
        let (ttl, renew) = (takeover.mul_f64(0.6), takeover / 10);
        Self {
            ttl,
            renew,
            look: takeover / 20,
            patience: takeover,
            gap: ttl - renew * 2,
            // A renewal that was asked for too early fails by its time-out.
            grace: ttl.max(TELLING) + renew,
        }
    }
}
