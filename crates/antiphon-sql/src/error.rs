//! Why the records did not do what they were asked.

use antiphon_core::{Code, Refusal};
use sqlx::migrate::MigrateError;
use std::time::Duration;

/// A failure of the records. Its details are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The database said no, or is away.
    #[error("the records' database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The database did not answer in time.
    #[error("the records' database did not answer in time")]
    Timeout,
    /// Not the address of a database that is known.
    #[error("the records' address has to begin with postgres:// or postgresql://")]
    Address,
    /// The database is newer than this program, or its schema was changed by hand.
    #[error(
        "the records' schema does not fit this version: {0}; start the version that made it, or give this one another \
         file or database"
    )]
    Schema(MigrateError),
    /// The records include more than what was to be written.
    #[error("the records include more than what was to be written")]
    Behind,
    /// A stored value is not one that this version writes.
    #[error("the records hold a value that cannot be read: {0}")]
    Value(String),
    /// The deployment has another number of shards.
    #[error(
        "this deployment was created with {created} shards and cannot go on with {configured}: its channels would be \
         looked for in other shards; set cluster.shards to {created}"
    )]
    ShardCount {
        /// What it was created with.
        created: u32,
        /// What was asked for.
        configured: u16,
    },
    /// The database is of a deployment with another setting.
    #[error(
        "this database is of a deployment that was created with {key} = {created:?}, and this process has {configured:?}: \
         neither would see what the other writes; set {key} to {created:?}, or give this process another database by \
         records.url"
    )]
    OtherDeployment {
        /// The setting, as the configuration names it.
        key: &'static str,
        /// What the deployment was created with.
        created: String,
        /// What this process has.
        configured: String,
    },
}

impl RecordsError {
    /// The database's own code of what it refused (PostgreSQL manual, appendix A).
    pub(crate) fn sql_state(&self) -> Option<String> {
        match self {
            Self::Database(sqlx::Error::Database(error)) => error.code().map(std::borrow::Cow::into_owned),
            _ => None,
        }
    }
}

impl From<MigrateError> for RecordsError {
    fn from(error: MigrateError) -> Self {
        match error {
            // Rights, a standby, a full disk: the schema itself is as it should be.
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => Self::Database(error),
            other => Self::Schema(other),
        }
    }
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
