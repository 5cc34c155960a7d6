//! Following notices on a connection of their own: a blocking read over all shards' streams, then the events of the channels
//! that moved and are followed here.

use crate::connect::{jittered, within};
use crate::entry;
use crate::keys::Keys;
use crate::live::{Gap, Live};
use crate::notice::{Notice, parse_id};
use crate::outage::{Connection, Outage};
use crate::reply;
use crate::target::RedisTarget;
use antiphon_core::limits::{
    REDIS_CALL_TIMEOUT, REDIS_FETCH_BEHIND, REDIS_FETCH_CHANNELS, REDIS_FETCH_EVENTS, REDIS_FOLLOW_BLOCK,
    REDIS_NOTICE_BATCH, REDIS_PROBE_TIMEOUT, REDIS_RECONNECT_LEAST, REDIS_RECONNECT_MOST,
};
use antiphon_core::{ChannelHash, ChannelName, Position, Shard};
use redis::aio::MultiplexedConnection;
use redis::{RedisResult, Value};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// What is to be done with a notice.
pub enum Verdict {
    /// Its channels' events are wanted, and are of this log where they do not say so themselves.
    Take {
        /// Which log.
        incarnation: u32,
        /// Others between it and the one before are missing.
        is_gap: bool,
    },
    /// Nothing.
    Skip,
}

/// Who knows what a notice means.
pub trait Judge: Send + Sync + 'static {
    /// Judges the next notice of a shard; `before` is the id of the one before it.
    fn judge(&self, shard: Shard, before: (u64, u64), notice: &Notice) -> Verdict;
}

/// How far the notices were followed: the last id of each stream. Empty while Redis is away.
type Progress = Vec<(u64, u64)>;

/// Follows until it is dropped.
pub struct Following {
    progress: watch::Receiver<Progress>,
    _task: AbortOnDropHandle<()>,
}

impl Following {
    /// Begins once somebody is attached. `streams` are the shards' streams of notices.
    pub fn new(
        target: RedisTarget,
        outage: Arc<Outage>,
        streams: Vec<(Shard, String)>,
        live: Arc<Live>,
        judge: Arc<dyn Judge>,
    ) -> Self {
        let (sender, progress) = watch::channel(Progress::new());
        let keys = Keys::new(&target.prefix);
        let reader = Reader { keys, target, outage, streams, live, judge, progress: sender };
        Self { progress, _task: AbortOnDropHandle::new(tokio::spawn(reader.run())) }
    }

    /// Whether Redis is followed now.
    pub fn is_up(&self) -> bool {
        !self.progress.borrow().is_empty()
    }

    /// Waits until it is.
    pub async fn until_up(&self) {
        let _ = self.progress.clone().wait_for(|progress| !progress.is_empty()).await;
    }

    /// Waits until the notices of the stream at this place among `streams` were followed up to this id.
    pub async fn until(&self, stream: usize, id: (u64, u64)) {
        let has = |progress: &Progress| progress.get(stream).is_some_and(|last| *last >= id);
        let _ = self.progress.clone().wait_for(has).await;
    }
}

struct Reader {
    target: RedisTarget,
    outage: Arc<Outage>,
    keys: Keys,
    streams: Vec<(Shard, String)>,
    live: Arc<Live>,
    judge: Arc<dyn Judge>,
    progress: watch::Sender<Progress>,
}

/// Events of one channel that are to be had.
struct Wanted {
    channel: ChannelName,
    incarnation: u32,
    first: u64,
    last: u64,
}

impl Reader {
    async fn run(self) {
        self.live.until_attached().await;
        let mut pause = REDIS_RECONNECT_LEAST;
        loop {
            let failed = self.follow().await;
            let was_up = !self.progress.borrow().is_empty();
            match failed {
                Err(error) if was_up => self.outage.lost(Connection::Following, &error.to_string()),
                Err(error) => self.outage.failed(Connection::Following, &error),
                Ok(()) => {}
            }
            if was_up {
                pause = REDIS_RECONNECT_LEAST;
                self.progress.send_replace(Progress::new());
            }
            tokio::time::sleep(jittered(pause)).await;
            pause = (pause * 2).min(REDIS_RECONNECT_MOST);
        }
    }

    /// Follows until something fails.
    async fn follow(&self) -> RedisResult<()> {
        let mut connection = self.target.connect().await?;
        let mut last = self.last_ids(&mut connection).await?;
        self.progress.send_replace(last.clone());
        self.outage.over(Connection::Following);
        // What came before the last notices was not followed.
        self.live.lost();
        loop {
            let Some(streams) = self.next(&mut connection, &last).await? else { continue };
            let mut wanted = HashMap::new();
            for stream in reply::items(streams)? {
                let mut parts = reply::items(stream)?.into_iter();
                let key = reply::text(reply::next(&mut parts)?)?;
                let entries = reply::items(reply::next(&mut parts)?)?;
                let at = self.streams.iter().position(|(_, stream)| *stream == key).ok_or_else(reply::unexpected)?;
                if let (Some((shard, _)), Some(last)) = (self.streams.get(at), last.get_mut(at)) {
                    self.take(*shard, last, entries, &mut wanted)?;
                }
            }
            self.fetch(&mut connection, wanted.into_values().collect()).await?;
            self.progress.send_replace(last.clone());
        }
    }

    async fn last_ids(&self, connection: &mut MultiplexedConnection) -> RedisResult<Progress> {
        let mut ask = redis::pipe();
        for (_, key) in &self.streams {
            ask.cmd("XREVRANGE").arg(key).arg("+").arg("-").arg("COUNT").arg(1);
        }
        let answers: Vec<Value> = within(REDIS_CALL_TIMEOUT, ask.query_async(connection)).await?;
        let id = |answer: Value| match reply::items(answer)?.into_iter().next() {
            Some(entry) => {
                let id = reply::text(reply::next(&mut reply::items(entry)?.into_iter())?)?;
                parse_id(&id).ok_or_else(reply::unexpected)
            }
            None => Ok((0, 0)),
        };
        answers.into_iter().map(id).collect()
    }

    async fn next(&self, connection: &mut MultiplexedConnection, last: &Progress) -> RedisResult<Option<Value>> {
        let mut read = redis::cmd("XREAD");
        let block = REDIS_FOLLOW_BLOCK.as_millis() as u64;
        read.arg("COUNT").arg(REDIS_NOTICE_BATCH).arg("BLOCK").arg(block).arg("STREAMS");
        for (_, key) in &self.streams {
            read.arg(key);
        }
        for (one, other) in last {
            read.arg(format!("{one}-{other}"));
        }
        let answer = within(REDIS_FOLLOW_BLOCK + REDIS_PROBE_TIMEOUT, read.query_async(connection)).await?;
        Ok(Some(answer).filter(|answer| *answer != Value::Nil))
    }

    /// Notes which followed channels moved.
    fn take(
        &self,
        shard: Shard,
        last: &mut (u64, u64),
        entries: Vec<Value>,
        wanted: &mut HashMap<ChannelName, Wanted>,
    ) -> RedisResult<()> {
        for entry in entries {
            let notice = Notice::parse(entry)?;
            let verdict = self.judge.judge(shard, *last, &notice);
            *last = notice.id;
            let Verdict::Take { incarnation, is_gap } = verdict else { continue };
            if is_gap {
                self.live.lost();
            }
            for (channel, first, last) in notice.moved {
                if !self.live.is_followed(&channel) {
                    continue;
                }
                match wanted.get_mut(&channel) {
                    Some(wanted) if wanted.incarnation == incarnation => wanted.last = wanted.last.max(last),
                    _ => {
                        wanted.insert(channel.clone(), Wanted { channel, incarnation, first, last });
                    }
                }
            }
        }
        Ok(())
    }

    async fn fetch(&self, connection: &mut MultiplexedConnection, mut wanted: Vec<Wanted>) -> RedisResult<()> {
        wanted.retain_mut(|wanted| self.is_missing(wanted));
        while !wanted.is_empty() {
            let batch = wanted.split_off(wanted.len().saturating_sub(REDIS_FETCH_CHANNELS));
            let mut ask = redis::pipe();
            for Wanted { channel, first, last, .. } in &batch {
                let key = self.keys.events(channel);
                ask.cmd("XRANGE").arg(key).arg(*first).arg(*last).arg("COUNT").arg(REDIS_FETCH_EVENTS);
            }
            let answers: Vec<Value> = within(REDIS_CALL_TIMEOUT, ask.query_async(connection)).await?;
            for (mut one, entries) in batch.into_iter().zip(answers) {
                let records = entry::records(&one.channel, one.incarnation, entries)?;
                self.live.tell(&records, Gap::Tell);
                match records.last().map(|record| record.position.number) {
                    Some(number) if number < one.last => {
                        one.first = number + 1;
                        wanted.push(one);
                    }
                    Some(_) => {}
                    // Trimmed already, or flushed.
                    None => self.live.tail(&one.channel, one.end()),
                }
            }
        }
        Ok(())
    }

    /// Whether anything of it was not told yet; from there on, if that is not too far back.
    fn is_missing(&self, wanted: &mut Wanted) -> bool {
        match self.live.last_told(&wanted.channel) {
            Some((incarnation, number)) if incarnation == wanted.incarnation => {
                if number + REDIS_FETCH_BEHIND > wanted.first {
                    wanted.first = number + 1;
                }
                number < wanted.last
            }
            Some((incarnation, _)) => incarnation < wanted.incarnation || wanted.incarnation == 0,
            None => true,
        }
    }
}

impl Wanted {
    fn end(&self) -> Position {
        let channel = ChannelHash::of(&self.channel);
        Position { channel, incarnation: self.incarnation, epoch: 0, address: 0, index: 0, number: self.last }
    }
}
