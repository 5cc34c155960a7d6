//! The log refuses appends for a while: nothing that was acknowledged is lost, nothing else is done twice.

use crate::world::{Disk, World, short, soon, text_of};
use antiphon_core::*;

#[tokio::test]
async fn a_message_that_the_log_refused_was_never_said() {
    let mut world = World::new().await;
    let room = world.room().await;
    world.disk(Disk::Full);
    let refusal = world.say_as(&room, "hello", "c").await.unwrap_err();
    assert_eq!(refusal.code, Code::Unavailable);
    assert!(refusal.retry_after.is_some());
    assert!(world.messages(&room).await.is_empty());
    world.disk(Disk::Fine);
    while world.try_call().is_some() {}
    let accepted = loop {
        if let Ok(accepted) = world.say_as(&room, "hello", "c").await {
            break accepted;
        }
        tokio::task::yield_now().await;
    };
    let stream = accepted.stream_id.unwrap();
    world.call().await.complete();
    world.end_of(&room, &stream).await;
    assert_eq!(short(&world.events(&room).await)[1], "said hello");
    assert_eq!(world.messages(&room).await.len(), 2);
}

#[tokio::test]
async fn a_running_answer_waits_for_the_log_and_goes_on() {
    for disk in [Disk::Full, Disk::Lying] {
        let mut world = World::new().await;
        let room = world.room().await;
        let (stream, call) = world.asked(&room, "hello").await;
        call.say("a");
        world.until_text(&room, &stream, "a").await;
        let mut refused = world.log.refused.subscribe();
        world.disk(disk);
        call.say("b");
        soon(refused.changed()).await.unwrap();
        tokio::task::yield_now().await;
        assert_eq!(world.say(&room, "more").await.unwrap_err().code, Code::Unavailable);
        call.say("c");
        world.disk(Disk::Fine);
        call.complete();
        assert_eq!(world.end_of(&room, &stream).await.0, Outcome::Completed, "{disk:?}");
        assert_eq!(text_of(&world.events(&room).await, &stream), "abc", "{disk:?}");
        assert_eq!(world.reply(&room, &stream).await.text, "abc");
    }
}

#[tokio::test]
async fn a_stop_takes_effect_although_it_cannot_be_written_yet() {
    let mut world = World::new().await;
    let room = world.room().await;
    let (stream, call) = world.asked(&room, "hello").await;
    call.say("heard");
    world.until_text(&room, &stream, "heard").await;
    world.disk(Disk::Full);
    let refusal = world.rooms().interrupt(&world.who, &stream, Some(Heard { offset: 3 }), None).await.unwrap_err();
    assert_eq!(refusal.code, Code::Unavailable);
    assert!(call.is_dropped());
    world.disk(Disk::Fine);
    assert_eq!(world.end_of(&room, &stream).await.0, Outcome::Interrupted);
    assert_eq!(world.reply(&room, &stream).await.text, "hea");
}

#[tokio::test]
async fn an_append_that_came_through_after_all_is_not_made_again() {
    let mut world = World::new().await;
    let room = world.room().await;
    world.disk(Disk::Lying);
    assert!(world.say_as(&room, "hello", "c").await.is_err());
    world.disk(Disk::Fine);
    let stream = loop {
        if let Ok(accepted) = world.say_as(&room, "hello", "c").await {
            break accepted.stream_id.unwrap();
        }
        tokio::task::yield_now().await;
    };
    while let Ok(call) = tokio::time::timeout(std::time::Duration::from_secs(1), world.call()).await {
        if !call.is_dropped() {
            call.complete();
            break;
        }
    }
    world.end_of(&room, &stream).await;
    let said = short(&world.events(&room).await).into_iter().filter(|event| event == "said hello").count();
    assert_eq!(said, 1);
}
