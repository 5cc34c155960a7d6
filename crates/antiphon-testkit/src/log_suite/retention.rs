//! Retention: trims, what they do to positions and event ids, and the bounds of a namespace.

use super::{Bench, EVERYTHING, NO_LIMIT, event_with_id, numbers};
use antiphon_core::{LogError, ReadFrom, ReadLimit, Retention};
use std::time::Duration;

pub(super) async fn a_trim_forgets_and_numbers_go_on(bench: Bench) {
    let engine = bench.open().await;
    let channel = bench.channel("a");
    let positions = engine.append_numbered(&channel, 0..3_000).await;
    engine.log.trim(&channel, positions[2_499]).await.unwrap();
    let bounds = engine.log.bounds(&channel).await.unwrap();
    assert_eq!((bounds.start, bounds.end), (positions[2_499], positions[2_999]));
    assert_eq!(numbers(&engine.read_all(&channel, ReadFrom::Start).await), (2_501..=3_000).collect::<Vec<_>>());
    engine.log.trim(&channel, positions[10]).await.unwrap();
    assert_eq!(engine.log.bounds(&channel).await.unwrap(), bounds, "a trim of what is gone changes nothing");

    engine.log.trim(&channel, positions[2_999]).await.unwrap();
    let bounds = engine.log.bounds(&channel).await.unwrap();
    assert_eq!((bounds.start, bounds.end), (positions[2_999], positions[2_999]));
    assert!(engine.read_all(&channel, ReadFrom::Start).await.is_empty());
    assert!(engine.read_all(&channel, ReadFrom::After(positions[2_999])).await.is_empty());
    let next = engine.append_texts(&channel, &["next"]).await[0];
    assert_eq!(next.number, 3_001);
    assert_eq!(numbers(&engine.read_all(&channel, ReadFrom::After(positions[2_999])).await), [3_001]);
    engine.close().await;
}

pub(super) async fn event_ids_are_forgotten_with_their_events(bench: Bench) {
    let engine = bench.open().await;
    let channel = bench.channel("a");
    let array = || vec![event_with_id("one", "1"), event_with_id("two", "2"), event_with_id("three", "3")];
    let positions = engine.log.append(&channel, array()).await.unwrap();
    engine.log.trim(&channel, positions[1]).await.unwrap();
    let again = engine.log.append(&channel, array()).await.unwrap();
    assert_eq!(again.iter().map(|position| position.number).collect::<Vec<_>>(), [4, 5, 3]);
    engine.close().await;
}

pub(super) async fn each_bound_trims_the_oldest(bench: Bench) {
    let by_events = Retention { events: Some(10), ..EVERYTHING };
    let by_bytes = Retention { bytes: Some(40 * 10), ..EVERYTHING };
    for (name, keep) in [("events", by_events), ("bytes", by_bytes)] {
        let engine = bench.open_keeping(keep).await;
        let channel = bench.channel(name);
        for _ in 0..100 {
            engine.append_texts(&channel, &["0123456789abcde"]).await;
        }
        let record = engine.read_all(&channel, ReadFrom::Start).await.pop().expect("the newest event");
        assert_eq!(record.json.len(), 40, "the size that the case counts with");
        (engine.opened.enforce_retention)().await;
        let kept = numbers(&engine.read_all(&channel, ReadFrom::Start).await);
        assert_eq!(kept, (91..=100).collect::<Vec<_>>(), "by {name}");
        assert_eq!(engine.log.bounds(&channel).await.unwrap().start.number, 90);
        engine.close().await;
    }

    let engine = bench.open_keeping(Retention { age: Some(Duration::from_millis(300)), ..EVERYTHING }).await;
    let channel = bench.channel("age");
    let positions = engine.append_numbered(&channel, 0..10).await;
    let waited = std::time::Instant::now();
    loop {
        (engine.opened.enforce_retention)().await;
        let bounds = engine.log.bounds(&channel).await.unwrap();
        if bounds.start == positions[9] {
            break;
        }
        assert!(waited.elapsed() < Duration::from_secs(10), "events older than 300 ms are still kept");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(waited.elapsed() > Duration::from_millis(200), "an event went before it was old");
    assert_eq!(engine.append_texts(&channel, &["next"]).await[0].number, 11);
    engine.close().await;
}

pub(super) async fn a_reader_sees_a_trim_as_expiry_and_never_as_a_gap(bench: Bench) {
    let engine = bench.open().await;
    let channel = bench.channel("a");
    let events: Vec<String> = (0..2_000).map(|number: usize| number.to_string()).collect();
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let positions = engine.append_texts(&channel, &events).await;
    let (log, trimmed) = (engine.log.clone(), channel.clone());
    let through = positions.clone();
    let trims = tokio::spawn(async move {
        for position in through.iter().step_by(50) {
            log.trim(&trimmed, *position).await.unwrap();
        }
    });
    let mut last = 0;
    let mut from = ReadFrom::Start;
    while last < 2_000 {
        match engine.log.read(&channel, from, ReadLimit { events: 64, bytes: usize::MAX }).await {
            Ok(page) => {
                if let ReadFrom::After(_) = from {
                    assert_eq!(page[0].position.number, last + 1);
                }
                assert!(page.windows(2).all(|pair| pair[0].position.number + 1 == pair[1].position.number));
                let end = page[page.len() - 1].position;
                last = end.number;
                from = ReadFrom::After(end);
            }
            Err(LogError::Expired) => from = ReadFrom::Start,
            Err(error) => panic!("{error}"),
        }
        tokio::task::yield_now().await;
    }
    trims.await.unwrap();
    let read = engine.log.read(&channel, ReadFrom::After(positions[3]), NO_LIMIT).await;
    assert_eq!(read.map(|records| records.len()), Err(LogError::Expired));
    engine.close().await;
}
