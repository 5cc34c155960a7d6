//! The stored bytes: keys and values of the three keyspaces. They are a contract; a change is a new format version.
//!
//! All numbers are big-endian.
//!
//! | keyspace | key | value |
//! |---|---|---|
//! | `records` | channel id (8), number (8) | format 1 (1), kind (1), epoch (4), address (8), index (2), logged milliseconds since 1970 (8), bytes of JSON in the channel up to here (8), length of the event id or FFFF (2), event id, JSON |
//! | `channels` | `namespace:id` | format 1 (1), channel id (8), last trimmed event: number (8), epoch (4), address (8), index (2), bytes of JSON up to it (8) |
//! | `channels` | one zero byte, `next` | the next channel id (8) |
//! | `channels` | one zero byte, `shard`, shard (2); only in a copy | format 1 (1), 1 while it is being forgotten (1), incarnation (4), 1 if a state follows (1), the follower's state |
//! | `event_ids` | channel id (8), `i`, event id | number (8), epoch (4), address (8), index (2), ordinal (8) |
//! | `event_ids` | channel id (8), `o`, ordinal (8) | event id |
//!
//! An ordinal counts a channel's event ids, so that the oldest is found without a scan.

use super::incarnations::ShardRow;
use crate::edge::Edge;
use antiphon_core::{EventKind, Shard};
use bytes::Bytes;

const FORMAT: u8 = 1;
const RECORD_HEADER: usize = 34;
const CHANNEL_ROW: usize = 39;
const EVENT_ID_ROW: usize = 30;
const NO_EVENT_ID: u16 = u16::MAX;

/// The key of the next channel id; no channel's name begins with a zero byte.
pub const NEXT_CHANNEL: &[u8] = b"\0next";

/// What the keys of shards begin with.
pub const SHARDS: &[u8] = b"\0shard";

/// A stored event without its JSON, which follows it in the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Where it stands.
    pub edge: Edge,
    /// What delivery must know.
    pub kind: EventKind,
    /// When it was appended, in milliseconds since 1970.
    pub logged_millis: u64,
    /// The publisher's own id.
    pub event_id: Option<&'a str>,
}

/// What is stored of a channel besides its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelRow {
    /// The channel's id in the other keyspaces, from 1.
    pub id: u64,
    /// The last trimmed event.
    pub start: Edge,
}

/// Where the event of an event id stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventIdRow {
    /// Its place; `total_bytes` is not stored and 0.
    pub edge: Edge,
    /// Which of the channel's event ids it is.
    pub ordinal: u64,
}

/// The key of an event.
pub fn record_key(channel: u64, number: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&channel.to_be_bytes());
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}

/// The number of an event's key.
pub fn number_of_key(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(8..16)?.try_into().ok()?))
}

/// Writes an event's value over `out`.
pub fn encode_record(out: &mut Vec<u8>, header: &Header<'_>, json: &[u8]) {
    out.clear();
    out.push(FORMAT);
    out.push(header.kind as u8);
    out.extend_from_slice(&header.edge.epoch.to_be_bytes());
    out.extend_from_slice(&header.edge.address.to_be_bytes());
    out.extend_from_slice(&header.edge.index.to_be_bytes());
    out.extend_from_slice(&header.logged_millis.to_be_bytes());
    out.extend_from_slice(&header.edge.total_bytes.to_be_bytes());
    // The engine refuses longer event ids before they come here.
    let length = header.event_id.and_then(|id| u16::try_from(id.len()).ok()).unwrap_or(NO_EVENT_ID);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(header.event_id.unwrap_or_default().as_bytes());
    out.extend_from_slice(json);
}

/// Reads an event's value and where its JSON begins; nothing if the bytes are not one.
pub fn decode_record(number: u64, value: &[u8]) -> Option<(Header<'_>, usize)> {
    let mut fields = Fields(value);
    if fields.byte()? != FORMAT {
        return None;
    }
    let kind = EventKind::from_stored(fields.byte()?)?;
    let (epoch, address, index) = (fields.word()?, fields.long()?, fields.short()?);
    let (logged_millis, total_bytes) = (fields.long()?, fields.long()?);
    let (event_id, json) = match fields.short()? {
        NO_EVENT_ID => (None, RECORD_HEADER),
        length => {
            let end = RECORD_HEADER + usize::from(length);
            (Some(std::str::from_utf8(value.get(RECORD_HEADER..end)?).ok()?), end)
        }
    };
    let edge = Edge { number, epoch, address, index, total_bytes };
    Some((Header { edge, kind, logged_millis, event_id }, json))
}

impl ChannelRow {
    /// The value of a channel's row.
    pub fn encode(&self) -> Vec<u8> {
        let mut row = Vec::with_capacity(CHANNEL_ROW);
        row.push(FORMAT);
        row.extend_from_slice(&self.id.to_be_bytes());
        push_place(&mut row, &self.start);
        row.extend_from_slice(&self.start.total_bytes.to_be_bytes());
        row
    }

    /// Reads a channel's row.
    pub fn decode(value: &[u8]) -> Option<Self> {
        let mut fields = Fields(value);
        if fields.byte()? != FORMAT || value.len() != CHANNEL_ROW {
            return None;
        }
        let id = fields.long()?;
        let place = fields.place()?;
        Some(Self { id, start: Edge { total_bytes: fields.long()?, ..place } })
    }
}

/// The key of a shard.
pub fn shard_key(shard: Shard) -> Vec<u8> {
    [SHARDS, &shard.0.to_be_bytes()].concat()
}

/// The shard of such a key.
pub fn shard_of_key(key: &[u8]) -> Option<Shard> {
    Some(Shard(u16::from_be_bytes(key.strip_prefix(SHARDS)?.try_into().ok()?)))
}

impl ShardRow {
    /// The value of a shard's row.
    pub fn encode(&self) -> Vec<u8> {
        let mut row = vec![FORMAT, u8::from(self.is_leaving)];
        row.extend_from_slice(&self.incarnation.to_be_bytes());
        row.push(u8::from(self.state.is_some()));
        row.extend_from_slice(self.state.as_deref().unwrap_or_default());
        row
    }

    /// Reads a shard's row.
    pub fn decode(value: &[u8]) -> Option<Self> {
        let mut fields = Fields(value);
        if fields.byte()? != FORMAT {
            return None;
        }
        let (is_leaving, incarnation) = (fields.byte()? == 1, fields.word()?);
        let state = (fields.byte()? == 1).then(|| Bytes::copy_from_slice(fields.0));
        Some(Self { incarnation, state, is_leaving })
    }
}

impl EventIdRow {
    /// The value of an event id's row.
    pub fn encode(&self) -> Vec<u8> {
        let mut row = Vec::with_capacity(EVENT_ID_ROW);
        push_place(&mut row, &self.edge);
        row.extend_from_slice(&self.ordinal.to_be_bytes());
        row
    }

    /// Reads an event id's row.
    pub fn decode(value: &[u8]) -> Option<Self> {
        let mut fields = Fields(value);
        let edge = fields.place()?;
        Some(Self { edge, ordinal: fields.long()? })
    }
}

/// The key under which an event id is found.
pub fn event_id_key(channel: u64, event_id: &str) -> Vec<u8> {
    tagged(channel, b'i', event_id.as_bytes())
}

/// The key under which the channel's nth event id is found.
pub fn ordinal_key(channel: u64, ordinal: u64) -> Vec<u8> {
    tagged(channel, b'o', &ordinal.to_be_bytes())
}

/// The ordinal of such a key.
pub fn ordinal_of_key(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(9..17)?.try_into().ok()?))
}

fn tagged(channel: u64, tag: u8, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(9 + rest.len());
    key.extend_from_slice(&channel.to_be_bytes());
    key.push(tag);
    key.extend_from_slice(rest);
    key
}

fn push_place(row: &mut Vec<u8>, edge: &Edge) {
    row.extend_from_slice(&edge.number.to_be_bytes());
    row.extend_from_slice(&edge.epoch.to_be_bytes());
    row.extend_from_slice(&edge.address.to_be_bytes());
    row.extend_from_slice(&edge.index.to_be_bytes());
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const LENGTH: usize>(&mut self) -> Option<[u8; LENGTH]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take().map(u8::from_be_bytes)
    }

    fn short(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    fn word(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn long(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn place(&mut self) -> Option<Edge> {
        let (number, epoch) = (self.long()?, self.word()?);
        Some(Edge { number, epoch, address: self.long()?, index: self.short()?, total_bytes: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    const EDGE: Edge =
        Edge { number: 7, epoch: 0x0102_0304, address: 0x0a0b_0c0d_0e0f_1011, index: 0x0203, total_bytes: 0x1122 };

    #[test]
    fn a_stored_event_has_the_bytes_of_format_1() {
        let mut out = b"left over".to_vec();
        let header =
            Header { edge: EDGE, kind: EventKind::Chunk, logged_millis: 0x0193_c5f0_0a07, event_id: Some("é1") };
        encode_record(&mut out, &header, b"{\"type\":\"x\"}");
        let golden = concat!(
            "01",
            "01",
            "01020304",
            "0a0b0c0d0e0f1011",
            "0203",
            "00000193c5f00a07",
            "0000000000001122",
            "0003",
            "c3a931",
            "7b2274797065223a2278227d",
        );
        assert_eq!(hex(&out), golden);
        let (read, json) = decode_record(7, &out).unwrap();
        assert_eq!((read, &out[json..]), (header, &b"{\"type\":\"x\"}"[..]));

        let without = Header { event_id: None, kind: EventKind::Plain, ..header };
        encode_record(&mut out, &without, b"{}");
        assert_eq!(hex(&out[32..]), "ffff7b7d");
        assert_eq!(decode_record(7, &out).unwrap(), (without, RECORD_HEADER));
        assert_eq!(hex(&record_key(5, 7)), "00000000000000050000000000000007");
        assert_eq!(number_of_key(&record_key(5, 7)), Some(7));
    }

    #[test]
    fn the_other_rows_have_the_bytes_of_format_1() {
        let row = ChannelRow { id: 9, start: EDGE };
        let golden = "01000000000000000900000000000000070102030\
                      40a0b0c0d0e0f101102030000000000001122";
        assert_eq!(hex(&row.encode()), golden);
        assert_eq!(ChannelRow::decode(&row.encode()), Some(row));
        let id = EventIdRow { edge: Edge { total_bytes: 0, ..EDGE }, ordinal: 3 };
        assert_eq!(hex(&id.encode()), "0000000000000007010203040a0b0c0d0e0f101102030000000000000003");
        assert_eq!(EventIdRow::decode(&id.encode()), Some(id));
        assert_eq!(hex(&event_id_key(1, "a")), "00000000000000016961");
        assert_eq!(hex(&ordinal_key(1, 2)), "00000000000000016f0000000000000002");
        assert_eq!(ordinal_of_key(&ordinal_key(1, 2)), Some(2));
        let shard = ShardRow { incarnation: 0x0102_0304, state: Some(Bytes::from_static(b"ab")), is_leaving: false };
        assert_eq!(hex(&shard.encode()), "010001020304016162");
        let leaving = ShardRow { state: None, is_leaving: true, ..shard.clone() };
        assert_eq!(hex(&leaving.encode()), "01010102030400");
        for row in [shard, leaving] {
            assert_eq!(ShardRow::decode(&row.encode()), Some(row));
        }
        assert_eq!(hex(&shard_key(Shard(0x0103))), "0073686172640103");
        assert_eq!(shard_of_key(&shard_key(Shard(0x0103))), Some(Shard(0x0103)));
    }

    #[test]
    fn other_bytes_are_not_taken_for_an_event() {
        let mut out = Vec::new();
        let header = Header { edge: EDGE, kind: EventKind::Plain, logged_millis: 1, event_id: Some("abc") };
        encode_record(&mut out, &header, b"{}");
        assert!((0..37).all(|length| decode_record(7, &out[..length]).is_none()));
        for (at, byte) in [(0, 2), (1, 9), (33, 200)] {
            let mut bad = out.clone();
            bad[at] = byte;
            assert!(decode_record(7, &bad).is_none(), "byte {at}");
        }
    }
}
