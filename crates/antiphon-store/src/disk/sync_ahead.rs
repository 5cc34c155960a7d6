//! Syncs the journal on a thread of its own before the store has to, so that whoever appends waits only for what came since.
//!
//! A sync through another handle of the file counts as well: what is synced are the file's pages
//! (<https://man7.org/linux/man-pages/man2/fdatasync.2.html>). The store itself would hold its journal's lock meanwhile.

use super::journal;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// One sync at a time.
pub struct SyncAhead {
    log: PathBuf,
    is_begun: AtomicBool,
    is_done: Arc<AtomicBool>,
}

impl SyncAhead {
    /// For the journal of the database in a folder.
    pub fn new(log: &Path) -> Self {
        Self { log: log.to_owned(), is_begun: AtomicBool::new(false), is_done: Arc::default() }
    }

    /// Whether one has ended since the last time that this was said, be it with an error: whoever syncs next finds the same
    /// one. Begins one otherwise.
    pub fn take_done(&self) -> bool {
        if !self.is_begun.swap(true, Ordering::Relaxed) {
            self.begin();
        }
        let is_done = self.is_done.swap(false, Ordering::Acquire);
        if is_done {
            self.is_begun.store(false, Ordering::Relaxed);
        }
        is_done
    }

    fn begin(&self) {
        let (log, is_done) = (self.log.clone(), self.is_done.clone());
        let sync = move || {
            let synced = journal::newest(&log).map(|journal| journal.map(|path| File::open(path)?.sync_data()));
            if let Ok(Some(Err(error))) = synced {
                tracing::debug!(%error, "the journal could not be synced ahead");
            }
            is_done.store(true, Ordering::Release);
        };
        if std::thread::Builder::new().name("antiphon-sync".to_owned()).spawn(sync).is_err() {
            self.is_done.store(true, Ordering::Release);
        }
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
                assert!(!ahead.is_done.load(Ordering::Relaxed));
                let deadline = Instant::now() + Duration::from_secs(10);
                while !ahead.take_done() {
                    assert!(Instant::now() < deadline);
                    std::thread::yield_now();
                }
            }
        }
    }
}
