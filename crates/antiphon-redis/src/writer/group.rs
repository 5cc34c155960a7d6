//! A group of appends as the script's arguments, and what the script answers.

use super::Append;
use crate::keys::Keys;
use crate::known::Reach;
use crate::owned::Term;
use crate::reply::{self, unexpected};
use crate::script;
use antiphon_core::limits::{MAX_EVENT_IDS, REDIS_NOTICES};
use antiphon_core::{ChannelHash, Position, Record};
use redis::{RedisResult, ScriptInvocation, Value};
use std::time::Instant;

/// What the script says of a whole group.
pub enum Answer {
    /// The shard is ours; one for each append.
    Taken(Vec<Known>),
    /// The shard has no owner.
    Missing,
    /// The shard is not as far as it was.
    Behind,
    /// The shard has another owner.
    Superseded,
}

/// What the script says of one append.
pub enum Known {
    Taken(Taken),
    /// The event id at `place` belongs to this event.
    Differs {
        place: usize,
        number: u64,
        json: Vec<u8>,
    },
    /// The channel could not be written.
    Failed(String),
}

/// An append that is in the log.
pub struct Taken {
    /// The shard's counter, which is the new events' address.
    pub counter: u64,
    /// The first new event's number.
    pub first: u64,
    /// Events that the channel keeps now.
    pub kept_events: u64,
    /// And their bytes.
    pub kept_bytes: u64,
    /// Places in the append whose events were there before, and where: epoch, address, index, number.
    had: Vec<(usize, (u32, u64, u16, u64))>,
}

impl Taken {
    pub fn reach(&self, incarnation: u32) -> Reach {
        Reach { incarnation, counter: self.counter }
    }
}

/// The script with its arguments.
pub fn invocation(keys: &Keys, term: &Term, before: Reach, group: &[Append]) -> ScriptInvocation<'static> {
    let mut script = script::APPEND.prepare_invoke();
    script.key(keys.shard(term.shard)).key(keys.notices(term.shard)).key(keys.channels(term.shard));
    let least = if before.incarnation == term.incarnation { before.counter } else { 0 };
    script.arg(term.incarnation).arg(term.epoch).arg(&term.owner).arg(least);
    script.arg(REDIS_NOTICES).arg(MAX_EVENT_IDS).arg(group.len());
    for append in group {
        let channel = &append.channel;
        script.key(keys.events(channel)).key(keys.extent(channel)).key(keys.event_ids(channel));
        let own = append.same_as.iter().filter(|same_as| same_as.is_none()).count();
        script.arg(channel.as_str()).arg(own);
        for (place, event) in append.events.iter().enumerate() {
            if append.same_as.get(place).copied().flatten().is_some() {
                continue;
            }
            let repeats = append.repeats.get(place).copied().flatten();
            script.arg(event.kind as u8).arg(event.event_id.as_deref().unwrap_or_default());
            script.arg(repeats.map(|number| number.to_string()).unwrap_or_default()).arg(&event.json[..]);
        }
    }
    script
}

/// Reads the script's answer.
pub fn parse(answer: Value) -> RedisResult<Answer> {
    let mut items = reply::items(answer)?.into_iter();
    match reply::text(reply::next(&mut items)?)?.as_str() {
        "taken" => Ok(Answer::Taken(items.map(parse_append).collect::<RedisResult<_>>()?)),
        "missing" => Ok(Answer::Missing),
        "behind" => Ok(Answer::Behind),
        "superseded" => Ok(Answer::Superseded),
        _ => Err(unexpected()),
    }
}

fn parse_append(answer: Value) -> RedisResult<Known> {
    let mut items = reply::items(answer)?.into_iter();
    match reply::text(reply::next(&mut items)?)?.as_str() {
        "taken" => {
            let mut number = || reply::number::<u64>(&reply::next(&mut items)?);
            let (counter, first, kept_events, kept_bytes) = (number()?, number()?, number()?, number()?);
            let mut had = Vec::new();
            while let Some(place) = items.next() {
                let mut number = || reply::next(&mut items);
                let event_number = reply::number(&number()?)?;
                let (epoch, address, index) =
                    (reply::number(&number()?)?, reply::number(&number()?)?, reply::number(&number()?)?);
                had.push((reply::number(&place)?, (epoch, address, index, event_number)));
            }
            Ok(Known::Taken(Taken { counter, first, kept_events, kept_bytes, had }))
        }
        "differs" => Ok(Known::Differs {
            place: reply::number(&reply::next(&mut items)?)?,
            number: reply::number(&reply::next(&mut items)?)?,
            json: reply::bytes(reply::next(&mut items)?)?,
        }),
        "failed" => Ok(Known::Failed(reply::text(reply::next(&mut items)?)?)),
        _ => Err(unexpected()),
    }
}

/// Where each event of an append is.
pub fn positions(term: &Term, append: &Append, taken: &Taken) -> Vec<Position> {
    let channel = ChannelHash::of(&append.channel);
    let (mut positions, mut place, mut index) = (Vec::with_capacity(append.events.len()), 0, 0_u16);
    for same_as in &append.same_as {
        // Those that say the same again were not sent, and come after the one that was.
        if let Some(same) = same_as.and_then(|same| positions.get(same).copied()) {
            positions.push(same);
            continue;
        }
        let had = taken.had.iter().find(|(had, _)| *had == place).map(|(_, at)| *at);
        place += 1;
        let (epoch, address, index, number) = had.unwrap_or_else(|| {
            let at = (term.epoch, taken.counter, index, taken.first + u64::from(index));
            index += 1;
            at
        });
        positions.push(Position { channel, incarnation: term.incarnation, epoch, address, index, number });
    }
    positions
}

/// The records of the new events.
pub fn records(append: &Append, positions: &[Position], taken: &Taken, logged_at: Instant) -> Vec<Record> {
    let mut next = taken.first;
    let mut records = Vec::with_capacity(append.events.len());
    for (event, position) in append.events.iter().zip(positions) {
        if position.number != next {
            continue;
        }
        next += 1;
        records.push(Record {
            channel: append.channel.clone(),
            position: *position,
            kind: event.kind,
            json: event.json.clone(),
            provider_at: event.provider_at,
            logged_at: Some(logged_at),
        });
    }
    records
}
