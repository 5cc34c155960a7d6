//! The seam to models: one call, streaming or whole, and how it ended.

pub use crate::provider_fault::{FaultKind, ProviderFault};
use antiphon_core::{Citation, Usage};
use futures::stream::BoxStream;

/// Who said a turn of the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnRole {
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// One earlier message, as the model sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Who said it.
    pub role: TurnRole,
    /// What, markers included.
    pub content: String,
}

/// Everything a model is given for one answer. The last turn is the person's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prompt {
    /// The provider's name for the model.
    pub model: String,
    /// The system prompt, markers' prompt included.
    pub system: String,
    /// Oldest first.
    pub turns: Vec<Turn>,
    /// The part of the answer that is already there and is to be continued, raw. Only for providers that can.
    pub partial: Option<String>,
    /// 0 = greedy; none = the provider's default.
    pub temperature: Option<f64>,
    /// At most this many tokens in the answer; none = the provider's default.
    pub max_tokens: Option<u32>,
}

/// What a call yields. `End` comes once and last; a stream that finishes without it counts as truncated.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// The call waits for the model, behind this many others.
    Waiting {
        /// Calls before this one.
        place: usize,
    },
    /// A piece of the answer: never empty, always whole characters.
    Text(String),
    /// A piece of what the model thinks before or while it answers: never empty, never spoken.
    Reasoning(String),
    /// The call is over.
    End(CallEnd),
}

/// How a call ended, as far as the provider said. A call that is dropped is cancelled and has no end.
#[derive(Clone, Debug, PartialEq)]
pub struct CallEnd {
    /// Which of the three.
    pub outcome: CallOutcome,
    /// The provider's own word, such as `stop` or `length`.
    pub finish_reason: Option<String>,
    /// The provider's own count.
    pub usage: Option<Usage>,
    /// The sources that the provider gave for its answer, in its order, each once.
    pub citations: Vec<Citation>,
}

impl CallEnd {
    /// An end of which nothing but its outcome is known.
    pub fn new(outcome: CallOutcome) -> Self {
        Self { outcome, finish_reason: None, usage: None, citations: Vec::new() }
    }

    /// A failed call's.
    pub fn failed(fault: ProviderFault) -> Self {
        Self::new(CallOutcome::Failed(fault))
    }
}

/// A whole answer in one response.
#[derive(Clone, Debug, PartialEq)]
pub struct WholeAnswer {
    /// The spoken text, markers included; empty where none came.
    pub text: String,
    /// What the model thought, where the provider tells.
    pub reasoning: String,
    /// How the call ended.
    pub end: CallEnd,
}

impl From<ProviderFault> for WholeAnswer {
    fn from(fault: ProviderFault) -> Self {
        Self { text: String::new(), reasoning: String::new(), end: CallEnd::failed(fault) }
    }
}

/// The outcome of a call that was not cancelled.
#[derive(Clone, Debug, PartialEq)]
pub enum CallOutcome {
    /// The provider's own terminal marker arrived.
    Complete,
    /// The connection ended, stalled or broke without it.
    Truncated {
        /// For the operator's log.
        detail: String,
    },
    /// The model declined, or a content filter of the provider stopped it. The text that came before stands, and
    /// asking again would end the same.
    Declined {
        /// A sentence for the person in the room.
        message: String,
        /// For the operator's log.
        detail: String,
    },
    /// The provider said that it cannot, or could not be reached.
    Failed(ProviderFault),
}

/// What a provider is, for `GET /api/agents`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProviderStatus {
    /// The `kind` of the configuration.
    pub kind: &'static str,
    /// True where no model answers.
    pub simulated: bool,
    /// Whether a call can be made now.
    pub ready: bool,
    /// A local model's file name.
    pub file: Option<String>,
    /// The file's SHA-256, hexadecimal.
    pub sha256: Option<String>,
    /// Measured on real answers.
    pub tokens_per_second: Option<f64>,
    /// Tokens of prompt and answer together, where the provider tells.
    pub context_tokens: Option<usize>,
}

/// A model provider. Implemented once per wire format.
#[async_trait::async_trait]
pub trait Provider: Send + Sync + 'static {
    /// Starts a call. Dropping the stream cancels it and closes its connection.
    fn stream(&self, prompt: Prompt) -> BoxStream<'static, Piece>;

    /// Asks for the whole answer in one response: what came, and how the call ended.
    async fn whole(&self, prompt: Prompt) -> WholeAnswer;

    /// Whether `Prompt::partial` is understood by that model.
    fn can_continue(&self, model: &str) -> bool;

    /// Told once, at start, what every prompt of an agent begins with: a provider that can read it ahead does.
    fn prepare(&self, _system: String) {}

    /// What it is.
    fn status(&self) -> ProviderStatus;
}
