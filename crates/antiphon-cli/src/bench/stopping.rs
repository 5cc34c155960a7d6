//! Being told to end: Ctrl-C, SIGTERM, or a terminal that is gone.

use crate::failure::Failure;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end a measurement.
pub(super) struct Stopping {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Stopping {
    pub(super) fn new() -> Result<Self, Failure> {
        let of = |kind| signal(kind).map_err(|error| Failure::new(format!("signals cannot be caught: {error}")));
        Ok(Self {
            interrupt: of(SignalKind::interrupt())?,
            terminate: of(SignalKind::terminate())?,
            hang_up: of(SignalKind::hangup())?,
        })
    }

    /// Until the next one.
    pub(super) async fn told(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
