//! What can go wrong when a model is loaded and when it answers.

use thiserror::Error;

/// A model file that cannot be used. The messages are an operator's: they name the file's fault and the way out.
#[derive(Debug, Error)]
pub enum LocalError {
    /// The file cannot be opened or read.
    #[error("the model file cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// The file is no GGUF, is damaged, or holds tensors that this engine cannot compute with.
    #[error("the model file cannot be loaded: {0}")]
    Load(String),
    /// The network in the file is built differently.
    #[error(
        "the model file holds a `{0}` network; only the llama family (GGUF architecture `llama`) runs in the process"
    )]
    Architecture(String),
    /// The file lacks a part that every model needs.
    #[error("the model file lacks `{0}`; convert the model again with llama.cpp's convert_hf_to_gguf.py")]
    Missing(&'static str),
    /// Neither a chat template nor the tokens of ChatML are in the file.
    #[error(
        "the model file has no chat template and no ChatML tokens, so it is not made for conversation; use an instruct model"
    )]
    NoChatTemplate,
    /// The chat template is there and cannot be used.
    #[error("the model file's chat template cannot be used: {0}")]
    ChatTemplate(String),
}

impl From<candle_core::Error> for LocalError {
    fn from(error: candle_core::Error) -> Self {
        Self::Load(reason(&error))
    }
}

/// What candle says, without the stack trace that it may add.
pub(crate) fn reason(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// An answer that was not given, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GenerateError {
    /// All slots work and the queue is full; worth another try later.
    #[error("the model has {waiting} answers waiting already; try again later")]
    QueueFull {
        /// Answers that wait.
        waiting: usize,
    },
    /// The prompt leaves no room for an answer.
    #[error(
        "the prompt has {prompt_tokens} tokens, and the model's context of {context_tokens} must hold it and an answer"
    )]
    PromptTooLong {
        /// Tokens of the prompt.
        prompt_tokens: usize,
        /// Tokens of prompt and answer together.
        context_tokens: usize,
    },
    /// The chat template refuses the messages, or their text cannot be tokenised.
    #[error("the messages do not fit the model's chat template: {0}")]
    Prompt(String),
    /// The computation failed; why is in the log. The next answer starts afresh.
    #[error("the model failed in its computation")]
    Internal,
}
