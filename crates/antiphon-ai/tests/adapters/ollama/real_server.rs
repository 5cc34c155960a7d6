//! The adapter against a real Ollama with a small model.
//!
//! `cargo xtask verify ollama` builds and starts one and runs these with its address in `ANTIPHON_REAL_OLLAMA`; without
//! it they say that they were not run.

use crate::calls::{Heard, complete, fault, read_patiently};
use antiphon_ai::ollama::Ollama;
use antiphon_ai::provider::{FaultKind, Piece, Prompt, Provider, Turn, TurnRole};
use antiphon_ai::{HttpOptions, http_client};
use futures::StreamExt;
use std::time::{Duration, Instant};

fn server() -> Option<Ollama> {
    let Ok(base_url) = std::env::var("ANTIPHON_REAL_OLLAMA") else {
        eprintln!("NOT RUN: no real server; `cargo xtask verify ollama` starts one");
        return None;
    };
    Some(Ollama::new(HttpOptions::new(base_url, None, http_client().unwrap())).unwrap())
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
    let Some(server) = server() else { return };
    let Heard { texts, reasoning, end } = read_patiently(&server, prompt("Hello! Who are you?", 200)).await;
    println!("streamed in {} pieces: {}", texts.len(), texts.concat());
    assert!(texts.len() > 3, "piece by piece: {texts:?}");
    assert!(texts.concat().contains("Anna"), "the system prompt reached it");
    assert_eq!(reasoning, "");
    complete(&end, "stop");
    let usage = end.usage.unwrap();
    println!("{usage:?}");
    assert!(usage.prompt_tokens > 0 && usage.completion_tokens as usize >= texts.len());
}

/// Not the same word for word: what the server still knows of a prompt is summed in another order.
#[tokio::test]
async fn a_whole_answer_ends_as_the_streamed_one() {
    let Some(server) = server() else { return };
    let streamed = read_patiently(&server, prompt("Name three colours.", 12)).await;
    let whole = server.whole(prompt("Name three colours.", 12)).await;
    println!("whole: {}", whole.text);
    assert!(!whole.text.is_empty());
    complete(&whole.end, "length");
    let counts = [streamed.end.usage, whole.end.usage].map(|usage| usage.unwrap().completion_tokens);
    assert_eq!(counts, [12, 12]);
}

#[tokio::test]
async fn the_length_is_limited() {
    let Some(server) = server() else { return };
    let heard = read_patiently(&server, prompt("Tell me a long story about a lighthouse.", 7)).await;
    complete(&heard.end, "length");
    assert_eq!(heard.end.usage.unwrap().completion_tokens, 7);
}

/// The server answers one call at a time: a next one that does not have to wait tells that the first is over, whose
/// story would have gone on for hundreds of tokens.
#[tokio::test]
async fn a_dropped_call_stops_the_server() {
    let Some(server) = server() else { return };
    let mut stream = server.stream(prompt("Tell me a long story about a lighthouse.", 1500));
    assert!(matches!(stream.next().await, Some(Piece::Text(_))));
    let begun = Instant::now();
    for _ in 0..10 {
        assert!(matches!(stream.next().await, Some(Piece::Text(_))));
    }
    let pace = begun.elapsed() / 10;
    drop(stream);
    let dropped = Instant::now();
    complete(&read_patiently(&server, prompt("Hi", 1)).await.end, "length");
    println!("{pace:?} a token; the next call was over {:?} after the drop", dropped.elapsed());
    assert!(dropped.elapsed() < Duration::from_secs(1) + pace * 100, "the server went on");
}

#[tokio::test]
async fn an_unknown_model_is_told_apart() {
    let Some(server) = server() else { return };
    let heard = read_patiently(&server, Prompt { model: "of-nobody".into(), ..prompt("Hi", 5) }).await;
    let refused = fault(heard.end);
    println!("{}", refused.detail);
    assert_eq!(refused.kind, FaultKind::NotFound);
}
