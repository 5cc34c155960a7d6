//! What the commit thread has besides the contents of its store: which log it writes, and who is told.

use super::contents::Contents;
use super::folder::{Identity, Lock, State};
use antiphon_core::{LogError, OnCommit};
use parking_lot::Mutex;
use std::sync::Arc;

/// The state behind an [`EmbeddedLog`](super::EmbeddedLog).
pub struct Shared {
    /// The store and its channels.
    pub contents: Arc<Contents>,
    /// The log's incarnation.
    pub incarnation: u32,
    /// This opening of the log.
    pub epoch: u32,
    /// Told of every committed group.
    pub on_commit: OnCommit,
    /// The data folder's lock, until the log is closed.
    pub lock: Mutex<Option<Lock>>,
}

impl Shared {
    /// Closes the contents, marks the folder as closed and lets go of it. Reads and appends fail from here on.
    pub fn close(&self) -> Result<(), LogError> {
        let closed = self.contents.close().and_then(|is_all_on_disk| {
            if !is_all_on_disk {
                return Ok(());
            }
            let identity = Identity { incarnation: self.incarnation, epoch: self.epoch, state: State::Closed };
            identity.write(&self.contents.place.folder).map_err(super::unavailable)
        });
        *self.lock.lock() = None;
        closed
    }
}
