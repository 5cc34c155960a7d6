//! How long appends take: printed, for whoever looks, and asserted only where something is broken.

use crate::deployment::{Deployment, channel, event};
use antiphon_core::Log;
use antiphon_testkit::servers;
use std::time::{Duration, Instant};

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() - 1) * percent / 100]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_appends_one_after_the_other() {
    let Some(brokers) = servers::kafka() else { return };
    let deployment = Deployment::new(&brokers, 1);
    let (owner, room) = (deployment.process("owner").await, channel("a"));
    owner.own(0, 1).await;
    let mut took = Vec::new();
    for count in 0..1_000 {
        let begun = Instant::now();
        owner.append(&room, &[&count.to_string()]).await.unwrap();
        took.push(begun.elapsed());
    }
    took.sort();
    println!("1,000 appends to Kafka: p50 {:?}, p99 {:?}", percentile(&took, 50), percentile(&took, 99));
    deployment.end([owner]).await;
}

/// 200 rooms, each with 50 appends a second; how long by ANTIPHON_KAFKA_SECONDS.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_rooms_with_fifty_appends_a_second() {
    let Some(brokers) = servers::kafka() else { return };
    let seconds = std::env::var("ANTIPHON_KAFKA_SECONDS").ok().and_then(|it| it.parse().ok()).unwrap_or(2_u64);
    let deployment = Deployment::new(&brokers, 8);
    let owner = deployment.process("owner").await;
    for shard in 0..8 {
        owner.own(shard, 1).await;
    }
    let (begun, used) = (tokio::time::Instant::now(), processor_time());
    let append = |number: u64| {
        let (log, room) = (owner.log.clone(), channel(&number.to_string()));
        tokio::spawn(async move {
            let mut took = Vec::new();
            for count in 0..50 * seconds {
                tokio::time::sleep_until(begun + Duration::from_millis(20 * count + number % 20)).await;
                let begun = Instant::now();
                log.append(&room, vec![event("a token or two")]).await.unwrap();
                took.push(begun.elapsed());
            }
            took
        })
    };
    let rooms: Vec<_> = (0..200).map(append).collect();
    let mut took = Vec::new();
    for room in rooms {
        took.extend(room.await.unwrap());
    }
    let (lasted, used) = (begun.elapsed(), processor_time() - used);
    took.sort();
    println!(
        "200 rooms, {} appends in {lasted:?}: p50 {:?}, p99 {:?}; {used:?} of processor here",
        took.len(),
        percentile(&took, 50),
        percentile(&took, 99)
    );
    let mut told: std::collections::HashMap<_, u64> = std::collections::HashMap::new();
    for record in owner.committed.lock().iter() {
        let last = told.entry(record.channel.clone()).or_default();
        assert_eq!(record.position.number, *last + 1);
        *last += 1;
    }
    assert_eq!(told.values().sum::<u64>(), 200 * 50 * seconds);
    deployment.end([owner]).await;
}

/// Of this whole process so far, from Linux's `/proc/self/stat` (proc(5): fields 14 and 15, in hundredths of a second).
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or_default();
    Duration::from_millis(10 * (ticks(11) + ticks(12)))
}
