//! Shards that are given away on purpose: what was begun ends in good order, and counts as nothing that failed.

use crate::pair::{Pair, ar};
use crate::world::{World, short};
use antiphon_ai::agent::Recovery;
use antiphon_core::*;
use std::time::Duration;

impl Pair {
    /// A process gives all away, and the other takes it.
    async fn give_all(&self, to: usize) {
        for shard in self.shared.sharding.all() {
            self.rooms(1 - to).vacate(shard).await;
            self.hand_over(shard, to).await;
            self.rooms(1 - to).admit(shard);
        }
    }
}

#[tokio::test]
async fn moves_use_no_attempts_up_and_crashes_do() {
    let mut pair = Pair::new().await;
    let room = pair.room().await;
    let stream = pair.say(0, &room, "one").await.unwrap().stream_id.unwrap();
    // Three attempts are allowed; all of these are cut off.
    for attempt in 1..=5 {
        let call = pair.call((attempt + 1) % 2).await;
        call.say("half");
        pair.until(&room, |events| short(events).contains(&format!("{attempt}.0 half"))).await;
        pair.give_all(attempt % 2).await;
        call.dropped().await;
        let events =
            short(&pair.until(&room, |events| short(events).contains(&format!("reset {}", attempt + 1))).await);
        let end = events.iter().position(|event| *event == format!("{attempt}.0 half")).unwrap();
        assert_eq!(events[end + 1..][..2], ["owner true".into(), format!("reset {}", attempt + 1)]);
    }
    // The sixth is the first that counts, and two more may follow.
    for (attempt, to) in [(7, 0), (8, 1)] {
        let call = pair.call(1 - to).await;
        pair.move_all(to).await;
        call.dropped().await;
        pair.until(&room, |events| short(events).contains(&format!("reset {attempt}"))).await;
    }
    let call = pair.call(1).await;
    pair.move_all(0).await;
    call.dropped().await;
    assert_eq!(pair.end_of(&room, &stream).await, Outcome::Failed);
    pair.assert_fenced(&room).await;
}

#[tokio::test]
async fn a_restart_with_notice_uses_no_attempt_up() {
    let mut world = World::new().await;
    let room = world.room().await;
    let (stream, _call) = world.asked(&room, "one").await;
    for attempt in 2..=4 {
        // A restart with notice: the answer takes longer than it has.
        world.rooms().drain(Duration::ZERO).await;
        world.restart().await;
        let _call = world.call().await;
        assert!(short(&world.events(&room).await).contains(&format!("reset {attempt}")));
    }
    for _ in 0..2 {
        world.restart().await;
        let _call = world.call().await;
    }
    world.restart().await;
    let (outcome, code) = world.end_of(&room, &stream).await;
    assert_eq!((outcome, code.as_deref()), (Outcome::Failed, Some("crashed")));
}

#[tokio::test]
async fn where_nothing_is_asked_twice_a_moved_answer_keeps_its_text_and_did_not_crash() {
    let mut world = World::with(|agent| agent.recovery = Recovery::Fail).await;
    let room = world.room().await;
    let (stream, call) = world.asked(&room, "one").await;
    call.say("half");
    world.until_text(&room, &stream, "half").await;
    world.rooms().drain(Duration::ZERO).await;
    world.restart().await;
    let (outcome, code) = world.end_of(&room, &stream).await;
    assert_eq!((outcome, code.as_deref()), (Outcome::Truncated, Some("truncated")));
    assert_eq!(world.reply(&room, &stream).await.text, "half");
}

#[tokio::test]
async fn a_shard_that_is_held_back_takes_messages_and_finishes_what_it_began() {
    let mut pair = Pair::new().await;
    let (busy, quiet) = (pair.room().await, pair.room().await);
    let shards = [pair.shard_of(&busy), pair.shard_of(&quiet)];
    let first = pair.say(0, &busy, "one").await.unwrap().stream_id.unwrap();
    let call = pair.call(0).await;
    assert_eq!(pair.rooms(0).under_way(shards[0]), 1);
    shards.iter().for_each(|shard| pair.rooms(0).hold_back(*shard));
    let second = pair.say(1, &busy, "two").await.unwrap().stream_id.unwrap();
    let third = pair.say(1, &quiet, "three").await.unwrap().stream_id.unwrap();
    call.complete();
    assert_eq!(pair.end_of(&busy, &first).await, Outcome::Completed);
    while shards.iter().any(|shard| pair.rooms(0).under_way(*shard) > 0) {
        tokio::task::yield_now().await;
    }
    assert!(pair.try_call(0).is_none(), "nothing new begins");
    // The one that takes it goes on, without a further attempt.
    pair.give_all(1).await;
    for _ in 0..2 {
        pair.call(1).await.complete();
    }
    for (room, stream) in [(&busy, &second), (&quiet, &third)] {
        assert_eq!(pair.end_of(room, stream).await, Outcome::Completed);
        assert!(!short(&pair.events(room).await).iter().any(|event| event.starts_with("reset")));
    }
    // And back, where it may begin as before.
    pair.give_all(0).await;
    let fourth = pair.say(1, &quiet, "four").await.unwrap().stream_id.unwrap();
    pair.call(0).await.complete();
    assert_eq!(pair.end_of(&quiet, &fourth).await, Outcome::Completed);
}

#[tokio::test]
async fn a_shard_that_stays_after_all_begins_what_waited() {
    let mut pair = Pair::new().await;
    let room = pair.room().await;
    let shard = pair.shard_of(&room);
    pair.rooms(0).hold_back(shard);
    let stream = pair.say(0, &room, "one").await.unwrap().stream_id.unwrap();
    assert!(pair.try_call(0).is_none() && pair.rooms(0).under_way(shard) == 0);
    pair.rooms(0).admit(shard);
    pair.call(0).await.complete();
    assert_eq!(pair.end_of(&room, &stream).await, Outcome::Completed);
}

#[tokio::test]
async fn what_is_asked_of_a_shard_that_is_being_given_away_is_answered_by_the_next_owner() {
    let mut pair = Pair::new().await;
    let room = pair.room().await;
    let shard = pair.shard_of(&room);
    let stream = pair.say(0, &room, "one").await.unwrap().stream_id.unwrap();
    let _call = pair.call(0).await;
    pair.rooms(0).vacate(shard).await;
    assert_eq!(pair.say(0, &room, "two").await.unwrap_err().code, Code::Unavailable, "nobody answers yet");
    pair.hand_over(shard, 1).await;
    let second = pair.say(0, &room, "two").await.unwrap().stream_id.unwrap();
    for _ in 0..2 {
        pair.call(1).await.complete();
    }
    for stream in [stream, second] {
        assert_eq!(pair.end_of(&room, &stream).await, Outcome::Completed);
    }
}

#[tokio::test]
async fn what_others_ask_of_a_process_that_drains_waits_for_the_next_owner() {
    let mut pair = Pair::new().await;
    let room = pair.room().await;
    let first = pair.say(1, &room, "one").await.unwrap().stream_id.unwrap();
    let call = pair.call(0).await;
    let meanwhile = async {
        while pair.rooms(0).create(&pair.who, ar()).await.is_ok() {
            tokio::task::yield_now().await;
        }
        let second = pair.say(1, &room, "two").await.unwrap();
        assert_eq!(second.queued, 1);
        call.complete();
        second.stream_id.unwrap()
    };
    let ((), second) = tokio::join!(pair.rooms(0).drain(Duration::from_secs(10)), meanwhile);
    assert_eq!(pair.end_of(&room, &first).await, Outcome::Completed);
    pair.move_all(1).await;
    pair.call(1).await.complete();
    assert_eq!(pair.end_of(&room, &second).await, Outcome::Completed);
    assert!(pair.try_call(0).is_none());
}
