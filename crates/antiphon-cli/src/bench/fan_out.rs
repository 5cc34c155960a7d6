//! How many events a second reach many clients: answers whose tokens come faster than they can be passed on to everybody.

use super::child::Capped;
use super::deployment::Deployment;
use super::load::{connect, make_rooms};
use super::provider::Pace;
use super::topology::Part;
use crate::failure::Failure;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Rooms with an answer each.
pub(super) const ROOMS: usize = 4;
/// Clients of each room; all of them together stay below the 1,024 files that a process often may open.
pub(super) const CLIENTS: usize = 100;
/// Tokens a second of each answer.
pub(super) const RATE: f64 = 500.0;
/// The share of one core that each realtime process gets while one is compared with three, so that they do not take
/// turns at the same cores: little enough that one cannot pass all of it on.
pub(super) const SHARE: f64 = 0.15;
/// The time until queues are as full as they get.
const WARM: Duration = Duration::from_secs(2);
/// What is measured after it.
const MEASURED: Duration = Duration::from_secs(5);

/// The model for it: it goes on for longer than is measured.
pub(super) fn pace() -> Pace {
    Pace { tokens: ((WARM + 3 * MEASURED).as_secs_f64() * RATE) as usize, per_second: RATE }
}

/// Deliveries a second, where a client that gets a chunk counts as one, whether the server merged tokens into it or not.
/// With a share each realtime process is held to so much of a core.
pub(super) async fn run(deployment: &Deployment, share: Option<f64>) -> Result<f64, Failure> {
    let fronts = deployment.fronts();
    let rooms = make_rooms(deployment, &fronts, ROOMS).await?;
    let delivered = Arc::new(AtomicU64::new(0));
    let mut clients = JoinSet::new();
    for room in &rooms {
        let connecting = (0..CLIENTS).map(|at| connect(deployment, &fronts, room, at));
        for connected in futures::future::join_all(connecting).await {
            let (viewer, _) = connected?;
            let delivered = delivered.clone();
            clients.spawn(async move { viewer.count(&delivered).await });
        }
    }
    let asks = rooms.iter().enumerate().map(|(at, room)| deployment.ask(&fronts[at % fronts.len()], room, "ask"));
    for asked in futures::future::join_all(asks).await {
        asked?;
    }
    // Letting clients in is not what is measured.
    let is_front = |part: Part| part == Part::Front;
    let processes = deployment.processes.iter().filter(|process| is_front(process.part));
    let capped: Vec<Capped> = match share {
        Some(share) => processes.map(|process| Capped::new(&process.running, share)).collect(),
        None => Vec::new(),
    };
    tokio::time::sleep(WARM).await;
    let (began, before) = (Instant::now(), delivered.load(Ordering::Relaxed));
    tokio::time::sleep(MEASURED).await;
    let (after, seconds) = (delivered.load(Ordering::Relaxed), began.elapsed().as_secs_f64());
    drop(capped);
    if let Some(gone) = std::iter::from_fn(|| clients.try_join_next()).next() {
        drop(gone);
        return Err(Failure::new("a server ended a client's connection while throughput was measured"));
    }
    Ok((after - before) as f64 / seconds)
}
