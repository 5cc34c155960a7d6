//! What is sent, and what is never shown.

use super::ChatCompletions;
use crate::calls::{options, prompt, provider, read};
use antiphon_ai::openai::OpenAi;
use antiphon_ai::provider::Prompt;
use antiphon_ai::{ApiKey, HttpOptions, SetupError};
use antiphon_testkit::upstream::Upstream;

#[tokio::test]
async fn a_streaming_request_holds_the_prompt_in_order_and_asks_for_usage() {
    let upstream = Upstream::start([]).await.unwrap();
    let prompt = Prompt { temperature: Some(0.0), max_tokens: Some(9), ..prompt() };
    read(&*provider::<ChatCompletions>(&upstream), prompt).await;
    let request = upstream.request(0).await.unwrap();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/chat/completions"));
    assert_eq!(
        request.body,
        serde_json::json!({
            "model": "m-1", "stream": true, "stream_options": {"include_usage": true}, "temperature": 0.0, "max_tokens": 9,
            "messages": [
                {"role": "system", "content": "Be brief."}, {"role": "user", "content": "One?"},
                {"role": "assistant", "content": "[emotion:happy]Two."}, {"role": "user", "content": "Three?"},
            ],
        })
    );
    assert_eq!(request.header("authorization"), Some("Bearer sk-very-secret"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("accept-encoding"), None, "compression would hold pieces back");
}

#[tokio::test]
async fn a_whole_request_does_not_stream_and_leaves_out_what_is_not_set() {
    let upstream = Upstream::start([]).await.unwrap();
    provider::<ChatCompletions>(&upstream).whole(Prompt { system: String::new(), ..prompt() }).await;
    let body = upstream.request(0).await.unwrap().body;
    assert_eq!(body["stream"], false);
    assert_eq!(body["messages"][0]["role"], "user", "an empty system prompt is no message");
    let mut names: Vec<&String> = body.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["messages", "model", "stream"]);
}

#[tokio::test]
async fn a_server_without_keys_gets_none() {
    let upstream = Upstream::start([]).await.unwrap();
    let options = HttpOptions { api_key: None, ..options(upstream.base_url()) };
    read(&OpenAi::new(options).unwrap(), prompt()).await;
    assert_eq!(upstream.request(0).await.unwrap().header("authorization"), None);
}

/// Of the shared options, which are the same for all adapters.
#[test]
fn options_are_checked_and_the_key_is_never_shown() {
    let with = |base_url: &str, key: &str| {
        OpenAi::new(HttpOptions { api_key: Some(ApiKey::new(key)), ..options(base_url.to_owned()) })
    };
    for base_url in ["ftp://x/v1", "api.openai.com/v1"] {
        let error = with(base_url, "k").unwrap_err();
        assert_eq!(error, SetupError::BaseUrl { example: "https://api.openai.com/v1" });
    }
    assert_eq!(with("https://user:pass@x/v1", "k").unwrap_err(), SetupError::Credentials);
    assert_eq!(with("https://x/v1", "a\nb").unwrap_err(), SetupError::ApiKey);
    for base_url in ["https://x/v1", "https://x/v1/", "https://x/v1?api-version=1"] {
        let shown = format!("{:?}", with(base_url, "sk-very-secret\n").unwrap());
        assert!(!shown.contains("sk-very-secret"), "{shown}");
    }
}

#[tokio::test]
async fn a_base_url_may_end_in_a_slash_and_have_a_query() {
    let upstream = Upstream::start([]).await.unwrap();
    for (index, (end, path)) in
        [("/", "/v1/chat/completions"), ("?v=1", "/v1/chat/completions?v=1")].into_iter().enumerate()
    {
        read(&OpenAi::new(options(format!("{}{end}", upstream.base_url()))).unwrap(), prompt()).await;
        assert_eq!(upstream.request(index).await.unwrap().path, path);
    }
}
