//! The end of a room.

use crate::world::{Disk, World, short};
use antiphon_core::*;
use std::time::Duration;

#[tokio::test]
async fn streams_end_first_and_then_the_room_is_not_found() {
    let mut world = World::new().await;
    let room = world.room().await;
    let (stream, call) = world.asked(&room, "one").await;
    world.say(&room, "two").await.unwrap();
    world.rooms().delete(&world.who, true, &room).await.unwrap();
    assert!(call.is_dropped());
    let events = short(&world.events(&room).await);
    assert_eq!(events[events.len() - 3..], ["end Cancelled 0", "end Cancelled 0", "deleted"]);
    for _ in 0..2 {
        assert_eq!(world.say(&room, "x").await.unwrap_err().code, Code::RoomNotFound);
        assert_eq!(world.rooms().get(&world.who, true, &room).await.unwrap_err().code, Code::RoomNotFound);
        assert_eq!(world.rooms().delete(&world.who, true, &room).await.unwrap_err().code, Code::RoomNotFound);
        assert_eq!(world.rooms().stream(&world.who, &stream).await.unwrap_err().code, Code::StreamNotFound);
        assert!(world.rooms().list(&world.who, true).await.unwrap().is_empty());
        world.restart().await;
    }
}

#[tokio::test]
async fn what_is_left_of_it_goes_a_little_later() {
    let mut world = World::new().await;
    let room = world.room().await;
    world.exchange(&room, "one", "first").await;
    let other = world.room().await;
    world.rooms().delete(&world.who, true, &room).await.unwrap();
    let records = world.records().await;
    assert!(records.room(&room).await.unwrap().is_some());
    world.restart().await;
    // The start looks through the rooms in its own time, and only then the grace time runs.
    let mut rounds = 0;
    while records.room(&room).await.unwrap().is_some() {
        rounds += 1;
        assert!(rounds < 1_000, "it was never removed");
        tokio::time::pause();
        tokio::time::advance(limits::DELETED_ROOM_GRACE + Duration::from_secs(1)).await;
        tokio::time::resume();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(world.events(&room).await.is_empty());
    assert!(!world.events(&other).await.is_empty());
}

#[tokio::test]
async fn a_deletion_that_cannot_be_written_is_made_up_for() {
    let mut world = World::new().await;
    let room = world.room().await;
    let (stream, call) = world.asked(&room, "one").await;
    world.disk(Disk::Full);
    assert_eq!(world.rooms().delete(&world.who, true, &room).await.unwrap_err().code, Code::Unavailable);
    assert!(call.is_dropped());
    world.disk(Disk::Fine);
    assert_eq!(world.end_of(&room, &stream).await.0, Outcome::Cancelled);
    world.until(&room, |events| matches!(events.last(), Some(RoomEvent::RoomDeleted { .. }))).await;
}
