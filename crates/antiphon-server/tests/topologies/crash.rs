//! The process that gives an answer is killed in the middle of it.

use crate::world::{TAKEOVER, World, event, kept};
use antiphon_testkit::client::{Checker, SseClient, WebSocketClient, is_event};
use antiphon_testkit::deployment::Topology;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TOKENS: usize = 100;
/// What a machine that is busy with other tests may need beyond the setting.
const BUSY: Duration = Duration::from_secs(3);

pub async fn run(world: Arc<World>) {
    match world.topology() {
        Topology::Embedded => restarted(&world).await,
        Topology::Direct => forgotten(&world).await,
        Topology::Grpc => lost_with_its_owner(&world).await,
        _ => taken_over(&world).await,
    }
}

async fn under_way(world: &World, content: &str) -> (String, String, WebSocketClient, usize) {
    let room = world.api(0).room("anna").await;
    let mut socket = WebSocketClient::join(&world.live(0), &room, Some("start")).await;
    let stream = world.api(0).ask(&room, content).await;
    for _ in 0..5 {
        event(&mut socket, "ar-stream-chunk", &stream).await;
    }
    let owner = world.owner_of(content).await;
    (room, stream, socket, owner)
}

/// Clients stay connected, are told, and get the next token within the takeover's time.
async fn taken_over(world: &World) {
    let (room, stream, mut socket, owner) = under_way(world, &format!("paced {TOKENS} 50 crash")).await;
    let mut sse = SseClient::join(&world.live(1), &room, Some("start")).await;
    let queued = world.api(0).ask(&room, "after the crash").await;
    let killed = Instant::now();
    world.deployment.process(owner).kill9();
    event(&mut socket, "owner-changed", &stream).await;
    let told = killed.elapsed();
    event(&mut socket, "ar-stream-chunk", &stream).await;
    let went_on = killed.elapsed();
    println!("{}: told after {told:?}, next token after {went_on:?}", world.topology());
    assert!(went_on < TAKEOVER + BUSY, "{went_on:?}");
    assert_eq!(event(&mut socket, "ar-stream-end", &stream).await["outcome"], "completed");
    event(&mut socket, "ar-stream-end", &queued).await;
    sse.until("the queued one's end", |data| is_event(data, "ar-stream-end", &queued)).await;
    let checker = Checker::of(&socket.seen);
    checker.assert_same(&Checker::of(sse.events()));
    world.bring_back(owner);
    checker.assert_same(&Checker::of(&kept(&world.live(1), &room).await));
    assert_eq!(checker.stream(&stream).text.matches('@').count(), TOKENS, "every token once");
    for number in [0, 1] {
        let reply = world.api(number).reply(&room, &stream).await;
        assert_eq!(reply["text"], checker.stream(&stream).text, "the one that came back knows too");
    }
}

/// One process: it comes back, and clients go on by position.
async fn restarted(world: &World) {
    let (room, stream, mut socket, owner) = under_way(world, &format!("paced {TOKENS} 50 crash")).await;
    world.bring_back(owner);
    while socket.next().await.is_some() {}
    let mut checker = Checker::of(&socket.seen);
    let mut sse = SseClient::join(&world.live(0), &room, checker.position()).await;
    sse.until("that the owner is another", |data| is_event(data, "owner-changed", &stream)).await;
    assert_eq!(sse.until_type("ar-stream-end").await["outcome"], "completed");
    checker.take_all(sse.events());
    checker.assert_same(&Checker::of(&kept(&world.live(0), &room).await));
    assert_eq!(checker.stream(&stream).text.matches('@').count(), TOKENS, "every token once");
}

/// What `direct` promises: nothing of the log outlives its process, rooms included; clients are told so, and the next
/// room answers.
async fn forgotten(world: &World) {
    let (room, stream, mut socket, owner) = under_way(world, "paced 10000 50 crash").await;
    let published = json!([{ "type": "step" }]);
    let worker = world.deployment.worker(owner);
    let position = worker.publish("jobs/crash", &published).await;
    world.bring_back(owner);
    while socket.next().await.is_some() {}
    let path = format!("/api/channels/jobs/crash/events?until=end&position={position}");
    worker.get(&path).await.expect_problem(409, "position_foreign");
    world.live(0).get(&format!("/api/ar-rooms/{room}")).await.expect_problem(404, "room_not_found");
    world.api(0).get(&format!("/api/streams/{stream}")).await.expect_problem(404, "stream_not_found");
    let room = world.api(0).room("anna").await;
    goes_on(world, &room, &stream).await;
}

/// What `grpc` promises: the rooms of a lost process have another log, in another process, and clients are told so.
async fn lost_with_its_owner(world: &World) {
    let (room, stream, socket, owner) = under_way(world, "paced 120 50 crash").await;
    let position = socket.position();
    let killed = Instant::now();
    world.deployment.process(owner).kill9();
    let path = format!("/api/ar-rooms/{room}/events?until=end&position={position}");
    let refused = loop {
        let answer = world.live(1).get(&path).await;
        if matches!(answer.status, 404 | 409) {
            break answer;
        }
        assert!(killed.elapsed() < TAKEOVER * 5 + BUSY, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    println!("{}: after {:?} {}", world.topology(), killed.elapsed(), refused.body["code"]);
    let room = if refused.status == 404 { world.api(1 - owner % 2).room("anna").await } else { room };
    goes_on(world, &room, &stream).await;
    world.bring_back(owner);
}

/// The room is there, its lost stream is no longer under way, and the next message is answered.
async fn goes_on(world: &World, room: &str, lost: &str) {
    let path = format!("/api/ar-rooms/{room}/messages");
    let body = json!({ "content": "and now", "clientMessageId": "again" });
    let began = Instant::now();
    let stream = loop {
        // The process of this number may be the one that is down.
        let number = began.elapsed().as_millis() as usize / 100;
        let caller = world.api(number);
        let answer = caller.try_send(caller.request("POST", &path).json(&body)).await;
        if let Some(answer) = answer.filter(|answer| answer.status != 503) {
            break answer.expect(202)["streamId"].as_str().unwrap().to_owned();
        }
        assert!(began.elapsed() < TAKEOVER * 5 + BUSY, "the room never goes on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let mut socket = WebSocketClient::join(&world.live(1), room, Some("start")).await;
    event(&mut socket, "ar-stream-end", &stream).await;
    // What the new log has of the lost stream does not begin at its beginning.
    let checker = Checker::of(socket.events().filter(|event| event["streamId"] != *lost));
    assert_eq!(checker.stream(&stream).text, "You said: and now");
    let ends = socket.events().filter(|event| is_event(event, "ar-stream-end", lost)).count();
    assert!(ends <= 1, "at most one end of {lost}: {ends}");
}
