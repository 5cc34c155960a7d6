//! One suite for every topology: real processes on real engines, met as strangers meet them. Where an engine is missing,
//! that is said, and nothing is tested.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod alike;
mod conversation;
mod crash;
mod degraded;
mod fenced;
mod interrupt;
mod moving;
mod queue;
mod readiness;
mod refused;
mod resume;
mod silent;
mod world;

use antiphon_testkit::deployment::Topology;
use std::sync::Arc;
use std::time::Instant;
use world::World;

/// Runs each case on one deployment and says `topology::case` and how it went; those before the bar side by side, those
/// after it, which kill, one after the other.
macro_rules! suite {
    ($world:ident, $topology:ident: $($case:ident),* | $($killing:ident),*) => {{
        let mut outcomes = Vec::new();
        let side_by_side = [$((stringify!($case), tokio::spawn(timed($case::run($world.clone()))))),*];
        for (case, task) in side_by_side {
            outcomes.push((case, task.await));
        }
        $(outcomes.push((stringify!($killing), tokio::spawn(timed($killing::run($world.clone()))).await));)*
        let mut failed = Vec::new();
        for (case, outcome) in outcomes {
            let name = format!("{}::{case}", $topology);
            match outcome {
                Ok(seconds) => println!("{name} ... ok, {seconds:.1} s"),
                Err(_) => {
                    println!("{name} ... FAILED");
                    failed.push(name);
                }
            }
        }
        failed
    }};
}

async fn timed(case: impl Future<Output = ()>) -> f64 {
    let began = Instant::now();
    case.await;
    began.elapsed().as_secs_f64()
}

async fn run(topology: Topology) {
    let began = Instant::now();
    let Some(world) = World::start(topology).await else { return };
    let world = Arc::new(world);
    println!("{topology}: {} processes ready after {:.1} s", world.deployment.size(), began.elapsed().as_secs_f64());
    let failed = suite!(world, topology: conversation, resume, interrupt, queue, alike | crash, fenced, moving);
    println!("{topology}: {:.1} s in all", began.elapsed().as_secs_f64());
    assert!(failed.is_empty(), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded() {
    run(Topology::Embedded).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_relay() {
    run(Topology::KafkaRelay).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka() {
    run(Topology::Kafka).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn direct() {
    run(Topology::Direct).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_streams() {
    run(Topology::RedisStreams).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc() {
    run(Topology::Grpc).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hybrid() {
    run(Topology::Hybrid).await;
}
