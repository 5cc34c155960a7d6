//! How much room the disk has left.

use antiphon_core::LogError;
use std::path::Path;

/// Fails while less than `reserve` bytes are free where `folder` is, naming the folder and both sizes.
///
/// The reserve is there so that the store never meets a full disk itself: it could still not lose what it synced, but it
/// would have to be opened anew.
pub fn check(folder: &Path, reserve: u64) -> Result<(), LogError> {
    let free = match rustix::fs::statvfs(folder) {
        Ok(statistics) => statistics.f_bavail.saturating_mul(statistics.f_frsize),
        // Whatever is wrong with the folder, the write that follows will name it.
        Err(_) => return Ok(()),
    };
    if free >= reserve {
        return Ok(());
    }
    let folder = folder.display();
    let (free, reserve) = (free >> 10, reserve >> 10);
    Err(LogError::Unavailable {
        reason: format!(
            "the disk of {folder} is full: {free} KiB are free and {reserve} KiB must be; free some space or move the \
             folder, appends go on by themselves then"
        ),
    })
}
