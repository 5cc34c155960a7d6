//! Redis as the log.

use super::process::{NO_LIMIT, Process, SHARD, Seen, channel};
use super::{command, eventually, redis};
use antiphon_core::{BeginError, Fenced, Log, LogError, Position, ReadFrom};
use antiphon_testkit::proxy::{Link, Proxy};
use std::time::{Duration, Instant};

pub async fn append_some(process: &Process) -> Vec<Position> {
    let mut positions = Vec::new();
    for number in 0..10 {
        positions.push(process.append(&channel(), &number.to_string()).await.unwrap());
    }
    positions
}

/// What every loss of Redis's memory comes to: nobody writes under the old name, and the old positions are of another log.
pub async fn expect_another_log(owner: &Process, other: &Process, before: &[Position], kept: usize) {
    let channel = channel();
    let last = before[before.len() - 1];
    eventually("the owner is not told", || owner.lost() == [(SHARD, 1)]).await;
    assert_eq!(owner.append(&channel, "refused").await, Err(LogError::NotOwner));
    owner.begin(2).await;
    let next = owner.append(&channel, "next").await.unwrap();
    assert!(next.incarnation > last.incarnation && next > last, "{next:?} after {last:?}");
    assert_eq!(next.number, kept as u64 + 1);
    for process in [owner, other] {
        for position in before {
            let read = process.read(&channel, ReadFrom::After(*position)).await;
            assert_eq!(read, Err(LogError::Foreign), "{position:?}");
        }
        assert_eq!(process.read(&channel, ReadFrom::Start).await.unwrap().len(), kept + 1);
    }
    let is_told = || other.sight.all().iter().any(|seen| *seen == Seen::Record(channel.clone(), next));
    eventually("the other process does not see the new log", is_told).await;
    assert!(other.sight.losses() > 1, "and is told that there is another");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_restarted_it_has_all_that_was_acknowledged() {
    let Some(mut redis) = redis() else { return };
    let channel = channel();
    let process = Process::open(redis.address(), &channel).await;
    assert!(process.log.is_durable("jobs"));
    process.begin(1).await;
    let mut positions = append_some(&process).await;
    redis.stop();
    let refused = process.append(&channel, "away").await;
    assert!(matches!(refused, Err(LogError::Unavailable { .. } | LogError::NotOwner)), "{refused:?}");
    eventually("health does not say that Redis is away", || process.log.health().is_err()).await;
    let read = process.log.read(&channel, ReadFrom::Start, NO_LIMIT).await;
    assert!(matches!(read, Err(LogError::Unavailable { .. })));
    redis.restart().unwrap();
    eventually("health does not say that Redis is back", || process.log.health().is_ok()).await;
    process.begin(2).await;
    positions.push(process.append(&channel, "next").await.unwrap());
    assert_eq!(process.read(&channel, ReadFrom::After(positions[4])).await.unwrap(), positions[5..]);
    assert_eq!(positions[10].incarnation, positions[0].incarnation, "it is the same log");
    eventually("followers are not told", || process.sight.losses() > 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_without_a_sync_of_each_write_makes_another_log() {
    let Some(mut redis) = redis() else { return };
    command(&redis, &["CONFIG", "SET", "appendfsync", "everysec"]).await;
    let (owner, other) =
        (Process::open(redis.address(), &channel()).await, Process::open(redis.address(), &channel()).await);
    assert!(!owner.log.is_durable("jobs"));
    owner.begin(1).await;
    let positions = append_some(&owner).await;
    redis.restart().unwrap();
    // The process itself lives on with what Redis's process had handed to the system: here nothing is lost, but nobody can tell.
    let _ = owner.append(&channel(), "finds out").await;
    let kept = other.read(&channel(), ReadFrom::Start).await.unwrap().len();
    expect_another_log(&owner, &other, &positions, kept).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flushed_or_restarted_empty_it_is_another_log() {
    for flush in [true, false] {
        let Some(mut redis) = redis() else { return };
        let (owner, other) =
            (Process::open(redis.address(), &channel()).await, Process::open(redis.address(), &channel()).await);
        owner.begin(1).await;
        let positions = append_some(&owner).await;
        eventually("the other process does not follow", || other.sight.has(10)).await;
        if flush {
            redis.flush().unwrap();
        } else {
            redis.forget().unwrap();
            redis.restart().unwrap();
        }
        let read = other.log.read(&channel(), ReadFrom::Start, NO_LIMIT).await;
        assert!(matches!(read, Err(LogError::Unavailable { .. })), "an empty log is not taken for the one there was");
        expect_another_log(&owner, &other, &positions, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn set_back_it_is_another_log() {
    let Some(redis) = redis() else { return };
    let (owner, other) =
        (Process::open(redis.address(), &channel()).await, Process::open(redis.address(), &channel()).await);
    owner.begin(1).await;
    let positions = append_some(&owner).await;
    // As a snapshot of a moment before would have it.
    let counter = (positions[9].address - 3).to_string();
    for words in [
        vec!["HSET", "t:antiphon:shard:0", "counter", &counter],
        vec!["XTRIM", "t:antiphon:channel:jobs:1", "MAXLEN", "7"],
    ] {
        command(&redis, &words).await;
    }
    let refused = owner.append(&channel(), "late").await;
    assert_eq!(refused, Err(LogError::NotOwner));
    eventually("the owner is not told", || owner.lost() == [(SHARD, 1)]).await;
    let read = other.log.read(&channel(), ReadFrom::Start, NO_LIMIT).await;
    assert!(matches!(read, Err(LogError::Unavailable { .. })), "who saw more does not take less");
    // A third process that has seen nothing would not know; the one that has makes another log of it.
    other.begin(2).await;
    let next = other.append(&channel(), "next").await.unwrap();
    assert!(next.incarnation > positions[9].incarnation);
    assert_eq!(owner.read(&channel(), ReadFrom::After(positions[8])).await, Err(LogError::Foreign));
}

#[tokio::test(flavor = "multi_thread")]
async fn suspended_it_fails_appends_and_what_was_under_way_comes_once_or_never() {
    let Some(redis) = redis() else { return };
    let channel = channel();
    let process = Process::open(redis.address(), &channel).await;
    process.begin(1).await;
    let mut positions = append_some(&process).await;
    redis.pause();
    let since = Instant::now();
    let refused = process.append(&channel, "under way").await;
    assert!(matches!(refused, Err(LogError::Unavailable { .. })), "{refused:?}");
    assert!(since.elapsed() < Duration::from_secs(3), "and not before a person gives up");
    assert_eq!(process.lost(), [(SHARD, 1)], "nobody knows what became of it");
    assert_eq!(process.append(&channel, "later").await, Err(LogError::NotOwner));
    redis.wake();
    process.begin(2).await;
    let there = process.read(&channel, ReadFrom::Start).await.unwrap();
    assert!((10..=11).contains(&there.len()), "{there:?}");
    positions.clone_from(&there);
    positions.push(process.append(&channel, "next").await.unwrap());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(process.read(&channel, ReadFrom::Start).await.unwrap(), positions, "and nothing comes between later");
    assert!(positions.iter().zip(1..).all(|(position, number)| position.number == number));
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_off_from_one_process_the_other_goes_on_and_the_first_is_fenced() {
    let Some(redis) = redis() else { return };
    let channel = channel();
    let proxy = Proxy::start(redis.address()).await.unwrap();
    let cut = Process::open(&proxy.address().to_string(), &channel).await;
    let other = Process::open(redis.address(), &channel).await;
    cut.begin(1).await;
    append_some(&cut).await;
    // Silent, so that the first does not know.
    proxy.set(Link::Paused);
    let (refused, ()) = tokio::join!(cut.append(&channel, "late"), async {
        other.begin(2).await;
        other.append(&channel, "next").await.unwrap();
    });
    assert!(matches!(refused, Err(LogError::Unavailable { .. })), "{refused:?}");
    proxy.set(Link::Cut);
    eventually("health does not say that Redis is away", || cut.log.health().is_err()).await;
    let last = other.append(&channel, "last").await.unwrap();
    let losses = cut.sight.losses();
    proxy.heal();
    assert_eq!(cut.read(&channel, ReadFrom::Start).await.unwrap().len(), 12, "what was late is not there");
    eventually("the process is not told that it missed something", || cut.sight.losses() > losses).await;
    let more = other.append(&channel, "more").await.unwrap();
    assert_eq!(more.number, last.number + 1);
    eventually("the process does not follow again", || cut.sight.has(more.number)).await;
    assert_eq!(cut.log.begin(SHARD, 2).await, Err(BeginError::Superseded { epoch: 2 }));
    assert!(other.lost().is_empty());
}
