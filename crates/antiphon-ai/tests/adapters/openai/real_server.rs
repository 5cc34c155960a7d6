//! The adapter against a real engine of the wire format: llama.cpp's server with a small model.
//!
//! `cargo xtask verify openai` builds and starts one and runs these with its address in `ANTIPHON_REAL_OPENAI` and its
//! key in `ANTIPHON_REAL_OPENAI_KEY`; without them they say that they were not run.

use crate::calls::{Heard, complete, fault, read_patiently};
use antiphon_ai::openai::OpenAi;
use antiphon_ai::provider::{FaultKind, Piece, Prompt, Provider, Turn, TurnRole};
use antiphon_ai::{ApiKey, HttpOptions, http_client};
use futures::StreamExt;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Where the server is, and its key.
struct Server {
    base_url: String,
    key: String,
}

impl Server {
    fn find() -> Option<Self> {
        let Ok(base_url) = std::env::var("ANTIPHON_REAL_OPENAI") else {
            eprintln!("NOT RUN: no real server; `cargo xtask verify openai` starts one");
            return None;
        };
        Some(Self { base_url, key: std::env::var("ANTIPHON_REAL_OPENAI_KEY").unwrap_or_default() })
    }

    fn provider(&self, key: &str) -> OpenAi {
        OpenAi::new(HttpOptions::new(&self.base_url, Some(ApiKey::new(key)), http_client().unwrap())).unwrap()
    }

    async fn ask(&self, prompt: Prompt) -> Heard {
        read_patiently(&self.provider(&self.key), prompt).await
    }

    /// Whether any slot of the server works on a request (llama.cpp's own `GET /slots`).
    async fn is_busy(&self) -> bool {
        let address = self.base_url.replace("/v1", "/slots");
        let response = http_client().unwrap().get(address).bearer_auth(&self.key).send().await.unwrap();
        let slots: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        slots.as_array().unwrap().iter().any(|slot| slot["is_processing"] == true)
    }
}

fn prompt(content: &str, max_tokens: u32) -> Prompt {
    Prompt {
        model: "smollm2".into(),
        system: "You are Anna, a friendly person.".into(),
        turns: vec![Turn { role: TurnRole::User, content: content.into() }],
        temperature: Some(0.0),
        max_tokens: Some(max_tokens),
        ..Prompt::default()
    }
}

#[tokio::test]
async fn an_answer_streams_to_its_own_end() {
    let Some(server) = Server::find() else { return };
    let heard = server.ask(prompt("Hello! Who are you?", 200)).await;
    println!("streamed in {} pieces: {}", heard.texts.len(), heard.texts.concat());
    assert!(heard.texts.len() > 3, "piece by piece: {:?}", heard.texts);
    assert!(heard.texts.concat().contains("Anna"), "the system prompt reached it");
    complete(&heard.end, "stop");
    let usage = heard.end.usage.unwrap();
    println!("{usage:?}");
    assert!(usage.prompt_tokens > 10 && usage.completion_tokens as usize >= heard.texts.len());
    assert_eq!(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
}

/// Not the same word for word: what the server still knows of a prompt is summed in another order.
#[tokio::test]
async fn a_whole_answer_ends_as_the_streamed_one() {
    let Some(server) = Server::find() else { return };
    let asked = || prompt("Name three colours.", 12);
    let streamed = server.ask(asked()).await;
    let whole = server.provider(&server.key).whole(asked()).await;
    println!("whole: {}", whole.text);
    assert!(!whole.text.is_empty());
    complete(&whole.end, "length");
    assert_eq!(whole.end.usage, streamed.end.usage);
}

#[tokio::test]
async fn the_length_is_limited() {
    let Some(server) = Server::find() else { return };
    let heard = server.ask(prompt("Tell me a long story about a lighthouse.", 7)).await;
    complete(&heard.end, "length");
    assert_eq!(heard.end.usage.unwrap().completion_tokens, 7);
}

#[tokio::test]
async fn a_dropped_call_stops_the_server() {
    let Some(server) = Server::find() else { return };
    let mut stream = server.provider(&server.key).stream(prompt("Tell me a long story about a lighthouse.", 1500));
    for _ in 0..5 {
        assert!(matches!(stream.next().await, Some(Piece::Text(_))));
    }
    assert!(server.is_busy().await, "it has only begun");
    let dropped = Instant::now();
    drop(stream);
    while server.is_busy().await {
        assert!(dropped.elapsed() < Duration::from_secs(2), "the server goes on");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    println!("the server was idle {:?} after the drop", dropped.elapsed());
}

#[tokio::test]
async fn its_refusals_are_told_apart() {
    let Some(server) = Server::find() else { return };
    let wrong = read_patiently(&server.provider("sk-another"), prompt("Hi", 5)).await;
    assert_eq!(fault(wrong.end).kind, FaultKind::KeyRefused);
    let long = server.ask(prompt(&"word ".repeat(5000), 5)).await;
    let refused = fault(long.end);
    println!("{}", refused.detail);
    assert_eq!(refused.kind, FaultKind::Refused);
    let elsewhere = Server { base_url: server.base_url.replace("/v1", "/v7"), key: server.key.clone() };
    assert_eq!(fault(elsewhere.ask(prompt("Hi", 5)).await.end).kind, FaultKind::NotFound);
}
