//! One answer after the other: acceptance, queue, pause, retry, repetition.

use crate::world::{World, person, short, soon};
use antiphon_ai::agent::Recovery;
use antiphon_ai::provider::CallOutcome;
use antiphon_core::limits::MAX_QUEUED_STREAMS;
use antiphon_core::*;
use std::time::Duration;

#[tokio::test]
async fn an_answer_from_acceptance_to_its_end() {
    let mut world = World::new().await;
    let room = world.room().await;
    let accepted = world.say(&room, "hello").await.unwrap();
    let stream = accepted.stream_id.unwrap();
    assert_eq!((accepted.queued, accepted.message.content.as_str()), (0, "hello"));
    assert_eq!(short(&world.events(&room).await)[1..5], ["said hello", "asked hello", "queued 0", "start"]);

    let call = world.call().await;
    call.wait_in_line(1);
    call.say("[emotion:happy]Hi");
    world.until_text(&room, &stream, "[emotion:happy]Hi").await;
    let page = world.rooms().messages(&world.who, true, &room, 50, None).await.unwrap();
    assert_eq!(page.messages[1].text, "Hi");
    assert_eq!(page.messages[1].status, MessageStatus::Streaming);
    assert_eq!(page.position, world.records_of(&room).await.last().unwrap().1);
    assert_eq!(world.status(&stream).await, StreamStatus::Active);
    assert_eq!(world.rooms().open_streams(), 1);

    call.say(" there");
    call.complete();
    assert_eq!(world.end_of(&room, &stream).await, (Outcome::Completed, None));
    let reply = world.reply(&room, &stream).await;
    assert_eq!((reply.content.as_str(), reply.text.as_str()), ("[emotion:happy]Hi there", "Hi there"));
    assert_eq!((reply.markers.len(), reply.status), (1, MessageStatus::Completed));
    let events = short(&world.events(&room).await);
    assert_eq!(events[5..7], ["waits 1", "1.0 [emotion:happy]Hi"]);
    assert!(events.last().unwrap().starts_with("end Completed"), "{events:?}");
    let view = world.rooms().stream(&world.who, &stream).await.unwrap();
    assert_eq!((view.status, view.agent_id.as_str(), view.user_id.as_str()), (StreamStatus::Completed, "anna", "u1"));
    assert_eq!(view.message_id, reply.id);
}

#[tokio::test]
async fn further_messages_queue_in_order_and_the_queue_is_bounded() {
    let mut world = World::new().await;
    let room = world.room().await;
    let (first, call) = world.asked(&room, "0").await;
    let mut streams = vec![first];
    for place in 1..=MAX_QUEUED_STREAMS {
        let accepted = world.say(&room, &place.to_string()).await.unwrap();
        assert_eq!(accepted.queued, place);
        streams.push(accepted.stream_id.unwrap());
    }
    let refusal = world.say_as(&room, "too many", "c").await.unwrap_err();
    assert_eq!(refusal.code, Code::QueueFull);
    assert!(world.try_call().is_none());

    // One is withdrawn: those behind it move up, and its slot is free.
    world.rooms().cancel(&world.who, &streams[2]).await.unwrap();
    assert_eq!(world.status(&streams[2]).await, StreamStatus::Cancelled);
    let tail = short(&world.events(&room).await);
    assert_eq!(tail[tail.len() - MAX_QUEUED_STREAMS + 1..][..2], ["end Cancelled 0", "queued 2"]);
    let late = world.say_as(&room, "late", "c").await.unwrap();
    assert_eq!(late.queued, MAX_QUEUED_STREAMS);
    streams.remove(2);
    streams.push(late.stream_id.unwrap());

    call.complete();
    for (place, stream) in streams.iter().enumerate().skip(1) {
        let call = world.call().await;
        let events = world.events(&room).await;
        let started = events.iter().rev().find_map(|event| match event {
            RoomEvent::ArStreamStart { stream_id, .. } => Some(stream_id.clone()),
            _ => None,
        });
        assert_eq!(started.as_ref(), Some(stream), "{place}");
        call.say("ok");
        call.complete();
        world.end_of(&room, stream).await;
    }
}

#[tokio::test]
async fn a_clients_id_counts_once_for_the_rooms_life() {
    let mut world = World::new().await;
    let room = world.room().await;
    let first = world.say_as(&room, "hello", "c1").await.unwrap();
    let second = world.say_as(&room, "more", "c2").await.unwrap();
    assert_eq!(second.queued, 1);
    assert_eq!(world.say_as(&room, "more", "c2").await.unwrap(), second);
    assert_eq!(world.say_as(&room, "other", "c2").await.unwrap_err().code, Code::Conflict);
    let call = world.call().await;
    call.complete();
    world.end_of(&room, first.stream_id.as_ref().unwrap()).await;
    for _ in 0..2 {
        let again = world.say_as(&room, "more", "c2").await.unwrap();
        assert_eq!((again.queued, &again.stream_id, &again.message), (0, &second.stream_id, &second.message));
        assert_eq!(world.say_as(&room, "hello", "c1").await.unwrap().stream_id, first.stream_id);
        assert_eq!(world.say_as(&room, "hello!", "c1").await.unwrap_err().code, Code::Conflict);
        world.restart().await;
    }
    let said = short(&world.events(&room).await).into_iter().filter(|event| event.starts_with("said")).count();
    assert_eq!(said, 2);
}

#[tokio::test]
async fn a_paused_answer_is_not_read_and_goes_on() {
    let mut world = World::new().await;
    let room = world.room().await;
    let (stream, call) = world.asked(&room, "hello").await;
    call.say("one ");
    world.until_text(&room, &stream, "one ").await;
    for _ in 0..2 {
        let view = world.rooms().pause(&world.who, &stream).await.unwrap();
        assert_eq!(view.status, StreamStatus::Paused);
    }
    call.say("two ");
    call.complete();
    let queued = world.say(&room, "behind").await.unwrap().stream_id.unwrap();
    assert_eq!(world.rooms().pause(&world.who, &queued).await.unwrap_err().code, Code::Conflict);
    assert_eq!(world.reply(&room, &stream).await.text, "one ");
    for _ in 0..2 {
        let view = world.rooms().resume(&world.who, &stream).await;
        assert!(view.is_ok() || view.unwrap_err().code == Code::Conflict);
    }
    world.end_of(&room, &stream).await;
    let events = short(&world.events(&room).await);
    let pauses = events.iter().filter(|event| event.as_str() == "pause u1").count();
    let resumes = events.iter().filter(|event| event.as_str() == "resume u1").count();
    assert_eq!((pauses, resumes), (1, 1));
    assert_eq!(world.reply(&room, &stream).await.text, "one two ");
    assert_eq!(world.rooms().pause(&world.who, &stream).await.unwrap_err().code, Code::Conflict);
    let _ = world.call().await;
}

#[tokio::test]
async fn a_retry_is_another_stream_for_the_same_message() {
    let mut world = World::with(|agent| agent.recovery = Recovery::Fail).await;
    let room = world.room().await;
    let (stream, call) = world.asked(&room, "hello").await;
    assert_eq!(world.rooms().retry(&world.who, &stream).await.unwrap_err().code, Code::Conflict);
    call.say("half");
    call.cut();
    let (outcome, code) = world.end_of(&room, &stream).await;
    assert_eq!((outcome, code.as_deref()), (Outcome::Truncated, Some("truncated")));
    assert_eq!(world.status(&stream).await, StreamStatus::Failed);
    let again = world.rooms().retry(&world.who, &stream).await.unwrap();
    let next = again.stream_id.unwrap();
    assert_ne!(next, stream);
    assert_eq!(world.rooms().retry(&world.who, &stream).await.unwrap_err().code, Code::Conflict);
    let call = world.call().await;
    assert_eq!(call.prompt.turns.len(), 1);
    call.say("whole");
    call.complete();
    world.end_of(&room, &next).await;
    assert_eq!(world.rooms().retry(&world.who, &next).await.unwrap_err().code, Code::Conflict);
    let texts: Vec<String> = world.messages(&room).await.into_iter().map(|message| message.text).collect();
    assert_eq!(texts, ["hello", "half", "whole"]);
}

#[tokio::test]
async fn what_the_model_thinks_and_cites_is_kept_on_the_message_and_never_spoken() {
    let mut world = World::new().await;
    let room = world.room().await;
    let (stream, call) = world.asked(&room, "hello").await;
    call.think("old thoughts");
    call.cut();
    let call = world.call().await;
    assert_eq!(call.prompt.turns.len(), 1, "thoughts are not sent back");
    call.think("Let me ");
    call.think("see.");
    call.say("Two [1].");
    let citation = Citation { url: "https://example.org/sum".into(), title: Some("Sums".into()) };
    call.complete_with(vec![citation.clone()]);
    world.end_of(&room, &stream).await;
    let reply = world.messages(&room).await.pop().unwrap();
    assert_eq!((reply.text.as_str(), reply.reasoning.as_str()), ("Two [1].", "Let me see."));
    assert_eq!(reply.citations, [citation]);
}

#[tokio::test]
async fn a_declined_answer_keeps_its_text_and_is_not_asked_again() {
    let mut world = World::new().await;
    let room = world.room().await;
    for (text, outcome) in [("Well, ", Outcome::Truncated), ("", Outcome::Failed)] {
        let (stream, call) = world.asked(&room, "hello").await;
        if !text.is_empty() {
            call.say(text);
        }
        call.end(CallOutcome::Declined { message: "The model declined to answer.".into(), detail: String::new() });
        assert_eq!(world.end_of(&room, &stream).await, (outcome, Some("declined".into())));
        let reply = world.messages(&room).await.pop().unwrap();
        assert_eq!(reply.text, text);
        assert_eq!(reply.error.unwrap().message, "The model declined to answer.");
    }
}

#[tokio::test]
async fn waiting_gives_the_whole_reply_and_counts_as_watching() {
    let mut world = World::new().await;
    let room = world.room().await;
    let (stream, call) = world.asked(&room, "hello").await;
    assert!(world.rooms().wait(&stream, Duration::from_millis(10)).await.is_none());
    let channel = ChannelName::new(AR_ROOM, &room).unwrap();
    let mut watched = world.viewers.watch(&channel);
    let answer = async {
        soon(watched.wait_for(|count| *count == 1)).await.unwrap();
        call.say("[gesture:wave]Hi you");
        call.complete();
    };
    let (reply, ()) = tokio::join!(world.rooms().wait(&stream, Duration::from_secs(20)), answer);
    let reply = reply.unwrap();
    assert_eq!((reply.text.as_str(), reply.timeline.words.len(), reply.timeline.markers.len()), ("Hi you", 2, 1));
    assert_eq!(world.rooms().wait(&stream, Duration::from_secs(5)).await.unwrap().id, reply.id);
    assert_eq!(*world.viewers.watch(&channel).borrow(), 0);
}

#[tokio::test]
async fn messages_come_in_pages_also_where_memory_does_not_have_them() {
    let mut world = World::new().await;
    let room = world.room().await;
    for number in 0..60 {
        world.exchange(&room, &format!("q{number}"), &format!("a{number}")).await;
    }
    world.restart().await;
    world.exchange(&room, "q60", "a60").await;
    let mut before: Option<String> = None;
    let mut all = Vec::new();
    loop {
        let page = world.rooms().messages(&world.who, true, &room, 7, before.as_deref()).await.unwrap();
        let Some(first) = page.messages.first() else { break };
        before = Some(first.id.clone());
        all.splice(0..0, page.messages.into_iter().map(|message| message.text));
    }
    let expected: Vec<String> = (0..=60).flat_map(|number| [format!("q{number}"), format!("a{number}")]).collect();
    assert_eq!(all, expected);
    let wrong = world.rooms().messages(&world.who, true, &room, 7, Some("msg-none")).await.unwrap_err();
    assert_eq!(wrong.code, Code::InvalidRequest);
}

#[tokio::test]
async fn nobody_else_gets_in() {
    let mut world = World::new().await;
    let room = world.room().await;
    let (stream, _call) = world.asked(&room, "hello").await;
    let other = person("u2");
    let rooms = world.rooms();
    assert_eq!(rooms.get(&other, true, &room).await.unwrap_err().code, Code::RoomNotFound);
    assert_eq!(rooms.get(&world.who, false, &room).await.unwrap_err().code, Code::RoomNotFound);
    assert_eq!(rooms.send(&other, None, &room, "x".into(), None).await.unwrap_err().code, Code::RoomNotFound);
    assert_eq!(rooms.messages(&other, true, &room, 5, None).await.unwrap_err().code, Code::RoomNotFound);
    assert_eq!(rooms.delete(&other, true, &room).await.unwrap_err().code, Code::RoomNotFound);
    assert_eq!(rooms.stream(&other, &stream).await.unwrap_err().code, Code::StreamNotFound);
    assert_eq!(rooms.cancel(&other, &stream).await.unwrap_err().code, Code::StreamNotFound);
    let unknown = new_stream_id(&room);
    for stream in ["", "stream-x", unknown.as_str(), &new_stream_id("room-0")] {
        assert_eq!(rooms.stream(&world.who, stream).await.unwrap_err().code, Code::StreamNotFound, "{stream}");
    }
    let channel = ChannelName::new(AR_ROOM, &room).unwrap();
    assert_eq!(rooms.may_read(&other, &channel).await.unwrap_err().code, Code::RoomNotFound);
    assert!(rooms.may_read(&world.who, &channel).await.is_ok());
    let other_kind = ChannelName::new(ROOM, &room).unwrap();
    assert!(rooms.may_read(&world.who, &other_kind).await.is_err());
    let back_end = Identity { is_back_end: true, read: vec![Pattern::parse("ar-room:*").unwrap()], ..person("key:k") };
    assert!(rooms.may_read(&back_end, &channel).await.is_ok());
    assert_eq!(rooms.cancel(&back_end, &stream).await.unwrap_err().code, Code::Forbidden);
    for (content, code) in [("  ", Code::InvalidRequest), (&*"x".repeat(1_100_000), Code::PayloadTooLarge)] {
        assert_eq!(world.say(&room, content).await.unwrap_err().code, code);
    }
}
