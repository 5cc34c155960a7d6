//! The records fail for a while: the owner brings them up to date by itself, without anything happening in the room.

use crate::world::World;
use antiphon_core::*;
use antiphon_sql::{Projection, StoredMessage};
use std::time::Duration;
use tokio::time::Instant;

/// A message that no owner wrote stands at the place of the room's first, which the records refuse to give twice.
fn stranger(room: &Room, position: Position) -> Projection {
    let message = Message {
        id: "message-stranger".into(),
        ar_room_id: room.id.clone(),
        sender_id: "u1".into(),
        role: SenderRole::User,
        content: String::new(),
        text: String::new(),
        markers: vec![],
        status: MessageStatus::Completed,
        stream_id: None,
        heard: None,
        reasoning: String::new(),
        citations: vec![],
        error: None,
        created_at: Timestamp::from_millis(0),
    };
    let messages = vec![StoredMessage { place: 1, message, answer: None }];
    Projection { room: room.clone(), position, messages, client_messages: vec![] }
}

/// Time that stands still but for [`Clock::pass`]: the records answer in their own.
struct Clock(std::sync::mpsc::Sender<()>);

impl Clock {
    fn stop() -> Self {
        let (held, until_dropped) = std::sync::mpsc::channel();
        tokio::time::pause();
        // While a thread is waited for, paused time does not move by itself.
        drop(tokio::task::spawn_blocking(move || until_dropped.recv()));
        Self(held)
    }

    async fn pass(&self, time: Duration) {
        tokio::time::advance(time).await;
        // What has become due gets to its records.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[tokio::test]
async fn records_that_failed_are_brought_up_to_date_without_another_event() {
    let mut world = World::new().await;
    let (room, records) = (world.room().await, world.records().await);
    // The owner is there, and holds none of the stranger's.
    assert!(world.messages(&room).await.is_empty());
    let stored = records.room(&room).await.unwrap().unwrap();
    records.project(&stranger(&stored.room, stored.position)).await.unwrap();
    world.exchange(&room, "hello", "hi").await;
    let end = world.records_of(&room).await.last().unwrap().1;
    let clock = Clock::stop();
    // Long enough for many tries, and for the pauses between them to be the longest.
    for _ in 0..300 {
        clock.pass(Duration::from_millis(100)).await;
    }
    assert_eq!(records.room(&room).await.unwrap().unwrap().position, stored.position);
    records.remove(&room).await.unwrap();
    let mended_at = Instant::now();
    while records.room(&room).await.unwrap().is_none_or(|stored| stored.position < end) {
        assert!(mended_at.elapsed() < 2 * limits::ROOM_RETRY_MOST);
        clock.pass(Duration::from_millis(100)).await;
    }
    let latest = records.load(&room, 10).await.unwrap().unwrap().latest;
    assert_eq!(latest.iter().map(|stored| &*stored.message.content).collect::<Vec<_>>(), ["hello", "hi"]);
    assert_eq!(world.records_of(&room).await.last().unwrap().1, end, "another event");
}
