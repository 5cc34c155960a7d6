//! What is sent, and what is never shown.

use super::*;
use antiphon_ai::openai::OpenAiError;

#[tokio::test]
async fn a_streaming_request_holds_the_prompt_in_order_and_asks_for_usage() {
    let upstream = Upstream::start([]).await.unwrap();
    let prompt = Prompt { temperature: Some(0.0), max_tokens: Some(9), ..prompt() };
    let pieces: Vec<Piece> = provider(&upstream).stream(prompt).collect().await;
    assert!(matches!(pieces.last(), Some(Piece::End(_))));
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
    provider(&upstream).whole(Prompt { system: String::new(), ..prompt() }).await;
    let body = upstream.request(0).await.unwrap().body;
    assert_eq!(body["stream"], false);
    assert_eq!(body["messages"][0]["role"], "user", "an empty system prompt is no message");
    let mut names: Vec<&String> = body.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["messages", "model", "stream"]);
}

#[tokio::test]
async fn connections_are_used_again_after_a_complete_answer() {
    let upstream = Upstream::start([]).await.unwrap();
    let provider = provider(&upstream);
    for _ in 0..3 {
        assert_eq!(read(&provider).await.1.outcome, CallOutcome::Complete);
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn options_are_checked_and_the_key_is_never_shown() {
    let with = |base_url: &str, key: &str| {
        OpenAi::new(OpenAiOptions { api_key: Some(ApiKey::new(key)), ..options(base_url.to_owned()) })
    };
    assert_eq!(with("ftp://x/v1", "k").unwrap_err(), OpenAiError::BaseUrl);
    assert_eq!(with("api.openai.com/v1", "k").unwrap_err(), OpenAiError::BaseUrl);
    assert_eq!(with("https://user:pass@x/v1", "k").unwrap_err(), OpenAiError::Credentials);
    assert_eq!(with("https://x/v1", "a\nb").unwrap_err(), OpenAiError::ApiKey);
    for base_url in ["https://x/v1", "https://x/v1/", "https://x/v1?api-version=1"] {
        let provider = with(base_url, "sk-very-secret\n").unwrap();
        let shown = format!("{provider:?}");
        assert!(!shown.contains("sk-very-secret"), "{shown}");
        assert!(shown.contains("/v1/chat/completions"), "{shown}");
    }
}
