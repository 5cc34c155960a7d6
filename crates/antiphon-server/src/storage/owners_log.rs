//! How it is with the log at the owners of its shards: for a process that does not speak to the log's engine itself.

use super::questions::{Addressee, Questions};
use antiphon_cluster::Cluster;
use antiphon_core::limits::{PEER_PATIENCE, PEER_PROBE_INTERVAL, PEER_RETRY_MOST};
use antiphon_core::{ChannelName, Elsewhere, LogError, OwnedShards, Shard, Sharding};
use antiphon_kafka::KafkaLog;
use bytes::Bytes;
use futures::StreamExt;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Shards that are asked for at a time.
const AT_ONCE: usize = 16;
/// How long an answer may take. It costs nothing, but whoever is not the owner yet is asked again meanwhile.
const PATIENCE: Duration = PEER_RETRY_MOST.saturating_mul(2);

/// What an owner says.
#[derive(Serialize, Deserialize)]
struct Said {
    /// What it owns.
    shards: Vec<u16>,
    /// Why it takes no events for them, if it takes none.
    refuses: Option<String>,
}

/// What the owner of some shards answers to whoever asks how the log is.
pub fn answer(owned: &OwnedShards, kafka: Option<&KafkaLog>) -> Bytes {
    let refuses = kafka.and_then(|kafka| kafka.reachable().err()).map(|error| match error {
        LogError::Unavailable { reason } => reason,
        other => other.to_string(),
    });
    let shards = owned.watch().borrow().keys().map(|shard| shard.0).collect();
    serde_json::to_vec(&Said { shards, refuses }).unwrap_or_default().into()
}

/// What was heard of the owners.
pub struct OwnersLog {
    heard: Mutex<BTreeMap<Shard, Heard>>,
}

/// What was heard of a shard's owner.
struct Heard {
    /// Why it took no events when it answered last.
    refuses: Option<String>,
    /// When it answered last, or was asked first.
    at: Instant,
    /// Whether it answered when it was asked last.
    is_answered: bool,
}

impl OwnersLog {
    /// Asks them from now on, until the process ends.
    pub fn watch(cluster: Arc<Cluster>) -> Arc<Self> {
        let channels = channels(cluster.owned().sharding());
        let log = Arc::new(Self::new(cluster.owned().sharding()));
        let asking = log.clone();
        tokio::spawn(async move {
            let elsewhere = Questions::of(Addressee::Log, cluster.elsewhere());
            loop {
                asking.begin_round();
                let without: Vec<Shard> = cluster.unserved().into_iter().map(|unserved| unserved.shard).collect();
                let asked = channels.iter().filter(|(shard, _)| !without.contains(shard));
                let asking = &asking;
                let ask = async |(shard, channel): (&Shard, &ChannelName)| {
                    if !asking.is_answered(*shard)
                        && let Some(said) = ask(elsewhere.as_ref(), channel).await
                    {
                        asking.hear(&said);
                    }
                };
                futures::stream::iter(asked).for_each_concurrent(AT_ONCE, ask).await;
                tokio::time::sleep(PEER_PROBE_INTERVAL).await;
            }
        });
        log
    }

    fn new(sharding: Sharding) -> Self {
        let at = Instant::now();
        let unheard = |shard| (shard, Heard { refuses: None, at, is_answered: false });
        Self { heard: Mutex::new(sharding.all().map(unheard).collect()) }
    }

    fn begin_round(&self) {
        self.heard.lock().values_mut().for_each(|heard| heard.is_answered = false);
    }

    /// Whether its owner was heard in this round, for this shard or for another one.
    fn is_answered(&self, shard: Shard) -> bool {
        self.heard.lock().get(&shard).is_some_and(|heard| heard.is_answered)
    }

    fn hear(&self, said: &Said) {
        let mut heard = self.heard.lock();
        for shard in &said.shards {
            if let Some(of_shard) = heard.get_mut(&Shard(*shard)) {
                *of_shard = Heard { refuses: said.refuses.clone(), at: Instant::now(), is_answered: true };
            }
        }
    }

    /// The shards whose owners take no events, and why the first of them does not. Who said so and fell silent, as without the
    /// log nobody can own a shard, still counts.
    pub fn refused(&self) -> Option<(Vec<Shard>, String)> {
        let heard = self.heard.lock();
        let refused = heard.iter().filter_map(|(shard, heard)| Some((*shard, heard.refuses.as_deref()?)));
        let reason = refused.clone().next()?.1.to_owned();
        Some((refused.map(|(shard, _)| shard).collect(), reason))
    }

    /// The shards that no process has begun to own for longer than callers wait, whoever may have taken them.
    pub fn not_begun(&self) -> Vec<Shard> {
        let heard = self.heard.lock();
        let is_silent = |heard: &Heard| heard.refuses.is_none() && heard.at.elapsed() > PEER_PATIENCE;
        heard.iter().filter(|(_, heard)| is_silent(heard)).map(|(shard, _)| *shard).collect()
    }
}

async fn ask(elsewhere: &dyn Elsewhere, channel: &ChannelName) -> Option<Said> {
    let asked = tokio::time::timeout(PATIENCE, elsewhere.ask(channel, Bytes::new())).await;
    serde_json::from_slice(&asked.ok()?.ok()?).ok()
}

/// A channel of each shard, which nobody writes to.
fn channels(sharding: Sharding) -> BTreeMap<Shard, ChannelName> {
    let mut channels = BTreeMap::new();
    let mut names = (0_u32..).filter_map(|number| ChannelName::parse(&format!("log:{number}")).ok());
    while channels.len() < usize::from(sharding.count()) {
        let Some(name) = names.next() else { break };
        channels.entry(sharding.shard_of(&name)).or_insert(name);
    }
    channels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shard_can_be_asked_for() {
        for count in [1, 8, antiphon_core::limits::MAX_SHARDS] {
            let sharding = Sharding::new(count).unwrap();
            let channels = channels(sharding);
            assert!(sharding.all().eq(channels.keys().copied()));
            assert!(channels.iter().all(|(shard, channel)| sharding.shard_of(channel) == *shard));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_refused_and_fell_silent_still_refuses_until_an_owner_says_otherwise() {
        let log = OwnersLog::new(Sharding::new(4).unwrap());
        let say = |shards: &[u16], refuses: Option<&str>| {
            log.begin_round();
            log.hear(&Said { shards: shards.to_vec(), refuses: refuses.map(str::to_owned) });
        };
        assert_eq!((log.refused(), log.not_begun()), (None, vec![]));
        say(&[0, 1, 9], None);
        assert!(log.is_answered(Shard(1)) && !log.is_answered(Shard(2)));
        tokio::time::advance(PEER_PATIENCE + Duration::from_secs(1)).await;
        say(&[0], None);
        assert_eq!(log.not_begun(), [Shard(1), Shard(2), Shard(3)]);
        say(&[1, 3], Some("away"));
        tokio::time::advance(2 * PEER_PATIENCE).await;
        assert_eq!(log.refused(), Some((vec![Shard(1), Shard(3)], "away".to_owned())));
        assert_eq!(log.not_begun(), [Shard(0), Shard(2)]);
        say(&[0, 1, 2, 3], None);
        assert_eq!((log.refused(), log.not_begun()), (None, vec![]));
    }
}
