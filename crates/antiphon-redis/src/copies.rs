//! The fast path beside another log: the owner adds copies of what the log has, and everybody follows them. It is never
//! asked for the truth: what it brings late, twice or not at all is told by the numbers.

use crate::connect::within;
use crate::following::{Following, Judge, Verdict};
use crate::keys::Keys;
use crate::link::{Link, Up};
use crate::live::{Gap, Live};
use crate::notice::Notice;
use crate::outage::Outage;
use crate::outbox::Outbox;
use crate::script;
use crate::target::RedisTarget;
use antiphon_core::limits::{REDIS_CALL_TIMEOUT, REDIS_COPIES, REDIS_COPIES_EXPIRY, REDIS_GATHER, REDIS_NOTICES};
use antiphon_core::{Backbone, ChannelName, Receiver, Record, Shard, Sharding};
use futures::future::join_all;
use redis::RedisResult;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// Copies of committed records in Redis Streams, followed by every process. While Redis is away nothing waits for it;
/// once it is back, whoever follows is told that something may be lost.
pub struct RedisCopies {
    live: Arc<Live>,
    outbox: Arc<Outbox>,
    link: Arc<Link>,
    following: Following,
    _writer: AbortOnDropHandle<()>,
}

impl RedisCopies {
    /// Begins to connect; has to be called within a runtime.
    pub fn new(target: RedisTarget, sharding: Sharding) -> Self {
        let (live, outbox) = (Arc::new(Live::default()), Arc::new(Outbox::default()));
        let outage = Arc::new(Outage::new("the fast path", target.clone()));
        let link = Arc::new(Link::new(target.clone(), outage.clone()));
        let id = uuid::Uuid::new_v4().simple().to_string();
        let keys = Keys::new(&target.prefix);
        let streams = sharding.all().map(|shard| (shard, keys.copy_notices(shard))).collect();
        let judge = Arc::new(CopyNotices { id: id.clone() });
        let writer = Writer { keys, sharding, id, link: link.clone(), outbox: outbox.clone(), told: 0 };
        Self {
            following: Following::new(target, outage, streams, live.clone(), judge),
            _writer: AbortOnDropHandle::new(tokio::spawn(writer.run())),
            live,
            outbox,
            link,
        }
    }

    /// Whether Redis takes copies now, and is followed where anybody is attached.
    pub fn is_up(&self) -> bool {
        self.link.up().is_ok() && (!self.live.is_attached() || self.following.is_up())
    }

    /// Channels that are followed now.
    pub fn subscriptions(&self) -> usize {
        if self.following.is_up() { self.live.count() } else { 0 }
    }

    /// Hands over, in this process alone, what came from the log itself; what is known already is left out.
    pub fn bring(&self, records: &[Record]) {
        self.live.tell(records, Gap::Tell);
    }

    /// Records that no copy was made of, as Redis was away or too slow.
    pub fn left_out(&self) -> u64 {
        self.outbox.left_out()
    }
}

impl Backbone for RedisCopies {
    fn deliver(&self, records: &[Record]) {
        // This process needs no copy.
        self.live.tell(records, Gap::Tell);
        self.outbox.push(records.iter().cloned());
    }

    fn follow(&self, channel: &ChannelName) {
        self.live.follow(channel);
    }

    fn unfollow(&self, channel: &ChannelName) {
        self.live.unfollow(channel);
    }

    fn attach(&self, receiver: Receiver) {
        self.live.attach(receiver);
    }
}

/// Copies say which log they are of themselves.
struct CopyNotices {
    id: String,
}

impl Judge for CopyNotices {
    fn judge(&self, _shard: Shard, _before: (u64, u64), notice: &Notice) -> Verdict {
        if notice.writer.as_deref() == Some(self.id.as_str()) {
            Verdict::Skip
        } else {
            Verdict::Take { incarnation: 0, is_gap: notice.has_left_out }
        }
    }
}

struct Writer {
    keys: Keys,
    sharding: Sharding,
    id: String,
    link: Arc<Link>,
    outbox: Arc<Outbox>,
    /// Of how many that were left out everybody was told.
    told: u64,
}

impl Writer {
    async fn run(mut self) {
        let (outbox, mut state) = (self.outbox.clone(), self.link.watch());
        loop {
            let records = tokio::select! {
                records = outbox.take() => records,
                changed = state.changed() => match changed {
                    Ok(()) => Vec::new(),
                    Err(_) => return,
                },
            };
            let Ok(up) = self.link.up() else {
                outbox.leave_out(records.len());
                continue;
            };
            let written_at = Instant::now();
            let left_out = outbox.left_out();
            let has_left_out = left_out > self.told;
            let mut shards: BTreeMap<Shard, Vec<&Record>> = BTreeMap::new();
            if has_left_out {
                shards.extend(self.sharding.all().map(|shard| (shard, Vec::new())));
            }
            for record in &records {
                shards.entry(self.sharding.shard_of(&record.channel)).or_default().push(record);
            }
            let writes = shards.into_iter().map(|(shard, records)| self.write(&up, shard, records, has_left_out));
            if join_all(writes).await.iter().all(Result::is_ok) {
                self.told = left_out;
            } else {
                up.give_up();
                outbox.leave_out(records.len());
            }
            // What comes meanwhile goes together.
            tokio::time::sleep_until((written_at + REDIS_GATHER).into()).await;
        }
    }

    async fn write(&self, up: &Up, shard: Shard, records: Vec<&Record>, has_left_out: bool) -> RedisResult<()> {
        let mut script = script::COPY.prepare_invoke();
        script.key(self.keys.copy_notices(shard)).arg(&self.id).arg(REDIS_NOTICES).arg(REDIS_COPIES);
        script.arg(u8::from(has_left_out)).arg(REDIS_COPIES_EXPIRY.as_secs());
        for record in records {
            let position = &record.position;
            script.key(self.keys.events(&record.channel)).arg(record.channel.as_str());
            script.arg(position.incarnation).arg(position.number).arg(position.epoch).arg(position.address);
            script.arg(position.index).arg(record.kind as u8).arg(&record.json[..]);
        }
        let mut connection = up.connection.clone();
        within(REDIS_CALL_TIMEOUT, script.invoke_async::<()>(&mut connection)).await
    }
}
