//! Places: positions and what is wrong with them, event ids, empty channels and restarts.

use super::{Bench, NO_LIMIT, event_with_id, numbers, texts};
use antiphon_core::limits::MAX_EVENT_IDS;
use antiphon_core::{LogError, Position, ReadFrom};

pub(super) async fn an_empty_channel_is_one_without_events(bench: Bench) {
    let engine = bench.open().await;
    let channel = bench.channel("nobody-wrote-here");
    assert!(engine.read_all(&channel, ReadFrom::Start).await.is_empty());
    let bounds = engine.log.bounds(&channel).await.unwrap();
    assert_eq!(bounds.start, bounds.end);
    assert_eq!(bounds.start, Position::before_first(&channel, bounds.start.incarnation));
    assert!(engine.read_all(&channel, ReadFrom::After(bounds.end)).await.is_empty());
    engine.log.trim(&channel, bounds.end).await.unwrap();
    let first = engine.append_texts(&channel, &["first"]).await[0];
    assert_eq!(numbers(&engine.read_all(&channel, ReadFrom::After(bounds.end)).await), [1], "from before the first");
    assert_eq!(engine.log.bounds(&channel).await.unwrap().end, first);
    engine.close().await;
}

pub(super) async fn positions_are_checked(bench: Bench) {
    let engine = bench.open().await;
    let (channel, other) = (bench.channel("a"), bench.channel("b"));
    let positions = engine.append_numbered(&channel, 0..10).await;
    let others = engine.append_numbered(&other, 0..10).await;
    let refuse = async |position: Position, expected: LogError| {
        let read = engine.log.read(&channel, ReadFrom::After(position), NO_LIMIT).await;
        assert_eq!(read.map(|records| records.len()), Err(expected.clone()), "{position:?}");
        if expected != LogError::Expired {
            assert_eq!(engine.log.trim(&channel, position).await, Err(expected), "{position:?}");
        }
    };
    for at in [positions[0], positions[4], positions[9]] {
        refuse(Position { incarnation: at.incarnation + 1, ..at }, LogError::Foreign).await;
        refuse(Position { incarnation: at.incarnation - 1, ..at }, LogError::Foreign).await;
        refuse(Position { epoch: at.epoch + 1, ..at }, LogError::Foreign).await;
        refuse(Position { address: at.address + 1, ..at }, LogError::Foreign).await;
        refuse(Position { index: at.index + 1, ..at }, LogError::Foreign).await;
    }
    refuse(others[4], LogError::Foreign).await;
    refuse(Position { number: 3, ..positions[4] }, LogError::Foreign).await;
    refuse(Position { number: 0, ..positions[4] }, LogError::Foreign).await;
    refuse(Position { number: 11, ..positions[9] }, LogError::Future).await;
    refuse(Position { number: u64::MAX, ..positions[9] }, LogError::Future).await;
    assert_eq!(engine.read_all(&channel, ReadFrom::Start).await.len(), 10, "a refused trim forgets nothing");

    engine.log.trim(&channel, positions[4]).await.unwrap();
    refuse(positions[3], LogError::Expired).await;
    refuse(positions[0], LogError::Expired).await;
    refuse(Position::before_first(&channel, positions[0].incarnation), LogError::Expired).await;
    refuse(Position { address: positions[4].address + 1, ..positions[4] }, LogError::Foreign).await;
    assert_eq!(numbers(&engine.read_all(&channel, ReadFrom::After(positions[4])).await), [6, 7, 8, 9, 10]);
    engine.close().await;
}

pub(super) async fn event_ids_are_not_appended_twice(bench: Bench) {
    let engine = bench.open().await;
    let (channel, other) = (bench.channel("a"), bench.channel("b"));
    let array = vec![
        event_with_id("one", "1"),
        event_with_id("two", "2"),
        event_with_id("one", "1"),
        event_with_id("three", "3"),
    ];
    let first = engine.log.append(&channel, array.clone()).await.unwrap();
    assert_eq!(first.iter().map(|position| position.number).collect::<Vec<_>>(), [1, 2, 1, 3]);
    assert_eq!(first[0], first[2]);
    assert_eq!(engine.log.append(&channel, array.clone()).await.unwrap(), first, "the whole array again");
    let more = vec![event_with_id("two", "2"), event_with_id("four", "4")];
    let more = engine.log.append(&channel, more).await.unwrap();
    assert_eq!((more[0], more[1].number), (first[1], 4));
    let elsewhere = engine.log.append(&other, vec![event_with_id("one", "1")]).await.unwrap();
    assert_eq!(elsewhere[0].number, 1, "an id is its channel's own");
    assert_eq!(texts(&engine.read_all(&channel, ReadFrom::Start).await), ["one", "two", "three", "four"]);

    let race = |_| {
        let (log, channel) = (engine.log.clone(), channel.clone());
        tokio::spawn(async move { log.append(&channel, vec![event_with_id("race", "race")]).await.unwrap()[0] })
    };
    let races: Vec<_> = (0..16).map(race).collect();
    for task in races {
        assert_eq!(task.await.unwrap().number, 5, "appends of one id at once");
    }

    // Past the bound the oldest id is forgotten, and only that.
    let ids: Vec<String> = (0..MAX_EVENT_IDS - 4).map(|number| format!("n{number}")).collect();
    for ids in ids.chunks(2_000) {
        engine.log.append(&channel, ids.iter().map(|id| event_with_id(id, id)).collect()).await.unwrap();
    }
    let again = engine.log.append(&channel, vec![event_with_id("two", "2"), event_with_id("one again", "1")]);
    let again = again.await.unwrap();
    assert_eq!(again[0], first[1]);
    assert!(again[1].number > MAX_EVENT_IDS as u64, "the oldest id was forgotten");
    engine.close().await;
}

pub(super) async fn an_event_id_stands_for_one_event(bench: Bench) {
    let engine = bench.open().await;
    let channel = bench.channel("a");
    let first = engine.log.append(&channel, vec![event_with_id("one", "1")]).await.unwrap();
    let taken = |event_id: &str| Err(LogError::Taken { event_id: event_id.to_owned() });
    let other = vec![event_with_id("two", "2"), event_with_id("other", "1")];
    assert_eq!(engine.log.append(&channel, other).await, taken("1"), "another event");
    let both = vec![event_with_id("three", "3"), event_with_id("other", "3")];
    assert_eq!(engine.log.append(&channel, both).await, taken("3"), "of one array");
    assert_eq!(engine.log.append(&channel, vec![event_with_id("one", "1")]).await.unwrap(), first);
    assert_eq!(texts(&engine.read_all(&channel, ReadFrom::Start).await), ["one"], "nothing of a refused append");
    let race = |number| {
        let (log, channel) = (engine.log.clone(), channel.clone());
        let event = event_with_id(&format!("race {number}"), "race");
        tokio::spawn(async move { log.append(&channel, vec![event]).await })
    };
    let races: Vec<_> = (0..8).map(race).collect();
    let mut won = 0;
    for task in races {
        match task.await.unwrap() {
            Ok(_) => won += 1,
            Err(error) => assert_eq!(Err(error), taken("race")),
        }
    }
    assert_eq!(won, 1, "different events with one id at once");
    engine.close().await;
}

pub(super) async fn a_restart_keeps_what_was_promised(bench: Bench) {
    let engine = bench.open().await;
    let (channel, trimmed) = (bench.channel("a"), bench.channel("trimmed"));
    let positions = engine.append_numbered(&channel, 0..10).await;
    let with_id = engine.log.append(&channel, vec![event_with_id("id", "id")]).await.unwrap()[0];
    let forgotten = engine.append_numbered(&trimmed, 0..5).await;
    engine.log.trim(&trimmed, forgotten[4]).await.unwrap();
    let before = engine.read_all(&channel, ReadFrom::Start).await;
    engine.close().await;

    let engine = bench.open().await;
    if !bench.promise.survives_restart {
        let read = engine.log.read(&channel, ReadFrom::After(positions[4]), NO_LIMIT).await;
        assert!(matches!(read, Err(LogError::Foreign | LogError::Future)), "{read:?}");
        engine.append_numbered(&channel, 0..11).await;
        let read = engine.log.read(&channel, ReadFrom::After(positions[4]), NO_LIMIT).await;
        assert_eq!(read.map(|records| records.len()), Err(LogError::Foreign));
        return engine.close().await;
    }
    let after = engine.read_all(&channel, ReadFrom::Start).await;
    assert_eq!(texts(&after), texts(&before));
    assert!(after.iter().zip(&before).all(|(after, before)| after.position == before.position));
    assert_eq!(engine.read_all(&channel, ReadFrom::After(positions[6])).await.len(), 4);
    let next = engine.log.append(&channel, vec![event_with_id("id", "id")]).await.unwrap()[0];
    assert_eq!(next, with_id, "an event id is known after a restart");
    let next = engine.append_texts(&channel, &["next"]).await[0];
    assert_eq!(next.number, 12);
    assert!(next > with_id && next.epoch > with_id.epoch, "positions go on sorting");
    assert_eq!(numbers(&engine.read_all(&channel, ReadFrom::After(with_id)).await), [12]);
    let read = engine.log.read(&trimmed, ReadFrom::After(forgotten[2]), NO_LIMIT).await;
    assert_eq!(read.map(|records| records.len()), Err(LogError::Expired));
    assert!(engine.read_all(&trimmed, ReadFrom::After(forgotten[4])).await.is_empty());
    assert_eq!(engine.append_texts(&trimmed, &["next"]).await[0].number, 6, "numbers go on after a trim of everything");
    engine.close().await;
}
