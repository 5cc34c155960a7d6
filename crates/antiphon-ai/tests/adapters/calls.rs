//! One call of an adapter against one scripted reply, and its end.

use crate::conformance::Case;
use antiphon_ai::provider::{
    CallEnd, CallOutcome, Piece, Prompt, Provider, ProviderFault, Turn, TurnRole, WholeAnswer,
};
use antiphon_ai::{ApiKey, HttpOptions, http_client};
use antiphon_testkit::upstream::{Reply, Upstream};
use futures::StreamExt;
use std::time::Duration;

/// Long enough for a loaded machine, where no time-out is what is tested.
pub const LONG: Duration = Duration::from_secs(20);
/// Short enough to wait for.
pub const SHORT: Duration = Duration::from_millis(60);

/// What a streaming call said, and its one end.
#[derive(Debug)]
pub struct Heard {
    /// The pieces of text as they came.
    pub texts: Vec<String>,
    /// All that was thought.
    pub reasoning: String,
    /// How it ended.
    pub end: CallEnd,
}

/// Options with a secret key and patience.
pub fn options(base_url: String) -> HttpOptions {
    HttpOptions {
        header_timeout: LONG,
        idle_timeout: LONG,
        whole_timeout: LONG,
        ..HttpOptions::new(base_url, Some(ApiKey::new("sk-very-secret")), http_client().unwrap())
    }
}

/// The same with little patience.
pub fn hasty_options(base_url: String) -> HttpOptions {
    HttpOptions { header_timeout: SHORT, idle_timeout: SHORT, whole_timeout: SHORT, ..options(base_url) }
}

/// What the adapter takes for the upstream's address.
pub fn base_url<C: Case>(upstream: &Upstream) -> String {
    format!("http://{}{}", upstream.address(), C::BASE_PATH)
}

/// A patient provider that calls the upstream.
pub fn provider<C: Case>(upstream: &Upstream) -> Box<dyn Provider> {
    C::provider(options(base_url::<C>(upstream))).unwrap()
}

/// A conversation of three turns with a system prompt.
pub fn prompt() -> Prompt {
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

/// Reads a call to its end.
pub async fn read(provider: &dyn Provider, prompt: Prompt) -> Heard {
    tokio::time::timeout(LONG, read_patiently(provider, prompt)).await.unwrap()
}

/// Reads a call to its end, which is one and last, however long it takes.
pub async fn read_patiently(provider: &dyn Provider, prompt: Prompt) -> Heard {
    let pieces: Vec<Piece> = provider.stream(prompt).collect().await;
    let (mut texts, mut reasoning, mut ends) = (Vec::new(), String::new(), Vec::new());
    for piece in pieces {
        assert!(ends.is_empty(), "nothing comes after the end");
        match piece {
            Piece::Text(text) => {
                assert!(!text.is_empty());
                texts.push(text);
            }
            Piece::Reasoning(text) => {
                assert!(!text.is_empty());
                reasoning.push_str(&text);
            }
            Piece::End(end) => ends.push(end),
            Piece::Waiting { .. } => {}
        }
    }
    assert_eq!(ends.len(), 1);
    Heard { texts, reasoning, end: ends.remove(0) }
}

/// One call against one reply.
pub async fn call<C: Case>(reply: Reply) -> Heard {
    let upstream = Upstream::start([reply]).await.unwrap();
    read(&*provider::<C>(&upstream), prompt()).await
}

/// One call with short time-outs.
pub async fn hasty<C: Case>(reply: Reply) -> Heard {
    let upstream = Upstream::start([reply]).await.unwrap();
    read(&*C::provider(hasty_options(base_url::<C>(&upstream))).unwrap(), prompt()).await
}

/// One call for a whole answer against one reply.
pub async fn whole<C: Case>(reply: Reply) -> WholeAnswer {
    let upstream = Upstream::start([reply]).await.unwrap();
    provider::<C>(&upstream).whole(prompt()).await
}

/// The end is complete, for this reason.
#[track_caller]
pub fn complete(end: &CallEnd, reason: &str) {
    assert_eq!((&end.outcome, end.finish_reason.as_deref()), (&CallOutcome::Complete, Some(reason)));
}

/// The end is a truncation; gives its detail.
#[track_caller]
pub fn truncated(end: &CallEnd) -> &str {
    match &end.outcome {
        CallOutcome::Truncated { detail } => {
            assert!(!detail.contains("127.0.0.1") && !detail.contains("sk-very-secret"), "{detail}");
            detail
        }
        other => panic!("not truncated: {other:?}"),
    }
}

/// The end is a refusal; gives the sentence for the person.
#[track_caller]
pub fn declined(end: &CallEnd) -> &str {
    match &end.outcome {
        CallOutcome::Declined { message, .. } => message,
        other => panic!("not declined: {other:?}"),
    }
}

/// The end is a failure, without secrets; gives it.
#[track_caller]
pub fn fault(end: CallEnd) -> ProviderFault {
    match end.outcome {
        CallOutcome::Failed(fault) => {
            assert!(!fault.message.contains("127.0.0.1") && !fault.detail.contains("127.0.0.1"), "{fault:?}");
            assert!(!fault.detail.contains("sk-very-secret"), "{fault:?}");
            fault
        }
        other => panic!("not failed: {other:?}"),
    }
}
