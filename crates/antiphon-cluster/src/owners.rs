//! Calls to whoever owns a shard: made here or there, and made again while ownership moves.

use crate::peers::{Client, Failure, Peers};
use crate::routes::{Route, Routes};
use antiphon_core::limits::{PEER_PATIENCE, PEER_RETRY_LEAST, PEER_RETRY_MOST};
use antiphon_core::{OwnedShards, Shard};
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tonic::Status;

/// What came of a call to a process that was taken for the owner.
pub(crate) enum Outcome<T> {
    /// It answered, be it with a refusal.
    Done(T),
    /// It is not the owner, and did nothing.
    NotOwner,
}

/// Why no owner answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// Nobody obeyed the call.
    Nobody(String),
    /// Somebody may have obeyed it.
    InDoubt(String),
}

/// A call, as it is made in this process and in another one. Both may be called several times.
pub(crate) struct Call<'a, T> {
    /// True where obeying twice is as good as once.
    pub(crate) is_repeatable: bool,
    /// How long an answer may take.
    pub(crate) timeout: Duration,
    /// In this process, which owns the shard.
    pub(crate) here: &'a (dyn Fn() -> BoxFuture<'a, Outcome<T>> + Send + Sync),
    /// In another one; true asks a process with a copy of the log that is not the owner.
    pub(crate) there: &'a (dyn Fn(Client, bool) -> BoxFuture<'a, Result<Outcome<T>, Status>> + Send + Sync),
    /// A role whose processes have a copy of the log that will do while the owner is away.
    pub(crate) copies: Option<&'static str>,
}

/// The way to every owner.
#[derive(Clone)]
pub(crate) struct Owners {
    pub(crate) process: Arc<str>,
    pub(crate) owned: OwnedShards,
    pub(crate) routes: Arc<Routes>,
    pub(crate) peers: Arc<Peers>,
}

impl Owners {
    /// The owner's route, where it is another process.
    pub(crate) fn elsewhere(&self, shard: Shard) -> Option<Route> {
        self.routes.owner(shard).filter(|route| *route.process != *self.process)
    }

    /// Calls the owner of a shard; again while there is none, for as long as a caller can be expected to wait.
    pub(crate) async fn call<T>(&self, shard: Shard, call: Call<'_, T>) -> Result<T, Unanswered> {
        let until = Instant::now() + PEER_PATIENCE;
        let mut pause = PEER_RETRY_LEAST;
        let mut is_away = false;
        loop {
            let reason = match self.attempt(shard, &call, is_away).await {
                Ok(Outcome::Done(done)) => return Ok(done),
                Ok(Outcome::NotOwner) => "ownership of the channel's shard is moving".to_owned(),
                Err(Failure::Refused(reason)) => return Err(Unanswered::Nobody(reason)),
                Err(Failure::Broken(reason)) if !call.is_repeatable => return Err(Unanswered::InDoubt(reason)),
                Err(Failure::Broken(reason) | Failure::NotSent(reason)) => reason,
            };
            is_away = true;
            if Instant::now() + pause >= until {
                return Err(Unanswered::Nobody(reason));
            }
            let mut owned = self.owned.watch();
            owned.mark_unchanged();
            tokio::select! {
                () = async { futures::join!(self.routes.refresh(), tokio::time::sleep(pause)); } => {}
                _ = owned.changed() => {}
            }
            pause = (pause * 2).min(PEER_RETRY_MOST);
        }
    }

    async fn attempt<T>(&self, shard: Shard, call: &Call<'_, T>, is_away: bool) -> Result<Outcome<T>, Failure> {
        if self.owned.epoch(shard).is_some() {
            return Ok((call.here)().await);
        }
        if let Some(address) = call.copies.filter(|_| is_away).and_then(|role| self.copy(role)) {
            return self.there(&address, call, true).await;
        }
        let Some(route) = self.elsewhere(shard) else { return Ok(Outcome::NotOwner) };
        self.there(&route.address, call, false).await
    }

    async fn there<T>(&self, address: &str, call: &Call<'_, T>, is_copy: bool) -> Result<Outcome<T>, Failure> {
        let client = self.peers.client(address)?;
        match tokio::time::timeout(call.timeout, (call.there)(client, is_copy)).await {
            Ok(outcome) => outcome.map_err(Failure::from),
            Err(_) => Err(Failure::Broken("the owner did not answer in time".into())),
        }
    }

    /// A process that has a copy; any of them, so that one which is away does not hold up for long.
    fn copy(&self, role: &str) -> Option<String> {
        let table = self.routes.table();
        let addresses: Vec<&str> = table
            .with_role(role)
            .filter(|process| *process.id != *self.process)
            .map(|process| process.address.as_str())
            .collect();
        let index = rand::random_range(0..addresses.len().max(1));
        addresses.get(index).map(|address| (*address).to_owned())
    }
}
