//! One topology under faults for some time.

use super::inject::last_lines;
use super::load::{Room, Size};
use super::silence::now_micros;
use super::verdict::Verdict;
use super::{Drawn, Fault, Kafka, Load, Row, Stage, Transport};
use crate::deployment::Topology;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How soon everything has to go on after a fault is undone.
const RECOVERY: Duration = Duration::from_secs(60);
/// The same where rooms may be lost with their log, as in `direct`: then the campaign ends with the loss.
const RECOVERY_AFTER_LOSS: Duration = Duration::from_secs(20);

/// What is done.
pub struct Campaign<'a> {
    /// The program, as `CARGO_BIN_EXE_antiphon` names it.
    pub program: &'a str,
    /// What is drawn from.
    pub seed: u64,
    /// How long faults go on; the last one is finished, and what was said is waited for.
    pub time: Duration,
    /// At least so many faults, whatever the time.
    pub at_least: usize,
    /// The longest that a fault lasts.
    pub longest: Duration,
    /// Only these, where there are any.
    pub only: Vec<Fault>,
    /// How much is said meanwhile.
    pub size: Size,
    /// The brokers, for all topologies that need some.
    pub kafka: Option<Arc<Mutex<Kafka>>>,
    /// Where PostgreSQL is; see [`crate::deployment::Engines`].
    pub postgres: String,
}

impl Size {
    /// Twenty rooms of twenty tokens a second.
    pub const FULL: Self = Self {
        rooms: 20,
        tokens: 60,
        rate: 20.0,
        channels: 4,
        interrupts: true,
        transport: Transport::Alternating,
        keeps_latencies: false,
    };
    /// As much as shows something beside other tests.
    pub const SMALL: Self = Self { rooms: 5, tokens: 30, channels: 2, ..Self::FULL };
}

/// Runs it on one topology, and says on standard output how it goes.
///
/// # Errors
/// Where it cannot begin: an engine is not there.
pub async fn run(campaign: &Campaign<'_>, topology: Topology) -> io::Result<Row> {
    let mut random = StdRng::seed_from_u64(campaign.seed);
    let stage = Stage::start(campaign.program, topology, campaign.kafka.as_ref(), &campaign.postgres, 2).await?;
    let mut row = Row::new(topology, campaign.seed);
    let mut load = Load::start(&stage, campaign.size).await;
    let began = Instant::now();
    if let Err(reason) = converged(&load, RECOVERY).await {
        row.broken = Some(format!("before any fault: {reason}"));
    }
    let faults = applicable(campaign, &stage);
    let mut bag: Vec<Fault> = Vec::new();
    while row.broken.is_none() && (began.elapsed() < campaign.time || row.faults() < campaign.at_least) {
        if bag.is_empty() {
            // Each once, in an order of its own, before any comes again.
            bag.clone_from(&faults);
            bag.shuffle(&mut random);
        }
        let Some(fault) = bag.pop() else { break };
        let drawn = Drawn::draw(fault, &stage, campaign.longest, &mut random);
        one(&stage, &load, &drawn, &mut row).await;
        tokio::time::sleep(Duration::from_millis(random.random_range(0..700))).await;
    }
    load.stop().await;
    let verdict = Verdict::of(&stage, &load).await;
    row.finish(began.elapsed(), verdict);
    if !row.is_clean() && topology.is_durable() {
        say_processes(&stage);
    }
    Ok(row)
}

fn applicable(campaign: &Campaign<'_>, stage: &Stage) -> Vec<Fault> {
    let brokers = stage.kafka.as_ref().map_or(0, |kafka| kafka.lock().size());
    let topology = stage.deployment.topology();
    let is_wanted = |fault: &Fault| campaign.only.is_empty() || campaign.only.contains(fault);
    Fault::ALL.into_iter().filter(|fault| fault.applies(topology, brokers)).filter(is_wanted).collect()
}

/// Does one fault, undoes it, and waits until everything goes on.
async fn one(stage: &Stage, load: &Load, drawn: &Drawn, row: &mut Row) {
    for client in load.watchers() {
        client.silence.take_longest();
    }
    let outcome = drawn.inject(stage).await;
    stage.heal();
    let healed = Instant::now();
    let outcome = match outcome {
        Ok(()) => converged(load, recovery_of(stage)).await,
        failed => failed,
    };
    let silence = load.watchers().map(|client| client.silence.take_longest()).max().unwrap_or_default();
    let recovery = healed.elapsed();
    println!("{:>14}  {drawn}: longest silence {silence:.1?}, went on {recovery:.1?} after", row.topology.name());
    row.note(drawn.fault, silence, recovery);
    let left = (0..stage.deployment.size()).filter_map(|number| {
        let status = stage.deployment.process(number).left()?;
        Some(format!("process {number} left by itself ({status})"))
    });
    row.deaths.extend(left.map(|death| format!("{drawn}: {death}")));
    if let Err(reason) = outcome {
        println!("{:>14}  BROKEN: {reason}", row.topology.name());
        row.broken = Some(format!("{drawn}: {reason}"));
    }
}

fn recovery_of(stage: &Stage) -> Duration {
    if stage.deployment.topology() == Topology::Direct { RECOVERY_AFTER_LOSS } else { RECOVERY }
}

/// Until each client that watches a room has a token that the provider sent from now on.
async fn converged(load: &Load, patience: Duration) -> Result<(), String> {
    let (from, began) = (now_micros(), Instant::now());
    loop {
        let behind: Vec<String> = load.rooms.iter().flat_map(|room| behind(room, from)).collect();
        if behind.is_empty() {
            return Ok(());
        }
        if began.elapsed() > patience {
            return Err(format!("no token after {patience:?} for {} clients: {}", behind.len(), behind.join(", ")));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The clients of a room without a token since `from`, and what its person is at.
fn behind(room: &Room, from: u64) -> impl Iterator<Item = String> {
    room.clients.iter().filter(move |client| client.silence.latest_stamp() < from).map(|client| {
        let (what, since) = room.doing.lock().clone();
        let at = client.reading.lock().number();
        format!("{} at {at}, whose person {what} since {:.1?}", room.id, since.elapsed())
    })
}

/// What the processes had to say, where something went wrong.
fn say_processes(stage: &Stage) {
    for number in 0..stage.deployment.size() {
        println!("      process {number}: {}", last_lines(&stage.deployment.process(number).stderr()));
    }
}
