//! Cuts a torn last write off the store's journal before the store reads it.
//!
//! fjall 3 writes each batch as a start marker (1, item count, sequence number), items (2, …) or clearings (4, …) and an
//! end marker (3, checksum, `FJL\3`), little-endian, into a file that is zeros from there on
//! (<https://docs.rs/fjall/3>, `journal/entry.rs`). On opening it drops a batch that is cut short, but fails for good on
//! one with a wrong checksum, which is what is left when a power loss keeps some pages of the last write and not others.

use super::OpenError;
use super::folder::{corrupt, sync_folder};
use std::fs::OpenOptions;
use std::hash::Hasher;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3;

const MAGIC: &[u8; 4] = b"FJL\x03";
/// A million commits a second would take eight years to get here.
const MAX_SEQUENCE: u64 = 1 << 48;

/// Cuts the newest journal after its last whole batch. Older journals were synced whole before the next was begun.
///
/// Damage before a whole batch is no torn write where every batch was synced before the next (`is_synced`): then nothing
/// is changed and the log is refused, as cutting there would lose acknowledged events.
pub fn cut_torn_tail(folder: &Path, log: &Path, is_synced: bool) -> Result<(), OpenError> {
    let Some(path) = newest(log)? else { return Ok(()) };
    let bytes = std::fs::read(&path).map_err(|source| OpenError::io(&path, source))?;
    let whole = whole_batches(&bytes);
    let rest = bytes.get(whole..).unwrap_or_default();
    if rest.iter().any(|byte| *byte != 0) {
        if is_synced && has_whole_batch(rest) {
            let reason = format!("{} is damaged at byte {whole}, before events that are whole", path.display());
            return Err(corrupt(folder, reason));
        }
        tracing::warn!(journal = %path.display(), at = whole, "cut a write that was never finished off the log");
    }
    if !rest.is_empty() {
        cut(&path, whole as u64)?;
    }
    Ok(())
}

/// Empties the newest journal of a store whose events are all in tables, so that the next opening has nothing to replay.
/// It must stay as an empty file: without any, the store would count its sequence numbers from 0 again.
pub fn empty(log: &Path) -> Result<(), OpenError> {
    let Some(path) = newest(log)? else { return Ok(()) };
    cut(&path, 0)
}

fn cut(path: &Path, length: u64) -> Result<(), OpenError> {
    let cut = || -> std::io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(length)?;
        file.sync_all()
    };
    cut().map_err(|source| OpenError::io(path, source))
}

/// Writes the newest journal anew. After a failed sync the system's cache may hold what the disk does not: reading it
/// would look right until the machine restarts.
pub fn rewrite(log: &Path) -> Result<(), OpenError> {
    let Some(path) = newest(log)? else { return Ok(()) };
    let temporary = log.join("journal.new");
    let write = || -> std::io::Result<()> {
        std::fs::copy(&path, &temporary)?;
        OpenOptions::new().write(true).open(&temporary)?.sync_all()?;
        std::fs::rename(&temporary, &path)
    };
    write().map_err(|source| OpenError::io(&path, source))?;
    sync_folder(log)
}

/// The file that the store writes to now, if there is one.
pub fn newest(log: &Path) -> Result<Option<PathBuf>, OpenError> {
    let io = |source| OpenError::io(log, source);
    let mut newest = None;
    for entry in std::fs::read_dir(log).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_none_or(|extension| extension != "jnl") {
            continue;
        }
        let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<u64>().ok());
        newest = newest.max(number.map(|number| (number, path)));
    }
    Ok(newest.map(|(_, path)| path))
}

/// How many bytes the whole batches at the beginning take.
fn whole_batches(bytes: &[u8]) -> usize {
    let mut at = 0;
    let mut last = None;
    while let Some(batch) = bytes.get(at..).and_then(Batch::read) {
        // Sequence numbers are not under the checksum, but only ever grow, and never to anything so high.
        if last.is_some_and(|last| batch.sequence <= last) || batch.sequence >= MAX_SEQUENCE {
            break;
        }
        last = Some(batch.sequence);
        at += batch.length;
    }
    at
}

/// True if there is a whole batch anywhere behind the damaged one at the beginning.
fn has_whole_batch(bytes: &[u8]) -> bool {
    (1..bytes.len()).any(|at| bytes.get(at..).is_some_and(|rest| Batch::read(rest).is_some()))
}

struct Batch {
    sequence: u64,
    length: usize,
}

impl Batch {
    /// The whole batch at the beginning of the bytes, if there is one.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor { bytes, at: 0 };
        if cursor.byte()? != 1 {
            return None;
        }
        let (items, sequence) = (cursor.word()?, cursor.long()?);
        let mut checksum = Xxh3::default();
        for _ in 0..items {
            let from = cursor.at;
            cursor.skip_item()?;
            checksum.update(bytes.get(from..cursor.at)?);
        }
        // Zeros and garbage can look like a batch of nothing, which is never written.
        let is_whole =
            items > 0 && cursor.byte()? == 3 && cursor.long()? == checksum.finish() && cursor.take(4)? == MAGIC;
        is_whole.then_some(Self { sequence, length: cursor.at })
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn short(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    fn word(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn long(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn skip_item(&mut self) -> Option<()> {
        match self.byte()? {
            2 => {
                // The value's type, its compression, the keyspace; then the lengths of key, value, stored value.
                self.take(1 + 1 + 8)?;
                let key = self.short()?;
                self.word()?;
                let stored = self.word()?;
                self.take(usize::from(key))?;
                self.take(stored as usize)?;
            }
            4 => {
                self.take(8)?;
            }
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batches_of_the_store_that_is_linked_are_understood() {
        let folder = tempfile::tempdir().unwrap();
        let store = fjall::Database::builder(folder.path()).open().unwrap();
        let keyspace = store.keyspace("records", fjall::KeyspaceCreateOptions::default).unwrap();
        let mut ends = vec![0];
        for round in 0..5_u8 {
            let mut batch = store.batch();
            batch.insert(&keyspace, [round], vec![round; 100 * usize::from(round)]);
            batch.remove(&keyspace, [round, round]);
            batch.commit().unwrap();
            let bytes = std::fs::read(folder.path().join("0.jnl")).unwrap();
            ends.push(whole_batches(&bytes));
            assert!(bytes[ends[ends.len() - 1]..].iter().all(|byte| *byte == 0));
        }
        assert!(ends.windows(2).all(|pair| pair[0] < pair[1]), "{ends:?}");
        drop((keyspace, store));
        let bytes = std::fs::read(folder.path().join("0.jnl")).unwrap();
        for cut in 0..=ends[5] {
            let whole = ends.iter().rev().find(|end| **end <= cut).copied();
            assert_eq!(Some(whole_batches(&bytes[..cut])), whole, "cut at {cut}");
        }
        assert!(has_whole_batch(&bytes[ends[1] + 1..]));
        assert!(!has_whole_batch(&bytes[ends[4] + 1..]));
    }
}
