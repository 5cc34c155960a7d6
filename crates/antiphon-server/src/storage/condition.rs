//! What this process cannot do now, and why: for `/ready`, and what the metrics count. Whoever asks waits for nothing:
//! all of it is what tasks in the background saw last.

use super::LivePath;
use super::owners_log::OwnersLog;
use super::ownerships::Ownerships;
use crate::config::Engine;
use antiphon_cluster::{Cluster, Unserved, WhyUnserved};
use antiphon_core::limits::{RECORDS_PROBE_INTERVAL, RECORDS_SILENCE};
use antiphon_core::{Log, LogError, Shard, plain_words};
use antiphon_sql::Records;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// Shards that are named in one sentence.
const NAMED: usize = 8;
/// Characters of an engine's reason that are told.
const REASON: usize = 200;

/// What is looked at. Cheap to clone.
#[derive(Clone)]
pub struct Condition {
    /// The log's engine in this process; none where only its owners speak to it.
    pub engine: Option<(Engine, Arc<dyn Log>)>,
    /// How the log is with its owners, where only they speak to an engine that can be away.
    pub owners_log: Option<Arc<OwnersLog>>,
    /// What brings events here.
    pub live_path: LivePath,
    /// Since when it has not, where it is the log's own and nothing else does.
    pub silent_since: Arc<Mutex<Option<Instant>>>,
    /// The records' database; none where it is a file.
    pub records: Option<Arc<RecordsWatch>>,
    /// Where several processes share the log.
    pub shared: Option<(Arc<Cluster>, Arc<Ownerships>)>,
    /// Appends that the log refused.
    pub appends_refused: Arc<AtomicU64>,
}

impl Condition {
    /// Each thing that this process cannot do without and is without now, as a sentence for operators that tells no
    /// address and no secret.
    pub fn lacking(&self) -> Vec<String> {
        let mut lacking = Vec::new();
        if let Some((engine, log)) = &self.engine
            && let Err(error) = log.health()
        {
            lacking.push(format!("{} takes no events for the log: {}", words(*engine), reason_of(&error)));
        }
        if let Some((shards, reason)) = self.refused_by_owners() {
            let which = named(&shards);
            lacking
                .push(format!("Kafka takes no events for the log, say the owners of {which}: {}", in_public(&reason)));
        }
        if self.brings_nothing() {
            lacking.push("Redis lets this process follow no events: look at the rights of its user".to_owned());
        }
        if self.records.as_ref().is_some_and(|records| records.is_silent()) {
            lacking.push("PostgreSQL does not answer, which has the rooms, the messages and the leases".to_owned());
        }
        let Some((cluster, ownerships)) = &self.shared else { return lacking };
        let unserved = cluster.unserved();
        let owned = cluster.owned();
        let may_own = ownerships.refusal(|shard| {
            owned.watch().borrow().is_empty() || unserved.iter().any(|unserved| unserved.shard == shard)
        });
        if let (Some(reason), Some((engine, _))) = (may_own, &self.engine) {
            lacking.push(format!("{} lets this process own no shard: {}", words(*engine), in_public(&reason)));
        }
        for why in [WhyUnserved::NoOwner, WhyUnserved::Secret, WhyUnserved::Silent] {
            lacking.extend(sentence(why, &unserved));
        }
        let is_told = |shard: &Shard| unserved.iter().any(|unserved| unserved.lasts && unserved.shard == *shard);
        let not_begun: Vec<Shard> = self.not_begun().into_iter().filter(|shard| !is_told(shard)).collect();
        if !not_begun.is_empty() {
            let shards = named(&not_begun);
            lacking.push(format!(
                "no process has begun to own {shards}: those with the role ai know why, by their /ready"
            ));
        }
        lacking
    }

    /// The shards for which the log takes no events, and why, as their owners say where this process itself cannot ask.
    pub fn refused_by_owners(&self) -> Option<(Vec<Shard>, String)> {
        self.owners_log.as_ref()?.refused()
    }

    /// The shards that no owner has begun to write, as far as this process asks owners.
    fn not_begun(&self) -> Vec<Shard> {
        self.owners_log.as_ref().map(|owners| owners.not_begun()).unwrap_or_default()
    }

    /// Whether the log takes events elsewhere, where this process itself cannot ask.
    pub fn is_taken_elsewhere(&self) -> bool {
        self.refused_by_owners().is_none() && self.not_begun().is_empty()
    }

    /// Whether a log in Redis that takes events has brought none for longer than it takes to connect anew.
    fn brings_nothing(&self) -> bool {
        let mut since = self.silent_since.lock();
        let takes_events = self.engine.as_ref().is_some_and(|(_, log)| log.health().is_ok());
        match &self.live_path {
            LivePath::Streams(follower) if takes_events && !follower.is_up() => {
                since.get_or_insert_with(Instant::now).elapsed() > RECORDS_SILENCE
            }
            _ => {
                *since = None;
                false
            }
        }
    }

    /// Says in the server's own log when the process is no longer ready, and when it is again. Until the process ends.
    pub async fn tell_changes(self) {
        let (started, mut before) = (Instant::now(), 0);
        loop {
            tokio::time::sleep(RECORDS_PROBE_INTERVAL).await;
            let lacking = self.lacking();
            // Nobody owns anything at a start.
            if lacking.len() == before || started.elapsed() < RECORDS_SILENCE {
                continue;
            }
            before = lacking.len();
            if lacking.is_empty() {
                tracing::info!("ready again");
            } else {
                tracing::warn!(lacking = lacking.join("; "), "not ready");
            }
        }
    }
}

/// Whether the records' database answers.
pub struct RecordsWatch {
    answered_at: Mutex<Instant>,
    is_up: AtomicBool,
}

impl RecordsWatch {
    /// Asks it from now on, until the process ends.
    pub fn start(records: Records) -> Arc<Self> {
        let watch = Arc::new(Self { answered_at: Mutex::new(Instant::now()), is_up: AtomicBool::new(true) });
        let seen = watch.clone();
        tokio::spawn(async move {
            loop {
                let answered = records.ping().await;
                if answered.is_ok() {
                    *seen.answered_at.lock() = Instant::now();
                }
                seen.is_up.store(answered.is_ok(), Ordering::Relaxed);
                tokio::time::sleep(RECORDS_PROBE_INTERVAL).await;
            }
        });
        watch
    }

    /// Whether it answered when it was asked last.
    pub fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed) && !self.is_silent()
    }

    /// Whether it has not answered for longer than calls can be expected to bear.
    fn is_silent(&self) -> bool {
        self.answered_at.lock().elapsed() > RECORDS_SILENCE
    }
}

fn words(engine: Engine) -> &'static str {
    match engine {
        Engine::Disk => "the disk",
        Engine::Memory => "the memory",
        Engine::Kafka => "Kafka",
        Engine::RedisStreams => "Redis",
    }
}

fn sentence(why: WhyUnserved, unserved: &[Unserved]) -> Option<String> {
    let which: Vec<Shard> =
        unserved.iter().filter(|one| one.why == why && one.lasts).map(|unserved| unserved.shard).collect();
    if which.is_empty() {
        return None;
    }
    let shards = named(&which);
    Some(match why {
        WhyUnserved::NoOwner => format!("no process owns {shards}"),
        WhyUnserved::Secret => {
            format!(
                "the owners of {shards} refuse this process's cluster.secret: it has to be the same in all processes"
            )
        }
        WhyUnserved::Silent => {
            format!("the owners of {shards} do not answer this process: look at cluster.listen and cluster.advertise")
        }
    })
}

fn named(which: &[Shard]) -> String {
    let mut shards = which.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if which.len() > NAMED {
        shards += &format!(" and {} more", which.len() - NAMED);
    }
    format!("{} {shards}", if which.len() == 1 { "shard" } else { "shards" })
}

fn reason_of(error: &LogError) -> String {
    match error {
        LogError::Unavailable { reason } => in_public(reason),
        other => other.to_string(),
    }
}

/// The reason in plain words, without addresses, paths and whatever else may stand in one word with a colon, a slash or an at sign.
fn in_public(reason: &str) -> String {
    let tells = |word: &str| {
        let is_port = |(_, rest): (&str, &str)| rest.starts_with(|first: char| first.is_ascii_digit());
        word.contains(['/', '@', '#', '\\']) || word.split_once(':').is_some_and(is_port)
    };
    let words: Vec<&str> =
        plain_words(reason).split_whitespace().map(|word| if tells(word) { "…" } else { word }).collect();
    words.join(" ").chars().take(REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_tells_no_address() {
        let said = "BrokerTransportFailure: 10.0.0.7:9092/1: Connect to ipv4#10.0.0.7:9092 failed: Connection refused";
        assert_eq!(in_public(said), "nothing listens there");
        assert_eq!(in_public("10.0.0.7:9092/1: Connect to ipv4#10.0.0.7:9092 failed"), "… Connect to … failed");
        assert_eq!(in_public("redis://u:secret@host/0 is away: kafka-1.internal:9092"), "… is away: …");
        assert_eq!(in_public("NOPERM no permissions to run 'evalsha'"), "NOPERM no permissions to run 'evalsha'");
        assert_eq!(in_public(&"x".repeat(999)).len(), REASON);
    }

    #[test]
    fn shards_are_named_by_why_they_are_not_served() {
        let one = |shard, why, lasts| Unserved { shard: Shard(shard), why, lasts };
        let unserved = [
            one(0, WhyUnserved::NoOwner, true),
            one(1, WhyUnserved::NoOwner, false),
            one(2, WhyUnserved::Secret, true),
            one(3, WhyUnserved::NoOwner, true),
        ];
        assert_eq!(sentence(WhyUnserved::NoOwner, &unserved).unwrap(), "no process owns shards 0, 3");
        assert!(
            sentence(WhyUnserved::Secret, &unserved)
                .unwrap()
                .contains("of shard 2 refuse this process's cluster.secret")
        );
        assert_eq!(sentence(WhyUnserved::Silent, &unserved), None);
        let many: Vec<Unserved> = (0..20).map(|shard| one(shard, WhyUnserved::Silent, true)).collect();
        assert!(sentence(WhyUnserved::Silent, &many).unwrap().contains("shards 0, 1, 2, 3, 4, 5, 6, 7 and 12 more"));
    }
}
