//! The in-process model as a provider. It loads on a thread of its own: the server does not wait for it.

use antiphon_ai::provider::{
    CallEnd, CallOutcome, FaultKind, Piece, Prompt, Provider, ProviderFault, ProviderStatus, Turn, TurnRole,
    WholeAnswer,
};
use antiphon_core::Usage;
use antiphon_core::limits::PROVIDER_HEADER_TIMEOUT;
use antiphon_local::{ChatTurn, Finish, GenerateError, GenerateRequest, LocalModel, LocalOptions, Role};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Tokens of an answer where the agent says nothing: what a processor generates in well under a minute.
const DEFAULT_ANSWER_TOKENS: usize = 512;
/// How much chance is in an answer where the agent says nothing: small models wander off with more.
const DEFAULT_TEMPERATURE: f64 = 0.2;

/// Where loading stands.
#[derive(Clone)]
enum Loading {
    UnderWay,
    Loaded(LocalModel),
    Failed,
}

struct LocalProvider {
    file_name: String,
    loading: watch::Receiver<Loading>,
}

/// Keeps the model's arithmetic on the thread that asks for it, unless the operator says otherwise: its pool of threads
/// spins, and a panic in it would outlast the answer that caused it. Only for the first statement of `main`.
#[allow(unsafe_code, reason = "the library reads this from the environment only, and no other thread runs yet")]
pub fn use_one_thread_a_product() {
    if std::env::var_os(antiphon_local::THREADS_VARIABLE).is_none() {
        unsafe { std::env::set_var(antiphon_local::THREADS_VARIABLE, "1") };
    }
}

/// A provider whose model is loaded in the background; calls wait for it.
pub fn load_later(file: &Path) -> Arc<dyn Provider> {
    let (loaded, loading) = watch::channel(Loading::UnderWay);
    let path = file.to_owned();
    let load = move || match LocalModel::load(&path, &LocalOptions::default()) {
        Ok(model) => {
            tracing::info!(file = %path.display(), "the local model is loaded");
            loaded.send_replace(Loading::Loaded(model));
        }
        Err(error) => {
            tracing::error!(file = %path.display(), %error, "the local model cannot be used");
            loaded.send_replace(Loading::Failed);
        }
    };
    if let Err(error) = std::thread::Builder::new().name("local-model".into()).spawn(load) {
        tracing::error!(%error, "the local model's thread cannot be started");
    }
    let file_name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Arc::new(LocalProvider { file_name, loading })
}

/// The model, once it is there.
async fn model(mut loading: watch::Receiver<Loading>) -> Result<LocalModel, ProviderFault> {
    let settled = loading.wait_for(|loading| !matches!(loading, Loading::UnderWay));
    match tokio::time::timeout(PROVIDER_HEADER_TIMEOUT, settled).await {
        Ok(Ok(loading)) => match &*loading {
            Loading::Loaded(model) => Ok(model.clone()),
            _ => Err(FaultKind::Unusable.fault("it could not be loaded")),
        },
        Ok(Err(_)) => Err(FaultKind::Unusable.fault("its loader is gone")),
        Err(_) => Err(FaultKind::Timeout.fault("loading takes long").saying("The model is still being loaded.")),
    }
}

fn request_of(prompt: Prompt) -> GenerateRequest {
    let mut messages = Vec::with_capacity(prompt.turns.len() + 1);
    if !prompt.system.is_empty() {
        messages.push(ChatTurn { role: Role::System, content: prompt.system });
    }
    messages.extend(prompt.turns.into_iter().map(|Turn { role, content }| {
        let role = match role {
            TurnRole::User => Role::User,
            TurnRole::Assistant => Role::Assistant,
        };
        ChatTurn { role, content }
    }));
    GenerateRequest {
        messages,
        continue_from: prompt.partial,
        max_tokens: prompt.max_tokens.map_or(DEFAULT_ANSWER_TOKENS, |tokens| tokens as usize),
        temperature: prompt.temperature.unwrap_or(DEFAULT_TEMPERATURE),
        seed: rand::random(),
    }
}

fn failed(fault: ProviderFault) -> Piece {
    Piece::End(CallEnd::failed(fault))
}

fn piece_of(piece: antiphon_local::Piece) -> Piece {
    match piece {
        antiphon_local::Piece::Waiting { place } => Piece::Waiting { place },
        antiphon_local::Piece::Text(text) => Piece::Text(text),
        antiphon_local::Piece::End { finish, prompt_tokens, completion_tokens } => {
            let finish_reason = match finish {
                Finish::Stop => "stop",
                Finish::Length => "length",
            };
            let (prompt_tokens, completion_tokens) = (prompt_tokens as u64, completion_tokens as u64);
            Piece::End(CallEnd {
                finish_reason: Some(finish_reason.to_owned()),
                usage: Some(Usage {
                    prompt_tokens,
                    completion_tokens,
                    total_tokens: prompt_tokens + completion_tokens,
                }),
                ..CallEnd::new(CallOutcome::Complete)
            })
        }
        antiphon_local::Piece::Failed(error) => failed(fault_of(&error)),
    }
}

fn fault_of(error: &GenerateError) -> ProviderFault {
    let kind = match error {
        GenerateError::QueueFull { .. } => FaultKind::Busy,
        GenerateError::PromptTooLong { .. } | GenerateError::Prompt(_) => FaultKind::Refused,
        GenerateError::Internal => FaultKind::Error,
    };
    let message = match error {
        GenerateError::QueueFull { .. } => "Too many are waiting for the model: try again.",
        GenerateError::PromptTooLong { .. } => "The message is too long for this model.",
        GenerateError::Prompt(_) => "The model does not take this prompt.",
        GenerateError::Internal => "The model failed.",
    };
    kind.fault(error.to_string()).saying(message)
}

/// The pieces of a call; ends without an end where the model broke off.
fn pieces(pieces: mpsc::Receiver<antiphon_local::Piece>) -> BoxStream<'static, Piece> {
    stream::unfold(pieces, |mut pieces| async move {
        let piece = pieces.recv().await?;
        Some((piece_of(piece), pieces))
    })
    .boxed()
}

#[async_trait::async_trait]
impl Provider for LocalProvider {
    fn stream(&self, prompt: Prompt) -> BoxStream<'static, Piece> {
        let loading = self.loading.clone();
        let call = async move {
            match model(loading).await {
                Ok(model) => pieces(model.generate(request_of(prompt))),
                Err(fault) => stream::iter([failed(fault)]).boxed(),
            }
        };
        stream::once(call).flatten().boxed()
    }

    async fn whole(&self, prompt: Prompt) -> WholeAnswer {
        let mut text = String::new();
        let mut call = self.stream(prompt);
        while let Some(piece) = call.next().await {
            match piece {
                Piece::Text(piece) => text.push_str(&piece),
                Piece::End(end) => return WholeAnswer { text, reasoning: String::new(), end },
                Piece::Reasoning(_) | Piece::Waiting { .. } => {}
            }
        }
        let end = CallEnd::new(CallOutcome::Truncated { detail: "the model's thread ended".to_owned() });
        WholeAnswer { text, reasoning: String::new(), end }
    }

    fn can_continue(&self, _model: &str) -> bool {
        true
    }

    fn prepare(&self, system: String) {
        let loading = self.loading.clone();
        tokio::spawn(async move {
            if let Ok(model) = model(loading).await {
                let prompt = Prompt { system, max_tokens: Some(0), ..Prompt::default() };
                let mut reading = model.generate(request_of(prompt));
                while reading.recv().await.is_some() {}
                tracing::info!("the system prompt was read ahead");
            }
        });
    }

    fn status(&self) -> ProviderStatus {
        let status = ProviderStatus {
            kind: "local",
            simulated: false,
            file: Some(self.file_name.clone()),
            ..ProviderStatus::default()
        };
        match &*self.loading.borrow() {
            Loading::Loaded(model) => {
                let description = model.describe();
                ProviderStatus {
                    ready: true,
                    sha256: description.sha256,
                    tokens_per_second: description.tokens_per_second,
                    context_tokens: Some(description.context_tokens),
                    ..status
                }
            }
            Loading::UnderWay | Loading::Failed => status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use antiphon_ai::provider::CallOutcome;

    #[tokio::test]
    async fn a_file_that_is_no_model_is_never_ready_and_its_calls_fail() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("model.gguf");
        std::fs::write(&file, b"no model").unwrap();
        let provider = load_later(&file);
        let WholeAnswer { text, end, .. } = provider.whole(Prompt::default()).await;
        assert!(text.is_empty());
        assert!(matches!(end.outcome, CallOutcome::Failed(fault) if fault.kind == FaultKind::Unusable));
        let status = provider.status();
        assert_eq!((status.kind, status.ready, status.file.as_deref()), ("local", false, Some("model.gguf")));
    }
}
