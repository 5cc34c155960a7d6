//! Telling the former owner of a shard that it is taken. One that cannot reach the table of leases does not learn it there,
//! and a log in its memory refuses it nothing.

use crate::message::proto::SupersedeRequest;
use crate::peers::Peers;
use crate::routes::Route;
use antiphon_core::Shard;
use antiphon_core::limits::{PEER_CONNECT_TIMEOUT, PEER_KEEPALIVE};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long a former owner that does not answer is told: it may be suspended, or be gone.
const TOLD_FOR: Duration = Duration::from_secs(30);

/// Who owned the shards that this process takes. At most one a shard.
#[derive(Default)]
pub(super) struct Predecessors {
    addresses: HashMap<Shard, String>,
    telling: JoinSet<()>,
}

impl Predecessors {
    /// A shard is taken that had this owner, as far as is known.
    pub(super) fn note(&mut self, shard: Shard, before: Option<&Route>) {
        match before {
            Some(before) => self.addresses.insert(shard, before.address.clone()),
            None => self.addresses.remove(&shard),
        };
    }

    /// The shard is owned here in this epoch: its owner before is told so until it answers.
    pub(super) fn tell(&mut self, peers: &Arc<Peers>, shard: Shard, epoch: u32) {
        while self.telling.try_join_next().is_some() {}
        let Some(address) = self.addresses.remove(&shard) else { return };
        let (peers, until) = (peers.clone(), Instant::now() + TOLD_FOR);
        self.telling.spawn(async move {
            while Instant::now() < until {
                let Ok(mut client) = peers.client(&address) else { return };
                let request = SupersedeRequest { shard: shard.0.into(), epoch };
                if let Ok(Ok(_)) = tokio::time::timeout(PEER_CONNECT_TIMEOUT, client.supersede(request)).await {
                    return;
                }
                tokio::time::sleep(PEER_KEEPALIVE).await;
            }
        });
    }
}
