//! How long a model's piece takes to its place in the log: known where it is written, as both moments are by one clock.

use antiphon_core::OnCommit;
use antiphon_hub::Hop;
use std::sync::Arc;

/// Measures what comes from models, and goes on.
pub fn measured(hop: &Arc<Hop>, on_commit: OnCommit) -> OnCommit {
    let hop = hop.clone();
    Arc::new(move |records| {
        on_commit(records);
        for record in records {
            if let (Some(provider_at), Some(logged_at)) = (record.provider_at, record.logged_at) {
                hop.record(logged_at.saturating_duration_since(provider_at));
            }
        }
    })
}
