//! What is sent.

use super::GenerateContent;
use crate::calls::{options, prompt, provider, read};
use antiphon_ai::HttpOptions;
use antiphon_ai::gemini::Gemini;
use antiphon_ai::provider::{Prompt, Turn, TurnRole};
use antiphon_testkit::upstream::Upstream;
use serde_json::json;

#[tokio::test]
async fn a_streaming_request_has_the_system_prompt_in_its_own_place() {
    let upstream = Upstream::start([]).await.unwrap();
    let prompt = Prompt { temperature: Some(0.5), max_tokens: Some(9), ..prompt() };
    read(&*provider::<GenerateContent>(&upstream), prompt).await;
    let request = upstream.request(0).await.unwrap();
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/v1beta/models/m-1:streamGenerateContent?alt=sse")
    );
    assert_eq!(
        request.body,
        json!({
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [
                {"role": "user", "parts": [{"text": "One?"}]},
                {"role": "model", "parts": [{"text": "[emotion:happy]Two."}]},
                {"role": "user", "parts": [{"text": "Three?"}]},
            ],
            "generationConfig": {"temperature": 0.5, "maxOutputTokens": 9},
        })
    );
    assert_eq!(request.header("x-goog-api-key"), Some("sk-very-secret"), "and never in the address, which is logged");
    assert_eq!(request.header("authorization"), None);
}

#[tokio::test]
async fn a_whole_request_asks_at_another_address_and_leaves_out_what_is_not_set() {
    let upstream = Upstream::start([]).await.unwrap();
    let turns = [(TurnRole::Assistant, "Hi."), (TurnRole::User, "a"), (TurnRole::User, "b")];
    let turns = turns.map(|(role, content)| Turn { role, content: content.into() }).to_vec();
    provider::<GenerateContent>(&upstream).whole(Prompt { system: String::new(), turns, ..prompt() }).await;
    let request = upstream.request(0).await.unwrap();
    assert_eq!(request.path, "/v1beta/models/m-1:generateContent");
    assert_eq!(request.body, json!({"contents": [{"role": "user", "parts": [{"text": "a\n\nb"}]}]}));
}

#[tokio::test]
async fn models_and_addresses_are_taken_as_people_write_them() {
    let upstream = Upstream::start([]).await.unwrap();
    let call = "streamGenerateContent";
    for (index, (end, model, path)) in [
        ("/v1beta", "gemini-2.5-flash", format!("/v1beta/models/gemini-2.5-flash:{call}?alt=sse")),
        ("/v1beta/", "models/gemini-2.5-flash", format!("/v1beta/models/gemini-2.5-flash:{call}?alt=sse")),
        ("", "tunedModels/mine", format!("/v1beta/tunedModels/mine:{call}?alt=sse")),
        ("/v1?team=a", "m", format!("/v1/models/m:{call}?team=a&alt=sse")),
        ("/v1", "a b?c#d", format!("/v1/models/a%20b%3Fc%23d:{call}?alt=sse")),
    ]
    .into_iter()
    .enumerate()
    {
        let options = HttpOptions { api_key: None, ..options(format!("http://{}{end}", upstream.address())) };
        read(&Gemini::new(options).unwrap(), Prompt { model: model.into(), ..prompt() }).await;
        let request = upstream.request(index).await.unwrap();
        assert_eq!((request.path.as_str(), request.header("x-goog-api-key")), (path.as_str(), None));
    }
}
