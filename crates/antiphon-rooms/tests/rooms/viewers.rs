//! Answers that nobody watches, where the agent says that they are to be cancelled.

use crate::world::World;
use antiphon_ai::agent::OnDisconnect;
use antiphon_core::*;
use std::time::Duration;

const GRACE: Duration = Duration::from_secs(30);

async fn watched_world() -> World {
    World::with(|agent| {
        agent.on_disconnect = OnDisconnect::CancelAfterLastViewer;
        agent.viewer_grace = GRACE;
    })
    .await
}

async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_answer_is_cancelled_once_nobody_has_watched_for_the_grace_time() {
    let mut world = watched_world().await;
    let room = world.room().await;
    let channel = ChannelName::new(AR_ROOM, &room).unwrap();
    let viewing = world.viewers.enter(&channel);
    let (first, call) = world.asked(&room, "one").await;
    let second = world.say(&room, "two").await.unwrap().stream_id.unwrap();
    tokio::time::pause();
    tokio::time::advance(GRACE * 2).await;
    settle().await;
    assert!(!call.is_dropped());

    // A client that comes back in time saves it.
    drop(viewing);
    settle().await;
    tokio::time::advance(GRACE - Duration::from_secs(1)).await;
    settle().await;
    let viewing = world.viewers.enter(&channel);
    settle().await;
    tokio::time::advance(GRACE * 2).await;
    settle().await;
    assert!(!call.is_dropped());

    drop(viewing);
    settle().await;
    tokio::time::advance(GRACE + Duration::from_secs(1)).await;
    for stream in [first, second] {
        assert_eq!(world.end_of(&room, &stream).await.0, Outcome::Cancelled);
    }
    assert!(call.is_dropped() && world.try_call().is_none());
}

#[tokio::test]
async fn an_answer_that_nobody_ever_watched_has_the_grace_time_too() {
    let mut world = watched_world().await;
    let room = world.room().await;
    let (stream, call) = world.asked(&room, "one").await;
    tokio::time::pause();
    settle().await;
    tokio::time::advance(GRACE - Duration::from_secs(1)).await;
    settle().await;
    assert!(!call.is_dropped());
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(world.end_of(&room, &stream).await.0, Outcome::Cancelled);
}
