//! Order: dense numbers, arrays that stay together, appends at once, pages, commits and dropped futures.

use super::{Bench, event, event_with_id, numbers, texts};
use antiphon_core::limits::{MAX_APPEND_BYTES, MAX_APPEND_EVENTS, MAX_CLIENT_ID_LENGTH};
use antiphon_core::{Event, EventKind, LogError, Position, ReadFrom, ReadLimit};
use bytes::Bytes;
use std::collections::HashSet;

pub(super) async fn numbers_are_dense_and_reads_in_order(bench: Bench) {
    let engine = bench.open().await;
    let (channel, other) = (bench.channel("a"), bench.channel("b"));
    let mut positions = Vec::new();
    for number in 0..20 {
        positions.extend(engine.append_texts(&channel, &[&number.to_string()]).await);
        engine.append_texts(&other, &["other"]).await;
    }
    assert_eq!(positions.iter().map(|position| position.number).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
    assert!(positions.windows(2).all(|pair| pair[0] < pair[1] && pair[0].to_string() < pair[1].to_string()));
    let records = engine.read_all(&channel, ReadFrom::Start).await;
    assert_eq!(texts(&records), (0..20).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(records.iter().map(|record| record.position).collect::<Vec<_>>(), positions);
    assert!(records.iter().all(|record| record.channel == channel));
    for (index, position) in positions.iter().enumerate() {
        let after = engine.read_all(&channel, ReadFrom::After(*position)).await;
        assert_eq!(numbers(&after), (index as u64 + 2..=20).collect::<Vec<_>>());
    }
    let bounds = engine.log.bounds(&channel).await.unwrap();
    assert_eq!((bounds.start.number, bounds.end), (0, positions[19]));
    let kinds = [EventKind::Plain, EventKind::Chunk, EventKind::BackEnd];
    let events = kinds.iter().map(|kind| Event { kind: *kind, ..event("kind") }).collect();
    engine.log.append(&channel, events).await.unwrap();
    let read = engine.read_all(&channel, ReadFrom::After(positions[19])).await;
    assert_eq!(read.iter().map(|record| record.kind).collect::<Vec<_>>(), kinds);
    assert_eq!(engine.log.append(&channel, Vec::new()).await, Ok(Vec::new()), "an append of nothing");
    engine.close().await;
}

pub(super) async fn an_array_is_one_and_stays_together(bench: Bench) {
    let engine = bench.open().await;
    let channel = bench.channel("a");
    let append = |name: usize| {
        let (log, channel) = (engine.log.clone(), channel.clone());
        tokio::spawn(async move {
            let texts: Vec<String> = (0..5).map(|index| format!("{name}.{index}")).collect();
            log.append(&channel, texts.iter().map(|text| event(text)).collect()).await.unwrap()
        })
    };
    let appends: Vec<_> = (0..16).map(append).collect();
    for append in appends {
        let positions = append.await.unwrap();
        let first = positions[0].number;
        assert!(positions.iter().zip(first..).all(|(position, number)| position.number == number));
    }
    let read = texts(&engine.read_all(&channel, ReadFrom::Start).await);
    for array in read.chunks(5) {
        let name = array[0].split('.').next().unwrap();
        assert_eq!(array, (0..5).map(|index| format!("{name}.{index}")).collect::<Vec<_>>());
    }
    engine.close().await;
}

/// Readers follow while `appenders` append; each must see every event once, in order, without a hole.
pub(super) async fn appenders_at_once_leave_no_gap_to_readers(bench: Bench, appenders: usize) {
    let engine = bench.open().await;
    let channel = bench.channel("a");
    let each = 1_024 / appenders;
    let total = (each * appenders) as u64;
    let follow = || {
        let (log, channel) = (engine.log.clone(), channel.clone());
        tokio::spawn(async move {
            let mut from = ReadFrom::Start;
            let mut last = 0;
            while last < total {
                let page = log.read(&channel, from, ReadLimit { events: 100, bytes: usize::MAX }).await.unwrap();
                for record in page {
                    assert_eq!(record.position.number, last + 1, "a reader's next event");
                    last += 1;
                    from = ReadFrom::After(record.position);
                }
                tokio::task::yield_now().await;
            }
        })
    };
    let readers = [follow(), follow()];
    let append = |name: usize| {
        let (log, channel) = (engine.log.clone(), channel.clone());
        tokio::spawn(async move {
            let mut last = None::<Position>;
            for count in 0..each {
                let position = log.append(&channel, vec![event(&format!("{name}.{count}"))]).await.unwrap()[0];
                assert!(last.is_none_or(|last| last < position), "an appender's own order");
                last = Some(position);
            }
        })
    };
    let appends: Vec<_> = (0..appenders).map(append).collect();
    for task in appends.into_iter().chain(readers) {
        task.await.unwrap();
    }
    let read = texts(&engine.read_all(&channel, ReadFrom::Start).await);
    assert_eq!(read.iter().collect::<HashSet<_>>().len() as u64, total);
    engine.close().await;
}

pub(super) async fn pages_add_up_to_one_read(bench: Bench) {
    let engine = bench.open().await;
    let channel = bench.channel("a");
    engine.append_numbered(&channel, 0..50).await;
    let whole = engine.read_all(&channel, ReadFrom::Start).await;
    let size = whole[0].json.len();
    for (events, bytes) in [(1, usize::MAX), (7, usize::MAX), (usize::MAX, 1), (usize::MAX, 3 * size + 1), (0, 0)] {
        let mut from = ReadFrom::Start;
        let mut pages = Vec::new();
        loop {
            let page = engine.log.read(&channel, from, ReadLimit { events, bytes }).await.unwrap();
            let Some(last) = page.last() else { break };
            assert!(page.len() <= events.max(1), "a page of at most {events} events");
            let but_last: usize = page[..page.len() - 1].iter().map(|record| record.json.len()).sum();
            assert!(page.len() == 1 || but_last < bytes, "a page of about {bytes} bytes");
            from = ReadFrom::After(last.position);
            pages.extend(page);
        }
        assert_eq!(numbers(&pages), numbers(&whole));
        assert_eq!(texts(&pages), texts(&whole));
    }
    engine.close().await;
}

pub(super) async fn commits_are_told_in_the_order_of_the_log(bench: Bench) {
    let engine = bench.open().await;
    let channels: Vec<_> = ["a", "b", "c"].iter().map(|id| bench.channel(id)).collect();
    let append = |number: usize| {
        let (log, channel) = (engine.log.clone(), channels[number % 3].clone());
        let committed = engine.committed.clone();
        tokio::spawn(async move {
            for count in 0..20 {
                let name = format!("{}", (number + count) % 40);
                let event = event_with_id(&name, &name);
                let position = log.append(&channel, vec![event]).await.unwrap()[0];
                let told = committed.lock().iter().any(|record| record.position == position);
                assert!(told, "an event is handed on before it is acknowledged");
                let visible = log.bounds(&channel).await.unwrap().end.number;
                assert!(visible >= position.number, "an event can be read once it is acknowledged");
            }
        })
    };
    let appends: Vec<_> = (0..12).map(append).collect();
    for append in appends {
        append.await.unwrap();
    }
    for channel in &channels {
        let mut told = engine.committed.lock().clone();
        told.retain(|record| record.channel == *channel);
        assert!(told.iter().all(|record| record.logged_at.is_some()));
        let read = engine.read_all(channel, ReadFrom::Start).await;
        assert!(read.iter().all(|record| record.logged_at.is_none()));
        assert_eq!(numbers(&told), numbers(&read), "each committed event is told once, in order");
        assert_eq!(texts(&told), texts(&read));
    }
    engine.close().await;
}

pub(super) async fn a_dropped_append_leaves_nothing_half_done(bench: Bench) {
    let engine = bench.open().await;
    let channel = bench.channel("a");
    for number in 0..100 {
        let events = (0..3).map(|index| event(&format!("{number}.{index}"))).collect();
        let append = engine.log.append(&channel, events);
        // One poll sends it on its way, and then nobody waits for it.
        let _ = futures::poll!(append);
    }
    let last = engine.append_texts(&channel, &["last"]).await[0];
    let read = engine.read_all(&channel, ReadFrom::Start).await;
    assert_eq!(numbers(&read), (1..=last.number).collect::<Vec<_>>());
    let read = texts(&read);
    for array in read[..read.len() - 1].chunks(3) {
        let name = array[0].split('.').next().unwrap();
        assert_eq!(array, (0..3).map(|index| format!("{name}.{index}")).collect::<Vec<_>>(), "all of an array or none");
    }
    engine.close().await;
}

pub(super) async fn what_is_too_large_is_refused_whole(bench: Bench) {
    let engine = bench.open().await;
    let channel = bench.channel("a");
    let large = Event { json: Bytes::from(vec![b' '; MAX_APPEND_BYTES]), ..event("") };
    let refused = engine.log.append(&channel, vec![event("small"), large.clone()]).await;
    assert!(matches!(refused, Err(LogError::TooLarge { allowed: MAX_APPEND_BYTES, .. })), "{refused:?}");
    let long_id = event_with_id("long", &"x".repeat(4 * MAX_CLIENT_ID_LENGTH + 1));
    for events in [vec![event("small"), long_id], vec![event(""); MAX_APPEND_EVENTS + 1]] {
        let refused = engine.log.append(&channel, events).await;
        assert!(matches!(refused, Err(LogError::TooLarge { .. })), "{refused:?}");
    }
    assert!(engine.read_all(&channel, ReadFrom::Start).await.is_empty());
    engine.log.append(&channel, vec![large]).await.unwrap();
    let read = engine.read_all(&channel, ReadFrom::Start).await;
    assert_eq!(numbers(&read), [1], "the largest append that is allowed is there");
    engine.close().await;
}
