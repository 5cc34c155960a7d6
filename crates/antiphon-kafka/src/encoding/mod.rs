//! What one Kafka record of the log holds, as bytes.
//!
//! All numbers are big-endian. Header: version (1 byte), kind (1), incarnation (4), epoch (4), owner (8), sequence (8),
//! anchor's offset (8), anchor's sequence (8). Then, by kind:
//!
//! - begin: nothing.
//! - group: when it was logged in Unix milliseconds (8), sections (2), and for each the channel's name (length in 2 bytes),
//!   how its address is meant (1: 0 for an offset, 1 for a sequence) and the place of the channel's event before it, events
//!   (2), and for each its kind (1), its event id (length in 2 bytes, [`NO_ID`] for none) and its JSON (length in 4 bytes).
//! - trim: the channel's name, and the place through which it is trimmed.
//!
//! A place: epoch (4), address (8), index (2), number (8).
//!
//! Part of what is stored: change it only with a new version.

mod reading;
#[cfg(test)]
mod tests;

use antiphon_core::{ChannelName, EventKind, Position};
use bytes::{BufMut, Bytes};
use reading::Reading;

const VERSION: u8 = 1;
const NO_ID: u16 = u16::MAX;
/// Bytes before what a record's kind brings.
const HEADER_BYTES: usize = 42;

/// What a record is. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// An ownership begins.
    Begin = 1,
    /// Events of one or more appends; without any it only says that its owner is there.
    Group = 2,
    /// Events of one channel are forgotten.
    Trim = 3,
}

/// A record of its writer's own epoch that the writer knew to count when it wrote: proof, for a reader that starts behind
/// the beginning of the epoch, that the epoch was in force there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anchor {
    /// Where it stands in the partition.
    pub offset: u64,
    /// Its number in the epoch; 0 is the epoch's begin record.
    pub sequence: u64,
}

/// By whom a record was written, and as what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it is.
    pub kind: Kind,
    /// Which log: what is in force, or what a begin record proposes for a partition without any.
    pub incarnation: u32,
    /// The ownership that wrote it.
    pub epoch: u32,
    /// Who: random for each ownership.
    pub owner: u64,
    /// Dense in an epoch: 0 for the begin record, then from 1.
    pub sequence: u64,
    /// What its writer knew to count.
    pub anchor: Anchor,
}

/// A place in a channel, within one incarnation; zeros before the first event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The ownership that wrote the event.
    pub epoch: u32,
    /// The offset of the record that holds it.
    pub address: u64,
    /// Its place among that record's events.
    pub index: u16,
    /// Dense in the channel.
    pub number: u64,
}

impl Place {
    /// Where a position stands.
    pub fn of(position: &Position) -> Self {
        let Position { epoch, address, index, number, .. } = *position;
        Self { epoch, address, index, number }
    }

    /// The position in a channel's log.
    pub fn position(&self, channel: &ChannelName, incarnation: u32) -> Position {
        let Self { epoch, address, index, number } = *self;
        Position { epoch, address, index, number, ..Position::before_first(channel, incarnation) }
    }
}

/// Where a channel ended before a record was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// At this place.
    Known(Place),
    /// In a record of the same epoch whose offset the owner did not know yet, or in this one: the address is its sequence.
    UnderWay(Place),
}

impl Before {
    /// The number of the channel's last event.
    pub fn number(&self) -> u64 {
        match self {
            Self::Known(place) | Self::UnderWay(place) => place.number,
        }
    }
}

/// An event as a record holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// What delivery must know.
    pub kind: EventKind,
    /// The publisher's own id.
    pub event_id: Option<String>,
    /// The event's JSON object.
    pub json: Bytes,
}

/// Neighbouring events of one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Which.
    pub channel: ChannelName,
    /// Where the channel ended before them.
    pub before: Before,
    /// In order; their numbers follow on `before`.
    pub events: Vec<Written>,
}

/// What a record does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Begins an ownership.
    Begin,
    /// Adds events.
    Group {
        /// By the owner's clock, in Unix milliseconds.
        logged_millis: u64,
        /// In order.
        sections: Vec<Section>,
    },
    /// Forgets a channel's events up to and including a place.
    Trim {
        /// Which channel.
        channel: ChannelName,
        /// The last event that goes.
        through: Place,
    },
}

/// Bytes that are no record of this log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a record of version {VERSION} of this log")]
pub struct Unreadable;

impl Body {
    /// Writes a record; the header's kind is the body's.
    pub fn encode(&self, header: &Header) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES + self.size());
        out.put_u8(VERSION);
        out.put_u8(self.kind() as u8);
        out.put_u32(header.incarnation);
        out.put_u32(header.epoch);
        out.put_u64(header.owner);
        out.put_u64(header.sequence);
        out.put_u64(header.anchor.offset);
        out.put_u64(header.anchor.sequence);
        match self {
            Self::Begin => {}
            Self::Group { logged_millis, sections } => {
                out.put_u64(*logged_millis);
                out.put_u16(count(sections.len()));
                sections.iter().for_each(|section| section.write(&mut out));
            }
            Self::Trim { channel, through } => {
                put_name(&mut out, channel);
                put_place(&mut out, through);
            }
        }
        out
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Begin => Kind::Begin,
            Self::Group { .. } => Kind::Group,
            Self::Trim { .. } => Kind::Trim,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Begin => 0,
            Self::Group { sections, .. } => {
                let event = |event: &Written| 7 + event.json.len() + event.event_id.as_ref().map_or(0, String::len);
                let events = |section: &Section| section.events.iter().map(event).sum::<usize>();
                let section = |section: &Section| 27 + section.channel.as_str().len() + events(section);
                10 + sections.iter().map(section).sum::<usize>()
            }
            Self::Trim { channel, .. } => 24 + channel.as_str().len(),
        }
    }
}

impl Section {
    fn write(&self, out: &mut Vec<u8>) {
        put_name(out, &self.channel);
        let (is_sequence, place) = match &self.before {
            Before::Known(place) => (0, place),
            Before::UnderWay(place) => (1, place),
        };
        out.put_u8(is_sequence);
        put_place(out, place);
        out.put_u16(count(self.events.len()));
        for event in &self.events {
            out.put_u8(event.kind as u8);
            match &event.event_id {
                Some(event_id) => {
                    out.put_u16(count(event_id.len()));
                    out.put_slice(event_id.as_bytes());
                }
                None => out.put_u16(NO_ID),
            }
            // At most MAX_APPEND_BYTES.
            out.put_u32(u32::try_from(event.json.len()).unwrap_or(u32::MAX));
            out.put_slice(&event.json);
        }
    }
}

/// Reads a record's header and what it does. The JSON stays in the record's buffer.
pub fn decode(record: Bytes) -> Result<(Header, Body), Unreadable> {
    let mut reading = Reading::new(record);
    if reading.byte()? != VERSION {
        return Err(Unreadable);
    }
    let kind = match reading.byte()? {
        1 => Kind::Begin,
        2 => Kind::Group,
        3 => Kind::Trim,
        _ => return Err(Unreadable),
    };
    let header = Header {
        kind,
        incarnation: reading.word()?,
        epoch: reading.word()?,
        owner: reading.long()?,
        sequence: reading.long()?,
        anchor: Anchor { offset: reading.long()?, sequence: reading.long()? },
    };
    let body = match kind {
        Kind::Begin => Body::Begin,
        Kind::Group => Body::Group { logged_millis: reading.long()?, sections: reading.sections()? },
        Kind::Trim => Body::Trim { channel: reading.name()?, through: reading.place()? },
    };
    reading.end()?;
    Ok((header, body))
}

/// Bounded by the limits of an append and of a group, far below what fits.
fn count(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

fn put_name(out: &mut Vec<u8>, channel: &ChannelName) {
    let name = channel.as_str();
    out.put_u16(count(name.len()));
    out.put_slice(name.as_bytes());
}

fn put_place(out: &mut Vec<u8>, place: &Place) {
    out.put_u32(place.epoch);
    out.put_u64(place.address);
    out.put_u16(place.index);
    out.put_u64(place.number);
}
