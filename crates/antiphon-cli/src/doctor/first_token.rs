//! One tiny call through the adapter that the server uses, and how long its first token took.

use crate::settings::AgentSettings;
use antiphon_ai::provider::{CallEnd, CallOutcome, Piece, Prompt, Provider, ProviderFault, Turn, TurnRole};
use antiphon_core::Usage;
use antiphon_core::limits::{DOCTOR_ANSWER_TOKENS, PROVIDER_WHOLE_TIMEOUT};
use futures::StreamExt;
use std::time::{Duration, Instant};

/// What became of a call.
pub(super) enum Measured {
    /// The provider's own terminal marker arrived.
    Answered {
        /// Of text or, where it is told, of reasoning; none where nothing of either came.
        first: Option<Duration>,
        whole: Duration,
        usage: Option<Usage>,
    },
    Declined(String),
    CutOff(String),
    Failed(ProviderFault),
}

/// Makes the call, with the agent's own model and temperature.
pub(super) async fn measure(provider: &dyn Provider, agent: &AgentSettings) -> Measured {
    let prompt = Prompt {
        model: agent.model.clone(),
        system: "Answer in one word.".to_owned(),
        turns: vec![Turn { role: TurnRole::User, content: "Hello".to_owned() }],
        temperature: agent.temperature,
        max_tokens: Some(DOCTOR_ANSWER_TOKENS),
        partial: None,
    };
    let started = Instant::now();
    let mut pieces = provider.stream(prompt);
    let mut first = None;
    let call = async {
        while let Some(piece) = pieces.next().await {
            match piece {
                Piece::Text(_) | Piece::Reasoning(_) => first = first.or_else(|| Some(started.elapsed())),
                Piece::Waiting { .. } => {}
                Piece::End(end) => return Some(end),
            }
        }
        None
    };
    let end = match tokio::time::timeout(PROVIDER_WHOLE_TIMEOUT, call).await {
        Ok(end) => end,
        Err(_) => return Measured::CutOff(format!("no end within {} s", PROVIDER_WHOLE_TIMEOUT.as_secs())),
    };
    let Some(CallEnd { outcome, usage, .. }) = end else {
        return Measured::CutOff("the stream has no end".to_owned());
    };
    match outcome {
        CallOutcome::Complete => Measured::Answered { first, whole: started.elapsed(), usage },
        CallOutcome::Declined { detail, .. } => Measured::Declined(detail),
        CallOutcome::Truncated { detail } => Measured::CutOff(detail),
        CallOutcome::Failed(fault) => Measured::Failed(fault),
    }
}
