//! A copy of the log while it runs: a snapshot of the store, written into a folder of its own as tables.
//!
//! Appends go on meanwhile; the copy has what was acknowledged before it was begun. It is the same log (it keeps the
//! incarnation), so clients' positions that it has stay good after it is put in the original's place. A position of what
//! the original wrote later is refused for as long as the copy is shorter (future), and after that as well (foreign): what
//! the copy writes bears the epoch of its own opening, which is the time of that opening.

use super::folder::{self, Identity, State};
use super::shared::Shared;
use super::store::Store;
use super::{OpenError, unavailable};
use antiphon_core::LogError;
use std::path::{Path, PathBuf};

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The target holds something already.
    #[error("{} is not empty: name a folder that does not exist yet", folder.display())]
    NotEmpty {
        /// The target.
        folder: PathBuf,
    },
    /// The target cannot be written.
    #[error("the backup could not be written: {0}")]
    Target(#[from] OpenError),
    /// The log cannot be read.
    #[error(transparent)]
    Source(#[from] LogError),
}

/// Copies the log; blocks. What is left of a copy that failed is refused when opened, for want of a `FORMAT` file.
pub fn back_up(shared: &Shared, to: &Path) -> Result<(), BackupError> {
    let io = |source| OpenError::io(to, source);
    std::fs::create_dir_all(to).map_err(io)?;
    if std::fs::read_dir(to).map_err(io)?.next().is_some() {
        return Err(BackupError::NotEmpty { folder: to.to_owned() });
    }
    let source = shared.contents.store_to_read()?;
    let log = folder::log_folder(to);
    let copy = Store::open(to, &log)?;
    source.copy_to(&copy).map_err(unavailable)?;
    drop(copy);
    let identity = Identity { incarnation: shared.incarnation, epoch: shared.epoch, state: State::Closed };
    identity.write(to)?;
    folder::write_format(to)?;
    Ok(())
}
