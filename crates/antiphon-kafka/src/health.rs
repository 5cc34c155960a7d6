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
        seen.away = outcome.err();
    }

    /// A record was taken.
    pub fn taken(&self) {
        let mut seen = self.seen.lock();
        if seen.refused.is_some() {
            *seen = Seen::default();
        }
    }

    /// A record was refused, or nobody knows.
    pub fn refused(&self, reason: &str) {
        self.seen.lock().refused = Some((Instant::now(), reason.to_owned()));
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
