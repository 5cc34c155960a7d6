//! Pauses between attempts to connect: doubling and jittered, so that many clients do not come back at one moment.

use antiphon_core::limits::{RECONNECT_LEAST, RECONNECT_MOST};
use std::time::Duration;

/// The pauses of one connection that is away.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// The next pause: a random time between half and the whole of the doubled bound.
    pub(crate) fn next_pause(&mut self) -> Duration {
        let bound = RECONNECT_LEAST.saturating_mul(1 << self.attempts.min(16)).min(RECONNECT_MOST);
        self.attempts = self.attempts.saturating_add(1);
        bound.mul_f64(rand::random_range(0.5..=1.0))
    }

    /// To be called once a connection has proved to work.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound_and_start_again() {
        let mut backoff = Backoff::default();
        assert!(backoff.next_pause() <= RECONNECT_LEAST);
        let last = (0..40).map(|_| backoff.next_pause()).last().unwrap();
        assert!(last >= RECONNECT_MOST / 2 && last <= RECONNECT_MOST);
        backoff.reset();
        assert!(backoff.next_pause() <= RECONNECT_LEAST);
    }
}
