//! Beginning and ending an ownership in the engine, beside everything else that goes on.

use super::OwnershipParts;
use crate::leases::LeaseTable;
use crate::presence::TELLING;
use crate::timing::Timing;
use antiphon_core::limits::{OWNERSHIP_END_TIMEOUT, SHARDS_BEGUN_AT_ONCE};
use antiphon_core::{BeginError, Fenced, Shard, ShardWork};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What a beginning starts from.
#[derive(Clone, Copy, Debug)]
pub(super) enum From {
    /// A lease that was taken just now.
    Taken(u32),
    /// A lease that is ours, if it still is; its epoch is over.
    Over(u32),
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// The ownership is in force.
    Began(Shard, u32),
    /// The lease is another's.
    Lost(Shard),
    /// The engine does not let it begin; the lease is still ours.
    Failed(Shard, u32),
    /// What ran in the shard has ended, so that the ownership in this epoch can.
    Vacated(Shard, u32),
    /// It was stopped before it began.
    Stopped(Shard),
    /// An ownership ended.
    Ended(Shard),
}

enum Attempt {
    Began,
    Superseded(u32),
    LeaseLost,
    Failed(String),
}

/// The engine and the leases.
pub(super) struct Works {
    process: Arc<str>,
    leases: Arc<dyn LeaseTable>,
    fenced: Arc<dyn Fenced>,
    work: Option<Arc<dyn ShardWork>>,
    timing: Timing,
    permits: Semaphore,
    /// Ends all beginnings.
    pub(super) stopped: CancellationToken,
}

impl Works {
    pub(super) fn new(parts: &OwnershipParts) -> Self {
        Self {
            process: parts.process.clone(),
            leases: parts.leases.clone(),
            fenced: parts.fenced.clone(),
            work: parts.work.clone(),
            timing: parts.timing,
            permits: Semaphore::new(SHARDS_BEGUN_AT_ONCE),
            stopped: CancellationToken::new(),
        }
    }

    /// Begins an ownership, raising the lease's epoch where the log is above it. The lease is renewed meanwhile.
    pub(super) async fn begin(self: Arc<Self>, shard: Shard, from: From, patience: Duration) -> Done {
        tokio::select! {
            () = self.stopped.cancelled() => Done::Stopped(shard),
            done = self.begin_in_time(shard, from, patience) => done,
        }
    }

    async fn begin_in_time(&self, shard: Shard, mut from: From, patience: Duration) -> Done {
        let mut until = None;
        let mut pause = self.timing.look / 8;
        loop {
            let epoch = match from {
                From::Taken(epoch) => epoch,
                From::Over(above) => match self.raise(shard, above).await {
                    Ok(Some(epoch)) => epoch,
                    Ok(None) => return Done::Lost(shard),
                    // Nobody else can take it meanwhile either.
                    Err(()) => {
                        tokio::time::sleep(self.timing.look).await;
                        continue;
                    }
                },
            };
            let until = *until.get_or_insert_with(|| Instant::now() + patience);
            match self.attempt(shard, epoch, until).await {
                Attempt::Began => return Done::Began(shard, epoch),
                Attempt::LeaseLost => return Done::Lost(shard),
                Attempt::Superseded(in_force) => from = From::Over(in_force.max(epoch)),
                Attempt::Failed(reason) => {
                    if Instant::now() + pause >= until {
                        tracing::warn!(%shard, epoch, reason, "the log does not let an ownership begin: somebody else may try");
                        return Done::Failed(shard, epoch);
                    }
                    tracing::debug!(%shard, epoch, reason, "the log did not let an ownership begin, and is asked again");
                    from = From::Taken(epoch);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(self.timing.look);
                }
            }
        }
    }

    async fn raise(&self, shard: Shard, above: u32) -> Result<Option<u32>, ()> {
        let raised = self.leases.raise(shard, &self.process, above, self.timing.ttl);
        tokio::time::timeout(TELLING, raised).await.map_err(drop)?.map_err(drop)
    }

    async fn attempt(&self, shard: Shard, epoch: u32, until: Instant) -> Attempt {
        let begin = async {
            let _permit = self.permits.acquire().await;
            self.fenced.begin(shard, epoch).await
        };
        tokio::pin!(begin);
        loop {
            tokio::select! {
                begun = &mut begin => return match begun {
                    Ok(()) => Attempt::Began,
                    Err(BeginError::Superseded { epoch }) => Attempt::Superseded(epoch),
                    Err(BeginError::Log(error)) => Attempt::Failed(error.to_string()),
                },
                () = tokio::time::sleep_until(until) => return Attempt::Failed("it does not answer".into()),
                () = tokio::time::sleep(self.timing.renew) => {
                    let held = [(shard, epoch)];
                    let renewed = self.leases.renew(&self.process, &held, self.timing.ttl);
                    if let Ok(Ok(still)) = tokio::time::timeout(TELLING, renewed).await
                        && still.is_empty()
                    {
                        return Attempt::LeaseLost;
                    }
                }
            }
        }
    }

    /// Ends in good order what runs in a shard that is to be given away.
    pub(super) async fn vacate(self: Arc<Self>, shard: Shard, epoch: u32) -> Done {
        if let Some(work) = &self.work {
            work.vacate(shard).await;
        }
        Done::Vacated(shard, epoch)
    }

    /// Ends an ownership in the engine, and gives its lease back if there is one to give.
    pub(super) async fn end(self: Arc<Self>, shard: Shard, lease: Option<u32>) -> Done {
        if tokio::time::timeout(OWNERSHIP_END_TIMEOUT, self.fenced.end(shard)).await.is_err() {
            tracing::warn!(%shard, "the log did not end an ownership in time; the next epoch does");
        }
        if let Some(epoch) = lease {
            let released = self.leases.release(shard, &self.process, epoch);
            // Otherwise it runs out.
            let _ = tokio::time::timeout(TELLING, released).await;
        }
        Done::Ended(shard)
    }
}
