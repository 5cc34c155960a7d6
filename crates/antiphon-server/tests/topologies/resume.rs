//! A position taken on one process is gone on from on another and on another transport, mid-sentence.

use crate::world::{World, event, kept};
use antiphon_testkit::client::{Checker, SseClient, WebSocketClient};
use std::sync::Arc;

const TOKENS: usize = 90;
/// What each client sees before it leaves: few, as on a busy machine several tokens come as one.
const CHUNKS: usize = 4;

pub async fn run(world: Arc<World>) {
    let room = world.api(0).room("anna").await;
    let mut stayed = WebSocketClient::join(&world.live(1), &room, Some("start")).await;
    let mut first = WebSocketClient::join(&world.live(0), &room, Some("start")).await;
    let stream = world.api(0).ask(&room, &format!("paced {TOKENS} 60 resume")).await;
    for _ in 0..CHUNKS {
        event(&mut first, "ar-stream-chunk", &stream).await;
    }
    let mut checker = Checker::of(&first.seen);
    drop(first);
    let mut second = WebSocketClient::join(&world.live(1), &room, checker.position()).await;
    for _ in 0..CHUNKS {
        event(&mut second, "ar-stream-chunk", &stream).await;
    }
    checker.take_all(&second.seen);
    drop(second);
    let mut third = SseClient::join(&world.live(0), &room, checker.position()).await;
    for _ in 0..CHUNKS {
        third.until_type("ar-stream-chunk").await;
    }
    checker.take_all(third.events());
    drop(third);
    let mut last = SseClient::join(&world.live(1), &room, checker.position()).await;
    last.until_type("ar-stream-end").await;
    checker.take_all(last.events());
    event(&mut stayed, "ar-stream-end", &stream).await;
    checker.assert_same(&Checker::of(&stayed.seen));
    checker.assert_same(&Checker::of(&kept(&world.live(0), &room).await));
    assert_eq!(checker.stream(&stream).text.matches('@').count(), TOKENS, "every token once");
}
