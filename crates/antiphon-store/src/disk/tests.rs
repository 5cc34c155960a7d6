//! A disk that fills up, on a small file system of its own: before the store meets it, and after.

use super::*;
use antiphon_core::EventKind;
use bytes::Bytes;
use std::process::Command as Process;
use std::time::{Duration, Instant};

/// A small file system in memory, unmounted when dropped.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// Nothing if this process may not mount, which is said loudly.
    fn mount(mebibytes: u64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={mebibytes}m");
        let mount = Process::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(Self { folder });
        }
        eprintln!("SKIPPED: a full disk is not tested, as this process may not mount a tmpfs (it takes root)");
        None
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn fill_but(&self, bytes: u64) {
        let disk = rustix::fs::statvfs(self.folder.path()).unwrap();
        let ballast = (disk.f_bavail * disk.f_frsize).saturating_sub(bytes);
        std::fs::write(self.folder.path().join("ballast"), vec![1; usize::try_from(ballast).unwrap()]).unwrap();
    }

    fn free(&self) {
        std::fs::remove_file(self.folder.path().join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Process::new("umount").arg("-l").arg(self.folder.path()).output();
    }
}

fn options() -> EmbeddedOptions {
    EmbeddedOptions { sync: Sync::Always, namespaces: NamespaceTable::default(), on_commit: Arc::new(|_| {}) }
}

fn channel() -> ChannelName {
    ChannelName::parse("jobs:1").unwrap()
}

/// Events with ids, so that a refused group that comes back would be seen twice over.
async fn append(log: &EmbeddedLog, name: u64, bytes: usize) -> Result<Position, LogError> {
    let event = |part: &str| Event {
        kind: EventKind::Plain,
        json: Bytes::from(format!("{{\"name\":\"{name}{part}\",\"x\":\"{}\"}}", "x".repeat(bytes))),
        event_id: Some(format!("{name}{part}")),
        provider_at: None,
    };
    Ok(log.append(&channel(), vec![event("a"), event("b")]).await?[1])
}

async fn append_until_refused(log: &EmbeddedLog, names: &mut u64, bytes: usize) -> (Vec<u64>, String) {
    let mut acknowledged = Vec::new();
    loop {
        *names += 1;
        match append(log, *names, bytes).await {
            Ok(_) => acknowledged.push(*names),
            Err(LogError::Unavailable { reason }) => return (acknowledged, reason),
            Err(error) => panic!("{error}"),
        }
        assert!(*names < 20_000, "the disk is never full");
    }
}

async fn assert_holds(log: &EmbeddedLog, acknowledged: &[u64]) {
    let limit = ReadLimit { events: usize::MAX, bytes: usize::MAX };
    let records = log.read(&channel(), ReadFrom::Start, limit).await.unwrap();
    let names: Vec<String> = acknowledged.iter().flat_map(|name| [format!("{name}a"), format!("{name}b")]).collect();
    let found: Vec<String> = records
        .iter()
        .map(|record| {
            serde_json::from_slice::<serde_json::Value>(&record.json).unwrap()["name"].as_str().unwrap().into()
        })
        .collect();
    assert_eq!(found, names, "all that was acknowledged, and nothing that was refused");
    assert!(records.iter().zip(1..).all(|(record, number)| record.position.number == number));
}

async fn await_recovery(log: &EmbeddedLog, names: &mut u64) -> u64 {
    let since = Instant::now();
    loop {
        *names += 1;
        match append(log, *names, 10).await {
            Ok(_) => return *names,
            Err(error) => assert!(since.elapsed() < Duration::from_secs(30), "still {error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_refuses_appends_and_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount(96) else { return };
    let log = EmbeddedLog::open(&disk.log(), options()).unwrap();
    let mut names = 0;
    assert_eq!(log.health(), Ok(()));
    disk.fill_but(DISK_RESERVE_BYTES + (2 << 20));
    let (mut acknowledged, reason) = append_until_refused(&log, &mut names, 10_000).await;
    assert!(!acknowledged.is_empty());
    assert!(reason.contains("is full") && reason.contains(&disk.log().display().to_string()), "{reason}");
    assert!(matches!(log.health(), Err(LogError::Unavailable { .. })));
    assert_holds(&log, &acknowledged).await;
    // Trimming is what makes room.
    log.trim(&channel(), log.bounds(&channel()).await.unwrap().start).await.unwrap();

    disk.free();
    assert_eq!(log.health(), Ok(()));
    acknowledged.push(await_recovery(&log, &mut names).await);
    assert_holds(&log, &acknowledged).await;
    drop(log);
    let log = EmbeddedLog::open(&disk.log(), options()).unwrap();
    assert_holds(&log, &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_met_a_full_disk_is_opened_again_in_place() {
    let Some(disk) = SmallDisk::mount(96) else { return };
    let log = EmbeddedLog::open_with_reserve(&disk.log(), options(), 0).unwrap();
    let (mut names, mut acknowledged) = (0, Vec::new());
    for _ in 0..3 {
        disk.fill_but(3 << 20);
        let (more, reason) = append_until_refused(&log, &mut names, 7_000).await;
        assert!(reason.contains("failed") || reason.contains("No space"), "{reason}");
        acknowledged.extend(more);
        disk.free();
        acknowledged.push(await_recovery(&log, &mut names).await);
        assert_eq!(log.health(), Ok(()));
        assert_holds(&log, &acknowledged).await;
    }
    drop(log);
    let log = EmbeddedLog::open(&disk.log(), options()).unwrap();
    assert_holds(&log, &acknowledged).await;
    for name in &acknowledged {
        match append(&log, *name, 10).await {
            Ok(position) => assert_eq!(position.number, 2 * (1 + index_of(&acknowledged, *name))),
            // The id is known, for the larger event that it was given to.
            Err(error) => assert!(matches!(error, LogError::Taken { .. }), "{error}"),
        }
    }
}

fn index_of(names: &[u64], name: u64) -> u64 {
    names.iter().position(|other| *other == name).unwrap() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_read_from_tables_and_memory_alike() {
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(folder.path(), options()).unwrap();
    // Enough for several tables, and within what the namespace keeps.
    let large = 1 << 20;
    for name in 0..24 {
        append(&log, name, large).await.unwrap();
    }
    drop(log);
    let log = EmbeddedLog::open(folder.path(), options()).unwrap();
    assert_holds(&log, &(0..24).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_group_that_the_store_wrote_after_all_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(folder.path(), options()).unwrap();
    for name in 0..10 {
        append(&log, name, 10).await.unwrap();
    }
    // As when the sync of the last append had failed: the events are in the store, and nobody was told.
    let refused = vec![(channel(), 19), (channel(), 20)];
    let refusal = log.shared.contents.fail(&fjall::Error::Poisoned, refused);
    assert_eq!(log.health(), Err(refusal));
    let since = Instant::now();
    while log.health().is_err() {
        assert!(since.elapsed() < Duration::from_secs(30), "the store is not opened again");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_holds(&log, &(0..9).collect::<Vec<_>>()).await;
    assert_eq!(append(&log, 9, 10).await.unwrap().number, 20, "the refused events' ids are not known");
    drop(log);
    let log = EmbeddedLog::open(folder.path(), options()).unwrap();
    assert_holds(&log, &(0..10).collect::<Vec<_>>()).await;
}
