//! Syncs the journal on a thread of its own before the store has to, so that whoever appends waits only for what came since.
//!
//! A sync through another handle of the file counts as well: what is synced are the file's pages
//! (<https://man7.org/linux/man-pages/man2/fdatasync.2.html>). The store itself would hold its journal's lock meanwhile.

use super::journal;
use parking_lot::Mutex;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

/// One sync at a time.
pub struct SyncAhead {
    log: PathBuf,
    under_way: Mutex<Option<JoinHandle<()>>>,
}

impl SyncAhead {
    /// For the journal of the database in a folder.
    pub fn new(log: &Path) -> Self {
        Self { log: log.to_owned(), under_way: Mutex::default() }
    }

    /// Whether one has ended since the last time that this was said, be it with an error: whoever syncs next finds the same
    /// one. Begins one where none is under way.
    pub fn take_done(&self) -> bool {
        let mut under_way = self.under_way.lock();
        match under_way.take() {
            Some(thread) if thread.is_finished() => true,
            Some(thread) => {
                *under_way = Some(thread);
                false
            }
            None => match self.begin() {
                Ok(thread) => {
                    *under_way = Some(thread);
                    false
                }
                // Then nothing is done ahead.
                Err(_) => true,
            },
        }
    }

    fn begin(&self) -> io::Result<JoinHandle<()>> {
        let log = self.log.clone();
        thread::Builder::new().name("antiphon-sync".to_owned()).spawn(move || {
            if let Ok(Some(newest)) = journal::newest(&log)
                && let Err(error) = File::open(newest).and_then(|journal| journal.sync_data())
            {
                tracing::debug!(%error, "the journal could not be synced ahead");
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn each_sync_is_told_once_also_where_there_is_nothing_to_sync() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("0.jnl"), "x").unwrap();
        for log in [folder.path(), Path::new("/nowhere")] {
            let ahead = SyncAhead::new(log);
            for _ in 0..2 {
                assert!(!ahead.take_done(), "none was begun");
                let deadline = Instant::now() + Duration::from_secs(10);
                while !ahead.take_done() {
                    assert!(Instant::now() < deadline);
                    std::thread::yield_now();
                }
            }
        }
    }
}
