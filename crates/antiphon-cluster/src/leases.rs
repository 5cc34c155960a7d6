//! What this crate needs of the table of leases. It stands in SQL; the tests' one can be away, and its clock be moved.

use antiphon_core::Shard;
use antiphon_sql::{Lease, Leases, ProcessRow, RecordsError};
use std::time::Duration;

/// The table does not answer, or not well; for the operator.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct LeaseError(pub(crate) String);

impl From<RecordsError> for LeaseError {
    fn from(error: RecordsError) -> Self {
        Self(error.to_string())
    }
}

/// Which process may own which shard, by the table's own clock.
#[async_trait::async_trait]
pub(crate) trait LeaseTable: Send + Sync + 'static {
    /// Tells that the process lives.
    async fn announce(&self, process: &ProcessRow, ttl: Duration) -> Result<(), LeaseError>;
    /// Every process that lives.
    async fn processes(&self) -> Result<Vec<ProcessRow>, LeaseError>;
    /// Forgets the process, and frees its leases.
    async fn retire(&self, process: &str) -> Result<(), LeaseError>;
    /// The epoch of a lease that nobody had; none where somebody has it.
    async fn take(&self, shard: Shard, process: &str, ttl: Duration) -> Result<Option<u32>, LeaseError>;
    /// A higher epoch of a lease that is still ours; none where it is not.
    async fn raise(&self, shard: Shard, process: &str, above: u32, ttl: Duration) -> Result<Option<u32>, LeaseError>;
    /// Those that are still ours in that epoch, for another while.
    async fn renew(&self, process: &str, held: &[(Shard, u32)], ttl: Duration) -> Result<Vec<Shard>, LeaseError>;
    /// Gives a lease back.
    async fn release(&self, shard: Shard, process: &str, epoch: u32) -> Result<(), LeaseError>;
    /// Every shard's.
    async fn all(&self) -> Result<Vec<Lease>, LeaseError>;
}

#[async_trait::async_trait]
impl LeaseTable for Leases {
    async fn announce(&self, process: &ProcessRow, ttl: Duration) -> Result<(), LeaseError> {
        Ok(Leases::announce(self, process, ttl).await?)
    }

    async fn processes(&self) -> Result<Vec<ProcessRow>, LeaseError> {
        Ok(Leases::processes(self).await?)
    }

    async fn retire(&self, process: &str) -> Result<(), LeaseError> {
        Ok(Leases::retire(self, process).await?)
    }

    async fn take(&self, shard: Shard, process: &str, ttl: Duration) -> Result<Option<u32>, LeaseError> {
        Ok(Leases::take(self, shard, process, ttl).await?)
    }

    async fn raise(&self, shard: Shard, process: &str, above: u32, ttl: Duration) -> Result<Option<u32>, LeaseError> {
        Ok(Leases::raise(self, shard, process, above, ttl).await?)
    }

    async fn renew(&self, process: &str, held: &[(Shard, u32)], ttl: Duration) -> Result<Vec<Shard>, LeaseError> {
        Ok(Leases::renew(self, process, held, ttl).await?)
    }

    async fn release(&self, shard: Shard, process: &str, epoch: u32) -> Result<(), LeaseError> {
        Ok(Leases::release(self, shard, process, epoch).await?)
    }

    async fn all(&self) -> Result<Vec<Lease>, LeaseError> {
        Ok(Leases::all(self).await?)
    }
}
