//! Where channels will end once everything under way counts. Only channels with something under way are here; for the
//! others the local copy knows.

use super::group::{Answer, Group, Spot};
use crate::encoding::{Before, Body, Place, Section, Written};
use crate::partition::unavailable;
use antiphon_core::limits::KAFKA_IN_FLIGHT;
use antiphon_core::{ChannelName, Event, LogError, Position};
use antiphon_store::LocalCopy;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::time::Instant;
use tokio::sync::oneshot;

/// Channels with events under way.
#[derive(Default)]
pub struct Tails {
    by_channel: HashMap<ChannelName, Tail>,
    /// The offsets of the newest records that count, by sequence.
    offsets: VecDeque<(u64, u64)>,
}

#[derive(Default)]
struct Tail {
    /// Its address is the sequence of the record.
    end: Place,
    /// Sections under way.
    under_way: usize,
    ids: HashMap<String, Said>,
}

/// An event under way that has an id.
struct Said {
    sequence: u64,
    index: u16,
    number: u64,
    json: Bytes,
}

/// An append's part in a group.
struct Plan {
    section: Section,
    provider_at: Vec<Option<Instant>>,
    spots: Vec<Spot>,
    said: HashMap<String, Said>,
}

impl Tails {
    /// Adds what is new of an append to the group, or refuses it.
    pub async fn put(
        &mut self,
        copy: &LocalCopy,
        group: &mut Group,
        (channel, events): (ChannelName, Vec<Event>),
        answer: oneshot::Sender<Result<Vec<Position>, LogError>>,
        epoch: u32,
    ) {
        let plan = match self.plan(copy, group, &channel, events).await {
            Ok(plan) => plan,
            // Whoever asked may be gone.
            Err(error) => return drop(answer.send(Err(error))),
        };
        let Plan { section, provider_at, spots, said } = plan;
        group.answers.push(Answer::Positions { channel: channel.clone(), spots, answer });
        if section.events.is_empty() {
            return;
        }
        let tail = self.by_channel.entry(channel).or_default();
        let index = u16::try_from(group.events + section.events.len() - 1).unwrap_or(u16::MAX);
        let number = section.before.number() + section.events.len() as u64;
        tail.end = Place { epoch, address: group.sequence, index, number };
        tail.under_way += 1;
        tail.ids.extend(said);
        group.add(section, provider_at);
    }

    async fn plan(
        &self,
        copy: &LocalCopy,
        group: &Group,
        channel: &ChannelName,
        events: Vec<Event>,
    ) -> Result<Plan, LogError> {
        let tail = self.by_channel.get(channel);
        let before = match tail {
            Some(tail) => Before::UnderWay(tail.end),
            None => Before::Known(Place::of(&copy.bounds(channel).await?.end)),
        };
        let known = self.known(copy, channel, &events).await?;
        let mut plan = Plan {
            section: Section { channel: channel.clone(), before, events: Vec::with_capacity(events.len()) },
            provider_at: Vec::with_capacity(events.len()),
            spots: Vec::with_capacity(events.len()),
            said: HashMap::new(),
        };
        for event in events {
            if let Some(event_id) = &event.event_id {
                let said = || tail.and_then(|tail| tail.ids.get(event_id)).or_else(|| plan.said.get(event_id));
                let had = match known.get(event_id) {
                    Some((position, json)) => Some((Spot::Known(*position), json)),
                    None => said().map(|said| (said.spot(), &said.json)),
                };
                if let Some((spot, json)) = had {
                    if !event.repeats(json) {
                        return Err(LogError::Taken { event_id: event_id.clone() });
                    }
                    plan.spots.push(spot);
                    continue;
                }
            }
            plan.add(group, event);
        }
        Ok(plan)
    }

    /// What the copy has of the events' ids.
    async fn known(
        &self,
        copy: &LocalCopy,
        channel: &ChannelName,
        events: &[Event],
    ) -> Result<HashMap<String, (Position, Bytes)>, LogError> {
        let mut ids: Vec<String> = events.iter().filter_map(|event| event.event_id.clone()).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        ids.sort_unstable();
        ids.dedup();
        let found = copy.events(channel, ids.clone()).await?;
        Ok(ids.into_iter().zip(found).filter_map(|(id, found)| Some((id, found?))).collect())
    }

    /// A record counts and stands there.
    pub fn settle(&mut self, sequence: u64, offset: u64, body: &Body) {
        self.offsets.push_back((sequence, offset));
        if self.offsets.len() > 2 * KAFKA_IN_FLIGHT {
            self.offsets.pop_front();
        }
        let Body::Group { sections, .. } = body else { return };
        for section in sections {
            let Some(tail) = self.by_channel.get_mut(&section.channel) else { continue };
            tail.under_way -= 1;
            if tail.under_way == 0 {
                self.by_channel.remove(&section.channel);
            } else if !tail.ids.is_empty() {
                tail.ids.retain(|_, said| said.sequence > sequence);
            }
        }
    }

    /// The position of an event of a record that counts.
    pub fn position(
        &self,
        channel: &ChannelName,
        spot: &Spot,
        epoch: u32,
        incarnation: u32,
    ) -> Result<Position, LogError> {
        match *spot {
            Spot::Known(position) => Ok(position),
            Spot::Pending { sequence, index, number } => {
                let found = self.offsets.iter().find(|(counted, _)| *counted == sequence);
                let (_, address) = found.ok_or_else(|| unavailable("an event's record was forgotten"))?;
                Ok(Place { epoch, address: *address, index, number }.position(channel, incarnation))
            }
        }
    }
}

impl Said {
    fn spot(&self) -> Spot {
        Spot::Pending { sequence: self.sequence, index: self.index, number: self.number }
    }
}

impl Plan {
    fn add(&mut self, group: &Group, event: Event) {
        let Event { kind, json, event_id, provider_at } = event;
        let index = u16::try_from(group.events + self.section.events.len()).unwrap_or(u16::MAX);
        let number = self.section.before.number() + self.section.events.len() as u64 + 1;
        let said = Said { sequence: group.sequence, index, number, json: json.clone() };
        self.spots.push(said.spot());
        if let Some(event_id) = &event_id {
            self.said.insert(event_id.clone(), said);
        }
        self.provider_at.push(provider_at);
        self.section.events.push(Written { kind, event_id, json });
    }
}
