//! The data folder: who may open it, what is refused, backups, and what an unclean end means for positions.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use antiphon_core::{ChannelName, Event, EventKind, Log, LogError, Position, ReadFrom, ReadLimit};
use antiphon_store::{BackupError, EmbeddedLog, EmbeddedOptions, NamespaceTable, OpenError, Sync};
use std::path::Path;
use std::sync::Arc;

const NO_LIMIT: ReadLimit = ReadLimit { events: usize::MAX, bytes: usize::MAX };

fn open(folder: &Path, sync: Sync) -> Result<Arc<EmbeddedLog>, OpenError> {
    EmbeddedLog::open(
        folder,
        EmbeddedOptions { sync, namespaces: NamespaceTable::default(), on_commit: Arc::new(|_| {}) },
    )
}

fn channel(id: &str) -> ChannelName {
    ChannelName::new("jobs", id).unwrap()
}

async fn append(log: &EmbeddedLog, channel: &ChannelName, count: usize) -> Vec<Position> {
    let event = |number: usize| Event {
        kind: EventKind::Plain,
        json: format!("{{\"number\":{number}}}").into(),
        event_id: None,
        provider_at: None,
    };
    log.append(channel, (0..count).map(event).collect()).await.unwrap()
}

async fn numbers(log: &EmbeddedLog, channel: &ChannelName, from: ReadFrom) -> Result<Vec<u64>, LogError> {
    let records = log.read(channel, from, NO_LIMIT).await?;
    Ok(records.iter().map(|record| record.position.number).collect())
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_in_use_is_refused_with_its_holder_and_free_after_close() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), Sync::Always).unwrap();
    let refused = open(folder.path(), Sync::Always).map(drop).unwrap_err();
    let text = refused.to_string();
    assert!(matches!(refused, OpenError::Locked { .. }), "{text}");
    assert!(text.contains(&folder.path().display().to_string()), "{text}");
    assert!(text.contains(&format!("process {}", std::process::id())) && text.contains("fuser"), "{text}");
    append(&log, &channel("a"), 3).await;
    log.close().await.unwrap();
    let closed = log.append(&channel("a"), vec![]).await.and(log.bounds(&channel("b")).await.map(drop));
    assert!(matches!(closed, Err(LogError::Unavailable { .. })), "{closed:?}");
    assert!(log.health().is_err());
    assert_eq!(log.close().await, Ok(()), "closed twice");
    let log = open(folder.path(), Sync::Always).unwrap();
    assert_eq!(numbers(&log, &channel("a"), ReadFrom::Start).await.unwrap(), [1, 2, 3]);
}

#[test]
fn a_newer_format_and_a_damaged_folder_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path(), Sync::Always).unwrap());
    let refuse = |name: &str, text: &str| {
        let damaged = tempfile::tempdir().unwrap();
        copy(folder.path(), damaged.path());
        match text {
            "" => std::fs::remove_file(damaged.path().join(name)).unwrap(),
            text => std::fs::write(damaged.path().join(name), text).unwrap(),
        }
        open(damaged.path(), Sync::Always).map(drop).unwrap_err()
    };
    let newer = refuse("FORMAT", "2\n");
    assert!(matches!(newer, OpenError::NewerFormat { found: 2, .. }));
    assert!(newer.to_string().contains("version 2") && newer.to_string().contains("up to 1"), "{newer}");
    for (name, text) in
        [("FORMAT", "new"), ("FORMAT", ""), ("IDENTITY", "x"), ("IDENTITY", ""), ("log/version", "FJL\x09")]
    {
        let refused = refuse(name, text);
        assert!(matches!(refused, OpenError::Corrupt { .. }), "{name} {text:?}: {refused}");
    }
    std::fs::remove_dir_all(folder.path().join("log")).unwrap();
    assert!(matches!(open(folder.path(), Sync::Always).map(drop), Err(OpenError::Corrupt { .. })));
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(matches!(open(file.path(), Sync::Always).map(drop), Err(OpenError::Io { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_was_cut_off_is_finished() {
    let whole = tempfile::tempdir().unwrap();
    drop(open(whole.path(), Sync::Always).unwrap());
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(whole.path().join("FORMAT"), folder.path().join("FORMAT")).unwrap();
    copy(&whole.path().join("log/keyspaces"), &folder.path().join("log.new/keyspaces"));
    let log = open(folder.path(), Sync::Always).unwrap();
    append(&log, &channel("a"), 2).await;
    assert!(!folder.path().join("log.new").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unclean_end_without_sync_makes_positions_foreign_and_with_sync_does_not() {
    for sync in [Sync::Always, Sync::Never] {
        let (running, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let log = open(running.path(), sync).unwrap();
        let positions = append(&log, &channel("a"), 3).await;
        copy(running.path(), crashed.path());
        log.close().await.unwrap();
        drop(log);

        let read = async |folder: &Path, sync| {
            numbers(&open(folder, sync).unwrap(), &channel("a"), ReadFrom::After(positions[0])).await
        };
        assert_eq!(read(running.path(), sync).await, Ok(vec![2, 3]), "closed in order");
        let expected = if sync == Sync::Always { Ok(vec![2, 3]) } else { Err(LogError::Foreign) };
        // What counts is how the log was run, not how it is opened.
        assert_eq!(read(crashed.path(), Sync::Always).await, expected, "{sync:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_running_log_is_a_log_and_never_takes_later_positions_for_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), Sync::Always).unwrap();
    let (a, trimmed) = (channel("a"), channel("trimmed"));
    let mut positions = append(&log, &a, 1_000).await;
    let gone = append(&log, &trimmed, 10).await;
    log.trim(&trimmed, gone[6]).await.unwrap();
    let id = Event { kind: EventKind::Plain, json: "{}".into(), event_id: Some("id".into()), provider_at: None };
    let with_id = log.append(&trimmed, vec![id.clone()]).await.unwrap()[0];

    let appends = tokio::spawn({
        let (log, busy) = (log.clone(), channel("busy"));
        async move {
            for _ in 0..200 {
                append(&log, &busy, 1).await;
            }
        }
    });
    let to = folder.path().join("backups/first");
    log.backup(&to).await.unwrap();
    assert!(matches!(log.backup(&to).await, Err(BackupError::NotEmpty { .. })));
    appends.await.unwrap();
    positions.extend(append(&log, &a, 5).await);

    let copy = open(&to, Sync::Always).unwrap();
    assert_eq!(numbers(&copy, &a, ReadFrom::After(positions[899])).await.unwrap(), (901..=1_000).collect::<Vec<_>>());
    assert_eq!(numbers(&copy, &trimmed, ReadFrom::Start).await.unwrap(), [8, 9, 10, 11]);
    assert_eq!(numbers(&copy, &trimmed, ReadFrom::After(gone[2])).await, Err(LogError::Expired));
    assert_eq!(copy.append(&trimmed, vec![id]).await.unwrap(), [with_id]);
    let busy = numbers(&copy, &channel("busy"), ReadFrom::Start).await.unwrap();
    assert_eq!(busy, (1..=busy.len() as u64).collect::<Vec<_>>());

    assert_eq!(numbers(&copy, &a, ReadFrom::After(positions[1_002])).await, Err(LogError::Future));
    append(&copy, &a, 5).await;
    assert_eq!(numbers(&copy, &a, ReadFrom::After(positions[1_002])).await, Err(LogError::Foreign));
    assert_eq!(numbers(&copy, &a, ReadFrom::After(positions[999])).await.unwrap().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_log_has_nothing_to_replay_and_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    for round in 1..=6_u64 {
        let log = open(folder.path(), Sync::Always).unwrap();
        let last = append(&log, &channel("a"), 500).await[499];
        append(&log, &channel(&format!("new-{round}")), 1).await;
        count += 500;
        assert_eq!(last.number, count);
        if round % 2 == 0 {
            let start = log.bounds(&channel("a")).await.unwrap().start.number;
            let kept = numbers(&log, &channel("a"), ReadFrom::Start).await.unwrap();
            assert_eq!(kept, (start + 1..=count).collect::<Vec<_>>());
            log.trim(&channel("a"), last).await.unwrap();
        }
        log.close().await.unwrap();
        let journals = std::fs::read_dir(folder.path().join("log")).unwrap().filter_map(|entry| {
            let entry = entry.unwrap();
            entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "jnl")
                .then(|| entry.metadata().unwrap().len())
        });
        assert_eq!(journals.sum::<u64>(), 0, "bytes to replay after round {round}");
    }
    let log = open(folder.path(), Sync::Always).unwrap();
    assert_eq!(numbers(&log, &channel("a"), ReadFrom::Start).await.unwrap(), Vec::<u64>::new());
    assert_eq!(append(&log, &channel("a"), 1).await[0].number, count + 1);
    for round in 1..=6 {
        assert_eq!(numbers(&log, &channel(&format!("new-{round}")), ReadFrom::Start).await.unwrap(), [1]);
    }
}
