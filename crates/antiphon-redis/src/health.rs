//! Whether Redis takes appends now.

use antiphon_core::LogError;
use antiphon_core::limits::REDIS_CALL_TIMEOUT;
use parking_lot::Mutex;
use std::time::Instant;

/// The last that was seen.
#[derive(Default)]
pub struct Health {
    /// When and why appends were refused, if none was taken since.
    refused: Mutex<Option<(Instant, String)>>,
}

impl Health {
    /// Appends were taken.
    pub fn taken(&self) {
        *self.refused.lock() = None;
    }

    /// Appends were refused.
    pub fn refused(&self, reason: &str) {
        *self.refused.lock() = Some((Instant::now(), reason.to_owned()));
    }

    /// The reason why appends would be refused now. Where nobody tried for a while, nobody knows one.
    pub fn check(&self) -> Result<(), LogError> {
        match &*self.refused.lock() {
            Some((at, reason)) if at.elapsed() < REDIS_CALL_TIMEOUT => {
                Err(LogError::Unavailable { reason: reason.clone() })
            }
            _ => Ok(()),
        }
    }
}
