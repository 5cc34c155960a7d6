//! What the model is given after this and that.

use crate::world::World;
use antiphon_ai::provider::TurnRole;
use antiphon_core::Heard;

fn turns(call: &crate::world::Call) -> Vec<String> {
    call.prompt
        .turns
        .iter()
        .map(|turn| format!("{} {}", if turn.role == TurnRole::User { ">" } else { "<" }, turn.content))
        .collect()
}

#[tokio::test]
async fn the_model_is_given_just_what_was_heard() {
    let mut world = World::new().await;
    let room = world.room().await;
    let (stream, call) = world.asked(&room, "one").await;
    assert!(call.prompt.system.starts_with("You are Anna.\n\n"));
    assert!(call.prompt.system.contains("emotion"));
    call.say("[emotion:sad]first [gesture:nod]answer");
    world.until_text(&room, &stream, "[emotion:sad]first [gesture:nod]answer").await;
    world.rooms().interrupt(&world.who, &stream, Some(Heard { offset: 6 }), None).await.unwrap();
    let (second, call) = world.asked(&room, "two").await;
    assert_eq!(turns(&call), ["> one", "< [emotion:sad]first [gesture:nod]", "> two"]);
    call.say("second answer");
    call.complete();
    world.end_of(&room, &second).await;
    world.rooms().interrupt(&world.who, &second, Some(Heard { offset: 6 }), None).await.unwrap();
    let (_, call) = world.asked(&room, "three").await;
    assert_eq!(turns(&call)[3..], ["< second", "> three"]);
}

#[tokio::test]
async fn what_was_withdrawn_was_never_said() {
    let mut world = World::new().await;
    let room = world.room().await;
    let (failed, call) = world.asked(&room, "one").await;
    let withdrawn = world.say(&room, "never").await.unwrap().stream_id.unwrap();
    let later = world.say(&room, "two").await.unwrap().stream_id.unwrap();
    world.say(&room, "three").await.unwrap();
    world.rooms().cancel(&world.who, &withdrawn).await.unwrap();
    call.fail(false);
    world.end_of(&room, &failed).await;
    let call = world.call().await;
    assert_eq!(turns(&call), ["> one", "> two"]);
    call.say("half");
    world.until_text(&room, &later, "half").await;
    world.rooms().cancel(&world.who, &later).await.unwrap();
    let call = world.call().await;
    assert_eq!(turns(&call), ["> one", "> two", "< half", "> three"]);

    // Asked again, the first is answered without what came after it.
    let again = world.rooms().retry(&world.who, &failed).await.unwrap().stream_id.unwrap();
    call.complete();
    let call = world.call().await;
    assert_eq!(turns(&call), ["> one"]);
    call.say("at last");
    call.complete();
    world.end_of(&room, &again).await;
    let (_, call) = world.asked(&room, "four").await;
    assert_eq!(turns(&call), ["> one", "< at last", "> two", "< half", "> three", "> four"]);
}

#[tokio::test]
async fn the_latest_exchanges_that_fit_are_given() {
    let mut world = World::with(|agent| {
        agent.context_tokens = 1200;
        agent.max_tokens = Some(100);
    })
    .await;
    let room = world.room().await;
    for number in 0..5 {
        world.exchange(&room, &format!("{number} {}", "word ".repeat(60)), &"said ".repeat(60)).await;
    }
    let (_, call) = world.asked(&room, "last").await;
    let turns = turns(&call);
    assert!(turns.len() > 2 && turns.len() < 11 && turns.len() % 2 == 1, "{}", turns.len());
    assert_eq!(turns.last().unwrap(), "> last");
    assert!(turns[0].starts_with(&format!("> {}", 5 - turns.len() / 2)));
    call.complete();
    let (_, call) = world.asked(&room, &"long ".repeat(10_000)).await;
    assert_eq!(call.prompt.turns.len(), 1);
}
