//! A local copy: it reads like the log it copies, goes on after a restart or a kill, and is thrown away when it must be.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use antiphon_core::{
    ChannelHash, ChannelName, EventKind, LogError, NamespaceSettings, Position, ReadFrom, ReadLimit, Record, Retention,
    Shard, Sharding, Timestamp,
};
use antiphon_store::{Change, LocalCopy, NamespaceTable, OpenError, Placed};
use bytes::Bytes;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const FOLDER: &str = "ANTIPHON_TEST_COPY_FOLDER";
const NO_LIMIT: ReadLimit = ReadLimit { events: usize::MAX, bytes: usize::MAX };
const SHARD: Shard = Shard(1);
const INCARNATION: u32 = 4;

fn sharding() -> Sharding {
    Sharding::new(4).unwrap()
}

fn open_keeping(folder: &Path, identity: &str, events: Option<u64>) -> Result<Arc<LocalCopy>, OpenError> {
    let keep = Retention { events, age: None, bytes: None };
    let namespaces = HashMap::from([("jobs".to_owned(), NamespaceSettings { keep, ephemeral: false })]);
    LocalCopy::open(folder, identity, sharding(), NamespaceTable::new(namespaces))
}

fn open(folder: &Path) -> Arc<LocalCopy> {
    open_keeping(folder, "cluster/topic", None).unwrap()
}

fn channels(shard: Shard, count: usize) -> Vec<ChannelName> {
    let name = |number: u32| ChannelName::new("jobs", &number.to_string()).unwrap();
    (0..).map(name).filter(|channel| sharding().shard_of(channel) == shard).take(count).collect()
}

fn channel() -> ChannelName {
    channels(SHARD, 1).remove(0)
}

/// Where a channel's nth event stands in the log that is copied: two events to an address.
fn position(channel: &ChannelName, incarnation: u32, number: u64) -> Position {
    if number == 0 {
        return Position::before_first(channel, incarnation);
    }
    let (address, index) = (1_000 + number / 2, (number % 2) as u16);
    Position {
        channel: ChannelHash::of(channel),
        incarnation,
        epoch: 1 + (number / 100) as u32,
        address,
        index,
        number,
    }
}

fn placed(channel: &ChannelName, incarnation: u32, number: u64) -> Placed {
    let record = Record {
        channel: channel.clone(),
        position: position(channel, incarnation, number),
        kind: EventKind::Plain,
        json: Bytes::from(format!("{{\"number\":{number}}}")),
        provider_at: None,
        logged_at: None,
    };
    let before = position(channel, incarnation, number - 1);
    Placed { record, before, event_id: Some(format!("id-{number}")), logged_millis: Timestamp::now().millis() }
}

fn puts(channel: &ChannelName, numbers: std::ops::RangeInclusive<u64>) -> Vec<Change> {
    numbers.map(|number| Change::Put(placed(channel, INCARNATION, number))).collect()
}

async fn apply(copy: &LocalCopy, changes: Vec<Change>, state: &str) {
    copy.apply(SHARD, INCARNATION, changes, Bytes::copy_from_slice(state.as_bytes())).await.unwrap();
}

async fn numbers(copy: &LocalCopy, channel: &ChannelName, from: ReadFrom) -> Result<Vec<u64>, LogError> {
    let records = copy.read(channel, from, NO_LIMIT).await?;
    assert!(
        records
            .iter()
            .all(|record| record.position == position(channel, record.position.incarnation, record.position.number)
                && record.json == format!("{{\"number\":{}}}", record.position.number))
    );
    Ok(records.iter().map(|record| record.position.number).collect())
}

fn after(number: u64) -> ReadFrom {
    ReadFrom::After(position(&channel(), INCARNATION, number))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_applied_reads_like_the_log_it_is_of() {
    let folder = tempfile::tempdir().unwrap();
    let copy = open(folder.path());
    let (a, b) = (channel(), channels(SHARD, 2).remove(1));
    assert!(matches!(copy.bounds(&a).await, Err(LogError::Unavailable { .. })), "nothing is known of the shard");
    assert_eq!((copy.state(SHARD), copy.incarnation(SHARD)), (None, None));
    apply(&copy, Vec::new(), "begun").await;
    let none = copy.bounds(&a).await.unwrap();
    assert_eq!((none.start, none.end), (position(&a, INCARNATION, 0), position(&a, INCARNATION, 0)));
    let mixed = (1..=250).flat_map(|number| [&a, &b].map(|channel| Change::Put(placed(channel, INCARNATION, number))));
    apply(&copy, mixed.collect(), "250").await;
    // Applied again from a little before, as after a failure.
    apply(&copy, puts(&a, 200..=260), "260").await;
    assert_eq!(copy.state(SHARD), Some(Bytes::from_static(b"260")));
    assert_eq!(numbers(&copy, &a, ReadFrom::Start).await.unwrap(), (1..=260).collect::<Vec<_>>());
    assert_eq!(numbers(&copy, &b, ReadFrom::Start).await.unwrap(), (1..=250).collect::<Vec<_>>());
    assert_eq!(numbers(&copy, &a, after(0)).await.unwrap().len(), 260);
    assert_eq!(numbers(&copy, &a, after(257)).await.unwrap(), [258, 259, 260]);
    assert_eq!(numbers(&copy, &a, after(261)).await, Err(LogError::Future));
    let at = position(&a, INCARNATION, 100);
    for bad in [Position { address: 7, ..at }, Position { epoch: 9, ..at }, Position { incarnation: 3, ..at }] {
        assert_eq!(numbers(&copy, &a, ReadFrom::After(bad)).await, Err(LogError::Foreign), "{bad:?}");
    }
    let asked = ["id-77", "unknown"].map(str::to_owned).to_vec();
    let known = (position(&a, INCARNATION, 77), Bytes::from_static(b"{\"number\":77}"));
    assert_eq!(copy.events(&a, asked).await.unwrap(), [Some(known), None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_shards_is_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let copy = open(folder.path());
    let a = channel();
    apply(&copy, puts(&a, 1..=3), "3").await;
    let elsewhere = channels(Shard(2), 1).remove(0);
    let skipping = Placed { before: position(&a, INCARNATION, 3), ..placed(&a, INCARNATION, 5) };
    for bad in [placed(&elsewhere, INCARNATION, 1), placed(&a, INCARNATION + 1, 5), skipping] {
        let changes = vec![Change::Put(placed(&a, INCARNATION, 4)), Change::Put(bad)];
        assert_eq!(copy.apply(SHARD, INCARNATION, changes, Bytes::new()).await, Err(LogError::Foreign));
    }
    let large = Bytes::from(vec![0; antiphon_core::limits::MAX_COPY_STATE_BYTES + 1]);
    let refused = copy.apply(SHARD, INCARNATION, Vec::new(), large).await;
    assert!(matches!(refused, Err(LogError::TooLarge { .. })), "{refused:?}");
    assert_eq!(numbers(&copy, &a, ReadFrom::Start).await.unwrap(), [1, 2, 3]);
    assert_eq!(copy.state(SHARD), Some(Bytes::from_static(b"3")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_and_another_identity_or_damage_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let a = channel();
    for round in 0..4 {
        let copy = open(folder.path());
        let had = (round > 0).then(|| Bytes::from((round * 100).to_string()));
        assert_eq!(copy.state(SHARD), had);
        assert!(matches!(open_keeping(folder.path(), "x", None), Err(OpenError::Locked { .. })));
        apply(&copy, puts(&a, round * 100 + 1..=round * 100 + 100), &((round + 1) * 100).to_string()).await;
        assert_eq!(numbers(&copy, &a, after(5)).await.unwrap().len() as u64, round * 100 + 95);
        if round % 2 == 0 {
            copy.close().await.unwrap();
            assert!(copy.health().is_err());
        }
    }
    let other = open_keeping(folder.path(), "cluster/another", None).unwrap();
    assert_eq!(other.state(SHARD), None);
    other.apply(SHARD, 9, Vec::new(), Bytes::from_static(b"other")).await.unwrap();
    assert_eq!(other.bounds(&a).await.unwrap().end, position(&a, 9, 0));
    drop(other);
    std::fs::write(folder.path().join("copy/version"), "FJL\x09").unwrap();
    let anew = open_keeping(folder.path(), "cluster/another", None).unwrap();
    assert_eq!(anew.state(SHARD), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_met_in_the_middle_begins_there_and_a_gap_is_an_expiry() {
    let folder = tempfile::tempdir().unwrap();
    let copy = open(folder.path());
    let a = channel();
    apply(&copy, puts(&a, 51..=60), "60").await;
    assert_eq!(copy.bounds(&a).await.unwrap().start, position(&a, INCARNATION, 50));
    assert_eq!(numbers(&copy, &a, after(50)).await.unwrap(), (51..=60).collect::<Vec<_>>());
    assert_eq!(numbers(&copy, &a, after(49)).await, Err(LogError::Expired));
    let mut changes = puts(&a, 61..=63);
    changes.extend(puts(&a, 71..=75));
    apply(&copy, changes, "75").await;
    for reopened in [false, true] {
        let copy = if reopened { copy.close().await.map(|()| open(folder.path())).unwrap() } else { copy.clone() };
        assert_eq!(numbers(&copy, &a, ReadFrom::Start).await.unwrap(), (71..=75).collect::<Vec<_>>());
        assert_eq!(numbers(&copy, &a, after(62)).await, Err(LogError::Expired));
        assert_eq!(numbers(&copy, &a, after(70)).await.unwrap().len(), 5);
        assert_eq!(copy.events(&a, vec!["id-62".to_owned()]).await.unwrap(), [None]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trims_and_retention_forget_and_the_end_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (channel(), channels(SHARD, 2).remove(1));
    let trim = |channel: &ChannelName, number| Change::Trim {
        channel: channel.clone(),
        through: position(channel, INCARNATION, number),
    };
    let copy = open_keeping(folder.path(), "kept", Some(2_500)).unwrap();
    let mut changes = puts(&a, 1..=3_000);
    changes.extend([trim(&a, 1_200), trim(&a, 20), trim(&b, 40)]);
    changes.extend(puts(&a, 3_001..=3_010));
    apply(&copy, changes, "1").await;
    assert_eq!(copy.bounds(&a).await.unwrap().start.number, 1_200);
    assert_eq!(numbers(&copy, &a, after(1_200)).await.unwrap(), (1_201..=3_010).collect::<Vec<_>>());
    assert_eq!(copy.bounds(&b).await.unwrap().start, position(&b, INCARNATION, 40), "trimmed before it was met");
    apply(&copy, puts(&b, 41..=43), "2").await;
    apply(&copy, [puts(&a, 3_011..=4_000), vec![trim(&b, 43)]].concat(), "3").await;
    copy.enforce_retention_now().await.unwrap();
    assert_eq!(copy.bounds(&a).await.unwrap().start, position(&a, INCARNATION, 1_500));
    drop(copy);
    let copy = open_keeping(folder.path(), "kept", Some(0)).unwrap();
    assert_eq!(copy.bounds(&b).await.unwrap().end, position(&b, INCARNATION, 43));
    copy.enforce_retention_now().await.unwrap();
    assert_eq!(copy.bounds(&a).await.unwrap().start, position(&a, INCARNATION, 4_000));
    drop(copy);
    let copy = open_keeping(folder.path(), "kept", Some(10)).unwrap();
    assert_eq!(copy.bounds(&a).await.unwrap().end, position(&a, INCARNATION, 4_000));
    apply(&copy, [puts(&a, 4_001..=4_002), puts(&b, 44..=44)].concat(), "4").await;
    assert_eq!(numbers(&copy, &a, after(4_000)).await.unwrap(), [4_001, 4_002]);
    assert_eq!(numbers(&copy, &b, ReadFrom::Start).await.unwrap(), [44]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_incarnation_and_a_discard_throw_away_the_shard_alone() {
    let folder = tempfile::tempdir().unwrap();
    let copy = open(folder.path());
    let (a, other) = (channel(), channels(Shard(3), 1).remove(0));
    // More channels than one pass looks at.
    let many = channels(SHARD, 600).into_iter().flat_map(|channel| puts(&channel, 1..=2)).collect();
    apply(&copy, many, "1").await;
    let others = (1..=5).map(|number| Change::Put(placed(&other, 7, number))).collect();
    copy.apply(Shard(3), 7, others, Bytes::from_static(b"o")).await.unwrap();
    let before = copy.bounds(&a).await.unwrap().end;

    let next = INCARNATION + 1;
    let changes = vec![Change::Put(placed(&a, next, 1))];
    copy.apply(SHARD, next, changes, Bytes::from_static(b"2")).await.unwrap();
    assert_eq!(numbers(&copy, &a, ReadFrom::After(before)).await, Err(LogError::Foreign));
    assert_eq!(numbers(&copy, &a, ReadFrom::Start).await.unwrap(), [1]);
    let last = channels(SHARD, 600).remove(599);
    assert_eq!(copy.bounds(&last).await.unwrap().end, position(&last, next, 0));
    copy.discard(SHARD).await.unwrap();
    assert_eq!((copy.state(SHARD), copy.incarnation(SHARD)), (None, None));
    assert!(matches!(copy.bounds(&a).await, Err(LogError::Unavailable { .. })));
    drop(copy);
    let copy = open(folder.path());
    assert_eq!((copy.state(SHARD), copy.state(Shard(3))), (None, Some(Bytes::from_static(b"o"))));
    assert_eq!(numbers(&copy, &other, ReadFrom::Start).await.unwrap(), [1, 2, 3, 4, 5]);
    apply(&copy, puts(&a, 1..=4), "3").await;
    assert_eq!(numbers(&copy, &a, ReadFrom::Start).await.unwrap(), [1, 2, 3, 4]);
}

/// Not a test of its own: what the killed process runs. Says each applied number on a line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applies_until_it_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let copy = open(Path::new(&folder));
    let state = copy.state(SHARD).map_or(0, |state| String::from_utf8_lossy(&state).parse().unwrap());
    for last in (state / 3 + 1..).map(|count: u64| count * 3) {
        let changes = channels(SHARD, 2).iter().flat_map(|channel| puts(channel, last - 2..=last)).collect();
        apply(&copy, changes, &last.to_string()).await;
        std::io::stdout().write_all(format!("\napplied {last}\n").as_bytes()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_keeps_all_that_was_applied() {
    let folder = tempfile::tempdir().unwrap();
    let mut total = 0;
    for round in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "applies_until_it_is_killed", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut applied = 0;
        for _ in 0..round * 100 + 1 {
            let Some(line) = lines.find_map(|line| line.ok()?.strip_prefix("applied ").map(str::to_owned)) else {
                break;
            };
            applied = line.parse().unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let copy = open(folder.path());
        let state: u64 = String::from_utf8(copy.state(SHARD).unwrap().to_vec()).unwrap().parse().unwrap();
        assert!(state >= applied && state > total, "{applied} was applied, the state is {state}");
        for channel in channels(SHARD, 2) {
            let kept = numbers(&copy, &channel, ReadFrom::Start).await.unwrap();
            assert_eq!(kept, (1..=state).collect::<Vec<_>>(), "the records up to the state and no more");
        }
        total = state;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_copy_is_made_in_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let copy = open(folder.path());
    let channels = channels(SHARD, 50);
    let since = Instant::now();
    for group in 0..200_u64 {
        let changes = channels.iter().flat_map(|channel| puts(channel, group * 5 + 1..=group * 5 + 5)).collect();
        apply(&copy, changes, &group.to_string()).await;
    }
    let took = since.elapsed();
    println!("50,000 events in 200 groups took {took:?}");
    assert!(took < Duration::from_secs(60), "{took:?}");
    assert_eq!(numbers(&copy, &channels[49], ReadFrom::Start).await.unwrap().len(), 1_000);
}
