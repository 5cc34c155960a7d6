//! The data folder: `FORMAT` (its version), `LOCK` (one process at a time), `IDENTITY` (which log this is) and `log/`.

use super::OpenError;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The version of the data folder that this program writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 1;

const FORMAT_FILE: &str = "FORMAT";
const LOCK_FILE: &str = "LOCK";
const IDENTITY_FILE: &str = "IDENTITY";

/// How the process that last had the folder open left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Closed in order: everything is on disk.
    Closed,
    /// Not closed; everything acknowledged is on disk.
    Open,
    /// Not closed, and what it acknowledged was not synced.
    OpenUnsynced,
}

/// Which log this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Seconds since 1970 at the folder's creation, or later where acknowledged events may have been lost.
    pub incarnation: u32,
    /// Grows at each opening; 0 before the first.
    pub epoch: u32,
    /// How it was left.
    pub state: State,
}

impl Identity {
    /// Of a log that was never opened.
    pub fn new() -> Self {
        Self { incarnation: seconds_now(), epoch: 0, state: State::Closed }
    }

    /// For the next opening. The epoch is the time of opening where that is later than the last epoch, so that a log and
    /// its restored copy, both opened again, do not share one: what either then writes has positions of its own.
    pub fn opened(self, is_synced: bool) -> Self {
        let now = seconds_now();
        let may_have_lost = self.state == State::OpenUnsynced;
        Self {
            incarnation: if may_have_lost { now.max(self.incarnation.saturating_add(1)) } else { self.incarnation },
            epoch: now.max(self.epoch.saturating_add(1)),
            state: if is_synced { State::Open } else { State::OpenUnsynced },
        }
    }

    /// Reads the folder's, if it has one.
    pub fn read(folder: &Path) -> Result<Option<Self>, OpenError> {
        let Some(text) = read_if_there(folder, IDENTITY_FILE)? else { return Ok(None) };
        match Self::parse(&text) {
            Some(identity) => Ok(Some(identity)),
            None => Err(corrupt(folder, "its IDENTITY file is not readable")),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let incarnation = field("incarnation")?.parse().ok()?;
        let epoch = field("epoch")?.parse().ok()?;
        let state = match field("state")? {
            "closed" => State::Closed,
            "open" => State::Open,
            "open-unsynced" => State::OpenUnsynced,
            _ => return None,
        };
        Some(Self { incarnation, epoch, state })
    }

    /// Replaces the folder's; on disk when this returns.
    pub fn write(&self, folder: &Path) -> Result<(), OpenError> {
        let state = match self.state {
            State::Closed => "closed",
            State::Open => "open",
            State::OpenUnsynced => "open-unsynced",
        };
        let text = format!("incarnation {}\nepoch {}\nstate {state}\n", self.incarnation, self.epoch);
        write_atomically(folder, IDENTITY_FILE, &text)
    }
}

/// The folder is this process's until this is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the folder, or says who has it.
    pub fn take(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join(LOCK_FILE);
        let io = |source| OpenError::io(&path, source);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only the message suffers if the holder's id cannot be read.
                let _ = file.read_to_string(&mut holder);
                return Err(OpenError::Locked { folder: folder.to_owned(), holder: holder.trim().parse().ok() });
            }
            Err(std::fs::TryLockError::Error(source)) => return Err(io(source)),
        }
        // The id is for the message of the next process that tries; a full disk must not keep this one from starting.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

/// Checks the folder's format version; false if it has none, as a new folder.
pub fn has_known_format(folder: &Path) -> Result<bool, OpenError> {
    let Some(text) = read_if_there(folder, FORMAT_FILE)? else { return Ok(false) };
    match text.trim().parse::<u32>() {
        Ok(FORMAT_VERSION) => Ok(true),
        Ok(found) if found > FORMAT_VERSION => Err(OpenError::NewerFormat { folder: folder.to_owned(), found }),
        _ => Err(corrupt(folder, "its FORMAT file does not hold a version number")),
    }
}

/// Marks the folder as one of this format.
pub fn write_format(folder: &Path) -> Result<(), OpenError> {
    write_atomically(folder, FORMAT_FILE, &format!("{FORMAT_VERSION}\n"))
}

/// Where the store is.
pub fn log_folder(folder: &Path) -> PathBuf {
    folder.join("log")
}

/// Where a new store is made before it is moved to its place whole.
pub fn unfinished_log_folder(folder: &Path) -> PathBuf {
    folder.join("log.new")
}

/// Makes renames and new files in the folder survive power loss.
pub fn sync_folder(folder: &Path) -> Result<(), OpenError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|source| OpenError::io(folder, source))
}

/// An [`OpenError::Corrupt`].
pub fn corrupt(folder: &Path, reason: impl Into<String>) -> OpenError {
    OpenError::Corrupt { folder: folder.to_owned(), reason: reason.into() }
}

/// A file's text, if there is one.
pub fn read_if_there(folder: &Path, name: &str) -> Result<Option<String>, OpenError> {
    let path = folder.join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(OpenError::io(&path, source)),
    }
}

/// Replaces a file; on disk when this returns.
pub fn write_atomically(folder: &Path, name: &str, text: &str) -> Result<(), OpenError> {
    let temporary = folder.join(format!("{name}.new"));
    let write = || -> io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, folder.join(name))
    };
    write().map_err(|source| OpenError::io(&temporary, source))?;
    sync_folder(folder)
}

fn seconds_now() -> u32 {
    u32::try_from(antiphon_core::Timestamp::now().millis() / 1000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_as_it_was_written_and_refused_when_damaged() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Identity::read(folder.path()).unwrap(), None);
        let identity = Identity { incarnation: 5, epoch: 6, state: State::OpenUnsynced };
        identity.write(folder.path()).unwrap();
        assert_eq!(Identity::read(folder.path()).unwrap(), Some(identity));
        std::fs::write(folder.path().join(IDENTITY_FILE), "incarnation 5\nepoch").unwrap();
        assert!(matches!(Identity::read(folder.path()), Err(OpenError::Corrupt { .. })));
    }

    #[test]
    fn each_opening_has_a_later_epoch_and_only_lost_events_a_new_incarnation() {
        let first = Identity { incarnation: 5, epoch: u32::MAX - 9, state: State::Open };
        let second = first.opened(false);
        assert_eq!(second, Identity { incarnation: 5, epoch: u32::MAX - 8, state: State::OpenUnsynced });
        let third = second.opened(true);
        assert!(third.incarnation > 5 && third.epoch == u32::MAX - 7);
        assert!(Identity { epoch: 1, ..first }.opened(true).epoch > 1_700_000_000);
    }
}
