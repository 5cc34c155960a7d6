//! Reading channels: any process, straight from Redis, in pages that are each taken in one step.

use crate::connect::within;
use crate::entry;
use crate::known::{self, Reach};
use crate::log::Shared;
use crate::reply::{self, unexpected};
use antiphon_core::limits::{REDIS_CALL_TIMEOUT, REDIS_FIRST_PAGE, REDIS_PAGE, REDIS_PAGE_BYTES};
use antiphon_core::{Bounds, ChannelHash, ChannelName, LogError, Position, ReadFrom, ReadLimit, Record};
use redis::{RedisResult, Value};

/// What is kept of a channel, with the first entries of a page.
struct Page {
    reach: Reach,
    bounds: Bounds,
    records: Vec<Record>,
}

impl Shared {
    pub async fn read_channel(
        &self,
        channel: &ChannelName,
        from: ReadFrom,
        limit: ReadLimit,
    ) -> Result<Vec<Record>, LogError> {
        let most = limit.events.max(1);
        let mut count = most.min(REDIS_FIRST_PAGE);
        let (number, extra) = match from {
            ReadFrom::Start => (0, 0),
            ReadFrom::After(position) => (position.number, 1),
        };
        let Page { reach, bounds, mut records } = self.page(channel, number, count + extra).await?;
        if let ReadFrom::After(position) = from {
            check(&position, &bounds, records.first())?;
            records.retain(|record| record.position.number > position.number);
        }
        let mut taken: Vec<Record> = Vec::new();
        let mut bytes = 0;
        loop {
            let is_last = records.len() < count;
            for record in records {
                if !taken.is_empty() && (bytes >= limit.bytes || taken.len() >= most) {
                    return Ok(taken);
                }
                bytes += record.json.len();
                taken.push(record);
            }
            let Some(last) = taken.last().map(|record| record.position) else { return Ok(taken) };
            if is_last || bytes >= limit.bytes || taken.len() >= most || last.number >= bounds.end.number {
                return Ok(taken);
            }
            let average = bytes / taken.len() + 1;
            let fitting = (REDIS_PAGE_BYTES.min(limit.bytes - bytes) / average).clamp(1, REDIS_PAGE);
            count = fitting.min(most - taken.len());
            let next = self.page(channel, last.number + 1, count).await?;
            // Trimmed meanwhile, or another log: the next read finds out.
            let follows = next.records.first().is_some_and(|first| first.position.number == last.number + 1);
            if next.reach.incarnation != reach.incarnation || !follows {
                return Ok(taken);
            }
            records = next.records;
        }
    }

    pub async fn bounds_of(&self, channel: &ChannelName) -> Result<Bounds, LogError> {
        Ok(self.page(channel, u64::MAX, 1).await?.bounds)
    }

    /// Judges a position as a read would.
    pub async fn check(&self, channel: &ChannelName, position: Position) -> Result<(), LogError> {
        let page = self.page(channel, position.number, 1).await?;
        check(&position, &page.bounds, page.records.first())
    }

    /// The channel's bounds and its first events of at least this number.
    async fn page(&self, channel: &ChannelName, number: u64, count: usize) -> Result<Page, LogError> {
        let shard = self.sharding.shard_of(channel);
        let before = self.known.of(shard);
        let up = self.link.up()?;
        let mut ask = redis::pipe();
        ask.atomic().add_command(known::ask(&self.keys, shard));
        ask.cmd("HMGET").arg(self.keys.extent(channel)).arg(&EXTENT);
        ask.cmd("XRANGE").arg(self.keys.events(channel)).arg(number).arg("+").arg("COUNT").arg(count);
        let mut connection = up.connection.clone();
        let answers: RedisResult<Vec<Value>> = within(REDIS_CALL_TIMEOUT, ask.query_async(&mut connection)).await;
        let answers = answers.map_err(|error| self.failed(&up, &error))?;
        let [hash, extent, entries] = <[Value; 3]>::try_from(answers).map_err(|_| self.failed(&up, &unexpected()))?;
        let reach = self.known.judge(shard, before, &hash)?;
        let parsed = bounds(channel, reach.incarnation, extent)
            .and_then(|bounds| Ok((bounds, entry::records(channel, reach.incarnation, entries)?)));
        let (bounds, records) = parsed.map_err(|error| self.failed(&up, &error))?;
        Ok(Page { reach, bounds, records })
    }
}

/// The fields of a channel's extent that make its bounds.
const EXTENT: [&str; 8] =
    ["number", "epoch", "address", "index", "start", "start_epoch", "start_address", "start_index"];

fn bounds(channel: &ChannelName, incarnation: u32, extent: Value) -> RedisResult<Bounds> {
    let fields = <[Value; 8]>::try_from(reply::items(extent)?).map_err(|_| unexpected())?;
    let position = |at: &[Value; 4]| {
        let [number, epoch, address, index] = at;
        RedisResult::Ok(Position {
            channel: ChannelHash::of(channel),
            incarnation,
            epoch: reply::number_or_zero(epoch)?,
            address: reply::number_or_zero(address)?,
            index: reply::number_or_zero(index)?,
            number: reply::number_or_zero(number)?,
        })
    };
    let [number, epoch, address, index, start, start_epoch, start_address, start_index] = fields;
    Ok(Bounds {
        start: position(&[start, start_epoch, start_address, start_index])?,
        end: position(&[number, epoch, address, index])?,
    })
}

/// `at` is the first kept event from the position's number on.
fn check(position: &Position, bounds: &Bounds, at: Option<&Record>) -> Result<(), LogError> {
    let Bounds { start, end } = bounds;
    if position.channel != end.channel || position.incarnation != end.incarnation {
        return Err(LogError::Foreign);
    }
    if position.number > end.number {
        return Err(LogError::Future);
    }
    if position.number < start.number {
        return Err(LogError::Expired);
    }
    let is_there = position == start || position == end || at.is_some_and(|record| record.position == *position);
    if is_there { Ok(()) } else { Err(LogError::Foreign) }
}
