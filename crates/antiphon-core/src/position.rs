//! Positions: where an event stands in its channel. An opaque, sortable, fixed-width string on the wire.
//!
//! The wire form is the big-endian bytes of the fields in base 64 over an alphabet in ASCII order, so that comparing
//! two strings of one channel byte by byte compares the positions.

use crate::{ChannelName, Code, Refusal};
use std::fmt;

const ALPHABET: &[u8; 64] = b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
const BYTES: usize = 30;
const CHARACTERS: usize = BYTES / 3 * 4;

/// A short hash of a channel's name: tells another channel's position from this one's. Not a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelHash(u32);

impl ChannelHash {
    /// FNV-1a, 32 bits (<https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>). Part of stored positions: never change it.
    pub fn of(channel: &ChannelName) -> Self {
        let hash = channel
            .as_str()
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        Self(hash)
    }

    /// The hash as a number.
    pub fn number(self) -> u32 {
        self.0
    }
}

/// "After this event" of one channel. Positions of one channel and incarnation sort by (epoch, address, index, number).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Which channel it belongs to.
    pub channel: ChannelHash,
    /// Which log: grows whenever stored addresses may mean something else.
    pub incarnation: u32,
    /// Which ownership of the log wrote the event; 0 before the first event.
    pub epoch: u32,
    /// The engine's own address of the record that holds the event, so that finding it is one seek.
    pub address: u64,
    /// The event's place within that record.
    pub index: u16,
    /// Dense per channel, from 1; 0 stands before the first event.
    pub number: u64,
}

impl Position {
    /// The position before a channel's first event.
    pub fn before_first(channel: &ChannelName, incarnation: u32) -> Self {
        Self { channel: ChannelHash::of(channel), incarnation, epoch: 0, address: 0, index: 0, number: 0 }
    }

    /// Reads the wire form; anything else is `position_invalid`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let invalid = || {
            Refusal::new(
                Code::PositionInvalid,
                "this is not a position: use one that the server gave, `start` for all that is kept, or none for now",
            )
        };
        if text.len() != CHARACTERS {
            return Err(invalid());
        }
        let mut bytes = [0_u8; BYTES];
        for (four, three) in text.as_bytes().chunks_exact(4).zip(bytes.chunks_exact_mut(3)) {
            let mut group = 0_u32;
            for character in four {
                let digit = ALPHABET.binary_search(character).map_err(|_| invalid())?;
                group = group << 6 | digit as u32;
            }
            three.copy_from_slice(&group.to_be_bytes()[1..]);
        }
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let long = |at: usize| u64::from(word(at)) << 32 | u64::from(word(at + 4));
        Ok(Self {
            channel: ChannelHash(word(0)),
            incarnation: word(4),
            epoch: word(8),
            address: long(12),
            index: u16::from_be_bytes([bytes[20], bytes[21]]),
            number: long(22),
        })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0_u8; BYTES];
        bytes[0..4].copy_from_slice(&self.channel.0.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.incarnation.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[12..20].copy_from_slice(&self.address.to_be_bytes());
        bytes[20..22].copy_from_slice(&self.index.to_be_bytes());
        bytes[22..30].copy_from_slice(&self.number.to_be_bytes());
        let mut text = [0_u8; CHARACTERS];
        for (three, four) in bytes.chunks_exact(3).zip(text.chunks_exact_mut(4)) {
            let group = u32::from_be_bytes([0, three[0], three[1], three[2]]);
            for (place, character) in four.iter_mut().enumerate() {
                *character = ALPHABET[(group >> (18 - 6 * place) & 63) as usize];
            }
        }
        formatter.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl serde::Serialize for Position {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Position {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(epoch: u32, address: u64, index: u16, number: u64) -> Position {
        let channel = ChannelName::parse("ar-room:room-1").unwrap();
        Position { epoch, address, index, number, ..Position::before_first(&channel, 7) }
    }

    #[test]
    fn the_wire_form_round_trips_and_sorts() {
        let mut positions = Vec::new();
        for (step, address) in [0, 1, 63, 64, 255, 1 << 20, u64::MAX - 3].into_iter().enumerate() {
            positions.push(position(1 + step as u32 / 3, address, step as u16, step as u64 * 1000));
        }
        positions.sort();
        let texts: Vec<String> = positions.iter().map(ToString::to_string).collect();
        let mut sorted = texts.clone();
        sorted.sort();
        assert_eq!(texts, sorted);
        for (position, text) in positions.iter().zip(&texts) {
            assert_eq!(text.len(), CHARACTERS);
            assert_eq!(Position::parse(text).unwrap(), *position);
        }
    }

    #[test]
    fn anything_else_is_invalid() {
        let good = position(1, 2, 3, 4).to_string();
        for bad in ["", "start", &good[1..], &format!("{good}0"), &good.replace('-', "+"), "ü"] {
            assert_eq!(Position::parse(bad).unwrap_err().code, Code::PositionInvalid, "{bad}");
        }
    }
}
