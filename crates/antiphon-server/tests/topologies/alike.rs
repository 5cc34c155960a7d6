//! Clients on different processes see the same, of rooms and of bare channels; an array is taken whole, once.

use crate::world::World;
use antiphon_testkit::client::{SseClient, WebSocketClient};
use antiphon_testkit::deployment::Role;
use serde_json::{Value, json};
use std::sync::Arc;

const EVENTS: usize = 60;

pub async fn run(world: Arc<World>) {
    let (apis, lives) = (world.deployment.with_role(Role::Api), world.deployment.with_role(Role::Realtime));
    let worker = |list: &[usize], number: usize| world.deployment.worker(list[number % list.len()]);
    let mut socket = WebSocketClient::connect(&worker(&lives, 0), "/ws").await;
    socket.subscribe("jobs", "alike", Some("start")).await;
    socket.until_type("caught-up").await;
    let path = "/api/channels/jobs/alike/events?position=start";
    let mut sse = SseClient::connect(&worker(&lives, 1), path).await;
    for number in (0..EVENTS).step_by(3) {
        let one =
            |step: usize| json!({ "type": "step", "data": number + step, "eventId": format!("e{}", number + step) });
        let events = json!([one(0), one(1), one(2)]);
        let position = worker(&apis, number).publish("jobs/alike", &events).await;
        assert_eq!(worker(&apis, number + 1).publish("jobs/alike", &events).await, position, "again is the same");
        let other = json!([{ "type": "other", "data": 0, "eventId": format!("e{number}") }]);
        let refused = worker(&apis, number).post("/api/channels/jobs/alike/events", &other).await;
        refused.expect_problem(409, "conflict");
    }
    let is_last = |event: &Value| event["data"] == EVENTS - 1;
    socket.until("the last event", is_last).await;
    sse.until("the last event", is_last).await;
    let seen: Vec<(Value, Value)> = socket.events().map(both).collect();
    assert_eq!(seen, sse.events().map(both).collect::<Vec<_>>());
    assert_eq!(
        seen.iter().map(|(_, data)| data.clone()).collect::<Vec<_>>(),
        (0..EVENTS).map(Value::from).collect::<Vec<_>>()
    );
    let positions: Vec<&str> = seen.iter().map(|(position, _)| position.as_str().unwrap()).collect();
    assert!(positions.is_sorted_by(|one, next| one < next));
    // From the middle of an array, on the other process.
    let path = format!("/api/channels/jobs/alike/events?until=end&position={}", positions[EVENTS / 2]);
    let mut rest = SseClient::connect(&worker(&lives, 1), &path).await;
    rest.rest().await;
    assert_eq!(rest.events().map(both).collect::<Vec<_>>(), seen[EVENTS / 2 + 1..]);
}

fn both(event: &Value) -> (Value, Value) {
    (event["position"].clone(), event["data"].clone())
}
