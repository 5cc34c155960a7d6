//! One process: when appends are taken, which epochs begin, and what it is told.

use super::{Bench, NO_LIMIT, event, numbers, positions, texts};
use antiphon_core::{BeginError, LogError, ReadFrom, Shard};

pub(super) async fn appends_are_taken_between_begin_and_end_only(bench: Bench) {
    let process = bench.open(0).await;
    let (channel, other) = (bench.channel(Shard(1)), bench.channel(Shard(2)));
    let refused = async |channel| {
        let answer = process.log.append(channel, vec![event("refused")]).await;
        assert_eq!(answer, Err(LogError::NotOwner), "{channel}");
    };
    refused(&channel).await;
    process.begin(Shard(2), 1).await;
    refused(&channel).await;
    assert_eq!(process.append(&other, &["other"]).await[0].number, 1);
    process.begin(Shard(1), 1).await;
    assert_eq!(process.append(&channel, &["one", "two"]).await[1].number, 2);
    process.fenced.end(Shard(1)).await;
    refused(&channel).await;
    assert_eq!(process.append(&other, &["other"]).await[0].number, 2, "the other shard is still owned");
    process.fenced.end(Shard(1)).await;
    process.fenced.end(Shard(2)).await;
    refused(&other).await;
    assert!(process.lost.lock().is_empty(), "an ownership that its owner ended is not lost");
    process.close().await;
}

pub(super) async fn epochs_grow(bench: Bench) {
    let process = bench.open(0).await;
    process.begin(Shard(0), 5).await;
    for epoch in [5, 3, 1] {
        let refused = process.fenced.begin(Shard(0), epoch).await;
        assert_eq!(refused, Err(BeginError::Superseded { epoch: 5 }), "{epoch} after 5");
    }
    process.begin(Shard(1), 2).await;
    process.begin(Shard(0), 6).await;
    process.append(&bench.channel(Shard(0)), &["one"]).await;
    process.fenced.end(Shard(0)).await;
    let refused = process.fenced.begin(Shard(0), 6).await;
    assert_eq!(refused, Err(BeginError::Superseded { epoch: 6 }), "an epoch that ended");
    process.begin(Shard(0), 1_000).await;
    if bench.promise.survives_owner {
        let other = bench.open(1).await;
        for (shard, epoch, seen) in [(0, 1_000, 1_000), (0, 7, 1_000), (1, 1, 2)] {
            let refused = other.fenced.begin(Shard(shard), epoch).await;
            assert_eq!(refused, Err(BeginError::Superseded { epoch: seen }), "{epoch} in another process");
        }
        other.begin(Shard(0), 1_001).await;
        other.close().await;
    }
    process.close().await;
}

pub(super) async fn an_owner_may_end_and_begin_again(bench: Bench) {
    let process = bench.open(0).await;
    let channel = bench.channel(Shard(3));
    process.begin(Shard(3), 1).await;
    let first = process.append_numbered(&channel, 0..5).await;
    process.fenced.end(Shard(3)).await;
    process.begin(Shard(3), 2).await;
    let second = process.append_numbered(&channel, 5..8).await;
    // Without an end between them.
    process.begin(Shard(3), 3).await;
    let third = process.append_numbered(&channel, 8..10).await;
    let all = process.read(&channel, ReadFrom::Start).await;
    let sorted = [&first[..], &second, &third].concat();
    assert!(sorted.windows(2).all(|pair| pair[0] < pair[1] && pair[0].to_string() < pair[1].to_string()));
    if bench.promise.survives_owner {
        assert_eq!((numbers(&all), positions(&all)), ((1..=10).collect(), sorted));
        assert_eq!(texts(&all), (0..10).map(|number| number.to_string()).collect::<Vec<_>>());
        assert!(second[0].epoch > first[0].epoch && third[0].epoch > second[0].epoch);
        assert_eq!(numbers(&process.read(&channel, ReadFrom::After(first[2])).await), (4..=10).collect::<Vec<_>>());
    } else {
        assert_eq!((numbers(&all), positions(&all)), (vec![1, 2], third));
        for position in [first[0], first[4], second[2]] {
            let read = process.log.read(&channel, ReadFrom::After(position), NO_LIMIT).await;
            assert_eq!(read.map(|records| records.len()), Err(LogError::Foreign), "of an earlier ownership");
        }
    }
    process.close().await;
}

pub(super) async fn commits_are_told_in_order(bench: Bench) {
    let process = bench.open(0).await;
    let channels = [bench.channel(Shard(0)), bench.channel(Shard(1))];
    channels.iter().for_each(|channel| (process.opened.follow)(channel));
    process.begin(Shard(0), 1).await;
    process.begin(Shard(1), 1).await;
    let append = |number: usize| {
        let (log, channel, committed) = (process.log.clone(), channels[number % 2].clone(), process.committed.clone());
        tokio::spawn(async move {
            for count in 0..20 {
                let position = log.append(&channel, vec![event(&format!("{number}.{count}"))]).await.unwrap()[0];
                let told = committed.lock().iter().any(|record| record.position == position);
                assert!(told, "an event is handed on before it is acknowledged");
                assert!(log.bounds(&channel).await.unwrap().end.number >= position.number, "and can be read");
            }
        })
    };
    let appends: Vec<_> = (0..8).map(append).collect();
    for append in appends {
        append.await.unwrap();
    }
    for channel in &channels {
        let (told, read) = (process.told(channel), process.read(channel, ReadFrom::Start).await);
        assert_eq!(positions(&told), positions(&read), "each committed event is told once, in order");
        assert_eq!((texts(&told), read.len()), (texts(&read), 80));
    }
    process.close().await;
}
