//! Viewers in other processes: each process tells the owners which of their rooms its clients look at.

use crate::message::proto;
use crate::owners::Owners;
use antiphon_core::limits::{
    FOLLOW_MESSAGE_CHANNELS, MAX_FOLLOWED_CHANNELS, MAX_PROCESSES, PEER_CONNECT_TIMEOUT, WATCHING_INTERVAL,
    WATCHING_REPEAT,
};
use antiphon_core::{ChannelName, OwnedShards, ViewerCount, Viewing};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long viewers count whose process is silent.
const SILENCE: Duration = WATCHING_REPEAT.saturating_mul(3);

/// The owner's side. What somebody in another process views counts as one viewer, however many they are there.
pub(crate) struct Watching {
    owned: OwnedShards,
    viewers: ViewerCount,
    processes: Mutex<HashMap<String, Watcher>>,
}

struct Watcher {
    heard_at: Instant,
    viewing: HashMap<ChannelName, Viewing>,
}

impl Watching {
    pub(crate) fn new(owned: OwnedShards, viewers: ViewerCount) -> Self {
        Self { owned, viewers, processes: Mutex::default() }
    }

    /// Takes what a process tells. False where it has to begin anew.
    pub(crate) fn take(&self, request: &proto::WatchingRequest) -> bool {
        let mut processes = self.processes.lock();
        if request.anew && (processes.contains_key(&request.process) || processes.len() < MAX_PROCESSES) {
            let watcher = Watcher { heard_at: Instant::now(), viewing: HashMap::new() };
            // Those who go on viewing are counted before the old ones are dropped, so that the count does not dip.
            let old = processes.insert(request.process.clone(), watcher);
            let known = self.apply(&mut processes, request);
            drop(old);
            return known;
        }
        self.apply(&mut processes, request)
    }

    fn apply(&self, processes: &mut HashMap<String, Watcher>, request: &proto::WatchingRequest) -> bool {
        let Some(watcher) = processes.get_mut(&request.process) else { return false };
        watcher.heard_at = Instant::now();
        for name in &request.watched {
            let Ok(channel) = ChannelName::parse(name) else { continue };
            if self.owned.epoch_of(&channel).is_some() && watcher.viewing.len() < MAX_FOLLOWED_CHANNELS {
                watcher.viewing.entry(channel).or_insert_with_key(|channel| self.viewers.enter(channel));
            }
        }
        for name in &request.unwatched {
            if let Ok(channel) = ChannelName::parse(name) {
                watcher.viewing.remove(&channel);
            }
        }
        true
    }

    /// Forgets processes that went silent, and rooms that are others' now.
    pub(crate) fn forget(&self) {
        let mut processes = self.processes.lock();
        processes.retain(|_, watcher| {
            watcher.viewing.retain(|channel, _| self.owned.epoch_of(channel).is_some());
            watcher.heard_at.elapsed() <= SILENCE
        });
    }
}

/// What an owner was told last.
struct Told {
    watched: HashSet<ChannelName>,
    at: Instant,
    /// False once the owner must be told everything.
    is_known: bool,
}

/// Tells every owner which of its rooms are viewed here: changes at once, and that they still are each second.
pub(crate) async fn tell(owners: Owners, watching: Arc<Watching>, stopped: CancellationToken) {
    let mut told: HashMap<String, Told> = HashMap::new();
    loop {
        tokio::select! {
            () = stopped.cancelled() => return,
            () = tokio::time::sleep(WATCHING_INTERVAL) => {}
        }
        // First, so that other processes' viewers of a room that was ours are not passed on as our own.
        watching.forget();
        let mut viewed: HashMap<String, HashSet<ChannelName>> = HashMap::new();
        for channel in watching.viewers.viewed() {
            let shard = owners.owned.sharding().shard_of(&channel);
            let is_here = owners.owned.epoch(shard).is_some();
            if let Some(route) = owners.elsewhere(shard).filter(|_| !is_here) {
                viewed.entry(route.address).or_default().insert(channel);
            }
        }
        for address in told.keys() {
            viewed.entry(address.clone()).or_default();
        }
        let each = viewed.into_iter().map(|(address, watched)| {
            let before = told.remove(&address);
            tell_one(&owners, address, watched, before)
        });
        let each: Vec<_> = each.collect();
        told = futures::future::join_all(each).await.into_iter().flatten().collect();
    }
}

/// Brings one owner up to date. None once there is nothing to tell it any more.
async fn tell_one(
    owners: &Owners,
    address: String,
    watched: HashSet<ChannelName>,
    before: Option<Told>,
) -> Option<(String, Told)> {
    let is_known = before.as_ref().is_some_and(|before| before.is_known);
    let old = before.as_ref().filter(|_| is_known).map(|before| &before.watched);
    let name = |channel: &ChannelName| channel.as_str().to_owned();
    let added: Vec<String> =
        watched.iter().filter(|channel| !old.is_some_and(|old| old.contains(channel))).map(name).collect();
    let removed: Vec<String> =
        old.into_iter().flatten().filter(|channel| !watched.contains(channel)).map(name).collect();
    let is_due = before.as_ref().is_none_or(|before| before.at.elapsed() >= WATCHING_REPEAT);
    if !is_due && added.is_empty() && removed.is_empty() {
        return before.map(|before| (address, before));
    }
    if watched.is_empty() && removed.is_empty() {
        return None;
    }
    let is_known = send(owners, &address, !is_known, added, removed).await;
    Some((address, Told { watched, at: Instant::now(), is_known }))
}

async fn send(owners: &Owners, address: &str, mut anew: bool, added: Vec<String>, removed: Vec<String>) -> bool {
    let Ok(mut client) = owners.peers.client(address) else { return false };
    let (mut added, mut removed) = (added.into_iter(), removed.into_iter());
    loop {
        let watched: Vec<String> = added.by_ref().take(FOLLOW_MESSAGE_CHANNELS).collect();
        let unwatched: Vec<String> = removed.by_ref().take(FOLLOW_MESSAGE_CHANNELS).collect();
        let process = owners.process.to_string();
        let request = proto::WatchingRequest { process, anew: std::mem::take(&mut anew), watched, unwatched };
        let reply = tokio::time::timeout(PEER_CONNECT_TIMEOUT, client.watching(request)).await;
        if !matches!(reply, Ok(Ok(reply)) if reply.get_ref().known) {
            return false;
        }
        if added.len() == 0 && removed.len() == 0 {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(anew: bool, watched: &[&str], unwatched: &[&str]) -> proto::WatchingRequest {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        proto::WatchingRequest { process: "p".into(), anew, watched: names(watched), unwatched: names(unwatched) }
    }

    #[tokio::test(start_paused = true)]
    async fn viewers_of_a_process_count_until_it_takes_them_back_or_goes_silent() {
        let (owned, viewers) = (OwnedShards::everything(), ViewerCount::default());
        let watching = Watching::new(owned.clone(), viewers.clone());
        let (one, two) = (ChannelName::parse("ar-room:1").unwrap(), ChannelName::parse("ar-room:2").unwrap());
        let (count_of_one, count_of_two) = (viewers.watch(&one), viewers.watch(&two));
        let counts = || (*count_of_one.borrow(), *count_of_two.borrow());
        assert!(!watching.take(&request(false, &["ar-room:1"], &[])), "it has to begin anew");
        assert!(watching.take(&request(true, &["ar-room:1", "ar-room:2"], &[])));
        assert_eq!(counts(), (1, 1));
        assert!(watching.take(&request(false, &["ar-room:1"], &["ar-room:2"])));
        assert_eq!(counts(), (1, 0));
        tokio::time::advance(SILENCE).await;
        watching.forget();
        assert_eq!(counts(), (1, 0));
        tokio::time::advance(Duration::from_millis(1)).await;
        watching.forget();
        assert_eq!(counts(), (0, 0));
        assert!(watching.take(&request(true, &["ar-room:2"], &[])));
        owned.lose(antiphon_core::Shard(0));
        watching.forget();
        assert_eq!(counts(), (0, 0));
        assert!(watching.take(&request(false, &["ar-room:2"], &[])));
        assert_eq!(counts(), (0, 0), "the shard is another process's");
    }
}
