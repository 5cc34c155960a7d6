//! What is Ollama's own: its request, its errors as one sentence, its last line.

use super::Ollama;
use crate::calls::{call, complete, fault, options, prompt, provider, truncated, whole};
use antiphon_ai::ollama::Ollama as Adapter;
use antiphon_ai::provider::{FaultKind, Prompt, Provider};
use antiphon_core::Usage;
use antiphon_testkit::upstream::{Reply, Upstream, ollama};
use futures::StreamExt;
use serde_json::json;

#[tokio::test]
async fn the_request_holds_the_prompt_and_the_options() {
    let upstream = Upstream::start([Reply::ollama_chat(["Yes."]), Reply::ollama_whole("Yes.")]).await.unwrap();
    let provider = provider::<Ollama>(&upstream);
    let limited = Prompt { temperature: Some(0.0), max_tokens: Some(9), ..prompt() };
    provider.stream(limited).collect::<Vec<_>>().await;
    let request = upstream.request(0).await.unwrap();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/api/chat"));
    assert_eq!(
        request.body,
        json!({
            "model": "m-1", "stream": true, "options": {"temperature": 0.0, "num_predict": 9},
            "messages": [
                {"role": "system", "content": "Be brief."}, {"role": "user", "content": "One?"},
                {"role": "assistant", "content": "[emotion:happy]Two."}, {"role": "user", "content": "Three?"},
            ],
        })
    );
    assert_eq!(request.header("authorization"), Some("Bearer sk-very-secret"));
    assert_eq!(request.header("accept"), Some("application/x-ndjson, application/json"));
    provider.whole(Prompt { system: String::new(), ..prompt() }).await;
    let body = upstream.request(1).await.unwrap().body;
    assert_eq!((&body["stream"], &body["options"]), (&json!(false), &json!(null)));
    assert_eq!(body["messages"][0]["role"], "user", "an empty system prompt is no message");
}

#[tokio::test]
async fn an_address_may_name_the_api() {
    let upstream = Upstream::start([]).await.unwrap();
    for (index, path) in ["", "/", "/api", "/api/", "/proxy/ollama"].into_iter().enumerate() {
        let base_url = format!("http://{}{path}", upstream.address());
        Adapter::new(options(base_url)).unwrap().stream(prompt()).collect::<Vec<_>>().await;
        let expected = if path == "/proxy/ollama" { "/proxy/ollama/api/chat" } else { "/api/chat" };
        assert_eq!(upstream.request(index).await.unwrap().path, expected, "{path}");
    }
}

/// The lines of "Chat request (Streaming)" in Ollama's docs/api.md, which have neither `done_reason` nor what is newer.
#[tokio::test]
async fn the_documented_stream_is_read() {
    let lines = concat!(
        r#"{"model":"llama3.2","created_at":"2023-08-04T08:52:19.385406455-07:00","message":{"role":"assistant","content":"The","images":null},"done":false}"#,
        "\n",
        r#"{"model":"llama3.2","created_at":"2023-08-04T19:22:45.499127Z","message":{"role":"assistant","content":""},"done":true,"total_duration":4883583458,"load_duration":1334875,"prompt_eval_count":26,"prompt_eval_duration":342546000,"eval_count":282,"eval_duration":4535599000}"#,
    );
    for body in [lines.to_owned(), format!("{lines}\n")] {
        let heard = call::<Ollama>(Reply::json_lines().bytes(body)).await;
        assert_eq!(heard.texts, ["The"]);
        assert_eq!(heard.end.outcome, antiphon_ai::provider::CallOutcome::Complete);
        assert_eq!(heard.end.finish_reason, None);
        assert_eq!(heard.end.usage, Some(Usage { prompt_tokens: 26, completion_tokens: 282, total_tokens: 308 }));
    }
}

/// As a real server wrote it: Ollama 0.13.5 with SmolLM2-135M-Instruct.
#[tokio::test]
async fn a_recorded_stream_is_read() {
    let heard = call::<Ollama>(Reply::json_lines().bytes(include_bytes!("stream.txt").as_slice())).await;
    assert_eq!(heard.texts, ["I", "'m", " glad", " to", " hear", " that"]);
    complete(&heard.end, "length");
    assert_eq!(heard.end.usage, Some(Usage { prompt_tokens: 10, completion_tokens: 6, total_tokens: 16 }));
}

/// The last line of "Errors that occur while streaming" in Ollama's docs/api/errors.mdx.
#[tokio::test]
async fn the_documented_error_is_a_fault() {
    let reply = Reply::json_lines()
        .bytes(ollama::text(" Yes"))
        .bytes("{\"error\":\"an error was encountered while running the model\"}\n");
    let heard = call::<Ollama>(reply).await;
    assert_eq!(heard.texts, [" Yes"]);
    let fault = fault(heard.end);
    assert_eq!((fault.kind, fault.kind.is_retryable()), (FaultKind::Error, true));
    assert!(fault.detail.contains("an error was encountered while running the model"), "{}", fault.detail);
}

#[tokio::test]
async fn refusals_before_the_stream_are_told_apart() {
    for (status, error, kind) in [
        (404, json!({"error": "model 'm-1' not found"}), FaultKind::NotFound),
        (400, json!({"error": "\"m-1\" does not support chat"}), FaultKind::Refused),
        (401, json!({"error": "unauthorized", "signin_url": "https://ollama.com/connect"}), FaultKind::KeyRefused),
        (503, json!({"error": "server busy, please try again.  maximum pending requests exceeded"}), FaultKind::Busy),
        (500, json!({"error": "llama runner process has terminated: signal: killed"}), FaultKind::Error),
    ] {
        let fault = fault(call::<Ollama>(Reply::json(status, &error)).await.end);
        assert_eq!(fault.kind, kind, "{error}");
        assert!(fault.detail.contains(error["error"].as_str().unwrap()), "{}", fault.detail);
    }
}

#[tokio::test]
async fn counts_may_be_missing() {
    let last = |counts: &str| format!("{{\"done\":true,\"done_reason\":\"length\"{counts}}}\n");
    for (counts, usage) in [
        ("", None),
        (r#","eval_count":5"#, Some((0, 5))),
        (r#","prompt_eval_count":3"#, Some((3, 0))),
        (r#","prompt_eval_count":3,"eval_count":5"#, Some((3, 5))),
    ] {
        let heard = call::<Ollama>(Reply::json_lines().bytes(ollama::text("a")).bytes(last(counts))).await;
        complete(&heard.end, "length");
        let expected = usage.map(|(prompt_tokens, completion_tokens)| Usage {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens + completion_tokens,
        });
        assert_eq!(heard.end.usage, expected, "{counts}");
    }
}

#[tokio::test]
async fn a_model_that_was_only_loaded_gave_no_answer() {
    for reason in ["load", "unload"] {
        let heard = call::<Ollama>(Reply::json_lines().bytes(ollama::done(reason, 0, 0))).await;
        assert!(fault(heard.end).kind.is_retryable());
    }
}

/// github.com/ollama/ollama/issues/17118: a stream that ends cleanly, its last line missing.
#[tokio::test]
async fn an_end_without_done_is_a_truncation() {
    let heard = call::<Ollama>(Reply::json_lines().bytes(ollama::text("a"))).await;
    assert_eq!(heard.texts, ["a"]);
    truncated(&heard.end);
    let unfinished = json!({"message": {"role": "assistant", "content": "a"}, "done": false});
    assert_eq!(fault(whole::<Ollama>(Reply::json(200, &unfinished)).await.end).kind, FaultKind::Error);
}

#[tokio::test]
async fn reasoning_in_tags_is_not_spoken() {
    let tokens = ["<th", "ink>", "\nHm", ".\n</", "think>", "\n\n", "Yes", " < no."];
    let heard = call::<Ollama>(Reply::ollama_chat(tokens)).await;
    assert_eq!((heard.texts.concat().as_str(), heard.reasoning.as_str()), ("Yes < no.", "\nHm.\n"));
    let answer = whole::<Ollama>(Reply::ollama_whole("<think>Hm.</think>\n\nYes.")).await;
    assert_eq!((answer.text.as_str(), answer.reasoning.as_str()), ("Yes.", "Hm."));
    let heard = call::<Ollama>(Reply::ollama_chat(["<thi"])).await;
    assert_eq!(heard.texts, ["<thi"], "what only began like a tag is text in the end");
    let mut thought = ollama::whole("Yes.", 1, 1);
    thought["message"]["thinking"] = json!("Hm.");
    let answer = whole::<Ollama>(Reply::json(200, &thought)).await;
    assert_eq!((answer.text.as_str(), answer.reasoning.as_str()), ("Yes.", "Hm."));
}
