//! Why the records did not do what they were asked.

use antiphon_core::{Code, Refusal};
use std::time::Duration;

/// A failure of the records. Its details are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The database said no, or is away.
    #[error("the records' database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The database is newer than this program, or its schema was changed by hand.
    #[error(
        "the records' schema does not fit this version: {0}; start the version that made it, or move the file away"
    )]
    Schema(#[from] sqlx::migrate::MigrateError),
    /// The records include more than what was to be written.
    #[error("the records include more than what was to be written")]
    Behind,
    /// A stored value is not one that this version writes.
    #[error("the records hold a value that cannot be read: {0}")]
    Value(String),
}

impl From<serde_json::Error> for RecordsError {
    fn from(error: serde_json::Error) -> Self {
        Self::Value(error.to_string())
    }
}

impl From<RecordsError> for Refusal {
    fn from(error: RecordsError) -> Self {
        tracing::error!(%error, "the records failed");
        Refusal::new(Code::Unavailable, "the room's records cannot be read or written at the moment, try again")
            .retry_after(Duration::from_secs(2))
    }
}
