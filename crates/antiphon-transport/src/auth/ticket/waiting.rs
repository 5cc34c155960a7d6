//! The tickets that wait to be used, in the memory of one process.

use antiphon_core::Identity;
use antiphon_core::limits::MAX_TICKETS;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// Tickets by digest: looking one up takes the same time whatever its bytes.
#[derive(Default)]
pub(super) struct Waiting(Mutex<State>);

/// What a ticket is known by.
pub(super) type TicketDigest = [u8; 32];

#[derive(Default)]
struct State {
    by_digest: HashMap<TicketDigest, (Identity, Instant)>,
    /// Oldest first; also holds used ones until their time is over.
    order: VecDeque<(TicketDigest, Instant)>,
}

impl Waiting {
    /// Keeps a ticket for as long as it may wait.
    pub(super) fn keep(&self, digest: TicketDigest, identity: Identity, lifetime: Duration) {
        let until = Instant::now() + lifetime;
        let mut state = self.0.lock();
        state.forget_old();
        state.by_digest.insert(digest, (identity, until));
        state.order.push_back((digest, until));
    }

    /// Whose ticket it is; once.
    pub(super) fn take(&self, digest: &TicketDigest) -> Option<Identity> {
        let (identity, until) = self.0.lock().by_digest.remove(digest)?;
        (until > Instant::now()).then_some(identity)
    }
}

impl State {
    fn forget_old(&mut self) {
        let now = Instant::now();
        while let Some((digest, until)) = self.order.front() {
            if *until > now && self.order.len() < MAX_TICKETS {
                break;
            }
            self.by_digest.remove(digest);
            self.order.pop_front();
        }
    }
}
