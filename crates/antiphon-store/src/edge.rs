//! Places in a channel as the engines here keep them, and the one check of a position against them.

use antiphon_core::{Bounds, ChannelHash, ChannelName, LogError, Position, Retention};

/// A place after one event of a channel; all zeros before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    /// Dense per channel, from 1.
    pub number: u64,
    /// The opening of the log that wrote the event.
    pub epoch: u32,
    /// The append that wrote it.
    pub address: u64,
    /// Its place in that append.
    pub index: u16,
    /// Bytes of JSON of all events up to and including it, trimmed ones included.
    pub total_bytes: u64,
}

impl Edge {
    /// The edge at a position, with the bytes up to it.
    pub fn at(position: &Position, total_bytes: u64) -> Self {
        let Position { epoch, address, index, number, .. } = *position;
        Self { number, epoch, address, index, total_bytes }
    }

    /// True if the position, of the same channel and incarnation, is this place.
    pub fn is_at(&self, position: &Position) -> bool {
        self.number == position.number
            && self.epoch == position.epoch
            && self.address == position.address
            && self.index == position.index
    }
}

/// The kept part of a channel: from after `start` to `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// The last trimmed event.
    pub start: Edge,
    /// The last event.
    pub end: Edge,
}

/// What the bookkeeping alone can say of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// It is good.
    Good,
    /// It is good if the kept event of its number has its epoch, address and index.
    IfEventMatches,
}

/// Which channel of which log.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The channel.
    pub channel: ChannelHash,
    /// The log.
    pub incarnation: u32,
}

impl Origin {
    /// The channel's hash with the log's incarnation.
    pub fn new(channel: &ChannelName, incarnation: u32) -> Self {
        Self { channel: ChannelHash::of(channel), incarnation }
    }

    /// The position of an edge.
    pub fn position(&self, edge: &Edge) -> Position {
        Position {
            channel: self.channel,
            incarnation: self.incarnation,
            epoch: edge.epoch,
            address: edge.address,
            index: edge.index,
            number: edge.number,
        }
    }

    /// Both ends of an extent as positions.
    pub fn bounds(&self, extent: &Extent) -> Bounds {
        Bounds { start: self.position(&extent.start), end: self.position(&extent.end) }
    }

    /// Judges a position: foreign, after the end, before what is kept, or good.
    pub fn check(&self, position: &Position, extent: &Extent) -> Result<Check, LogError> {
        if position.channel != self.channel || position.incarnation != self.incarnation {
            return Err(LogError::Foreign);
        }
        if position.number > extent.end.number {
            return Err(LogError::Future);
        }
        if position.number < extent.start.number {
            return Err(LogError::Expired);
        }
        for edge in [&extent.start, &extent.end] {
            if position.number == edge.number {
                return if edge.is_at(position) { Ok(Check::Good) } else { Err(LogError::Foreign) };
            }
        }
        Ok(Check::IfEventMatches)
    }
}

/// What one retention pass measures a channel's oldest events against.
#[derive(Clone, Copy, Debug)]
pub struct Cutoff {
    number: u64,
    total_bytes: u64,
    logged_millis: u64,
}

impl Cutoff {
    /// The bounds of `keep` as they stand at `now_millis` for a channel that ends at `end`.
    pub fn new(keep: &Retention, end: &Edge, now_millis: u64) -> Self {
        let age = |age: std::time::Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        Self {
            number: keep.events.map_or(0, |events| end.number.saturating_sub(events)),
            total_bytes: keep.bytes.map_or(0, |bytes| end.total_bytes.saturating_sub(bytes)),
            logged_millis: keep.age.map_or(0, |kept| now_millis.saturating_sub(age(kept))),
        }
    }

    /// True if the event after `before`, which was logged then, is over one of the bounds.
    pub fn is_past(&self, before: &Edge, logged_millis: u64) -> bool {
        before.number < self.number || before.total_bytes < self.total_bytes || logged_millis < self.logged_millis
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(number: u64) -> Edge {
        Edge { number, epoch: 3, address: 10 * number, index: 1, total_bytes: 100 * number }
    }

    #[test]
    fn a_position_is_judged_by_channel_log_and_place() {
        let channel = ChannelName::parse("jobs:1").unwrap();
        let origin = Origin::new(&channel, 7);
        let extent = Extent { start: edge(4), end: edge(9) };
        let at = |number| origin.position(&edge(number));
        assert_eq!(origin.check(&at(4), &extent), Ok(Check::Good));
        assert_eq!(origin.check(&at(9), &extent), Ok(Check::Good));
        assert_eq!(origin.check(&at(5), &extent), Ok(Check::IfEventMatches));
        assert_eq!(origin.check(&at(3), &extent), Err(LogError::Expired));
        assert_eq!(origin.check(&at(10), &extent), Err(LogError::Future));
        assert_eq!(origin.check(&Position { address: 1, ..at(9) }, &extent), Err(LogError::Foreign));
        assert_eq!(origin.check(&Position { epoch: 2, ..at(4) }, &extent), Err(LogError::Foreign));
        assert_eq!(origin.check(&Position { incarnation: 8, ..at(9) }, &extent), Err(LogError::Foreign));
        let other = Origin::new(&ChannelName::parse("jobs:2").unwrap(), 7);
        assert_eq!(origin.check(&other.position(&edge(9)), &extent), Err(LogError::Foreign));
        let nothing_trimmed = Extent { start: Edge::default(), end: edge(9) };
        assert_eq!(origin.check(&Position::before_first(&channel, 7), &nothing_trimmed), Ok(Check::Good));
        assert_eq!(origin.check(&Position::before_first(&channel, 7), &extent), Err(LogError::Expired));
    }

    #[test]
    fn each_bound_alone_puts_an_event_past_the_cutoff() {
        let none = Retention { events: None, age: None, bytes: None };
        let past =
            |keep: Retention, before: u64, logged| Cutoff::new(&keep, &edge(10), 5_000).is_past(&edge(before), logged);
        assert!(!past(none, 0, 0));
        assert!(past(Retention { events: Some(3), ..none }, 6, 5_000));
        assert!(!past(Retention { events: Some(3), ..none }, 7, 5_000));
        assert!(past(Retention { bytes: Some(300), ..none }, 6, 5_000));
        assert!(!past(Retention { bytes: Some(300), ..none }, 7, 5_000));
        let second = Retention { age: Some(std::time::Duration::from_secs(1)), ..none };
        assert!(past(second, 9, 3_999));
        assert!(!past(second, 9, 4_000));
    }
}
