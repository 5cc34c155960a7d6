//! `kill -9` of each part in the middle of answers: whether all is there that was accepted, and all that clients had seen,
//! and whether every answer came to its end.

use super::clock::Clock;
use super::deployment::Deployment;
use super::engines::Engine;
use super::topology::Topology;
use super::viewer::spoken;
use crate::failure::Failure;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Answers under way when the part is killed.
const ANSWERS: usize = 8;
/// How long they have been under way by then.
const BEFORE: Duration = Duration::from_millis(700);
/// How long the part is away.
const AWAY: Duration = Duration::from_millis(500);
/// How long everything may take to be right again.
const PATIENCE: Duration = Duration::from_secs(40);

/// All that is kept of a room.
const START: &str = "start";

/// What is killed.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Process(usize),
    Engine(usize),
}

/// What became of the log and of the answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Every accepted message is there with its answer whole, and so is every event that a client had seen, in the same log.
    Survived,
    /// Not so, and why.
    Lost(&'static str),
    /// It was named by the caller and is not ours to kill.
    Untried,
}

/// A message that was accepted, and what a client could see of its room before anything was killed.
struct Accepted {
    room: String,
    stream: String,
    /// The tokens, by their stamps.
    seen: BTreeSet<u64>,
    /// After the last event that was seen.
    position: String,
}

/// For each part, by name.
pub(super) async fn of_each_part(
    deployment: &mut Deployment,
    engines: &mut [Engine],
    clock: Clock,
) -> Result<BTreeMap<String, Told>, Failure> {
    let mut survives = BTreeMap::new();
    for (name, victim) in victims(deployment, engines) {
        let told = match victim {
            Some(victim) => outlive(deployment, engines, victim, clock).await?,
            None => Told::Untried,
        };
        survives.insert(name, told);
    }
    Ok(survives)
}

fn victims(deployment: &Deployment, engines: &[Engine]) -> Vec<(String, Option<Victim>)> {
    let mut victims: Vec<(String, Option<Victim>)> = Vec::new();
    for (at, process) in deployment.processes.iter().enumerate() {
        let name = process.part.name().to_owned();
        if victims.iter().all(|(other, _)| *other != name) {
            victims.push((name, Some(Victim::Process(at))));
        }
    }
    for kind in deployment.topology.engines() {
        let Some(at) = engines.iter().position(|engine| engine.kind == *kind) else { continue };
        let is_ours = engines.get(at).is_some_and(Engine::is_ours);
        victims.push((kind.name().to_owned(), is_ours.then_some(Victim::Engine(at))));
    }
    victims
}

async fn outlive(
    deployment: &mut Deployment,
    engines: &mut [Engine],
    victim: Victim,
    clock: Clock,
) -> Result<Told, Failure> {
    let name = clock.micros();
    let mut accepted = Vec::new();
    for at in 0..ANSWERS {
        let front = front_of(deployment, at);
        let room = retry(|| deployment.room(&front)).await?;
        let id = format!("survival-{name}");
        let stream = retry(|| deployment.ask(&front, &room, &id)).await?;
        accepted.push(Accepted { room, stream, seen: BTreeSet::new(), position: String::new() });
    }
    tokio::time::sleep(BEFORE).await;
    for (at, accepted) in accepted.iter_mut().enumerate() {
        let front = front_of(deployment, at);
        let events = retry(|| deployment.events(&front, &accepted.room, START)).await?.unwrap_or_default();
        accepted.seen = spoken(&events).collect();
        accepted.position = last_position(&events).unwrap_or_else(|| START.to_owned());
    }
    take_away(deployment, engines, victim).await?;
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if are_all_whole(deployment, &accepted).await {
            return what_is_seen_is_there(deployment, &accepted).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(Told::Lost("messages or answers are lost"))
}

/// Kills it and starts it again.
async fn take_away(deployment: &mut Deployment, engines: &mut [Engine], victim: Victim) -> Result<(), Failure> {
    match victim {
        Victim::Process(at) => {
            if let Some(process) = deployment.processes.get_mut(at) {
                process.running.kill();
            }
            tokio::time::sleep(AWAY).await;
            deployment.restart(at).await
        }
        Victim::Engine(at) => {
            let Some(engine) = engines.get_mut(at) else { return Ok(()) };
            engine.kill();
            tokio::time::sleep(AWAY).await;
            engine.start().await
        }
    }
}

/// Whether the log still knows the places at which clients were, and gives everything that they had seen to whoever begins
/// at its start.
async fn what_is_seen_is_there(deployment: &Deployment, accepted: &[Accepted]) -> Result<Told, Failure> {
    let lost = match deployment.topology {
        Topology::Direct | Topology::Grpc => "its window is lost",
        _ => "events that clients had seen are lost",
    };
    for (at, Accepted { room, seen, position, .. }) in accepted.iter().enumerate() {
        let front = front_of(deployment, at);
        let after = retry(|| deployment.events(&front, room, position)).await?;
        let all = retry(|| deployment.events(&front, room, START)).await?;
        let there: BTreeSet<u64> = all.iter().flat_map(|events| spoken(events)).collect();
        if after.is_none() || !seen.is_subset(&there) {
            return Ok(Told::Lost(lost));
        }
    }
    Ok(Told::Survived)
}

/// The place after the last of these server-sent events.
fn last_position(events: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(events).ok()?;
    text.lines().filter_map(|line| line.strip_prefix("id:")).next_back().map(|position| position.trim().to_owned())
}

/// Whether every accepted message is there, and the answer to it completed with all of its text.
async fn are_all_whole(deployment: &Deployment, accepted: &[Accepted]) -> bool {
    for (at, Accepted { room, stream, .. }) in accepted.iter().enumerate() {
        let Ok(messages) = deployment.messages(&front_of(deployment, at), room).await else { return false };
        let is_whole = |message: &Value| {
            message["streamId"] == **stream
                && message["status"] == "completed"
                && message["text"].as_str().is_some_and(|text| text.split_whitespace().count() == TOKENS)
        };
        if !messages.iter().any(is_whole) || !messages.iter().any(|message| message["role"] == "user") {
            return false;
        }
    }
    true
}

/// Tokens of each answer, at [`RATE`].
pub(super) const TOKENS: usize = 60;
/// Tokens a second.
pub(super) const RATE: f64 = 30.0;

fn front_of(deployment: &Deployment, at: usize) -> String {
    let fronts = deployment.fronts();
    fronts.get(at % fronts.len().max(1)).cloned().unwrap_or_default()
}

/// Tries again while the part that was killed last comes back.
async fn retry<T, F: Future<Output = Result<T, Failure>>>(mut call: impl FnMut() -> F) -> Result<T, Failure> {
    let began = Instant::now();
    loop {
        match call().await {
            Err(_) if began.elapsed() < PATIENCE => tokio::time::sleep(Duration::from_millis(200)).await,
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::last_position;

    #[test]
    fn a_client_is_after_the_last_event_with_a_position() {
        let events = b"data: {}\n\nid: a\ndata: {}\n\nid: b\ndata: {}\n\ndata: {\"type\":\"caught-up\"}\n\n";
        assert_eq!(last_position(events).as_deref(), Some("b"));
        assert_eq!(last_position(b"data: {}\n\n"), None);
    }
}
