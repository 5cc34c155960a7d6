//! The data directory: there or to be made, writable, with room, on a disk that syncs fast enough.

use super::Report;
use crate::failure::Failure;
use antiphon_core::limits::DISK_RESERVE_BYTES;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Less than this is soon used up.
const LITTLE_SPACE_BYTES: u64 = 1 << 30;
/// A sync that takes longer is felt at every message; local disks need well under a millisecond.
const SLOW_SYNC: Duration = Duration::from_millis(20);
/// Syncs that are timed; the middle one counts.
const PROBES: usize = 9;

pub(super) fn check<W: Write>(path: &Path, report: &mut Report<W>) -> Result<(), Failure> {
    let shown = path.display();
    let folder = match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => path.to_owned(),
        Ok(_) => {
            let fix = "name another with --data, or move the file away";
            return report.bad(&format!("data directory {shown}: it is a file"), fix);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => existing_parent(path),
        Err(error) => {
            let fix = format!("give the server's user the right to {shown}, or name another with --data");
            return report.bad(&format!("data directory {shown}: {error}"), &fix);
        }
    };
    match time_of_sync(&folder) {
        Err(error) => {
            let fix = format!("`chown` {} to the server's user, or name another with --data", folder.display());
            return report.bad(&format!("data directory {shown}: {} is not writable: {error}", folder.display()), &fix);
        }
        Ok(time) => {
            let state = if folder == path { "there and writable" } else { "not there yet, and can be made" };
            report.good(&format!("data directory {shown}: {state}"))?;
            let line = format!("disk: a sync takes {:.2} ms", time.as_secs_f64() * 1_000.0);
            if time > SLOW_SYNC {
                let fix = "every message waits for it: use a local disk, or `[log] sync = \"never\"` if losing the last \
                           seconds in a power cut is all right";
                report.warn(&line, fix)?;
            } else {
                report.good(&line)?;
            }
        }
    }
    check_space(&folder, report)
}

fn check_space<W: Write>(folder: &Path, report: &mut Report<W>) -> Result<(), Failure> {
    let free = match rustix::fs::statvfs(folder) {
        Ok(space) => space.f_bavail.saturating_mul(space.f_frsize),
        Err(error) => return report.warn(&format!("disk: its free space cannot be had: {error}"), "look with `df -h`"),
    };
    let line = format!("disk: {} MiB free", free >> 20);
    if free < DISK_RESERVE_BYTES {
        let needed = DISK_RESERVE_BYTES >> 20;
        report.bad(&line, &format!("below {needed} MiB nothing is taken any more: make room, or use another disk"))
    } else if free < LITTLE_SPACE_BYTES {
        report.warn(&line, "make room, or let [namespaces.NAME] keep less")
    } else {
        report.good(&line)
    }
}

/// The closest folder above that is there.
fn existing_parent(path: &Path) -> PathBuf {
    let mut above = path.ancestors().skip(1);
    let found = above.find(|folder| !folder.as_os_str().is_empty() && folder.is_dir());
    found.unwrap_or(Path::new(".")).to_owned()
}

/// Writes and syncs a small file some times, as the log does, and leaves nothing behind.
fn time_of_sync(folder: &Path) -> io::Result<Duration> {
    let path = folder.join(format!(".antiphon-doctor-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    let mut times = Vec::new();
    let mut result = Ok(());
    for _ in 0..PROBES {
        let started = Instant::now();
        result = file.write_all(&[0; 256]).and_then(|()| file.sync_data());
        if result.is_err() {
            break;
        }
        times.push(started.elapsed());
    }
    drop(file);
    std::fs::remove_file(&path)?;
    result?;
    times.sort();
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}
