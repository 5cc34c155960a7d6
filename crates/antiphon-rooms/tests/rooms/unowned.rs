//! Nobody owns a room, be it that its log is away: what can be answered all the same, and what is refused at once.

use crate::pair::{Pair, ar, channel};
use crate::world::person;
use antiphon_core::*;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

const OWNER: usize = 0;
const OTHER: usize = 1;

/// A pair that has had one exchange and begun another, in a room that nobody owns any more.
async fn abandoned() -> (Pair, String, [String; 2]) {
    let mut pair = Pair::new().await;
    let room = pair.room().await;
    let first = pair.say(OTHER, &room, "one").await.unwrap().stream_id.unwrap();
    let call = pair.call(OWNER).await;
    call.say("all of it");
    call.complete();
    pair.end_of(&room, &first).await;
    let second = pair.say(OTHER, &room, "two").await.unwrap().stream_id.unwrap();
    let call = pair.call(OWNER).await;
    call.say("half");
    pair.until_text(&room, &second, "half").await;
    for shard in pair.shared.sharding.all() {
        pair.processes[OWNER].owned.lose(shard);
    }
    (pair, room, [first, second])
}

fn leave_log(pair: &Pair) {
    for process in [OWNER, OTHER] {
        pair.processes[process].log.is_away.store(true, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_room_that_nobody_owns_is_read_up_to_the_position_that_the_answer_names() {
    let (pair, room, [first, second]) = abandoned().await;
    let rooms = pair.rooms(OTHER);
    let page = rooms.messages(&pair.who, true, &room, 200, None).await.unwrap();
    let texts: Vec<&str> = page.messages.iter().map(|message| &*message.text).collect();
    assert_eq!(texts, ["one", "all of it", "two", "half"]);
    assert_eq!(page.messages[1].status, MessageStatus::Completed);
    assert_eq!(page.messages[3].status, MessageStatus::Streaming);
    assert_eq!(page.position.number, pair.events(&room).await.len() as u64);
    let before = rooms.messages(&pair.who, true, &room, 200, Some(&page.messages[1].id)).await.unwrap();
    assert_eq!(before.messages, page.messages[..1]);
    assert_eq!(rooms.stream(&pair.who, &first).await.unwrap().status, StreamStatus::Completed);
    assert_eq!(rooms.stream(&pair.who, &second).await.unwrap().status, StreamStatus::Active);
    let refusal = rooms.messages(&person("u2"), true, &room, 200, None).await.unwrap_err();
    assert_eq!(refusal.code, Code::RoomNotFound);
    let refusal = rooms.messages(&pair.who, false, &room, 200, None).await.unwrap_err();
    assert_eq!(refusal.code, Code::RoomNotFound);
}

#[tokio::test]
async fn nothing_is_read_of_an_unowned_room_by_whoever_cannot_tell_what_its_log_has() {
    let (pair, room, [first, _]) = abandoned().await;
    pair.processes[OTHER].log.is_unreadable.store(true, Ordering::Relaxed);
    let rooms = pair.rooms(OTHER);
    assert_eq!(rooms.messages(&pair.who, true, &room, 200, None).await.unwrap_err().code, Code::Unavailable);
    assert_eq!(rooms.stream(&pair.who, &first).await.unwrap_err().code, Code::Unavailable);
}

#[tokio::test]
async fn while_the_log_is_away_nothing_is_begun_and_nobody_waits_to_hear_so() {
    let (pair, room, [first, _]) = abandoned().await;
    leave_log(&pair);
    let rooms = pair.rooms(OTHER);
    let asked = pair.wire.asked.load(Ordering::Relaxed);
    let refusals = [
        rooms.create(&pair.who, ar()).await.unwrap_err(),
        pair.say(OTHER, &room, "three").await.unwrap_err(),
        rooms.retry(&pair.who, &first).await.unwrap_err(),
        rooms.pause(&pair.who, &first).await.unwrap_err(),
        rooms.check_log(&channel(&room)).unwrap_err(),
    ];
    for refusal in refusals {
        assert_eq!(refusal.code, Code::Unavailable);
        assert!(refusal.retry_after.is_some(), "{refusal}");
    }
    assert_eq!(pair.wire.asked.load(Ordering::Relaxed), asked, "somebody was asked");
    pair.processes[OTHER].log.is_away.store(false, Ordering::Relaxed);
    pair.processes[OWNER].log.is_away.store(false, Ordering::Relaxed);
    pair.move_all(OTHER).await;
    pair.say(OTHER, &room, "three").await.unwrap();
}

#[tokio::test]
async fn a_log_that_is_away_keeps_no_reader_and_no_stop_from_a_room() {
    let mut pair = Pair::new().await;
    let room = pair.room().await;
    let (stream, call) = pair.half_answered(&room).await;
    leave_log(&pair);
    let since = Instant::now();
    assert_eq!(pair.rooms(OTHER).messages(&pair.who, true, &room, 9, None).await.unwrap().messages.len(), 2);
    pair.rooms(OTHER).interrupt(&pair.who, &stream, None, None).await.unwrap();
    call.dropped().await;
    assert!(since.elapsed() < Duration::from_secs(5));
}
