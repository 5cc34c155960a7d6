//! What is sent.

use super::Messages;
use crate::calls::{options, prompt, provider, read};
use antiphon_ai::HttpOptions;
use antiphon_ai::anthropic::Anthropic;
use antiphon_ai::provider::{Prompt, Turn, TurnRole};
use antiphon_testkit::upstream::Upstream;
use serde_json::json;

#[tokio::test]
async fn a_streaming_request_has_the_system_prompt_in_its_own_place() {
    let upstream = Upstream::start([]).await.unwrap();
    let prompt = Prompt { temperature: Some(1.5), max_tokens: Some(9), ..prompt() };
    read(&*provider::<Messages>(&upstream), prompt).await;
    let request = upstream.request(0).await.unwrap();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/messages"));
    assert_eq!(
        request.body,
        json!({
            "model": "m-1", "max_tokens": 9, "stream": true, "temperature": 1.0, "system": "Be brief.",
            "messages": [
                {"role": "user", "content": "One?"}, {"role": "assistant", "content": "[emotion:happy]Two."},
                {"role": "user", "content": "Three?"},
            ],
        })
    );
    assert_eq!(request.header("x-api-key"), Some("sk-very-secret"));
    assert_eq!(request.header("authorization"), None);
    assert_eq!(request.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(request.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_whole_request_bounds_the_answer_and_leaves_out_what_is_not_set() {
    let upstream = Upstream::start([]).await.unwrap();
    provider::<Messages>(&upstream).whole(Prompt { system: String::new(), ..prompt() }).await;
    let body = upstream.request(0).await.unwrap().body;
    assert_eq!((&body["stream"], &body["max_tokens"]), (&json!(false), &json!(4096)));
    let mut names: Vec<&String> = body.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["max_tokens", "messages", "model", "stream"]);
}

#[tokio::test]
async fn roles_alternate_as_the_api_demands() {
    let upstream = Upstream::start([]).await.unwrap();
    let said = [(TurnRole::Assistant, "Hi."), (TurnRole::User, "a"), (TurnRole::User, "b")];
    let turns = said.map(|(role, content)| Turn { role, content: content.into() }).to_vec();
    read(&*provider::<Messages>(&upstream), Prompt { turns, ..prompt() }).await;
    let body = upstream.request(0).await.unwrap().body;
    assert_eq!(body["messages"], json!([{"role": "user", "content": "a\n\nb"}]));
}

#[tokio::test]
async fn the_address_may_name_the_version_or_not() {
    let upstream = Upstream::start([]).await.unwrap();
    for (index, (end, path)) in [
        ("", "/v1/messages"),
        ("/", "/v1/messages"),
        ("/v1", "/v1/messages"),
        ("/v1/", "/v1/messages"),
        ("/gateway", "/gateway/v1/messages"),
    ]
    .into_iter()
    .enumerate()
    {
        let options = HttpOptions { api_key: None, ..options(format!("http://{}{end}", upstream.address())) };
        read(&Anthropic::new(options).unwrap(), prompt()).await;
        let request = upstream.request(index).await.unwrap();
        assert_eq!((request.path.as_str(), request.header("x-api-key")), (path, None));
    }
}
