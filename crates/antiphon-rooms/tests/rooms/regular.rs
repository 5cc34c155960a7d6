//! Regular rooms: the same calls, another list, and plain text.

use crate::world::{World, person, short};
use antiphon_core::*;
use antiphon_rooms::NewRoom;

async fn regular(world: &World, agent: Option<&str>, visibility: Visibility) -> String {
    let new = NewRoom {
        is_ar: false,
        agent_id: agent.map(str::to_owned),
        name: Some("Team".into()),
        room_type: Some("team".into()),
        visibility: Some(visibility),
    };
    world.rooms().create(&world.who, new).await.unwrap().room.id
}

#[tokio::test]
async fn a_message_in_a_room_without_an_agent_gets_no_answer() {
    let world = World::new().await;
    let room = regular(&world, None, Visibility::Private).await;
    let accepted = world.say_as(&room, "hello", "c").await.unwrap();
    assert_eq!((accepted.stream_id.clone(), accepted.queued), (None, 0));
    assert_eq!(world.say_as(&room, "hello", "c").await.unwrap(), accepted);
    assert_eq!(short(&world.events(&room).await), ["room", "said hello"]);
    assert_eq!(world.rooms().messages(&world.who, false, &room, 5, None).await.unwrap().messages.len(), 1);
    assert!(world.rooms().messages(&world.who, true, &room, 5, None).await.is_err());
    assert!(world.rooms().send(&world.who, Some(true), &room, "x".into(), None).await.is_err());
}

#[tokio::test]
async fn an_agents_answer_is_plain_text_there() {
    let mut world = World::new().await;
    let room = regular(&world, Some("anna"), Visibility::Private).await;
    let (stream, call) = world.asked(&room, "hello").await;
    assert_eq!(call.prompt.system, "You are Anna.");
    call.say("[emotion:happy]Hi");
    call.complete();
    world.end_of(&room, &stream).await;
    world.rooms().interrupt(&world.who, &stream, Some(Heard { offset: 16 }), None).await.unwrap();
    let messages = world.rooms().messages(&world.who, false, &room, 5, None).await.unwrap().messages;
    assert_eq!((messages[1].text.as_str(), messages[1].markers.len()), ("[emotion:happy]H", 0));
}

#[tokio::test]
async fn lists_are_apart_and_public_rooms_are_open() {
    let world = World::new().await;
    let ar = world.room().await;
    let private = regular(&world, None, Visibility::Private).await;
    let public = regular(&world, None, Visibility::Public).await;
    let ids = async |who: &Identity, is_ar| -> Vec<String> {
        world.rooms().list(who, is_ar).await.unwrap().into_iter().map(|view| view.room.id).collect()
    };
    assert_eq!(ids(&world.who, true).await, [ar]);
    let mut mine = ids(&world.who, false).await;
    mine.sort();
    assert_eq!(mine, [private.clone(), public.clone()]);
    let other = person("u2");
    assert_eq!(ids(&other, false).await, std::slice::from_ref(&public));
    assert!(world.rooms().send(&other, None, &public, "hi".into(), None).await.is_ok());
    assert!(world.rooms().send(&other, None, &private, "hi".into(), None).await.is_err());
    assert_eq!(world.rooms().delete(&other, false, &public).await.unwrap_err().code, Code::Forbidden);
}

#[tokio::test]
async fn a_new_room_is_checked() {
    let world = World::new().await;
    let code = async |new| world.rooms().create(&world.who, new).await.map(|_| ()).unwrap_err().code;
    let ar = NewRoom { is_ar: true, ..NewRoom::default() };
    assert_eq!(code(ar.clone()).await, Code::InvalidRequest);
    assert_eq!(code(NewRoom { agent_id: Some("nobody".into()), ..ar.clone() }).await, Code::AgentNotFound);
    let anna = NewRoom { agent_id: Some("anna".into()), ..ar };
    assert_eq!(code(NewRoom { name: Some("x".repeat(201)), ..anna.clone() }).await, Code::InvalidRequest);
    for room_type in [None, Some(""), Some(" "), Some("ar-conversation"), Some(&*"x".repeat(65))] {
        let regular = NewRoom { room_type: room_type.map(str::to_owned), ..NewRoom::default() };
        assert_eq!(code(regular).await, Code::InvalidRequest, "{room_type:?}");
    }
    let view = world.rooms().create(&world.who, anna).await.unwrap();
    assert_eq!((view.room.room_type.as_str(), view.position.number), ("ar-conversation", 1));
    let json = serde_json::to_value(&view).unwrap();
    assert!(json["position"].is_string() && json["isARConversation"] == true && json["createdBy"]["id"] == "u1");
    assert_eq!(world.rooms().get(&world.who, true, &view.room.id).await.unwrap().position, view.position);
}
