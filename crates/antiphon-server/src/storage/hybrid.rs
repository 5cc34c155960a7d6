//! The live path of the topology `hybrid`: copies in Redis for speed, and the log's own follower for whatever they lack.

use antiphon_core::{Backbone, OnCommit, OwnedShards};
use antiphon_redis::{RedisCopies, StreamStates};
use std::sync::Arc;

/// For the log: what this process owns is copied, and mirrored where there is a mirror; what it follows is handed to its own
/// clients. What comes by both paths is told once, by its number.
pub fn on_commit(copies: Arc<RedisCopies>, states: Option<StreamStates>, owned: OwnedShards) -> OnCommit {
    Arc::new(move |records| {
        for run in records.chunk_by(|one, next| one.channel == next.channel) {
            if run.first().is_some_and(|first| owned.epoch_of(&first.channel).is_some()) {
                copies.deliver(run);
                if let Some(states) = &states {
                    states.note(run);
                }
            } else {
                copies.bring(run);
            }
        }
    })
}
