//! Interrupt and cancel: what is kept, what is written, and that the model's call is dropped.

use crate::world::{Disk, World, short};
use antiphon_core::*;

fn heard(offset: u64) -> Option<Heard> {
    Some(Heard { offset })
}

#[tokio::test]
async fn an_interrupt_drops_the_call_and_keeps_what_was_heard() {
    let mut world = World::new().await;
    let room = world.room().await;
    let (stream, call) = world.asked(&room, "hello").await;
    call.say("[emotion:happy]Hi 😀 you [gesture:wave]there");
    world.until_text(&room, &stream, "[emotion:happy]Hi 😀 you [gesture:wave]there").await;
    let view = world.rooms().interrupt(&world.who, &stream, heard(4), None).await.unwrap();
    assert_eq!(view.status, StreamStatus::Interrupted);
    assert!(call.is_dropped());
    let tail = short(&world.events(&room).await);
    assert_eq!(tail[tail.len() - 2..], ["interrupt 1 3", "end Interrupted 1"]);
    let reply = world.reply(&room, &stream).await;
    // The fourth unit is half of the face: it counts as the place before it.
    assert_eq!((reply.content.as_str(), reply.text.as_str()), ("[emotion:happy]Hi ", "Hi "));
    assert_eq!((reply.status, reply.markers.len()), (MessageStatus::Interrupted, 1));
    assert_eq!(reply.heard, heard(3));

    // The first word counts.
    let events = world.events(&room).await.len();
    world.rooms().interrupt(&world.who, &stream, heard(1), None).await.unwrap();
    assert_eq!(world.events(&room).await.len(), events);
    assert_eq!(world.reply(&room, &stream).await.text, "Hi ");
    assert_eq!(world.rooms().cancel(&world.who, &stream).await.unwrap_err().code, Code::Conflict);
    let summary = world.rooms().stop_latencies();
    assert_eq!((summary.count, summary.chunks_after), (1, 0));
}

#[tokio::test]
async fn without_a_place_all_that_was_sent_was_heard_and_beyond_the_end_is_the_end() {
    let mut world = World::new().await;
    let room = world.room().await;
    for place in [None, heard(999)] {
        let (stream, call) = world.asked(&room, "hello").await;
        call.say("Hi there");
        world.until_text(&room, &stream, "Hi there").await;
        world.rooms().interrupt(&world.who, &stream, place, None).await.unwrap();
        let reply = world.reply(&room, &stream).await;
        assert_eq!((reply.text.as_str(), reply.heard), ("Hi there", heard(8)));
    }
}

#[tokio::test]
async fn the_first_place_that_is_said_wins_over_stops_that_say_none() {
    let mut world = World::new().await;
    let room = world.room().await;
    let (stream, call) = world.asked(&room, "hello").await;
    call.say("[emotion:happy]Hi there");
    world.until_text(&room, &stream, "[emotion:happy]Hi there").await;
    let stop = async |world: &World, place| {
        let before = world.events(&room).await.len();
        world.rooms().interrupt(&world.who, &stream, place, None).await.unwrap();
        let reply = world.reply(&room, &stream).await;
        (short(&world.events(&room).await).split_off(before), reply.text, reply.heard)
    };
    let first = stop(&world, None).await;
    assert_eq!(first.0, ["interrupt 1 -1", "end Interrupted 1"]);
    assert_eq!((first.1.as_str(), first.2), ("Hi there", heard(8)));
    assert_eq!(stop(&world, None).await, (vec![], "Hi there".into(), heard(8)), "nothing new was said");
    world.restart().await;
    assert_eq!(stop(&world, heard(5)).await, (vec!["interrupt 1 5".into()], "Hi th".into(), heard(5)));
    world.restart().await;
    assert_eq!(stop(&world, heard(2)).await, (vec![], "Hi th".into(), heard(5)), "the first one wins");
    assert_eq!(stop(&world, None).await, (vec![], "Hi th".into(), heard(5)));
    assert_eq!(world.status(&stream).await, StreamStatus::Interrupted);
}

#[tokio::test]
async fn an_attempt_that_has_not_been_cannot_have_been_heard_and_stops_nothing() {
    let mut world = World::new().await;
    let room = world.room().await;
    let (stream, call) = world.asked(&room, "hello").await;
    call.say("one");
    world.until_text(&room, &stream, "one").await;
    for attempt in [0, 2, u32::MAX] {
        let refused = world.rooms().interrupt(&world.who, &stream, heard(1), Some(attempt)).await.unwrap_err();
        assert_eq!(refused.code, Code::InvalidRequest, "{refused:?}");
    }
    assert!(!call.is_dropped(), "the answer goes on");
    call.say(" two");
    call.complete();
    assert_eq!(world.end_of(&room, &stream).await.0, Outcome::Completed);
    world.rooms().interrupt(&world.who, &stream, heard(1), Some(1)).await.unwrap();
}

#[tokio::test]
async fn speech_outlasts_text_so_an_ended_answer_can_be_interrupted() {
    let mut world = World::new().await;
    let room = world.room().await;
    let stream = world.exchange(&room, "hello", "Hi there").await;
    // Also long after, when memory has let go of it.
    for _ in 0..60 {
        world.exchange(&room, "more", "ok").await;
    }
    let view = world.rooms().interrupt(&world.who, &stream, heard(2), Some(1)).await.unwrap();
    assert_eq!(view.status, StreamStatus::Completed);
    assert_eq!(short(&world.events(&room).await).last().unwrap(), "interrupt 1 2");
    for _ in 0..2 {
        let reply = world.reply(&room, &stream).await;
        assert_eq!((reply.text.as_str(), reply.status), ("Hi", MessageStatus::Interrupted));
        assert_eq!(world.status(&stream).await, StreamStatus::Completed, "the outcome stays");
        world.restart().await;
    }
}

#[tokio::test]
async fn what_was_heard_of_an_older_attempt_counts_as_nothing() {
    let mut world = World::new().await;
    let room = world.room().await;
    let (stream, call) = world.asked(&room, "hello").await;
    call.say("[tone:calm]one");
    call.cut();
    let call = world.call().await;
    call.say("[tone:calm]two");
    world.until_text(&room, &stream, "[tone:calm]two").await;
    world.rooms().interrupt(&world.who, &stream, heard(3), Some(1)).await.unwrap();
    let reply = world.reply(&room, &stream).await;
    assert_eq!((reply.text.as_str(), reply.heard), ("", heard(0)));
    assert!(short(&world.events(&room).await).contains(&"interrupt 1 0".to_owned()));
}

#[tokio::test]
async fn what_has_not_begun_is_cancelled_and_not_interrupted() {
    let mut world = World::new().await;
    let room = world.room().await;
    let (running, call) = world.asked(&room, "hello").await;
    let queued = world.say(&room, "more").await.unwrap().stream_id.unwrap();
    let code = |result: Result<_, Refusal>| result.map(|_: antiphon_rooms::StreamView| ()).unwrap_err().code;
    assert_eq!(code(world.rooms().interrupt(&world.who, &queued, None, None).await), Code::Conflict);
    world.rooms().cancel(&world.who, &queued).await.unwrap();
    assert_eq!(code(world.rooms().interrupt(&world.who, &queued, None, None).await), Code::Conflict);
    let view = world.rooms().cancel(&world.who, &running).await.unwrap();
    assert_eq!(view.status, StreamStatus::Cancelled);
    assert!(call.is_dropped());
    assert_eq!(code(world.rooms().cancel(&world.who, &running).await), Code::Conflict);
}

#[tokio::test]
async fn the_call_is_dropped_before_the_log_answers() {
    let mut world = World::new().await;
    let room = world.room().await;
    let (stream, call) = world.asked(&room, "hello").await;
    call.say("one");
    world.until_text(&room, &stream, "one").await;
    world.disk(Disk::Stuck);
    call.say("two");
    tokio::task::yield_now().await;
    let dropped = async {
        call.dropped().await;
        world.disk(Disk::Fine);
    };
    let (view, ()) = tokio::join!(world.rooms().interrupt(&world.who, &stream, None, None), dropped);
    assert_eq!(view.unwrap().status, StreamStatus::Interrupted);
    assert_eq!(world.end_of(&room, &stream).await.0, Outcome::Interrupted);
}
