//! Hybrid with Redis stopped for ten seconds under load: clients notice nothing but latency.

use crate::settings::{Servers, setting};
use antiphon_testkit::deployment::Topology;
use antiphon_testkit::faults::{Load, Size, Stage, Transport, Verdict};
use std::time::{Duration, Instant};

const PHASE: Duration = Duration::from_secs(10);
const SIZE: Size = Size {
    rooms: 20,
    tokens: 200,
    rate: 20.0,
    channels: 2,
    interrupts: false,
    transport: Transport::WebSocket,
    keeps_latencies: true,
};

/// `cargo xtask faults --scenario redis-stopped`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_stopped() {
    if setting("RUN").as_deref() != Some("redis-stopped") {
        return;
    }
    let servers = tokio::task::block_in_place(|| Servers::start(&[Topology::Hybrid], 1));
    if !servers.suffice(Topology::Hybrid) {
        return;
    }
    let (program, kafka) = (env!("CARGO_BIN_EXE_antiphon"), servers.kafka.as_ref());
    let stage = Stage::start(program, Topology::Hybrid, kafka, &servers.postgres, 2).await.unwrap();
    let redis = stage.redis.clone().unwrap();
    let mut load = Load::start(&stage, SIZE).await;
    // Once all rooms speak.
    while load.watchers().any(|client| client.silence.latest_stamp() == 0) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut marks = vec![Instant::now()];
    tokio::time::sleep(PHASE).await;
    marks.push(Instant::now());
    tokio::task::block_in_place(|| redis.lock().stop());
    tokio::time::sleep(PHASE).await;
    marks.push(Instant::now());
    tokio::task::block_in_place(|| redis.lock().restart().unwrap());
    tokio::time::sleep(PHASE).await;
    marks.push(Instant::now());
    println!("\n| phase | tokens | p50 | p99 | longest |\n|---|---|---|---|---|");
    for (name, phase) in ["before", "while Redis is stopped", "after"].into_iter().zip(marks.windows(2)) {
        println!("{}", row(name, &load, phase[0], phase[1]));
    }
    // Afterwards nobody talks, and a client that hears nothing connects anew.
    let dropped: u64 = load.watchers().map(|client| *client.dropped.lock()).sum();
    load.stop().await;
    let verdict = Verdict::of(&stage, &load).await;
    println!("\n{verdict:?}");
    assert!(verdict.is_clean(), "{:?}", verdict.problems);
    assert_eq!((dropped, verdict.refused.len()), (0, 0), "no client sees an error");
}

fn row(name: &str, load: &Load, from: Instant, until: Instant) -> String {
    let mut late: Vec<Duration> = load.watchers().flat_map(|client| client.silence.latencies(from, until)).collect();
    late.sort();
    let at = |part: f64| late.get(((late.len() as f64 - 1.0) * part) as usize).copied().unwrap_or_default();
    format!("| {name} | {} | {:.1?} | {:.1?} | {:.1?} |", late.len(), at(0.5), at(0.99), at(1.0))
}
