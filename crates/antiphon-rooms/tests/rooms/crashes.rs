//! A process stops anywhere and another starts on the same log.

use crate::world::{BUG, World, short};
use antiphon_ai::agent::Recovery;
use antiphon_core::*;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[tokio::test]
async fn a_running_answer_goes_on_by_its_policy_and_queued_ones_follow() {
    let mut world = World::new().await;
    let room = world.room().await;
    let (first, call) = world.asked(&room, "one").await;
    let second = world.say(&room, "two").await.unwrap().stream_id.unwrap();
    call.say("half");
    world.until_text(&room, &first, "half").await;
    world.restart().await;
    let call = world.call().await;
    let events = short(&world.events(&room).await);
    assert_eq!(events[events.len() - 2..], ["owner true", "reset 2"]);
    call.say("whole");
    call.complete();
    world.end_of(&room, &first).await;
    let call = world.call().await;
    call.complete();
    world.end_of(&room, &second).await;
    assert_eq!(world.reply(&room, &first).await.text, "whole");
    let starts = short(&world.events(&room).await).iter().filter(|event| *event == "start").count();
    assert_eq!(starts, 2);
}

#[tokio::test]
async fn an_answer_is_continued_after_what_the_log_has() {
    let mut world = World::with(|agent| agent.recovery = Recovery::Continue).await;
    world.model.can_continue.store(true, Ordering::Relaxed);
    let room = world.room().await;
    let (stream, call) = world.asked(&room, "one").await;
    call.say("[pose:idle]half ");
    world.until_text(&room, &stream, "[pose:idle]half ").await;
    world.restart().await;
    let call = world.call().await;
    assert_eq!(call.prompt.partial.as_deref(), Some("[pose:idle]half "));
    call.say("[pose:talking]more");
    call.complete();
    world.end_of(&room, &stream).await;
    let reply = world.reply(&room, &stream).await;
    assert_eq!(reply.text, "half more");
    assert_eq!(reply.markers.iter().map(|marker| marker.offset).collect::<Vec<_>>(), [0, 5]);
    let events = short(&world.events(&room).await);
    assert!(events.contains(&"2.1 [pose:talking]more".to_owned()), "{events:?}");
}

#[tokio::test]
async fn an_answer_that_always_kills_its_process_ends_as_failed() {
    let mut world = World::new().await;
    let room = world.room().await;
    let (stream, _call) = world.asked(&room, "one").await;
    for attempt in 2..=3 {
        world.restart().await;
        let _call = world.call().await;
        let reset = format!("reset {attempt}");
        assert!(short(&world.events(&room).await).contains(&reset));
    }
    world.restart().await;
    let (outcome, code) = world.end_of(&room, &stream).await;
    assert_eq!((outcome, code.as_deref()), (Outcome::Failed, Some("crashed")));
    assert!(world.try_call().is_none());
}

#[tokio::test]
async fn an_owner_that_panics_is_started_again_and_its_attempts_count() {
    let mut world = World::new().await;
    let room = world.room().await;
    let (stream, mut call) = world.asked(&room, "one").await;
    for attempt in 2..=3 {
        call.say(BUG);
        call.dropped().await;
        // Any touch of the room takes it up; otherwise a moment later it takes itself up.
        while world.rooms().stream(&world.who, &stream).await.is_err() {
            tokio::task::yield_now().await;
        }
        call = world.call().await;
        assert!(short(&world.events(&room).await).contains(&format!("reset {attempt}")));
    }
    call.say("fine");
    call.complete();
    assert_eq!(world.end_of(&room, &stream).await.0, Outcome::Completed);
    assert_eq!(world.reply(&room, &stream).await.text, "fine");
}

#[tokio::test]
async fn a_held_answer_stays_held() {
    let mut world = World::new().await;
    let room = world.room().await;
    let (stream, call) = world.asked(&room, "one").await;
    call.say("half");
    world.until_text(&room, &stream, "half").await;
    world.rooms().pause(&world.who, &stream).await.unwrap();
    world.restart().await;
    assert_eq!(world.status(&stream).await, StreamStatus::Paused);
    assert!(world.try_call().is_none());
    world.rooms().resume(&world.who, &stream).await.unwrap();
    world.call().await.complete();
    assert_eq!(world.end_of(&room, &stream).await.0, Outcome::Completed);
}

#[tokio::test]
async fn an_agent_that_is_gone_ends_what_it_was_asked() {
    let mut world = World::new().await;
    let room = world.room().await;
    let (first, _call) = world.asked(&room, "one").await;
    let second = world.say(&room, "two").await.unwrap().stream_id.unwrap();
    world.agents.clear();
    world.restart().await;
    for stream in [first, second] {
        let (outcome, code) = world.end_of(&room, &stream).await;
        assert_eq!((outcome, code.as_deref()), (Outcome::Failed, Some("agent_not_found")));
    }
    assert_eq!(world.say(&room, "three").await.unwrap_err().code, Code::AgentNotFound);
}

#[tokio::test]
async fn a_leaving_process_lets_answers_finish_and_hands_the_rest_over() {
    let mut world = World::new().await;
    let (quick, slow) = (world.room().await, world.room().await);
    let (quick_stream, quick_call) = world.asked(&quick, "one").await;
    let queued = world.say(&quick, "two").await.unwrap().stream_id.unwrap();
    let (slow_stream, slow_call) = world.asked(&slow, "one").await;
    slow_call.say("half");
    world.until_text(&slow, &slow_stream, "half").await;
    let meanwhile = async {
        while world.say(&quick, "new").await.map(|_| ()).map_err(|refusal| refusal.code) != Err(Code::Unavailable) {
            tokio::task::yield_now().await;
        }
        quick_call.say("done");
        quick_call.complete();
        world.end_of(&quick, &quick_stream).await;
    };
    tokio::join!(world.rooms().drain(Duration::from_millis(300)), meanwhile);
    assert!(slow_call.is_dropped());
    assert!(world.get_unavailable(&quick).await);
    let events = short(&world.events(&slow).await);
    assert_eq!(events[events.len() - 2..], ["1.0 half", "owner true"]);
    world.restart().await;
    for _ in 0..2 {
        world.call().await.complete();
    }
    world.end_of(&quick, &queued).await;
    world.end_of(&slow, &slow_stream).await;
}

impl World {
    async fn get_unavailable(&self, room: &str) -> bool {
        self.rooms()
            .messages(&self.who, true, room, 5, None)
            .await
            .is_err_and(|refusal| refusal.code == Code::Unavailable)
    }
}

#[tokio::test]
async fn a_stream_that_is_too_old_ends_as_expired() {
    let mut world = World::new().await;
    let room = world.room().await;
    let (first, call) = world.asked(&room, "one").await;
    let second = world.say(&room, "two").await.unwrap().stream_id.unwrap();
    world.rooms().pause(&world.who, &first).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(limits::MAX_STREAM_AGE + Duration::from_secs(1)).await;
    for stream in [&first, &second] {
        let (outcome, code) = world.end_of(&room, stream).await;
        assert_eq!((outcome, code.as_deref()), (Outcome::Failed, Some("expired")));
    }
    assert!(call.is_dropped() && world.try_call().is_none());
}

#[tokio::test]
async fn a_log_that_was_replaced_takes_nothing_from_the_records() {
    let mut world = World::new().await;
    let room = world.room().await;
    let stream = world.exchange(&room, "one", "first").await;
    world.rooms().drain(Duration::ZERO).await;
    world.crash().await;
    world.log = World::new().await.log.clone();
    world.start().await;
    assert_eq!(world.reply(&room, &stream).await.text, "first");
    let (second, call) = world.asked(&room, "two").await;
    assert_eq!(call.prompt.turns.len(), 3);
    call.complete();
    world.end_of(&room, &second).await;
    world.restart().await;
    assert_eq!(world.messages(&room).await.len(), 4);
}
