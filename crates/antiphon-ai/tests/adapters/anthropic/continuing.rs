//! Going on in a text that is there.

use super::Messages;
use crate::calls::{call, fault, prompt, provider, read, whole};
use crate::conformance::told;
use antiphon_ai::provider::{FaultKind, Prompt};
use antiphon_testkit::upstream::{Reply, Upstream};
use serde_json::json;

fn continued(partial: &str) -> Prompt {
    Prompt { model: "claude-haiku-4-5".into(), partial: Some(partial.into()), ..prompt() }
}

#[tokio::test]
async fn white_space_at_the_seam_is_neither_sent_nor_said_twice() {
    let upstream = Upstream::start([
        told::<Messages>(&[" \n", " there"]),
        told::<Messages>(&["there"]),
        Reply::anthropic_whole("  there"),
    ])
    .await
    .unwrap();
    let provider = provider::<Messages>(&upstream);
    assert_eq!(read(&*provider, continued("Hello \n")).await.texts.concat(), " there");
    assert_eq!(read(&*provider, continued("Hello ")).await.texts.concat(), "there");
    assert_eq!(provider.whole(continued("Hello ")).await.text, " there");
    for index in 0..3 {
        let body = upstream.request(index).await.unwrap().body;
        assert_eq!(
            body["messages"].as_array().unwrap().last(),
            Some(&json!({"role": "assistant", "content": "Hello"}))
        );
    }
}

#[tokio::test]
async fn nothing_but_white_space_is_nothing_to_go_on_in() {
    let upstream = Upstream::start([told::<Messages>(&["Hello"])]).await.unwrap();
    let heard = read(&*provider::<Messages>(&upstream), continued(" \n")).await;
    assert_eq!(heard.texts.concat(), "Hello");
    let body = upstream.request(0).await.unwrap().body;
    assert_eq!(body["messages"].as_array().unwrap().last().unwrap()["role"], "user");
}

#[tokio::test]
async fn newer_models_are_not_asked_to_and_a_refusal_is_one() {
    let upstream = Upstream::start([]).await.unwrap();
    assert!(!provider::<Messages>(&upstream).can_continue("claude-opus-4-6"));
    let error = json!({"type": "error", "error": {"type": "invalid_request_error", "message":
        "This model does not support assistant message prefill. The conversation must end with a user message."}});
    assert_eq!(fault(call::<Messages>(Reply::json(400, &error)).await.end).kind, FaultKind::Refused);
    assert_eq!(fault(whole::<Messages>(Reply::json(400, &error)).await.end).kind, FaultKind::Refused);
}
