//! Whether Kafka takes and gives records now.

use antiphon_core::LogError;
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// The last that was seen of Kafka.
pub struct Health {
    seen: Mutex<Seen>,
    /// How long a refused record counts against it where none was tried since.
    grudge: Duration,
}

#[derive(Default)]
struct Seen {
    /// Why the last look at the topic failed.
    away: Option<String>,
    /// Looks that failed since one did not, or a record was taken.
    failed_looks: u32,
    /// When and why a record was refused, if none was taken since.
    refused: Option<(Instant, String)>,
}

impl Health {
    /// Good until something else is seen.
    pub fn new(grudge: Duration) -> Self {
        Self { seen: Mutex::default(), grudge }
    }

    /// A look at the topic ended like this.
    pub fn probed(&self, outcome: Result<(), String>) {
        let mut seen = self.seen.lock();
        match (&seen.away, &outcome) {
            (None, Err(reason)) => tracing::warn!("the log is not reachable: {reason}"),
            (Some(_), Ok(())) => tracing::info!("the log is reachable again"),
            _ => {}
        }
        seen.failed_looks = if outcome.is_err() { seen.failed_looks.saturating_add(1) } else { 0 };
        seen.away = outcome.err();
    }

    /// A record was taken.
    pub fn taken(&self) {
        let mut seen = self.seen.lock();
        if seen.away.is_some() {
            tracing::info!("the log is reachable again");
        }
        if seen.refused.is_some() || seen.away.is_some() {
            *seen = Seen::default();
        }
    }

    /// A record was refused, or nobody knows.
    pub fn refused(&self, reason: &str) {
        self.seen.lock().refused = Some((Instant::now(), reason.to_owned()));
    }

    /// Fails with the reason while Kafka is known to be away: looks fail one after the other. Unlike
    /// [`check`](Self::check) this passes without anything being written.
    pub fn reachable(&self) -> Result<(), LogError> {
        let seen = self.seen.lock();
        match &seen.away {
            Some(reason) if seen.failed_looks > 1 => Err(LogError::Unavailable { reason: reason.clone() }),
            _ => Ok(()),
        }
    }

    /// The reason why appends would be refused now.
    pub fn check(&self) -> Result<(), LogError> {
        let seen = self.seen.lock();
        let refused = seen.refused.as_ref().filter(|(at, _)| at.elapsed() < self.grudge);
        match refused.map(|(_, reason)| reason).or(seen.away.as_ref()) {
            Some(reason) => Err(LogError::Unavailable { reason: reason.clone() }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafka_is_away_after_two_failed_looks_and_back_with_a_look_or_a_record() {
        let health = Health::new(Duration::from_secs(10));
        health.refused("one shard");
        assert!(health.check().is_err() && health.reachable().is_ok());
        health.probed(Err("no answer".to_owned()));
        assert!(health.reachable().is_ok());
        health.probed(Err("no answer".to_owned()));
        assert!(health.reachable().is_err());
        health.probed(Ok(()));
        assert!(health.reachable().is_ok());
        (0..2).for_each(|_| health.probed(Err("no answer".to_owned())));
        health.taken();
        assert!(health.reachable().is_ok() && health.check().is_ok());
    }
}
