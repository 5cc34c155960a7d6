//! Shards move from one process to another in the middle of whatever goes on in their rooms.

use crate::fenced::Fault;
use crate::pair::{Pair, ar, channel};
use crate::world::{short, soon};
use antiphon_ai::agent::{OnDisconnect, Recovery};
use antiphon_core::limits::{DELETED_ROOM_GRACE, ROOM_RETRY_MOST};
use antiphon_core::*;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

fn count(events: &[RoomEvent], wanted: &str) -> usize {
    short(events).iter().filter(|event| event.starts_with(wanted)).count()
}

#[tokio::test]
async fn an_answer_goes_on_in_the_process_that_takes_over() {
    for (recovery, policy) in [(Recovery::Restart, "reset 2"), (Recovery::Continue, "attempt 2 continue")] {
        let mut pair = Pair::with(|agent| agent.recovery = recovery).await;
        pair.processes[1].model.can_continue.store(true, Ordering::Relaxed);
        let room = pair.room().await;
        let first = pair.say(0, &room, "one").await.unwrap().stream_id.unwrap();
        let second = pair.say(0, &room, "two").await.unwrap().stream_id.unwrap();
        let call = pair.call(0).await;
        call.say("half ");
        pair.until_text(&room, &first, "half ").await;
        let moved = Instant::now();
        pair.move_all(1).await;
        call.dropped().await;
        println!("dropped after {:?}", moved.elapsed());
        assert!(moved.elapsed() < Duration::from_millis(500), "{:?}", moved.elapsed());
        let call = pair.call(1).await;
        call.say("more");
        call.complete();
        assert_eq!(pair.end_of(&room, &first).await, Outcome::Completed);
        pair.call(1).await.complete();
        assert_eq!(pair.end_of(&room, &second).await, Outcome::Completed);
        let events = pair.events(&room).await;
        assert_eq!((count(&events, "end"), count(&events, "owner")), (2, 1));
        assert!(short(&events).contains(&policy.to_owned()), "{events:#?}");
        let reason = events.iter().find_map(|event| match event {
            RoomEvent::OwnerChanged { reason, .. } => Some(reason.clone()),
            _ => None,
        });
        assert!(reason.unwrap().starts_with("another process took over"));
        pair.assert_fenced(&room).await;
        assert!(pair.try_call(0).is_none());
    }
}

#[tokio::test]
async fn an_owner_that_does_not_know_that_it_is_one_no_more_writes_nothing() {
    let mut pair = Pair::new().await;
    let room = pair.room().await;
    let stream = pair.say(0, &room, "one").await.unwrap().stream_id.unwrap();
    let old = pair.call(0).await;
    old.say("half ");
    pair.until_text(&room, &stream, "half ").await;
    // It hangs in the middle of an append, and is overtaken.
    pair.processes[0].log.fault(Fault::Stuck);
    old.say("lost");
    tokio::task::yield_now().await;
    pair.take(pair.shard_of(&room), 1).await;
    let call = pair.call(1).await;
    pair.processes[0].log.fault(Fault::None);
    old.say("lost too");
    call.say("whole");
    pair.until_text(&room, &stream, "whole").await;
    assert_eq!(pair.rooms(0).interrupt(&pair.who, &stream, None, None).await.unwrap_err().code, Code::Unavailable);
    pair.processes[0].owned.lose(pair.shard_of(&room));
    old.dropped().await;
    call.complete();
    assert_eq!(pair.end_of(&room, &stream).await, Outcome::Completed);
    let events = pair.events(&room).await;
    assert_eq!((count(&events, "end"), count(&events, "owner"), count(&events, "interrupt")), (1, 1, 0));
    pair.assert_fenced(&room).await;
}

#[tokio::test]
async fn what_the_log_no_longer_takes_from_one_owner_is_asked_of_the_next() {
    let mut pair = Pair::new().await;
    let room = pair.room().await;
    let stream = pair.say(0, &room, "one").await.unwrap().stream_id.unwrap();
    pair.call(0).await.complete();
    pair.end_of(&room, &stream).await;
    // The first process does not know yet. The log does.
    pair.take(pair.shard_of(&room), 1).await;
    for content in ["two", "three"] {
        // Once as the append is refused, once as the room still waits because of it; without an id of the caller's own.
        let said = pair.rooms(0).send(&pair.who, Some(true), &room, content.into(), None).await.unwrap();
        pair.call(1).await.complete();
        assert_eq!(pair.end_of(&room, &said.stream_id.unwrap()).await, Outcome::Completed);
    }
    let page = pair.rooms(1).messages(&pair.who, true, &room, 200, None).await.unwrap();
    let asked: Vec<_> = page.messages.iter().filter(|message| message.role == SenderRole::User).collect();
    assert_eq!(asked.len(), 3, "each is taken once");
    assert!(pair.try_call(0).is_none_or(|call| call.is_dropped()));
    pair.assert_fenced(&room).await;
}

#[tokio::test]
async fn a_shard_that_comes_back_before_its_loss_was_noticed_is_read_anew() {
    let mut pair = Pair::new().await;
    let room = pair.room().await;
    let stream = pair.say(0, &room, "one").await.unwrap().stream_id.unwrap();
    let old = pair.call(0).await;
    old.say("half ");
    pair.until_text(&room, &stream, "half ").await;
    let shard = pair.shard_of(&room);
    pair.take(shard, 1).await;
    let call = pair.call(1).await;
    call.say("other");
    pair.until_text(&room, &stream, "other").await;
    pair.processes[1].owned.lose(shard);
    call.dropped().await;
    // The first process sees only that the epoch is another one.
    pair.take(shard, 0).await;
    old.dropped().await;
    let call = pair.call(0).await;
    call.say("whole");
    call.complete();
    assert_eq!(pair.end_of(&room, &stream).await, Outcome::Completed);
    let events = pair.events(&room).await;
    assert_eq!((count(&events, "reset 3"), count(&events, "3.0 whole"), count(&events, "end")), (1, 1, 1));
    assert_eq!(count(&events, "owner"), 2, "{events:#?}");
}

#[tokio::test]
async fn a_new_epoch_of_the_same_owner_costs_no_attempt() {
    for fault in [Fault::Refused, Fault::Lost, Fault::Late] {
        let mut pair = Pair::new().await;
        let room = pair.room().await;
        let stream = pair.say(0, &room, "one").await.unwrap().stream_id.unwrap();
        let call = pair.call(0).await;
        call.say("half ");
        pair.until_text(&room, &stream, "half ").await;
        pair.processes[0].log.fault(fault);
        call.say("more ");
        soon(async {
            while pair.shared.in_force(pair.shard_of(&room)).await.is_some() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        // Longer than the first few pauses of an owner that tries again.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let refused = pair.say(1, &room, "two").await.unwrap_err();
        assert_eq!(refused.code, Code::Unavailable);
        pair.mend().await;
        pair.until_text(&room, &stream, "half more ").await;
        call.complete();
        assert_eq!(pair.end_of(&room, &stream).await, Outcome::Completed);
        let events = pair.events(&room).await;
        assert_eq!((count(&events, "1."), count(&events, "owner"), count(&events, "said")), (3, 0, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn queued_messages_of_a_lost_shard_are_answered_by_the_next_owner() {
    let mut pair = Pair::new().await;
    let room = pair.room().await;
    let mut streams = Vec::new();
    for content in ["one", "two", "three"] {
        streams.push(pair.say(1, &room, content).await.unwrap().stream_id.unwrap());
    }
    let _call = pair.call(0).await;
    pair.crash(0).await;
    // Nobody owns it for a while.
    assert_eq!(pair.say(0, &room, "four").await.unwrap_err().code, Code::Unavailable);
    pair.move_all(1).await;
    for stream in &streams {
        pair.call(1).await.complete();
        assert_eq!(pair.end_of(&room, stream).await, Outcome::Completed);
    }
    assert_eq!(count(&pair.events(&room).await, "owner"), 1);
}

#[tokio::test]
async fn a_clients_id_means_the_same_message_wherever_it_is_repeated() {
    let mut pair = Pair::new().await;
    let room = pair.room().await;
    let accepted = pair.say(0, &room, "one").await.unwrap();
    let _call = pair.call(0).await;
    pair.wire.loses_answers.store(true, Ordering::Relaxed);
    assert_eq!(pair.say(1, &room, "two").await.unwrap_err().code, Code::Unavailable);
    pair.wire.loses_answers.store(false, Ordering::Relaxed);
    for to in [1, 0, 1] {
        pair.move_all(to).await;
        for by in [0, 1] {
            let again = pair.say(by, &room, "one").await.unwrap();
            assert_eq!((&again.message, &again.stream_id), (&accepted.message, &accepted.stream_id));
            pair.say(by, &room, "two").await.unwrap();
        }
    }
    assert_eq!(count(&pair.events(&room).await, "said"), 2);
}

#[tokio::test]
async fn an_answer_that_kills_each_of_its_processes_ends_as_failed() {
    let mut pair = Pair::new().await;
    let room = pair.room().await;
    let stream = pair.say(0, &room, "one").await.unwrap().stream_id.unwrap();
    for (killed, next) in [(0, 1), (1, 0)] {
        let _call = pair.call(killed).await;
        pair.crash(killed).await;
        pair.move_all(next).await;
    }
    let _call = pair.call(0).await;
    pair.crash(0).await;
    pair.move_all(1).await;
    assert_eq!(pair.end_of(&room, &stream).await, Outcome::Failed);
    assert!(pair.try_call(1).is_none());
}

#[tokio::test]
async fn whoever_waits_for_an_answer_gets_it_from_the_next_owner() {
    let mut pair = Pair::new().await;
    let room = pair.room().await;
    let stream = pair.say(0, &room, "one").await.unwrap().stream_id.unwrap();
    let call = pair.call(0).await;
    let (here, there, answered) = {
        let wait = |by: usize| pair.processes[by].viewers.clone();
        let (here, there) = (wait(0).watch(&channel(&room)), wait(1).watch(&channel(&room)));
        let rooms = [pair.rooms(0), pair.rooms(1)];
        let waiting = futures::future::join_all(rooms.map(|rooms| rooms.wait(&stream, Duration::from_secs(20))));
        let moving = async {
            // Both are counted where the owner is.
            soon(here.clone().wait_for(|count| *count == 2)).await.unwrap();
            pair.move_all(1).await;
            call.dropped().await;
            soon(there.clone().wait_for(|count| *count == 2)).await.unwrap();
            // The next call is answered by whoever has it.
            pair.rooms(0).cancel(&pair.who, &stream).await.unwrap();
        };
        let (answered, ()) = tokio::join!(waiting, moving);
        (here, there, answered)
    };
    assert_eq!((*here.borrow(), *there.borrow()), (0, 0));
    assert!(answered.iter().all(|reply| reply.as_ref().unwrap().status == MessageStatus::Cancelled));
    assert_eq!(answered[0], answered[1]);
}

#[tokio::test]
async fn viewers_that_are_counted_late_save_an_answer_within_the_grace_time() {
    let mut pair = Pair::with(|agent| {
        agent.on_disconnect = OnDisconnect::CancelAfterLastViewer;
        agent.viewer_grace = Duration::from_millis(300);
    })
    .await;
    let (watched, unwatched) = (pair.room().await, pair.room().await);
    let _viewing = pair.processes[0].viewers.enter(&channel(&watched));
    let _also = pair.processes[0].viewers.enter(&channel(&unwatched));
    let mut streams = Vec::new();
    for room in [&watched, &unwatched] {
        streams.push(pair.say(0, room, "one").await.unwrap().stream_id.unwrap());
        let _call = pair.call(0).await;
    }
    pair.move_all(1).await;
    let calls = [pair.call(1).await, pair.call(1).await];
    let _late = pair.processes[1].viewers.enter(&channel(&watched));
    assert_eq!(pair.end_of(&unwatched, &streams[1]).await, Outcome::Cancelled);
    calls.iter().for_each(|call| call.complete());
    assert_eq!(pair.end_of(&watched, &streams[0]).await, Outcome::Completed);
}

#[tokio::test]
async fn a_deleted_room_is_removed_by_whoever_owns_it_then() {
    let pair = Pair::new().await;
    let room = pair.room().await;
    pair.rooms(1).delete(&pair.who, true, &room).await.unwrap();
    for by in [0, 1] {
        assert_eq!(pair.rooms(by).get(&pair.who, true, &room).await.unwrap_err().code, Code::RoomNotFound);
        assert!(pair.rooms(by).list(&pair.who, true).await.unwrap().is_empty());
    }
    pair.processes[0].owned.lose(pair.shard_of(&room));
    tokio::time::pause();
    tokio::time::sleep(DELETED_ROOM_GRACE * 2).await;
    tokio::time::resume();
    assert!(pair.records.room(&room).await.unwrap().is_some());
    pair.take(pair.shard_of(&room), 1).await;
    let began = Instant::now();
    while pair.records.room(&room).await.unwrap().is_some() {
        tokio::time::pause();
        tokio::time::advance(DELETED_ROOM_GRACE / 4).await;
        tokio::time::resume();
        assert!(began.elapsed() < Duration::from_secs(20), "it was never removed");
        tokio::task::yield_now().await;
    }
    assert!(pair.events(&room).await.is_empty());
}

#[tokio::test]
async fn hundreds_of_rooms_are_taken_over_at_once() {
    const ROOMS: usize = 300;
    let mut pair = Pair::new().await;
    let mut streams = Vec::new();
    for _ in 0..ROOMS {
        let room = pair.room().await;
        let stream = pair.say(0, &room, "one").await.unwrap().stream_id.unwrap();
        streams.push((room, stream));
    }
    let mut calls = Vec::new();
    for _ in 0..ROOMS {
        calls.push(pair.call(0).await);
    }
    let moved = Instant::now();
    pair.move_all(1).await;
    for call in &calls {
        call.dropped().await;
    }
    let dropped = moved.elapsed();
    for _ in 0..ROOMS {
        pair.call(1).await.complete();
    }
    println!("{ROOMS} calls dropped after {dropped:?}, taken up after {:?}", moved.elapsed());
    assert!(moved.elapsed() < ROOM_RETRY_MOST, "none had to be tried twice");
    for (room, stream) in &streams {
        assert_eq!(pair.end_of(room, stream).await, Outcome::Completed);
    }
}

#[tokio::test]
async fn a_room_that_nobody_owns_is_still_found() {
    let pair = Pair::new().await;
    let made = pair.rooms(1).create(&pair.who, ar()).await.unwrap();
    let shard = pair.shard_of(&made.room.id);
    pair.processes[0].owned.lose(shard);
    for by in [0, 1] {
        let rooms = pair.rooms(by);
        assert_eq!(rooms.get(&pair.who, true, &made.room.id).await.unwrap(), made);
        assert_eq!(rooms.list(&pair.who, true).await.unwrap(), std::slice::from_ref(&made));
        assert_eq!(*rooms.find(&pair.who, &made.room.id).await.unwrap(), made.room);
        rooms.may_read(&pair.who, &channel(&made.room.id)).await.unwrap();
        let page = rooms.messages(&pair.who, true, &made.room.id, 5, None).await.unwrap();
        assert_eq!((page.messages.len(), page.position), (0, made.position));
        assert_eq!(pair.say(by, &made.room.id, "one").await.unwrap_err().code, Code::Unavailable);
    }
}
