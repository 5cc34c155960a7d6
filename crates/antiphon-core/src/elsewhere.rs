//! The way to the process that owns a channel, for what only the owner can answer.

use crate::{ChannelName, Refusal};
use bytes::Bytes;

/// Asks the owner of a channel's shard, wherever it is. What is asked is the business of both ends.
#[async_trait::async_trait]
pub trait Elsewhere: Send + Sync + 'static {
    /// Hands the question to the owner and brings back its answer. Retries while ownership moves, for as long as a caller
    /// can be expected to wait; `unavailable` after that. A question whose answer was lost may have been obeyed.
    async fn ask(&self, channel: &ChannelName, question: Bytes) -> Result<Bytes, Refusal>;
}
