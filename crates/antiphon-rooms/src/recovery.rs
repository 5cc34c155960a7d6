//! What a start has to do: take up the rooms in which something was left open, and finish deletions.

use crate::command::Command;
use crate::registry::Registry;
use antiphon_core::limits::{DELETED_ROOM_GRACE, ROOM_RETRY_MOST, ROOM_SCAN_PAGE};
use antiphon_core::{Refusal, Room, RoomStatus};
use antiphon_sql::StoredRoom;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Looks through all rooms, and again at those that could not be taken up, until none is left.
pub(crate) async fn recover(registry: Arc<Registry>) {
    let mut left = Vec::new();
    let mut after = String::new();
    loop {
        match registry.records.rooms_after(&after, ROOM_SCAN_PAGE).await {
            Err(error) => {
                tracing::error!(%error, "the records cannot be read, so rooms wait to be taken up");
                tokio::time::sleep(ROOM_RETRY_MOST).await;
            }
            Ok(page) => {
                let Some((last, _)) = page.last() else { break };
                after.clone_from(&last.room.id);
                left.extend(take_up_all(&registry, page).await);
            }
        }
    }
    while !left.is_empty() {
        tokio::time::sleep(ROOM_RETRY_MOST).await;
        left = take_up_all(&registry, left).await;
    }
}

/// Gives back those that could not be taken up.
async fn take_up_all(registry: &Arc<Registry>, rooms: Vec<(StoredRoom, bool)>) -> Vec<(StoredRoom, bool)> {
    let mut left = Vec::new();
    for (stored, is_open) in rooms {
        if let Err(refusal) = take_up(registry, &stored, is_open).await {
            tracing::warn!(room_id = stored.room.id, %refusal, "the room cannot be taken up yet");
            left.push((stored, is_open));
        }
    }
    left
}

/// Starts the room's owner where the log has more than the records, or where a stream is open.
async fn take_up(registry: &Arc<Registry>, stored: &StoredRoom, is_open: bool) -> Result<(), Refusal> {
    if stored.room.status == RoomStatus::Deleted {
        registry.spawn(Box::pin(remove(registry.clone(), stored.room.clone())));
        return Ok(());
    }
    let end = registry.log.bounds(&stored.room.channel()?).await?.end;
    if !is_open && end == stored.position {
        return Ok(());
    }
    let handle = match registry.owner(&stored.room.id).await {
        Err(refusal) if refusal.code == antiphon_core::Code::RoomNotFound => return Ok(()),
        other => other?,
    };
    let (answer, answered) = oneshot::channel();
    // An owner that leaves just now has nothing open.
    let _ = handle.commands.send(Command::Touch(answer)).await;
    answered.await.unwrap_or(Ok(()))
}

/// Removes what a deleted room leaves behind, once whoever looks at it has had time to see its end.
pub(crate) async fn remove(registry: Arc<Registry>, room: Room) {
    tokio::time::sleep(DELETED_ROOM_GRACE).await;
    if let Err(refusal) = remove_now(&registry, &room).await {
        tracing::warn!(room_id = room.id, %refusal, "a deleted room is removed at the next start");
    }
}

async fn remove_now(registry: &Registry, room: &Room) -> Result<(), Refusal> {
    let channel = room.channel()?;
    let end = registry.log.bounds(&channel).await?.end;
    registry.log.trim(&channel, end).await?;
    registry.records.remove(&room.id).await?;
    Ok(())
}
