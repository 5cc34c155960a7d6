//! Processes that own rooms come and go as planned, and answers under way notice nothing where they have time to end.

use crate::world::{World, ended, event};
use antiphon_testkit::client::{Checker, WebSocketClient};
use antiphon_testkit::deployment::Topology;
use std::sync::Arc;

/// Enough that every owner has some.
const ROOMS: usize = 8;
/// Less than `drain_seconds` on a machine with other work.
const SHORT: &str = "paced 60 50 in time";
/// Longer than a process takes to start, and than `drain_seconds`.
const LONG: &str = "paced 200 40 too long";

/// The process that comes and goes; the other one is there all the time.
const GUEST: usize = 1;

pub async fn run(world: Arc<World>) {
    if !world.topology().is_shared() {
        return;
    }
    leaves(&world).await;
    let answers = Answers::begin(&world, LONG).await;
    tokio::task::block_in_place(|| world.deployment.process(GUEST).restart());
    answers.end_in_the_first_attempt("while a process joins").await;
    tokio::task::block_in_place(|| world.deployment.settle());

    let answers = Answers::begin(&world, SHORT).await;
    let leaving = leave(&world);
    // Somebody takes what is asked meanwhile: only shards in which an answer runs wait for its end.
    if world.topology() != Topology::Grpc {
        let room = world.api(0).room("anna").await;
        let stream = world.api(0).ask(&room, "in between").await;
        world.api(0).stream_in(&stream, &["completed"]).await;
    }
    answers.end_in_the_first_attempt("while a process leaves").await;
    leaving.await.unwrap();
    world.bring_back(GUEST);

    if world.topology() != Topology::Grpc {
        cut_off(&world).await;
        world.bring_back(GUEST);
    }
}

async fn leaves(world: &World) {
    leave(world).await.unwrap();
}

fn leave(world: &World) -> tokio::task::JoinHandle<()> {
    let guest = world.deployment.shared_process(GUEST);
    tokio::task::spawn_blocking(move || assert!(guest.lock().terminate().success()))
}

/// What takes longer than the time to drain goes on elsewhere, and is said to have moved.
async fn cut_off(world: &World) {
    let mut answers = Answers::begin(world, LONG).await;
    leaves(world).await;
    let mut moved = 0;
    for (stream, socket) in &mut answers.streams {
        ended(socket, stream).await;
        let folded = Checker::of(&socket.seen).stream(stream).clone();
        assert_eq!(folded.text.matches('@').count(), 200, "every token once");
        assert_eq!(folded.end.unwrap()["outcome"], "completed");
        let told: Vec<_> = socket.events().filter(|event| event["type"] == "owner-changed").collect();
        assert_eq!((told.len() as u64, told.len() < 2), (folded.attempt - 1, true), "{told:?}");
        let reasons = socket.events().filter(|event| event["type"] == "ar-stream-reset");
        assert!(reasons.into_iter().all(|reset| reset["reason"].as_str().unwrap().contains("moved")));
        moved += told.len();
    }
    assert!(moved > 0, "the guest owned some");
}

struct Answers {
    streams: Vec<(String, WebSocketClient)>,
}

impl Answers {
    /// One in each of some rooms, all under way.
    async fn begin(world: &World, content: &str) -> Self {
        let mut streams = Vec::new();
        for _ in 0..ROOMS {
            let room = world.api(0).room("anna").await;
            let socket = WebSocketClient::join(&world.live(0), &room, Some("start")).await;
            streams.push((room, socket));
        }
        for (room, _) in &mut streams {
            *room = world.api(0).ask(room, content).await;
        }
        for (stream, socket) in &mut streams {
            event(socket, "ar-stream-chunk", stream).await;
        }
        Self { streams }
    }

    async fn end_in_the_first_attempt(mut self, when: &str) {
        for (stream, socket) in &mut self.streams {
            ended(socket, stream).await;
            let folded = Checker::of(&socket.seen).stream(stream).clone();
            assert_eq!((folded.end.unwrap()["outcome"].as_str(), folded.attempt), (Some("completed"), 1), "{when}");
            assert!(socket.events().all(|event| event["type"] != "owner-changed"), "{when}");
        }
    }
}
