//! Regular rooms: the calls of AR rooms on a list of their own, with plain text.

use crate::world::{World, event};
use antiphon_testkit::client::{Api, Checker, SseClient, WebSocketClient};
use antiphon_testkit::upstream::Reply;
use serde_json::{Value, json};

async fn made(api: &Api, room: Value) -> String {
    let room = api.post("/api/rooms", &room).await.expect(201);
    assert_eq!(room["isARConversation"], false, "{room}");
    room["id"].as_str().unwrap().to_owned()
}

async fn ids(api: &Api, path: &str) -> Vec<String> {
    let rooms = api.get(path).await.expect(200)["rooms"].as_array().unwrap().clone();
    rooms.iter().map(|room| room["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_regular_room_has_a_type_of_its_own_and_stands_in_its_own_list() {
    let world = World::start().await;
    for wrong in [json!({}), json!({ "type": "" }), json!({ "type": "ar-conversation" }), json!({ "type": 1 })] {
        let refused = world.ann.post("/api/rooms", &wrong).await;
        refused.expect_problem(422, "invalid_request");
        assert!(refused.body["detail"].as_str().unwrap().contains("`type`"), "{}", refused.body);
    }
    let room = made(&world.ann, json!({ "type": "group", "name": "Team" })).await;
    let ar = world.ann.room("restart").await;
    assert_eq!(ids(&world.ann, "/api/rooms").await, std::slice::from_ref(&room));
    assert_eq!(ids(&world.ann, "/api/ar-rooms").await, std::slice::from_ref(&ar));
    let view = world.ann.get(&format!("/api/rooms/{room}")).await.expect(200);
    assert_eq!(
        (&view["type"], &view["name"], &view["visibility"]),
        (&json!("group"), &json!("Team"), &json!("private"))
    );
    for path in [format!("/api/ar-rooms/{room}"), format!("/api/rooms/{ar}"), format!("/api/ar-rooms/{room}/stream")] {
        world.ann.get(&path).await.expect_problem(404, "room_not_found");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_talk_there_and_an_agents_answer_is_plain_text() {
    let world = World::start().await;
    let quiet = made(&world.ann, json!({ "type": "direct" })).await;
    let said = world.ann.post(&format!("/api/rooms/{quiet}/messages"), &json!({ "content": "Anybody?" })).await;
    let said = said.expect(202);
    assert_eq!((&said["streamId"], &said["queued"]), (&Value::Null, &json!(0)));
    let room = made(&world.ann, json!({ "type": "group", "agentId": "restart" })).await;
    let mut socket = WebSocketClient::connect(&world.ann, "/ws").await;
    socket.send(&json!({ "type": "join-ar-room", "roomId": room, "agentId": "restart", "position": "start" })).await;
    assert_eq!(socket.until_type("subscribed").await["channel"], json!({ "type": "room", "id": room }));
    let mut sse = SseClient::connect(&world.ann, &format!("/api/rooms/{room}/stream?position=start")).await;
    world.upstream.push(Reply::openai_chat(["Hi [emotion:happy]", "you"]));
    socket.send(&json!({ "type": "ar-message", "roomId": room, "content": "Hello?", "requestId": 1 })).await;
    let stream = socket.until_type("accepted").await["streamId"].as_str().unwrap().to_owned();
    assert_eq!(event(&mut socket, "ar-stream-end", &stream).await["outcome"], "completed");
    sse.until_type("ar-stream-end").await;
    let checker = Checker::of(&socket.seen);
    checker.assert_same(&Checker::of(sse.events()));
    assert_eq!(checker.stream(&stream).text, "Hi [emotion:happy]you", "brackets are text");
    assert!(checker.stream(&stream).markers.is_empty());
    let page = world.ann.get(&format!("/api/rooms/{room}/messages")).await.expect(200);
    assert_eq!((&page["messages"][0]["text"], &page["messages"][1]["markers"]), (&json!("Hello?"), &json!([])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn public_rooms_are_open_and_others_do_not_exist_for_strangers() {
    let world = World::start().await;
    let ben = world.user("ben");
    let public = made(&world.ann, json!({ "type": "group", "visibility": "public" })).await;
    let private = made(&world.ann, json!({ "type": "group" })).await;
    assert_eq!(ids(&ben, "/api/rooms").await, std::slice::from_ref(&public));
    let hello = json!({ "content": "Hello" });
    ben.post(&format!("/api/rooms/{public}/messages"), &hello).await.expect(202);
    ben.post(&format!("/api/rooms/{private}/messages"), &hello).await.expect_problem(404, "room_not_found");
    ben.delete(&format!("/api/rooms/{public}")).await.expect_problem(403, "forbidden");
    let mut socket = WebSocketClient::connect(&ben, "/ws").await;
    socket.subscribe("room", &private, None).await;
    assert_eq!(socket.until_type("error").await["code"], "room_not_found");
    socket.subscribe("room", &public, Some("start")).await;
    assert_eq!(socket.until_type("message-created").await["message"]["senderId"], "ben");
}
