//! Notices: entries of a shard's stream that say which channels moved. Names with a colon in front are not channels.

use crate::reply::{self, unexpected};
use antiphon_core::ChannelName;
use redis::{RedisResult, Value};

/// One notice.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// The entry's id, which grows. In the log it is incarnation and counter.
    pub id: (u64, u64),
    /// The counter of the first append that it tells of; in the log only.
    pub from: Option<u64>,
    /// The epoch in which it was written; in the log only.
    pub epoch: Option<u32>,
    /// Who wrote it; of copies only.
    pub writer: Option<String>,
    /// Copies were left out before it; of copies only.
    pub has_left_out: bool,
    /// Channels, and the numbers of the first and last event that they got.
    pub moved: Vec<(ChannelName, u64, u64)>,
}

impl Notice {
    /// Reads an entry.
    pub fn parse(entry: Value) -> RedisResult<Self> {
        let mut parts = reply::items(entry)?.into_iter();
        let id = parse_id(&reply::text(reply::next(&mut parts)?)?).ok_or_else(unexpected)?;
        let mut notice = Self { id, ..Self::default() };
        let mut fields = reply::items(reply::next(&mut parts)?)?.into_iter();
        while let Some(name) = fields.next() {
            let (name, value) = (reply::text(name)?, reply::next(&mut fields)?);
            match name.as_str() {
                ":from" => notice.from = Some(reply::number(&value)?),
                ":epoch" => notice.epoch = Some(reply::number(&value)?),
                ":writer" => notice.writer = Some(reply::text(value)?),
                ":left_out" => notice.has_left_out = true,
                name if name.starts_with(':') => {}
                name => {
                    let channel = ChannelName::parse(name).map_err(|_| unexpected())?;
                    let (first, last) = parse_id(&reply::text(value)?).ok_or_else(unexpected)?;
                    notice.moved.push((channel, first, last));
                }
            }
        }
        Ok(notice)
    }
}

/// Two numbers with a line between them.
pub fn parse_id(text: &str) -> Option<(u64, u64)> {
    let (one, other) = text.split_once('-')?;
    Some((one.parse().ok()?, other.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_names_channels_and_what_they_got() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let fields = [":from", "7", ":epoch", "3", ":later", "x", "jobs:1", "4-6"].map(text);
        let entry = Value::Array(vec![text("17-9"), Value::Array(fields.to_vec())]);
        let notice = Notice::parse(entry).unwrap();
        let moved = vec![(ChannelName::parse("jobs:1").unwrap(), 4, 6)];
        assert_eq!(
            notice,
            Notice { id: (17, 9), from: Some(7), epoch: Some(3), writer: None, has_left_out: false, moved }
        );
        assert!(
            Notice::parse(Value::Array(vec![text("17-9"), Value::Array(vec![text("jobs:1"), text("4")])])).is_err()
        );
    }
}
