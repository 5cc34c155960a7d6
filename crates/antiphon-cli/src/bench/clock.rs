//! The one clock of a measurement: the model, which stamps its tokens, and the clients, which read the stamps, are in this process.

use std::time::Instant;

/// Digits of a stamp: microseconds, for more than a day.
pub(super) const STAMP_DIGITS: usize = 12;

/// Microseconds since the measurement began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    began: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { began: Instant::now() }
    }

    pub(super) fn micros(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Now, as a token.
    pub(super) fn stamp(&self) -> String {
        format!("{:0STAMP_DIGITS$}", self.micros())
    }
}

/// The stamps in some text, in order.
pub(super) fn stamps(text: &[u8]) -> impl Iterator<Item = u64> {
    text.split(|byte| !byte.is_ascii_digit())
        .filter(|digits| digits.len() == STAMP_DIGITS)
        .filter_map(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_found_in_the_text_they_are_written_into() {
        let clock = Clock::start();
        let text = format!("{} {} 17 {}x", clock.stamp(), clock.stamp(), "9".repeat(STAMP_DIGITS));
        let found: Vec<u64> = stamps(text.as_bytes()).collect();
        assert_eq!(found.len(), 3);
        assert!(found[0] <= found[1] && found[1] <= clock.micros());
    }
}
