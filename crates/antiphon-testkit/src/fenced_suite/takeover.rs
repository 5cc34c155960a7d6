//! Several processes of one deployment: what a takeover keeps, refuses and tells.

use super::{Bench, NO_LIMIT, PATIENCE, event, event_with_id, eventually, numbers, positions, texts};
use antiphon_core::{BeginError, LogError, Position, ReadFrom, Shard};
use std::time::{Duration, Instant};

const SHARD: Shard = Shard(2);

pub(super) async fn a_former_owner_is_refused_and_told(bench: Bench) {
    let (former, next) = (bench.open(0).await, bench.open(1).await);
    let channel = bench.channel(SHARD);
    former.begin(SHARD, 1).await;
    former.append(&channel, &["kept"]).await;
    next.begin(SHARD, 2).await;
    for text in ["late", "later"] {
        let answer = former.log.append(&channel, vec![event(text)]).await;
        assert!(matches!(answer, Err(LogError::NotOwner | LogError::Unavailable { .. })), "{answer:?}");
    }
    eventually("the former owner is not told", || *former.lost.lock() == [(SHARD, 1)]).await;
    let answer = former.log.append(&channel, vec![event("after that")]).await;
    assert_eq!(answer, Err(LogError::NotOwner), "once it knows");
    let last = next.append(&channel, &["next"]).await[0];
    for process in [&next, &former] {
        let read = process.read_through(&channel, ReadFrom::Start, last).await;
        assert_eq!(texts(&read), ["kept", "next"], "what was refused is not there");
    }
    assert!(next.lost.lock().is_empty());
    former.begin(SHARD, 3).await;
    assert_eq!(former.append(&channel, &["again"]).await[0].number, 3);
    former.close().await;
    next.close().await;
}

pub(super) async fn a_void_begin_ends_no_ownership(bench: Bench) {
    let (owner, other) = (bench.open(0).await, bench.open(1).await);
    let channel = bench.channel(SHARD);
    owner.begin(SHARD, 7).await;
    owner.append(&channel, &["one"]).await;
    for epoch in [7, 6] {
        let refused = other.fenced.begin(SHARD, epoch).await;
        assert_eq!(refused, Err(BeginError::Superseded { epoch: 7 }));
        let answer = other.log.append(&channel, vec![event("refused")]).await;
        assert_eq!(answer, Err(LogError::NotOwner));
    }
    let last = owner.append(&channel, &["two"]).await[0];
    assert_eq!(texts(&owner.read(&channel, ReadFrom::Start).await), ["one", "two"]);
    assert_eq!(texts(&other.read_through(&channel, ReadFrom::Start, last).await), ["one", "two"]);
    assert!(owner.lost.lock().is_empty());
    owner.close().await;
    other.close().await;
}

pub(super) async fn the_next_owner_goes_on_where_the_last_one_was(bench: Bench) {
    let processes = [bench.open(0).await, bench.open(1).await];
    let channels = bench.channels(SHARD, 3);
    let mut appended: Vec<Vec<Position>> = vec![Vec::new(); channels.len()];
    for epoch in 1..=6 {
        let owner = &processes[epoch % 2];
        owner.begin(SHARD, epoch as u32).await;
        for (channel, appended) in channels.iter().zip(&mut appended) {
            let read = owner.read(channel, ReadFrom::Start).await;
            assert_eq!(positions(&read), *appended, "all of it at once, in epoch {epoch}");
            let from = appended.len();
            appended.extend(owner.append_numbered(channel, from..from + 10).await);
            appended.extend(owner.append(channel, &[&(from + 10).to_string(), &(from + 11).to_string()]).await);
            assert!(appended.iter().zip(1..).all(|(position, number)| position.number == number));
            assert!(appended.windows(2).all(|pair| pair[0] < pair[1] && pair[0].to_string() < pair[1].to_string()));
        }
    }
    for (channel, appended) in channels.iter().zip(&appended) {
        let read = processes[0].read(channel, ReadFrom::Start).await;
        assert_eq!(texts(&read), (0..72).map(|number| number.to_string()).collect::<Vec<_>>());
        assert_eq!(positions(&read), *appended);
    }
    for process in processes {
        process.close().await;
    }
}

pub(super) async fn a_position_is_good_in_every_process(bench: Bench) {
    let processes = [bench.open(0).await, bench.open(1).await, bench.open(2).await];
    let [first, second, follower] = &processes;
    let channel = bench.channel(SHARD);
    let mut all = Vec::new();
    for (owner, epoch) in [(first, 1), (second, 2), (first, 3)] {
        owner.begin(SHARD, epoch).await;
        let start = owner.log.bounds(&channel).await.unwrap().start;
        assert_eq!(start.number, 0);
        all.extend(owner.append_numbered(&channel, all.len()..all.len() + 10).await);
        let last = all[all.len() - 1];
        for process in [first, second, follower] {
            for position in all.iter().step_by(3).chain([&start]) {
                let read = process.read_through(&channel, ReadFrom::After(*position), last).await;
                assert_eq!(positions(&read), all[position.number as usize..], "after {position:?}");
            }
            let bounds = process.log.bounds(&channel).await.unwrap();
            assert_eq!((bounds.start, bounds.end), (start, last));
        }
        for foreign in
            [Position { address: last.address + 1, ..last }, Position { incarnation: last.incarnation + 1, ..last }]
        {
            let read = owner.log.read(&channel, ReadFrom::After(foreign), NO_LIMIT).await;
            assert_eq!(read.map(|records| records.len()), Err(LogError::Foreign), "{foreign:?}");
        }
    }
    for process in processes {
        process.close().await;
    }
}

pub(super) async fn event_ids_are_known_to_the_next_owner(bench: Bench) {
    let (first, second) = (bench.open(0).await, bench.open(1).await);
    let channel = bench.channel(SHARD);
    first.begin(SHARD, 1).await;
    let array = vec![event_with_id("one", "1"), event_with_id("two", "2")];
    let had = first.log.append(&channel, array.clone()).await.unwrap();
    second.begin(SHARD, 2).await;
    assert_eq!(second.log.append(&channel, array.clone()).await, Ok(had.clone()), "said again to the next owner");
    let more = vec![event_with_id("two", "2"), event_with_id("three", "3")];
    let more = second.log.append(&channel, more).await.unwrap();
    assert_eq!((more[0], more[1].number), (had[1], 3));
    let other = second.log.append(&channel, vec![event("new"), event_with_id("another", "1")]).await;
    assert_eq!(other, Err(LogError::Taken { event_id: "1".to_owned() }));
    first.begin(SHARD, 3).await;
    let again = first.log.append(&channel, vec![event_with_id("three", "3"), event_with_id("one", "1")]).await;
    assert_eq!(again, Ok(vec![more[1], had[0]]));
    assert_eq!(texts(&first.read(&channel, ReadFrom::Start).await), ["one", "two", "three"]);
    first.close().await;
    second.close().await;
}

pub(super) async fn a_trim_is_seen_by_all(bench: Bench) {
    let processes = [bench.open(0).await, bench.open(1).await, bench.open(2).await];
    let [first, second, follower] = &processes;
    let (channel, empty) = (bench.channels(SHARD, 2)[0].clone(), bench.channels(SHARD, 2)[1].clone());
    first.begin(SHARD, 1).await;
    let appended = first.append_numbered(&channel, 0..10).await;
    let gone = first.append_numbered(&empty, 0..3).await;
    first.log.trim(&channel, appended[4]).await.unwrap();
    first.log.trim(&empty, gone[2]).await.unwrap();
    second.begin(SHARD, 2).await;
    for process in [second, first, follower] {
        let since = Instant::now();
        while process.log.bounds(&empty).await.map(|bounds| bounds.start) != Ok(gone[2]) {
            let is_owner = std::ptr::eq(process, second);
            assert!(!is_owner && since.elapsed() < PATIENCE, "the trim is not seen");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(process.log.bounds(&channel).await.unwrap().start, appended[4]);
        assert_eq!(numbers(&process.read(&channel, ReadFrom::Start).await), (6..=10).collect::<Vec<_>>());
        let expired = process.log.read(&channel, ReadFrom::After(appended[2]), NO_LIMIT).await;
        assert_eq!(expired.map(|records| records.len()), Err(LogError::Expired));
        assert_eq!(numbers(&process.read(&channel, ReadFrom::After(appended[4])).await), (6..=10).collect::<Vec<_>>());
    }
    assert_eq!(second.append(&empty, &["next"]).await[0].number, 4, "numbers go on after a trim of everything");
    assert_eq!(numbers(&second.read(&empty, ReadFrom::After(gone[2])).await), [4]);
    for process in processes {
        process.close().await;
    }
}

pub(super) async fn a_process_that_was_closed_goes_on(bench: Bench) {
    let (first, second) = (bench.open(0).await, bench.open(1).await);
    let channel = bench.channel(SHARD);
    first.begin(SHARD, 1).await;
    let mut all = first.append_numbered(&channel, 0..10).await;
    first.close().await;
    second.begin(SHARD, 2).await;
    all.extend(second.append_numbered(&channel, 10..20).await);

    let first = bench.open(0).await;
    let refused = first.log.append(&channel, vec![event("refused")]).await;
    assert_eq!(refused, Err(LogError::NotOwner), "a process owns nothing when it starts");
    let read = first.read_through(&channel, ReadFrom::After(all[4]), all[19]).await;
    assert_eq!(positions(&read), all[5..]);
    all.extend(second.append_numbered(&channel, 20..25).await);
    assert_eq!(positions(&first.read_through(&channel, ReadFrom::Start, all[24]).await), all);
    first.begin(SHARD, 3).await;
    all.extend(first.append_numbered(&channel, 25..30).await);
    assert_eq!(positions(&first.read(&channel, ReadFrom::Start).await), all);
    assert_eq!(positions(&second.read_through(&channel, ReadFrom::Start, all[29]).await), all);
    first.close().await;
    second.close().await;
}

pub(super) async fn a_late_follower_reads_all(bench: Bench) {
    let owner = bench.open(0).await;
    let channel = bench.channel(SHARD);
    owner.begin(SHARD, 1).await;
    let mut all = owner.append_numbered(&channel, 0..50).await;
    let late = bench.open(1).await;
    (late.opened.follow)(&channel);
    assert_eq!(positions(&late.read_through(&channel, ReadFrom::Start, all[49]).await), all);
    let from = all.len();
    all.extend(owner.append_numbered(&channel, 50..60).await);
    let last = all[59];
    eventually("the late follower is not told", || late.told(&channel).last().is_some_and(|it| it.position == last))
        .await;
    let told = positions(&late.told(&channel));
    assert!(told.windows(2).all(|pair| pair[0].number + 1 == pair[1].number), "in order, once");
    assert_eq!(told[told.len() - 10..], all[from..], "what was appended after it came");
    owner.close().await;
    late.close().await;
}
