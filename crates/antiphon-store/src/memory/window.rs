//! The window of one channel: its newest events, and the place where it begins.

use crate::edge::{Check, Cutoff, Edge, Extent, Origin};
use antiphon_core::limits::MAX_EVENT_IDS;
use antiphon_core::{LogError, Position, ReadFrom, ReadLimit, Record, Retention};
use std::collections::{HashMap, VecDeque};

/// An event in memory.
struct Kept {
    edge: Edge,
    logged_millis: u64,
    event_id: Option<String>,
    record: Record,
}

/// The kept events of one channel.
pub struct Window {
    origin: Origin,
    /// That of every event here.
    epoch: u32,
    extent: Extent,
    keep: Retention,
    events: VecDeque<Kept>,
    event_ids: HashMap<String, Edge>,
    /// Event ids in the order in which they came, for forgetting the oldest.
    event_id_order: VecDeque<(u64, String)>,
}

impl Window {
    /// Of a channel without events.
    pub fn new(origin: Origin, epoch: u32, keep: Retention) -> Self {
        Self {
            origin,
            epoch,
            extent: Extent::default(),
            keep,
            events: VecDeque::new(),
            event_ids: HashMap::new(),
            event_id_order: VecDeque::new(),
        }
    }

    /// What is kept.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// Bytes of JSON that are kept.
    pub fn bytes(&self) -> usize {
        usize::try_from(self.extent.end.total_bytes - self.extent.start.total_bytes).unwrap_or(usize::MAX)
    }

    /// The position of the event that has this event id.
    pub fn position_of(&self, event_id: &str) -> Option<Position> {
        self.event_ids.get(event_id).map(|edge| self.origin.position(edge))
    }

    /// The event that has this event id.
    pub fn event_of(&self, event_id: &str) -> Option<&Record> {
        let edge = self.event_ids.get(event_id)?;
        let kept = self.events.get(self.offset(edge.number).checked_sub(1)?)?;
        Some(&kept.record)
    }

    /// Where the next event will stand.
    pub fn next(&self, address: u64, index: u16, bytes: usize) -> (Edge, Position) {
        let end = &self.extent.end;
        let epoch = self.epoch;
        let edge = Edge { number: end.number + 1, epoch, address, index, total_bytes: end.total_bytes + bytes as u64 };
        (edge, self.origin.position(&edge))
    }

    /// Adds an event at the place that [`next`](Self::next) gave.
    pub fn push(&mut self, edge: Edge, logged_millis: u64, event_id: Option<String>, record: Record) {
        self.extent.end = edge;
        if let Some(event_id) = &event_id {
            self.event_ids.insert(event_id.clone(), edge);
            self.event_id_order.push_back((edge.number, event_id.clone()));
            if self.event_id_order.len() > MAX_EVENT_IDS
                && let Some((number, oldest)) = self.event_id_order.pop_front()
            {
                self.forget_event_id(number, &oldest);
            }
        }
        self.events.push_back(Kept { edge, logged_millis, event_id, record });
    }

    /// Drops what is over the namespace's bounds.
    pub fn enforce(&mut self, now_millis: u64) {
        let cutoff = Cutoff::new(&self.keep, &self.extent.end, now_millis);
        while self.events.front().is_some_and(|oldest| cutoff.is_past(&self.extent.start, oldest.logged_millis)) {
            self.drop_oldest();
        }
    }

    /// Drops the oldest event, if there is one.
    pub fn drop_oldest(&mut self) {
        let Some(oldest) = self.events.pop_front() else { return };
        self.extent.start = oldest.edge;
        if let Some(event_id) = oldest.event_id {
            self.forget_event_id(oldest.edge.number, &event_id);
            while self.event_id_order.front().is_some_and(|(number, _)| *number <= oldest.edge.number) {
                self.event_id_order.pop_front();
            }
        }
    }

    fn forget_event_id(&mut self, number: u64, event_id: &str) {
        if self.event_ids.get(event_id).is_some_and(|edge| edge.number == number) {
            self.event_ids.remove(event_id);
        }
    }

    /// Drops the events up to and including the position.
    pub fn trim(&mut self, through: &Position) -> Result<(), LogError> {
        match self.check(through) {
            Err(LogError::Expired) => return Ok(()),
            other => other?,
        }
        while self.extent.start.number < through.number && !self.events.is_empty() {
            self.drop_oldest();
        }
        Ok(())
    }

    /// Reads in order.
    pub fn read(&self, from: ReadFrom, limit: ReadLimit) -> Result<Vec<Record>, LogError> {
        let after = match from {
            ReadFrom::Start => self.extent.start.number,
            ReadFrom::After(position) => {
                self.check(&position)?;
                position.number
            }
        };
        let mut bytes = 0;
        let mut records = Vec::new();
        for kept in self.events.iter().skip(self.offset(after)) {
            bytes += kept.record.json.len();
            records.push(kept.record.clone());
            if records.len() >= limit.events || bytes >= limit.bytes {
                break;
            }
        }
        Ok(records)
    }

    fn check(&self, position: &Position) -> Result<(), LogError> {
        // One start has one epoch; a place before the first event has none.
        if position.number > 0 && position.epoch != self.epoch {
            return Err(LogError::Foreign);
        }
        if self.origin.check(position, &self.extent)? == Check::IfEventMatches {
            let event = self.offset(position.number).checked_sub(1).and_then(|at| self.events.get(at));
            if event.is_none_or(|event| event.record.position != *position) {
                return Err(LogError::Foreign);
            }
        }
        Ok(())
    }

    /// How many kept events stand at or before a number.
    fn offset(&self, number: u64) -> usize {
        usize::try_from(number.saturating_sub(self.extent.start.number)).unwrap_or(usize::MAX)
    }
}
