//! A record as an entry of a Redis stream: its id is the event's number, its fields are the event and the rest of its place.
//!
//! Fields, in this order: `event` (JSON), `kind`, `epoch`, `address`, `index`, and `at` (milliseconds since the Unix epoch)
//! in the log or `incarnation` in copies. The scripts read them by place.

use crate::reply::{self, unexpected};
use antiphon_core::{ChannelHash, ChannelName, EventKind, Position, Record};
use bytes::Bytes;
use redis::{RedisResult, Value};

/// The record of one entry. `incarnation` is the log's; copies carry their own.
pub fn record(channel: &ChannelName, incarnation: u32, entry: Value) -> RedisResult<Record> {
    let mut parts = reply::items(entry)?.into_iter();
    let id = reply::text(reply::next(&mut parts)?)?;
    let number = id.split('-').next().and_then(|number| number.parse().ok()).ok_or_else(unexpected)?;
    let position = Position { channel: ChannelHash::of(channel), incarnation, epoch: 0, address: 0, index: 0, number };
    let mut record = Record {
        channel: channel.clone(),
        position,
        kind: EventKind::Plain,
        json: Bytes::new(),
        provider_at: None,
        logged_at: None,
    };
    let mut fields = reply::items(reply::next(&mut parts)?)?.into_iter();
    while let Some(name) = fields.next() {
        let value = reply::next(&mut fields)?;
        match reply::bytes(name)?.as_slice() {
            b"event" => record.json = reply::bytes(value)?.into(),
            b"kind" => record.kind = EventKind::from_stored(reply::number(&value)?).ok_or_else(unexpected)?,
            b"epoch" => record.position.epoch = reply::number(&value)?,
            b"address" => record.position.address = reply::number(&value)?,
            b"index" => record.position.index = reply::number(&value)?,
            b"incarnation" => record.position.incarnation = reply::number(&value)?,
            _ => {}
        }
    }
    Ok(record)
}

/// The records of a range of entries.
pub fn records(channel: &ChannelName, incarnation: u32, entries: Value) -> RedisResult<Vec<Record>> {
    reply::items(entries)?.into_iter().map(|entry| record(channel, incarnation, entry)).collect()
}
