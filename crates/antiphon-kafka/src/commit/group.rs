//! The appends that go into one Kafka record, and what is owed to whoever asked for them.

use super::tails::Tails;
use crate::encoding::{Body, Section};
use antiphon_core::limits::{GROUP_COMMIT_APPENDS, GROUP_COMMIT_BYTES, KAFKA_RECORD_EVENTS};
use antiphon_core::{ChannelName, Event, LogError, Position, Timestamp};
use std::time::Instant;
use tokio::sync::oneshot;

/// Where an event stands, as far as is known before Kafka has answered.
#[derive(Clone, Copy, Debug)]
pub enum Spot {
    /// The channel had it before.
    Known(Position),
    /// In a record under way.
    Pending {
        /// That record's.
        sequence: u64,
        /// Among its events.
        index: u16,
        /// In the channel.
        number: u64,
    },
}

/// What is owed once a record counts.
pub enum Answer {
    /// The positions of an append's events.
    Positions {
        /// Of the events' channel.
        channel: ChannelName,
        /// In the order of the append.
        spots: Vec<Spot>,
        /// To whom.
        answer: oneshot::Sender<Result<Vec<Position>, LogError>>,
    },
    /// That a trim is done.
    Trimmed(oneshot::Sender<Result<(), LogError>>),
}

impl Answer {
    /// The record counts. Whoever asked may be gone.
    pub fn give(self, tails: &Tails, epoch: u32, incarnation: u32) {
        match self {
            Self::Trimmed(answer) => drop(answer.send(Ok(()))),
            Self::Positions { channel, spots, answer } => {
                let positions = spots.iter().map(|spot| tails.position(&channel, spot, epoch, incarnation)).collect();
                drop(answer.send(positions));
            }
        }
    }

    /// Nobody knows whether it does. Whoever asked may be gone.
    pub fn fail(self, error: &LogError) {
        match self {
            Self::Trimmed(answer) => drop(answer.send(Err(error.clone()))),
            Self::Positions { answer, .. } => drop(answer.send(Err(error.clone()))),
        }
    }
}

/// A record's appends while they gather.
#[derive(Default)]
pub struct Group {
    /// The record's.
    pub sequence: u64,
    /// Events so far.
    pub events: usize,
    /// For the record of each event.
    pub provider_at: Vec<Option<Instant>>,
    /// What is owed.
    pub answers: Vec<Answer>,
    sections: Vec<Section>,
    bytes: usize,
}

impl Group {
    /// Without appends yet.
    pub fn new(sequence: u64) -> Self {
        Self { sequence, ..Self::default() }
    }

    /// Whether these events fit as well. The first ones always do.
    pub fn has_room_for(&self, events: &[Event]) -> bool {
        let bytes: usize = events.iter().map(|event| event.json.len()).sum();
        self.sections.is_empty()
            || self.events + events.len() <= KAFKA_RECORD_EVENTS
                && self.bytes + bytes <= GROUP_COMMIT_BYTES
                && self.answers.len() < GROUP_COMMIT_APPENDS
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.sections.is_empty()
    }

    /// Adds what is new of an append.
    pub fn add(&mut self, section: Section, provider_at: Vec<Option<Instant>>) {
        self.events += section.events.len();
        self.bytes += section.events.iter().map(|event| event.json.len()).sum::<usize>();
        self.provider_at.extend(provider_at);
        self.sections.push(section);
    }

    /// What is written, and what else belongs to it.
    pub fn into_parts(self) -> (Body, Vec<Option<Instant>>, Vec<Answer>) {
        let body = Body::Group { logged_millis: Timestamp::now().millis(), sections: self.sections };
        (body, self.provider_at, self.answers)
    }
}
