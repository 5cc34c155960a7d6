//! A call gets the same answer from the process that owns the room and from one that has to ask it.

use crate::pair::{Pair, ar, channel};
use crate::world::person;
use antiphon_core::*;
use antiphon_rooms::NewRoom;
use std::sync::atomic::Ordering;
use std::time::Duration;

const OWNER: usize = 0;
const OTHER: usize = 1;

#[tokio::test]
async fn every_call_is_answered_alike_here_and_elsewhere() {
    let mut pair = Pair::new().await;
    let made = pair.rooms(OTHER).create(&pair.who, ar()).await.unwrap();
    let room = made.room.id.clone();
    let who = pair.who.clone();
    for by in [OWNER, OTHER] {
        assert_eq!(pair.rooms(by).get(&who, true, &room).await.unwrap(), made);
        assert_eq!(pair.rooms(by).list(&who, true).await.unwrap(), std::slice::from_ref(&made));
    }
    let said = pair.say(OTHER, &room, "one").await.unwrap();
    assert_eq!(pair.say(OWNER, &room, "one").await.unwrap(), said);
    let stream = said.stream_id.unwrap();
    let call = pair.call(OWNER).await;
    call.think("hm");
    call.say("[emotion:happy]Hello, you");
    pair.until_text(&room, &stream, "[emotion:happy]Hello, you").await;
    let paused = pair.rooms(OTHER).pause(&who, &stream).await.unwrap();
    assert_eq!(paused.status, StreamStatus::Paused);
    assert_eq!(pair.rooms(OWNER).pause(&who, &stream).await.unwrap(), paused);
    let resumed = pair.rooms(OTHER).resume(&who, &stream).await.unwrap();
    assert_eq!(pair.rooms(OWNER).stream(&who, &stream).await.unwrap(), resumed);
    assert_eq!(pair.rooms(OTHER).stream(&who, &stream).await.unwrap(), resumed);
    let heard = Some(Heard { offset: 5 });
    let interrupted = pair.rooms(OTHER).interrupt(&who, &stream, heard, Some(1)).await.unwrap();
    assert!(call.is_dropped() && interrupted.status == StreamStatus::Interrupted);
    assert_eq!(pair.rooms(OWNER).interrupt(&who, &stream, heard, Some(1)).await.unwrap(), interrupted);
    let retried = pair.rooms(OTHER).retry(&who, &stream).await.unwrap();
    let second = retried.stream_id.unwrap();
    let call = pair.call(OWNER).await;
    call.complete_with(vec![Citation { url: "https://example.org".into(), title: None }]);
    let wait = Duration::from_secs(20);
    let replies = [pair.rooms(OWNER).wait(&second, wait).await, pair.rooms(OTHER).wait(&second, wait).await];
    assert!(replies[0].is_some() && replies[0] == replies[1]);
    let page = |by: usize, before| pair.rooms(by).messages(&who, true, &room, 200, before);
    assert_eq!(page(OWNER, None).await.unwrap(), page(OTHER, None).await.unwrap());
    let before = page(OWNER, None).await.unwrap().messages[1].id.clone();
    let earlier = page(OTHER, Some(&before)).await.unwrap();
    assert_eq!((earlier.messages.len(), earlier), (1, page(OWNER, Some(&before)).await.unwrap()));
    pair.rooms(OTHER).delete(&who, true, &room).await.unwrap();
    assert_eq!(pair.rooms(OWNER).get(&who, true, &room).await.unwrap_err().code, Code::RoomNotFound);
}

#[tokio::test]
async fn every_refusal_is_the_same_here_and_elsewhere() {
    let mut pair = Pair::new().await;
    let room = pair.room().await;
    let plain = NewRoom { room_type: Some("group".into()), ..NewRoom::default() };
    let plain = pair.rooms(OWNER).create(&pair.who, plain).await.unwrap().room.id;
    let stream = pair.say(OWNER, &room, "one").await.unwrap().stream_id.unwrap();
    let _call = pair.call(OWNER).await;
    let queued = pair.say(OWNER, &room, "two").await.unwrap().stream_id.unwrap();
    let (who, stranger) = (pair.who.clone(), person("u2"));
    let mut back_end = person("key:k");
    (back_end.is_back_end, back_end.read) = (true, vec![Pattern::parse("*").unwrap()]);
    let refusals = async |by: usize| {
        let rooms = pair.rooms(by);
        let send = |who, room, content: &str, id: Option<&str>| {
            rooms.send(who, Some(true), room, content.into(), id.map(str::to_owned))
        };
        vec![
            rooms.create(&who, NewRoom { agent_id: Some("nobody".into()), ..ar() }).await.unwrap_err(),
            send(&stranger, &room, "hi", None).await.unwrap_err(),
            send(&back_end, &room, "hi", None).await.unwrap_err(),
            send(&who, &plain, "hi", None).await.unwrap_err(),
            send(&who, "no-room", "hi", None).await.unwrap_err(),
            send(&who, "no room!", "hi", None).await.unwrap_err(),
            send(&who, &room, " ", None).await.unwrap_err(),
            send(&who, &room, &"x".repeat(limits::MAX_CONTENT_BYTES + 1), None).await.unwrap_err(),
            send(&who, &room, "hi", Some("")).await.unwrap_err(),
            send(&who, &room, "other", Some("one")).await.unwrap_err(),
            rooms.messages(&stranger, true, &room, 5, None).await.unwrap_err(),
            rooms.messages(&who, false, &room, 5, None).await.unwrap_err(),
            rooms.messages(&who, true, &room, 5, Some("no-message")).await.unwrap_err(),
            rooms.stream(&who, "nonsense").await.unwrap_err(),
            rooms.stream(&stranger, &stream).await.unwrap_err(),
            rooms.interrupt(&who, &queued, None, None).await.unwrap_err(),
            rooms.interrupt(&who, &stream, None, Some(9)).await.unwrap_err(),
            rooms.resume(&who, &queued).await.unwrap_err(),
            rooms.retry(&who, &stream).await.unwrap_err(),
            rooms.cancel(&stranger, &stream).await.unwrap_err(),
            rooms.delete(&stranger, true, &room).await.unwrap_err(),
            rooms.delete(&back_end, true, &room).await.unwrap_err(),
        ]
    };
    let (here, elsewhere) = (refusals(OWNER).await, refusals(OTHER).await);
    for (here, elsewhere) in here.iter().zip(&elsewhere) {
        assert_eq!(here, elsewhere);
        assert_ne!(here.code, Code::Unavailable, "{here}");
    }
    assert!(pair.rooms(OTHER).wait("nonsense", Duration::from_secs(1)).await.is_none());
    assert!(pair.rooms(OTHER).wait(&stream, Duration::from_millis(20)).await.is_none());
}

#[tokio::test]
async fn what_is_read_from_the_records_asks_nobody() {
    let pair = Pair::new().await;
    let room = pair.room().await;
    let rooms = pair.rooms(OTHER);
    rooms.get(&pair.who, true, &room).await.unwrap();
    rooms.find(&pair.who, &room).await.unwrap();
    rooms.list(&pair.who, true).await.unwrap();
    rooms.may_read(&pair.who, &channel(&room)).await.unwrap();
    assert_eq!(pair.wire.asked.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_process_answers_only_for_what_it_owns() {
    let pair = Pair::new().await;
    let question = format!(r#"{{"wait":{{"stream_id":"{}","timeout":{{"secs":0,"nanos":0}}}}}}"#, pair.stream().await);
    assert_eq!(pair.rooms(OTHER).answer(question.clone().into()).await, Err(AnswerError::NotOwner));
    assert!(pair.rooms(OWNER).answer(question.into()).await.is_ok());
    let refused = pair.rooms(OWNER).answer("nonsense".into()).await.unwrap_err();
    assert!(matches!(refused, AnswerError::Refused(refusal) if refusal.code == Code::Unavailable));
}

#[tokio::test]
async fn a_leaving_process_hands_over_what_runs() {
    let mut pair = Pair::new().await;
    let room = pair.room().await;
    let (stream, call) = pair.half_answered(&room).await;
    pair.rooms(OWNER).drain(Duration::from_millis(20)).await;
    assert!(call.is_dropped());
    assert_eq!(pair.say(OTHER, &room, "two").await.unwrap_err().code, Code::Unavailable);
    pair.move_all(OTHER).await;
    pair.call(OTHER).await.complete();
    assert_eq!(pair.end_of(&room, &stream).await, Outcome::Completed);
    // It still passes on what its clients ask.
    pair.say(OWNER, &room, "two").await.unwrap();
    pair.call(OTHER).await.complete();
}

impl Pair {
    async fn stream(&self) -> String {
        let room = self.room().await;
        self.say(OWNER, &room, "one").await.unwrap().stream_id.unwrap()
    }
}
