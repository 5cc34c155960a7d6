//! A last write that was torn, everywhere it can tear: what was acknowledged before it is there, and nothing else.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use antiphon_core::{ChannelName, Event, EventKind, Log, ReadFrom, ReadLimit};
use antiphon_store::{EmbeddedLog, EmbeddedOptions, NamespaceTable, OpenError, Sync};
use bytes::Bytes;
use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const EVENTS: usize = 12;

fn options(sync: Sync) -> EmbeddedOptions {
    EmbeddedOptions { sync, namespaces: NamespaceTable::default(), on_commit: Arc::new(|_| {}) }
}

fn channel() -> ChannelName {
    ChannelName::parse("jobs:1").unwrap()
}

fn text(number: usize) -> String {
    format!("{{\"number\":{number},\"x\":\"{}\"}}", "x".repeat(number * 7))
}

/// In memory where the system allows, as hundreds of folders are opened.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_name() != "0.jnl" {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A folder as a power loss leaves it, its journal's bytes, and where the write of each event ends in them.
struct Crashed {
    folder: tempfile::TempDir,
    journal: Vec<u8>,
    ends: Vec<usize>,
}

impl Crashed {
    async fn new(sync: Sync) -> Self {
        let (running, crashed) = (folder(), folder());
        let log = EmbeddedLog::open(running.path(), options(sync)).unwrap();
        let path = running.path().join("log/0.jnl");
        let mut ends = Vec::new();
        for number in 0..EVENTS {
            let json = Bytes::from(text(number));
            let event = Event { kind: EventKind::Plain, json, event_id: Some(format!("{number}")), provider_at: None };
            log.append(&channel(), vec![event]).await.unwrap();
            // A write ends in a byte that is not zero, and zeros follow.
            ends.push(std::fs::read(&path).unwrap().iter().rposition(|byte| *byte != 0).unwrap() + 1);
        }
        copy(running.path(), crashed.path());
        let mut journal = std::fs::read(&path).unwrap();
        journal.resize(ends[EVENTS - 1] + 64, 0);
        Self { folder: crashed, journal, ends }
    }

    fn with(&self, journal: &[u8]) -> tempfile::TempDir {
        let damaged = folder();
        copy(self.folder.path(), damaged.path());
        std::fs::write(Self::path(damaged.path()), journal).unwrap();
        damaged
    }

    fn path(folder: &Path) -> PathBuf {
        folder.join("log/0.jnl")
    }

    /// How many events were written whole before a place in the journal.
    fn whole_before(&self, offset: usize) -> usize {
        self.ends.iter().filter(|end| **end <= offset).count()
    }

    /// Opens the damaged log twice, and appends in between: exactly `expected` events must be there each time.
    async fn assert_keeps(&self, journal: &[u8], sync: Sync, expected: std::ops::RangeInclusive<usize>, what: &str) {
        let damaged = self.with(journal);
        let log = EmbeddedLog::open(damaged.path(), options(sync)).unwrap_or_else(|error| panic!("{what}: {error}"));
        let kept = read(&log).await;
        assert!(expected.contains(&kept.len()), "{what}: {} events, expected {expected:?}", kept.len());
        assert_eq!(kept, (0..kept.len()).map(text).collect::<Vec<_>>(), "{what}");
        let event = Event { kind: EventKind::Plain, json: "{}".into(), event_id: None, provider_at: None };
        let next = log.append(&channel(), vec![event]).await.unwrap()[0];
        assert_eq!(next.number, kept.len() as u64 + 1, "{what}");
        drop(log);
        let log = EmbeddedLog::open(damaged.path(), options(sync)).unwrap_or_else(|error| panic!("{what}: {error}"));
        let again = read(&log).await;
        assert_eq!((&again[..kept.len()], &again[kept.len()..]), (&kept[..], &["{}".to_owned()][..]), "{what}");
    }
}

async fn read(log: &EmbeddedLog) -> Vec<String> {
    let limit = ReadLimit { events: usize::MAX, bytes: usize::MAX };
    let records = log.read(&channel(), ReadFrom::Start, limit).await.unwrap();
    assert!(records.iter().zip(1..).all(|(record, number)| record.position.number == number));
    records.iter().map(|record| String::from_utf8(record.json.to_vec()).unwrap()).collect()
}

fn seeded() -> StdRng {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| rand::rng().next_u64());
    println!("SEED={seed}");
    StdRng::seed_from_u64(seed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_cut_anywhere_keeps_what_is_before_the_cut() {
    let crashed = Crashed::new(Sync::Always).await;
    let mut random = seeded();
    let last = crashed.ends[EVENTS - 2];
    let mut cuts: Vec<usize> = (last..crashed.ends[EVENTS - 1] + 8).step_by(3).collect();
    cuts.extend((0..40).map(|_| random.random_range(0..last)));
    for cut in cuts {
        let whole = crashed.whole_before(cut);
        let cut_short = &crashed.journal[..cut];
        crashed.assert_keeps(cut_short, Sync::Always, whole..=whole, &format!("cut at {cut}")).await;
        let mut zeros = cut_short.to_vec();
        zeros.resize(crashed.journal.len(), 0);
        crashed.assert_keeps(&zeros, Sync::Always, whole..=whole, &format!("zeros from {cut}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_write_of_garbage_is_dropped_and_nothing_before_it() {
    let crashed = Crashed::new(Sync::Always).await;
    let mut random = seeded();
    let (from, to) = (crashed.ends[EVENTS - 2], crashed.ends[EVENTS - 1]);
    for offset in (from..to).step_by(2) {
        let mut garbage = crashed.journal.clone();
        random.fill_bytes(&mut garbage[offset..]);
        crashed.assert_keeps(&garbage, Sync::Always, EVENTS - 1..=EVENTS - 1, &format!("garbage from {offset}")).await;
        let mut flipped = crashed.journal.clone();
        flipped[offset] ^= 1 << random.random_range(0..8);
        // The write's sequence number is under no checksum: the event is whole with another one.
        crashed.assert_keeps(&flipped, Sync::Always, EVENTS - 1..=EVENTS, &format!("a bit flipped at {offset}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_before_whole_events_is_refused_where_they_were_synced_and_left_as_it_is() {
    let crashed = Crashed::new(Sync::Always).await;
    let mut random = seeded();
    for _ in 0..30 {
        let offset = random.random_range(crashed.ends[0] + 13..crashed.ends[EVENTS - 2] - 8);
        let mut damaged = crashed.journal.clone();
        let end = crashed.ends[crashed.whole_before(offset)];
        random.fill_bytes(&mut damaged[offset..end]);
        let folder = crashed.with(&damaged);
        let refused = EmbeddedLog::open(folder.path(), options(Sync::Always)).map(drop);
        assert!(matches!(refused, Err(OpenError::Corrupt { .. })), "garbage {offset}..{end}: {refused:?}");
        assert_eq!(std::fs::read(Crashed::path(folder.path())).unwrap(), damaged);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_did_not_sync_keeps_what_is_before_the_damage() {
    let crashed = Crashed::new(Sync::Never).await;
    let mut random = seeded();
    for _ in 0..30 {
        let offset = random.random_range(0..crashed.ends[EVENTS - 2]);
        let whole = crashed.whole_before(offset);
        let mut damaged = crashed.journal.clone();
        random.fill_bytes(&mut damaged[offset..crashed.ends[whole]]);
        crashed.assert_keeps(&damaged, Sync::Never, whole..=whole, &format!("garbage from {offset}")).await;
    }
}
