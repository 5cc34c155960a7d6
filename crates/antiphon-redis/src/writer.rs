//! The writer of one owned shard: whatever waits goes to Redis in one script, one at a time.

pub mod group;

use crate::connect::within;
use crate::log::Shared;
use crate::owned::Term;
use antiphon_core::limits::{GROUP_COMMIT_APPENDS, GROUP_COMMIT_BYTES, REDIS_GATHER, REDIS_GATHER_BYTES};
use antiphon_core::{ChannelName, Event, LogError, Position};
use group::{Answer, Known};
use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// An append on its way.
pub struct Append {
    pub channel: ChannelName,
    pub events: Vec<Event>,
    /// For each event the one of this append whose place it shares, as it says the same again.
    pub same_as: Vec<Option<usize>>,
    /// For each event the number of the stored one that it is known to repeat.
    pub repeats: Vec<Option<u64>>,
    pub answer: oneshot::Sender<Result<Vec<Position>, LogError>>,
}

impl Append {
    fn bytes(&self) -> usize {
        self.events.iter().map(|event| event.json.len()).sum()
    }

    /// The place in the append of the event that was sent at this place.
    fn sent(&self, place: usize) -> usize {
        let mut sent = self.same_as.iter().enumerate().filter(|(_, same_as)| same_as.is_none());
        sent.nth(place).map_or(usize::MAX, |(place, _)| place)
    }
}

/// What becomes of a group.
enum Outcome {
    /// Answered, but for those that are to be tried again.
    Done(Vec<Append>),
    /// Refused as a whole, and the ownership goes on.
    Refused(String),
    /// The ownership is over.
    Over(LogError, String),
}

/// Writes until the shard is given up or lost.
pub async fn run(shared: Arc<Shared>, term: Arc<Term>, mut appends: mpsc::Receiver<Append>) {
    let (mut waiting, mut gathered_until) = (VecDeque::new(), Instant::now());
    while let Some(group) = next_group(&mut appends, &mut waiting, gathered_until).await {
        gathered_until = Instant::now() + REDIS_GATHER;
        match write(&shared, &term, group).await {
            Ok(again) => again.into_iter().rev().for_each(|append| waiting.push_front(append)),
            Err(()) => break,
        }
    }
    appends.close();
    while let Some(append) = waiting.pop_front().or_else(|| appends.try_recv().ok()) {
        let _ = append.answer.send(Err(LogError::NotOwner));
    }
}

/// What comes until then, at least one append, within the bounds of a group. After a pause nobody waits for others.
async fn next_group(
    appends: &mut mpsc::Receiver<Append>,
    waiting: &mut VecDeque<Append>,
    until: Instant,
) -> Option<Vec<Append>> {
    let first = match waiting.pop_front() {
        Some(first) => first,
        None => appends.recv().await?,
    };
    let mut bytes = first.bytes();
    let mut group = vec![first];
    let gathers = tokio::time::sleep_until(until.into());
    tokio::pin!(gathers);
    while group.len() < GROUP_COMMIT_APPENDS && bytes < GROUP_COMMIT_BYTES {
        let next = match waiting.pop_front().or_else(|| appends.try_recv().ok()) {
            Some(next) => next,
            None if bytes >= REDIS_GATHER_BYTES || gathers.is_elapsed() => break,
            None => tokio::select! {
                next = appends.recv() => match next {
                    Some(next) => next,
                    None => break,
                },
                () = &mut gathers => continue,
            },
        };
        bytes += next.bytes();
        group.push(next);
    }
    Some(group)
}

/// Writes a group; returns what is to be tried again, or an error where the ownership is over.
async fn write(shared: &Shared, term: &Term, mut group: Vec<Append>) -> Result<Vec<Append>, ()> {
    let outcome = attempt(shared, term, &mut group).await;
    let (error, why) = match outcome {
        Outcome::Done(again) => {
            shared.health.taken();
            return Ok(again);
        }
        Outcome::Refused(reason) => {
            shared.health.refused(&reason);
            answer_all(group, &LogError::Unavailable { reason });
            return Ok(Vec::new());
        }
        Outcome::Over(error, why) => (error, why),
    };
    // First, so that whoever hears of the failure finds the ownership ended.
    shared.owned.lose(term, &why);
    answer_all(group, &error);
    Err(())
}

fn answer_all(group: Vec<Append>, error: &LogError) {
    for append in group {
        let _ = append.answer.send(Err(error.clone()));
    }
}

async fn attempt(shared: &Shared, term: &Term, group: &mut Vec<Append>) -> Outcome {
    let up = match shared.link.up() {
        Ok(up) => up,
        Err(error) => return Outcome::Refused(error.to_string()),
    };
    if up.server.run_id != term.run_id {
        return Outcome::Over(LogError::NotOwner, "Redis was started anew, or is another one".to_owned());
    }
    let before = shared.known.of(term.shard);
    let script = group::invocation(&shared.keys, term, before, group);
    let mut connection = up.connection.clone();
    let answer: RedisResult<Value> = within(shared.call_timeout, script.invoke_async(&mut connection)).await;
    match answer.and_then(group::parse) {
        Ok(Answer::Taken(known)) => Outcome::Done(settle(shared, term, std::mem::take(group), known)),
        Ok(Answer::Missing) => Outcome::Over(LogError::NotOwner, "Redis has lost it".to_owned()),
        Ok(Answer::Behind) => Outcome::Over(LogError::NotOwner, "Redis has less than it had".to_owned()),
        Ok(Answer::Superseded) => Outcome::Over(LogError::NotOwner, "a later epoch has begun".to_owned()),
        Err(error) => {
            if !error.is_timeout() && is_harmless(&error) {
                if error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly) {
                    up.give_up();
                }
                return Outcome::Refused(error.to_string());
            }
            // It may have been taken, or still be on its way: a later epoch keeps it from coming after what follows.
            up.give_up();
            let reason = error.to_string();
            Outcome::Over(LogError::Unavailable { reason: reason.clone() }, reason)
        }
    }
}

/// Whether the server has surely done nothing.
fn is_harmless(error: &RedisError) -> bool {
    use ServerErrorKind::{BusyLoading, MasterDown, NoPerm, NoScript, ReadOnly};
    match error.kind() {
        ErrorKind::Server(BusyLoading | MasterDown | NoPerm | NoScript | ReadOnly) => true,
        _ => matches!(error.code(), Some("OOM" | "MISCONF" | "BUSY" | "NOAUTH" | "NOREPLICAS")),
    }
}

/// Tells and answers what the script has taken; returns what is to be tried again.
fn settle(shared: &Shared, term: &Term, group: Vec<Append>, known: Vec<Known>) -> Vec<Append> {
    let logged_at = Instant::now();
    let (mut records, mut answers, mut again) = (Vec::new(), Vec::new(), Vec::new());
    for (mut append, known) in group.into_iter().zip(known) {
        match known {
            Known::Taken(taken) => {
                shared.known.saw(term.shard, taken.reach(term.incarnation));
                let positions = group::positions(term, &append, &taken);
                if shared.is_over_bounds(&append.channel, &taken) {
                    shared.retention.note(&append.channel);
                }
                records.extend(group::records(&append, &positions, &taken, logged_at));
                answers.push((append.answer, Ok(positions)));
            }
            Known::Differs { place, number, json } => match append.events.get(append.sent(place)) {
                Some(event) if event.repeats(&json) => {
                    let place = append.sent(place);
                    if let Some(repeats) = append.repeats.get_mut(place) {
                        *repeats = Some(number);
                    }
                    again.push(append);
                }
                event => {
                    let event_id = event.and_then(|event| event.event_id.clone()).unwrap_or_default();
                    answers.push((append.answer, Err(LogError::Taken { event_id })));
                }
            },
            Known::Failed(reason) => answers.push((append.answer, Err(LogError::Unavailable { reason }))),
        }
    }
    if !records.is_empty() {
        (shared.on_commit)(&records);
        shared.follower.tell(&records);
    }
    for (answer, result) in answers {
        let _ = answer.send(result);
    }
    again
}
