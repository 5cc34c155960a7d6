//! Tells the others that this process lives.

use crate::leases::LeaseTable;
use crate::timing::Timing;
use antiphon_sql::ProcessRow;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long one telling may take: the next one is due anyway.
pub(crate) const TELLING: Duration = Duration::from_secs(2);

/// Announces the process in time, and at once where its roles change, until stopped. Nothing is under way afterwards.
pub(crate) async fn announce(
    leases: Arc<dyn LeaseTable>,
    mut process: watch::Receiver<ProcessRow>,
    timing: Timing,
    stopped: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stopped.cancelled() => return,
            () = tokio::time::sleep(timing.renew) => {}
            Ok(()) = process.changed() => {}
        }
        let row = process.borrow_and_update().clone();
        // A table that is away is reported where it is read.
        let _ = tokio::time::timeout(TELLING, leases.announce(&row, timing.ttl)).await;
    }
}
