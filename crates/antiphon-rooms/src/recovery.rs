//! What a gained shard brings: rooms in which something was left open, rooms whose records are behind, and deletions that
//! are to be finished.

use crate::access::no_room;
use crate::call::Unanswered;
use crate::registry::Registry;
use antiphon_core::limits::{DELETED_ROOM_GRACE, ROOM_RETRY_MOST, ROOM_SCAN_PAGE, ROOM_TAKEOVERS};
use antiphon_core::{Refusal, Room, RoomStatus, Shard};
use antiphon_sql::{Records, RecordsError, StoredRoom};
use futures::StreamExt;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::task::AbortHandle;

/// Recovers each shard that this process gains, until it is lost again.
pub(crate) async fn follow(registry: Arc<Registry>) {
    let mut shards = registry.owned.watch();
    let mut known = BTreeMap::new();
    let mut recovering: HashMap<Shard, AbortHandle> = HashMap::new();
    loop {
        let owned = shards.borrow_and_update().clone();
        for (shard, epoch) in &owned {
            // A new epoch may hide that the shard was another process's in between.
            if known.get(shard) == Some(epoch) {
                continue;
            }
            let task = while_owned(registry.clone(), *shard, recover(registry.clone(), *shard));
            if let Some(before) = recovering.insert(*shard, registry.spawn(Box::pin(task))) {
                before.abort();
            }
        }
        recovering.retain(|shard, _| owned.contains_key(shard));
        known = owned;
        if shards.changed().await.is_err() {
            return;
        }
    }
}

async fn while_owned(registry: Arc<Registry>, shard: Shard, task: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = registry.lost(shard) => {}
        () = task => {}
    }
}

/// Which rooms a pass over the records is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// Those in which somebody waits for an answer, as far as the records know.
    Open,
    /// All: an earlier owner may have written down only after the first pass that a stream is open.
    All,
    /// Those that are deleted and still there.
    Deleted,
}

impl Pass {
    /// The next rooms after this id, each with whether the records know of an open stream in it.
    async fn page(self, records: &Records, after: &str) -> Result<Vec<(StoredRoom, bool)>, RecordsError> {
        match self {
            Self::Open => {
                let open = records.open_rooms_after(after, ROOM_SCAN_PAGE).await?;
                Ok(open.into_iter().map(|room| (room, true)).collect())
            }
            Self::All | Self::Deleted => records.rooms_after(after, ROOM_SCAN_PAGE).await,
        }
    }

    fn is_about(self, room: &Room, is_open: bool) -> bool {
        match self {
            Self::Open => is_open && room.status == RoomStatus::Active,
            Self::All => room.status == RoomStatus::Active,
            Self::Deleted => room.status == RoomStatus::Deleted,
        }
    }
}

/// Looks through the shard's rooms, and again while there are some that could not be taken up.
async fn recover(registry: Arc<Registry>, shard: Shard) {
    let mut left = take_up_all(&registry, shard).await;
    pass_over(&registry, shard, Pass::Deleted).await;
    while left > 0 {
        tokio::time::sleep(ROOM_RETRY_MOST).await;
        left = take_up_all(&registry, shard).await;
    }
    tracing::debug!(%shard, "the rooms of the shard are taken up");
}

async fn take_up_all(registry: &Arc<Registry>, shard: Shard) -> usize {
    pass_over(registry, shard, Pass::Open).await + pass_over(registry, shard, Pass::All).await
}

/// How many rooms could not be taken up.
async fn pass_over(registry: &Arc<Registry>, shard: Shard, pass: Pass) -> usize {
    let mut left = 0;
    let mut after = String::new();
    loop {
        let page = match pass.page(&registry.records, &after).await {
            Ok(page) => page,
            Err(error) => {
                tracing::error!(%error, "the records cannot be read, so rooms wait to be taken up");
                tokio::time::sleep(ROOM_RETRY_MOST).await;
                continue;
            }
        };
        let Some((last, _)) = page.last() else { return left };
        after.clone_from(&last.room.id);
        let taking = page.into_iter().map(|(stored, is_open)| async move {
            if !pass.is_about(&stored.room, is_open) || !is_in(registry, shard, &stored.room) {
                return 0;
            }
            match take_up(registry, shard, &stored, is_open).await {
                Ok(()) => 0,
                // Where the log says so while the shard is still this process's, the room is to be taken up all the same.
                Err(Unanswered::Away(_)) => usize::from(registry.owned.epoch(shard).is_some()),
                Err(Unanswered::Refused(refusal)) => {
                    tracing::warn!(room_id = stored.room.id, %refusal, "the room cannot be taken up yet");
                    1
                }
            }
        });
        left +=
            futures::stream::iter(taking).buffer_unordered(ROOM_TAKEOVERS).fold(0, async |sum, one| sum + one).await;
    }
}

fn is_in(registry: &Registry, shard: Shard, room: &Room) -> bool {
    room.channel().is_ok_and(|channel| registry.owned.sharding().shard_of(&channel) == shard)
}

/// Starts the room's owner where the log has more than the records, or where a stream is open.
async fn take_up(registry: &Arc<Registry>, shard: Shard, stored: &StoredRoom, is_open: bool) -> Result<(), Unanswered> {
    if stored.room.status == RoomStatus::Deleted {
        remove_later(registry, shard, stored.room.clone());
        return Ok(());
    }
    let channel = stored.room.channel()?;
    if !is_open && registry.log.bounds(&channel).await.map_err(Refusal::from)?.end == stored.position {
        return Ok(());
    }
    let taken = match registry.owner(&stored.room.id, None).await {
        Ok(owner) => registry.touch(owner).await,
        Err(unanswered) => Err(unanswered),
    };
    match taken {
        Err(Unanswered::Refused(refusal)) if refusal.code == no_room().code => Ok(()),
        taken => taken,
    }
}

/// Removes what a deleted room leaves behind, once whoever looks at it has had time to see its end.
pub(crate) fn remove_later(registry: &Arc<Registry>, shard: Shard, room: Room) {
    let removing = {
        let registry = registry.clone();
        async move {
            tokio::time::sleep(DELETED_ROOM_GRACE).await;
            if let Err(refusal) = remove_now(&registry, &room).await {
                tracing::warn!(room_id = room.id, %refusal, "a deleted room is removed when its shard is next taken up");
            }
        }
    };
    registry.spawn(Box::pin(while_owned(registry.clone(), shard, removing)));
}

async fn remove_now(registry: &Registry, room: &Room) -> Result<(), Refusal> {
    let channel = room.channel()?;
    let end = registry.log.bounds(&channel).await?.end;
    registry.log.trim(&channel, end).await?;
    registry.records.remove(&room.id).await?;
    Ok(())
}
