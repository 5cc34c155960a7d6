//! `kill -9` of each part in the middle of answers: what was accepted, and whether every answer came to its end.

use super::clock::Clock;
use super::deployment::Deployment;
use super::engines::Engine;
use crate::failure::Failure;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Answers under way when the part is killed.
const ANSWERS: usize = 8;
/// How long they have been under way by then.
const BEFORE: Duration = Duration::from_millis(700);
/// How long the part is away.
const AWAY: Duration = Duration::from_millis(500);
/// How long everything may take to be right again.
const PATIENCE: Duration = Duration::from_secs(40);

/// What is killed.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Process(usize),
    Engine(usize),
}

/// For each part, by name: whether every accepted message is there, with its answer ended and its text whole.
pub(super) async fn of_each_part(
    deployment: &mut Deployment,
    engines: &mut [Engine],
    clock: Clock,
) -> Result<BTreeMap<String, Value>, Failure> {
    let mut survives = BTreeMap::new();
    for (name, victim) in victims(deployment, engines) {
        let told = match victim {
            Some(victim) => Value::Bool(is_survived(deployment, engines, victim, clock).await?),
            // It was named by the caller and is not ours to kill.
            None => Value::Null,
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

async fn is_survived(
    deployment: &mut Deployment,
    engines: &mut [Engine],
    victim: Victim,
    clock: Clock,
) -> Result<bool, Failure> {
    let name = clock.micros();
    let mut accepted = Vec::new();
    for at in 0..ANSWERS {
        let front = front_of(deployment, at);
        let room = retry(|| deployment.room(&front)).await?;
        let id = format!("survival-{name}");
        let stream = retry(|| deployment.ask(&front, &room, &id)).await?;
        accepted.push((room, stream));
    }
    tokio::time::sleep(BEFORE).await;
    match victim {
        Victim::Process(at) => {
            if let Some(process) = deployment.processes.get_mut(at) {
                process.running.kill();
            }
            tokio::time::sleep(AWAY).await;
            deployment.restart(at)?;
        }
        Victim::Engine(at) => {
            if let Some(engine) = engines.get_mut(at) {
                engine.kill();
                tokio::time::sleep(AWAY).await;
                engine.start().await?;
            }
        }
    }
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if are_all_whole(deployment, &accepted).await {
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(false)
}

/// Whether every accepted message is there, and the answer to it completed with all of its text.
async fn are_all_whole(deployment: &Deployment, accepted: &[(String, String)]) -> bool {
    for (at, (room, stream)) in accepted.iter().enumerate() {
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
