//! The OpenAI adapter against a scripted upstream: what it sends, what it reads, how calls end, and how they stop.

// What is a test's business in a test is so in its surroundings too.
#![allow(clippy::unwrap_used, clippy::panic)]

mod cancel;
mod failures;
mod request;
mod stream;
mod whole;

use antiphon_ai::openai::{OpenAi, OpenAiOptions};
use antiphon_ai::provider::{CallEnd, CallOutcome, Piece, Prompt, Provider, ProviderFault, Turn, TurnRole};
use antiphon_ai::{ApiKey, http_client};
use antiphon_testkit::upstream::{Reply, Upstream};
use futures::StreamExt;
use std::time::Duration;

/// Long enough for a loaded machine, where no time-out is what is tested.
const LONG: Duration = Duration::from_secs(20);
/// Short enough to wait for.
const SHORT: Duration = Duration::from_millis(60);

fn options(base_url: String) -> OpenAiOptions {
    OpenAiOptions {
        header_timeout: LONG,
        idle_timeout: LONG,
        whole_timeout: LONG,
        ..OpenAiOptions::new(base_url, Some(ApiKey::new("sk-very-secret")), http_client().unwrap())
    }
}

fn provider(upstream: &Upstream) -> OpenAi {
    OpenAi::new(options(upstream.base_url())).unwrap()
}

fn prompt() -> Prompt {
    Prompt {
        model: "m-1".into(),
        system: "Be brief.".into(),
        turns: vec![
            Turn { role: TurnRole::User, content: "One?".into() },
            Turn { role: TurnRole::Assistant, content: "[emotion:happy]Two.".into() },
            Turn { role: TurnRole::User, content: "Three?".into() },
        ],
        ..Prompt::default()
    }
}

/// Reads a call to its end: the pieces of text, and the one end, which is last.
async fn read(provider: &OpenAi) -> (Vec<String>, CallEnd) {
    let pieces: Vec<Piece> = tokio::time::timeout(LONG, provider.stream(prompt()).collect()).await.unwrap();
    let mut texts = Vec::new();
    let mut ends = Vec::new();
    for piece in pieces {
        assert!(ends.is_empty(), "nothing comes after the end");
        match piece {
            Piece::Text(text) => {
                assert!(!text.is_empty());
                texts.push(text);
            }
            Piece::End(end) => ends.push(end),
            Piece::Waiting { .. } => panic!("nobody waits here"),
        }
    }
    assert_eq!(ends.len(), 1);
    (texts, ends.remove(0))
}

/// One call against one reply.
async fn call(reply: Reply) -> (Vec<String>, CallEnd) {
    let upstream = Upstream::start([reply]).await.unwrap();
    read(&provider(&upstream)).await
}

/// One call with short time-outs.
async fn hasty(reply: Reply) -> (Vec<String>, CallEnd) {
    let upstream = Upstream::start([reply]).await.unwrap();
    let options = OpenAiOptions { header_timeout: SHORT, idle_timeout: SHORT, ..options(upstream.base_url()) };
    read(&OpenAi::new(options).unwrap()).await
}

fn truncated(end: &CallEnd) -> &str {
    match &end.outcome {
        CallOutcome::Truncated { detail } => detail,
        other => panic!("not truncated: {other:?}"),
    }
}

fn fault(end: CallEnd) -> ProviderFault {
    match end.outcome {
        CallOutcome::Failed(fault) => {
            assert!(!fault.message.contains("127.0.0.1") && !fault.detail.contains("127.0.0.1"), "{fault:?}");
            assert!(!fault.detail.contains("sk-very-secret"), "{fault:?}");
            fault
        }
        other => panic!("not failed: {other:?}"),
    }
}
