//! What operators see and set: who is connected, and whose address the limits count behind a proxy.

use crate::world::{NO_LIMITS, World};
use antiphon_testkit::client::{SseClient, WebSocketClient};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_event_streams_are_listed_for_back_ends_while_they_are_open() {
    let world = World::start().await;
    let room = world.ann.room("restart").await;
    let mut sse = SseClient::join(&world.ann, &room, None).await;
    let mut socket = WebSocketClient::join(&world.ann, &room, None).await;
    sse.until_type("caught-up").await;
    socket.until_type("caught-up").await;
    let stats = world.worker.get("/api/realtime/stats").await.expect(200);
    assert_eq!((&stats["sse"]["totalConnections"], &stats["websocket"]["totalConnections"]), (&json!(1), &json!(1)));
    let clients = stats["sse"]["clients"].as_array().unwrap();
    assert_eq!((clients.len(), &clients[0]["channel"]), (1, &json!(format!("ar-room:{room}"))), "{stats}");
    let own = clients[0]["clientId"].as_str().unwrap();
    assert!(own.starts_with("client-"), "{stats}");
    assert_eq!(world.ann.get("/api/realtime/stats").await.expect(200)["sse"]["clients"], json!([]), "not for people");
    drop(sse);
    while world.worker.get("/api/realtime/stats").await.expect(200)["sse"]["clients"] != json!([]) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_trusted_proxy_each_client_has_its_own_allowance() {
    let limits = NO_LIMITS.replace("requests_per_minute = 0", "requests_per_minute = 2");
    for (proxies, has_own) in [("", false), ("[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n", true)] {
        let world = World::with(&(limits.clone() + proxies), 3).await;
        let ask = async |forwarded: &str| {
            let request = world.ann.request("GET", "/api/agents").header("x-forwarded-for", forwarded);
            world.ann.try_send(request).await.unwrap().status
        };
        assert_eq!((ask("203.0.113.1").await, ask("203.0.113.1").await), (200, 200));
        assert_eq!(ask("203.0.113.1").await, 429, "{proxies}");
        assert_eq!(ask("203.0.113.2").await == 200, has_own, "{proxies}");
        assert_eq!(ask("198.51.100.7, 203.0.113.1").await, 429, "what the client itself says is not believed");
    }
}
