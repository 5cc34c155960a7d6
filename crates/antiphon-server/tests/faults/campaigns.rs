//! Campaigns: a short one with the other tests, and the long one that the command asks for.

use crate::settings::{Servers, only, setting, topologies};
use antiphon_testkit::deployment::Topology;
use antiphon_testkit::faults::{Campaign, Fault, Report, Size, run, table};
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_antiphon");
/// What the short campaign draws from, each time.
const SEED: u64 = 6;
/// Faults of the short campaign, and what they are drawn from: what happens most, and what is most of a surprise.
const FEW: usize = 4;
const FREQUENT: [Fault; 6] = [
    Fault::OwnerKilled,
    Fault::RealtimeKilled,
    Fault::RelayKilled,
    Fault::RedisStopped,
    Fault::RedisEmptied,
    Fault::Cut,
];

fn durable() -> Vec<Topology> {
    Topology::ALL.into_iter().filter(|topology| topology.is_durable()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_faults_lose_and_double_nothing() {
    if setting("RUN").is_some() {
        return;
    }
    let chosen = topologies(durable());
    let servers = tokio::task::block_in_place(|| Servers::start(&chosen, 1));
    let campaign = Campaign {
        program: PROGRAM,
        seed: SEED,
        time: Duration::ZERO,
        at_least: FEW,
        longest: Duration::from_millis(2_500),
        only: FREQUENT.into(),
        size: Size::SMALL,
        kafka: servers.kafka.clone(),
        postgres: servers.postgres.clone(),
    };
    judge(&servers, &campaign, chosen).await;
}

/// `cargo xtask faults`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn campaign() {
    if setting("RUN").as_deref() != Some("campaign") {
        return;
    }
    let chosen = topologies(durable());
    let seed = setting("SEED").map_or_else(rand::random, |seed| seed.parse().expect("a seed is a number"));
    let minutes = setting("MINUTES").map_or(5.0, |minutes| minutes.parse().expect("minutes are a number"));
    let brokers = setting("BROKERS").map_or(1, |brokers| brokers.parse().expect("brokers are a number"));
    println!("seed {seed}; {minutes} minutes for each of {}", chosen.len());
    let servers = tokio::task::block_in_place(|| Servers::start(&chosen, brokers));
    let campaign = Campaign {
        program: PROGRAM,
        seed,
        time: Duration::from_secs_f64(minutes * 60.0),
        at_least: 1,
        longest: Duration::from_secs(7),
        only: only(),
        size: Size::FULL,
        kafka: servers.kafka.clone(),
        postgres: servers.postgres.clone(),
    };
    judge(&servers, &campaign, chosen).await;
}

async fn judge(servers: &Servers, campaign: &Campaign<'_>, chosen: Vec<Topology>) {
    let mut report = Report(Vec::new());
    for topology in chosen {
        if servers.suffice(topology) {
            let row = run(campaign, topology).await.unwrap_or_else(|error| panic!("{topology}: {error}"));
            println!("{topology}: {}", if row.is_clean() { "all held" } else { "NOT ALL HELD" });
            report.0.push(row);
        }
    }
    println!("\n{}", table(&report));
    if let Some(file) = setting("JSON") {
        std::fs::write(file, report.json().to_string()).expect("the file is written");
    }
    assert!(report.failures().is_empty(), "{:?}", report.failures());
}
