//! The upstream itself: framing, connections kept alive, releases, and the noting of clients that leave.

use super::*;
use serde_json::json;

async fn post(client: &reqwest::Client, upstream: &Upstream, body: serde_json::Value) -> reqwest::Response {
    let url = format!("{}/chat/completions", upstream.base_url());
    client.post(url).body(body.to_string()).send().await.unwrap()
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[tokio::test]
async fn one_connection_serves_many_replies_of_every_framing() {
    let client = client();
    let upstream = Upstream::start([
        Reply::openai_chat(["a", "b"]),
        Reply::openai_whole("ab"),
        Reply::stream().byte_by_byte("data: x\n\n", Duration::ZERO),
        Reply::stream_with(Framing::UntilClose).bytes("data: y\n\n"),
    ])
    .await
    .unwrap();
    let mut bodies = Vec::new();
    for number in 0..5 {
        let response =
            post(&client, &upstream, json!({"n": number, "messages": [{"role": "user", "content": "z"}]})).await;
        bodies.push(response.text().await.unwrap());
    }
    assert!(bodies[0].ends_with("data: [DONE]\n\n") && bodies[0].contains(r#""content":"b""#));
    assert!(bodies[1].contains(r#""content":"ab""#));
    assert_eq!(&bodies[2..4], ["data: x\n\n", "data: y\n\n"]);
    assert!(bodies[4].contains("You said: z"), "after the scripts the echo");
    assert_eq!(upstream.connections(), 2, "only a body that ends by closing needs a new one");
    let exchanges = upstream.exchanges();
    assert_eq!(exchanges.len(), 5);
    assert_eq!(exchanges[3].request.body["n"], 3);
    assert!(exchanges.iter().all(|exchange| exchange.replied_at.is_some()));
}

#[tokio::test]
async fn a_client_that_leaves_is_noted_while_the_upstream_stalls() {
    let client = client();
    let upstream = Upstream::start([Reply::stream().token("a").stall()]).await.unwrap();
    let mut response = post(&client, &upstream, json!({})).await;
    response.chunk().await.unwrap();
    assert!(upstream.exchanges()[0].closed_at.is_none());
    let left = Instant::now();
    drop(response);
    assert!(upstream.closed_at(0).await.unwrap() >= left);
}

#[tokio::test]
async fn a_stall_goes_on_when_released() {
    let client = client();
    let upstream = Upstream::start([Reply::stream().stall().token("a")]).await.unwrap();
    let mut response = post(&client, &upstream, json!({})).await;
    assert!(tokio::time::timeout(Duration::from_millis(30), response.chunk()).await.is_err());
    upstream.release();
    assert!(response.chunk().await.unwrap().is_some());
}

#[tokio::test]
async fn cuts_and_resets_are_errors_to_the_client() {
    let client = client();
    let upstream =
        Upstream::start([Reply::stream().token("a").cut(), Reply::stream().token("a").reset()]).await.unwrap();
    for _ in 0..2 {
        assert!(post(&client, &upstream, json!({})).await.text().await.is_err());
    }
}

#[tokio::test]
async fn a_pace_is_kept_on_the_whole_and_its_tokens_are_stamped() {
    let client = client();
    let upstream = Upstream::start([Reply::openai_paced(40, 400.0)]).await.unwrap();
    let body = post(&client, &upstream, json!({})).await.text().await.unwrap();
    let pieces = upstream.exchanges()[0].sent.pieces.clone();
    // The role, 40 tokens, the reason, the usage and the marker.
    assert_eq!(pieces.len(), 44);
    assert!(pieces[40] - pieces[1] >= Duration::from_millis(95), "{:?}", pieces[40] - pieces[1]);
    let last = body.split(r#""content":""#).last().unwrap().split('"').next().unwrap();
    assert_eq!(stamp_of(last).unwrap().0, 39);
}
