//! Follows one shard at its owner, wherever that moves.

use crate::backbone::{GrpcBackbone, Wanted};
use crate::message::{channel, proto, to_position, to_record};
use crate::owners::Owners;
use crate::peers::Failure;
use crate::routes::Route;
use antiphon_core::limits::{
    FOLLOW_MESSAGE_CHANNELS, FOLLOW_TAIL_INTERVAL, PEER_CONNECT_TIMEOUT, PEER_RETRY_LEAST, PEER_RETRY_MOST,
};
use antiphon_core::{ChannelName, Delivery, Shard};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

/// How long an owner may be silent: three tail notices.
const SILENCE: Duration = FOLLOW_TAIL_INTERVAL.saturating_mul(3);

/// Follows the shard until stopped.
pub(crate) async fn follow(backbone: Arc<GrpcBackbone>, owners: Owners, shard: Shard, stopped: CancellationToken) {
    let Some(wanted) = backbone.wanted(shard) else { return };
    let following = Following { backbone: &backbone, owners: &owners, shard, wanted };
    tokio::select! {
        () = stopped.cancelled() => {}
        () = following.run() => {}
    }
}

struct Following<'a> {
    backbone: &'a GrpcBackbone,
    owners: &'a Owners,
    shard: Shard,
    wanted: &'a Wanted,
}

impl Following<'_> {
    async fn run(&self) {
        let mut pause = PEER_RETRY_LEAST;
        loop {
            let route = self.owner().await;
            match self.follow_owner(&route).await {
                Ok(()) => pause = PEER_RETRY_LEAST,
                Err(Failure::Refused(reason)) => {
                    tracing::warn!(reason, shard = %self.shard, "the owner of a shard does not let itself be followed");
                    pause = PEER_RETRY_MOST;
                }
                Err(Failure::NotSent(reason) | Failure::Broken(reason)) => {
                    tracing::debug!(reason, shard = %self.shard, "the owner of a shard is not followed for now");
                    pause = (pause * 2).min(PEER_RETRY_MOST);
                }
            }
            futures::join!(self.owners.routes.refresh(), tokio::time::sleep(pause));
        }
    }

    /// The shard's owner in another process, once there is one and something to follow there.
    async fn owner(&self) -> Route {
        let mut routes = self.owners.routes.watch();
        let mut owned = self.owners.owned.watch();
        let mut was_here = false;
        loop {
            routes.mark_unchanged();
            owned.mark_unchanged();
            let is_here = self.owners.owned.epoch(self.shard).is_some();
            if is_here && !was_here {
                // From now on its records come from this process's own engine.
                self.backbone.receive(Delivery::Lost);
            }
            was_here = is_here;
            if let Some(route) = self.owners.elsewhere(self.shard).filter(|_| !is_here && !self.wanted.is_empty()) {
                return route;
            }
            tokio::select! {
                () = self.wanted.changed.notified() => {}
                _ = routes.changed() => {}
                Ok(()) = owned.changed() => {}
            }
        }
    }

    /// Takes delivery from this owner until it is another's turn.
    async fn follow_owner(&self, route: &Route) -> Result<(), Failure> {
        let mut client = self.owners.peers.client(&route.address)?;
        let (requests, outgoing) = mpsc::channel(1);
        let mut untold = self.requests(self.wanted.all());
        // The first one names the shard, whatever there is to follow.
        let first = untold.pop_front().unwrap_or_else(|| self.request());
        if requests.send(first).await.is_err() {
            return Ok(());
        }
        let opening = tokio::time::timeout(PEER_CONNECT_TIMEOUT * 2, client.follow(ReceiverStream::new(outgoing)));
        let mut replies = match opening.await {
            Ok(reply) => reply?.into_inner(),
            Err(_) => return Err(Failure::Broken("the owner did not answer in time".into())),
        };
        let mut routes = self.owners.routes.watch();
        let mut least_epoch = route.epoch;
        let mut is_first = true;
        loop {
            tokio::select! {
                reply = tokio::time::timeout(SILENCE, replies.message()) => {
                    let Ok(reply) = reply else { return Err(Failure::Broken("the owner is silent".into())) };
                    let Some(reply) = reply? else { return Ok(()) };
                    if reply.not_owner {
                        return Ok(());
                    }
                    let is_lost = reply.lost || std::mem::take(&mut is_first);
                    self.receive(reply, is_lost, least_epoch)?;
                }
                permit = requests.reserve(), if !untold.is_empty() => {
                    let Ok(permit) = permit else { return Ok(()) };
                    permit.send(untold.pop_front().unwrap_or_else(|| self.request()));
                }
                () = self.wanted.changed.notified() => untold.extend(self.requests(self.wanted.changes())),
                _ = routes.changed() => {
                    let now = self.owners.routes.owner(self.shard);
                    match now {
                        Some(now) if now.process == route.process => least_epoch = least_epoch.max(now.epoch),
                        // Who gave a shard back may still have records under way; it says when it is over.
                        None => {}
                        Some(_) => return Ok(()),
                    }
                }
            }
        }
    }

    fn receive(&self, reply: proto::FollowReply, is_lost: bool, least_epoch: u32) -> Result<(), Failure> {
        let proto::FollowReply { records, tails, .. } = reply;
        if is_lost {
            self.backbone.receive(Delivery::Lost);
        }
        let records = records.into_iter().map(to_record).collect::<Result<Vec<_>, _>>()?;
        // Each ownership of a log in memory is another log, whose incarnation is its epoch: an older one is gone.
        let is_due = |channel: &ChannelName, epoch: u32| epoch >= least_epoch && self.wanted.has(channel);
        for run in records.chunk_by(|one, next| one.channel == next.channel) {
            if run.iter().all(|record| is_due(&record.channel, record.position.incarnation)) {
                self.backbone.receive(Delivery::Records(run));
            }
        }
        for proto::Tail { channel: name, end } in tails {
            let channel = channel(&name)?;
            let end = to_position(&channel, end.as_ref())?;
            if self.wanted.has(&channel) {
                self.backbone.receive(Delivery::Tail(&channel, end));
            }
        }
        Ok(())
    }

    fn request(&self) -> proto::FollowRequest {
        proto::FollowRequest { shard: u32::from(self.shard.0), ..Default::default() }
    }

    fn requests(&self, changes: Vec<(ChannelName, bool)>) -> VecDeque<proto::FollowRequest> {
        let request = |changes: &[(ChannelName, bool)]| {
            let named = |follow: bool| {
                let changes = changes.iter().filter(move |(_, follows)| *follows == follow);
                changes.map(|(channel, _)| channel.as_str().to_owned()).collect()
            };
            proto::FollowRequest { follow: named(true), unfollow: named(false), ..self.request() }
        };
        changes.chunks(FOLLOW_MESSAGE_CHANNELS).map(request).collect()
    }
}
