//! The way to the process that owns a channel, for what only the owner can answer.

use crate::{ChannelName, LogError, Refusal};
use bytes::Bytes;

/// Asks the owner of a channel's shard, wherever it is. What is asked is the business of both ends.
#[async_trait::async_trait]
pub trait Elsewhere: Send + Sync + 'static {
    /// Hands the question to the owner and brings back its answer. Retries while ownership moves, for as long as a caller
    /// can be expected to wait; `unavailable` after that. A question whose answer was lost may have been obeyed.
    async fn ask(&self, channel: &ChannelName, question: Bytes) -> Result<Bytes, Refusal>;
}

/// Why whoever was taken for the owner does not answer a question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// This process does not own the channel's shard, and nothing was done: whoever does is to be asked.
    #[error("this process does not own the channel's shard")]
    NotOwner,
    /// The answer is this refusal.
    #[error("{0}")]
    Refused(#[from] Refusal),
}

impl From<LogError> for AnswerError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::NotOwner => Self::NotOwner,
            other => Self::Refused(other.into()),
        }
    }
}

/// For a caller who cannot ask anybody else.
impl From<AnswerError> for Refusal {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::NotOwner => LogError::NotOwner.into(),
            AnswerError::Refused(refusal) => refusal,
        }
    }
}
