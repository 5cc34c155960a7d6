//! Tickets: what a browser shows in an address, where it cannot set a header. Each opens one connection.

use super::unauthorized;
use antiphon_core::limits::{MAX_TICKETS, TICKET_LIFETIME};
use antiphon_core::{Identity, Refusal, Timestamp};
use parking_lot::Mutex;
use rand::Rng;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// A ticket as its owner gets it.
#[derive(Clone, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ticket {
    /// For `?ticket=`, once.
    pub ticket: String,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// Tickets that wait to be used, by digest: looking one up takes the same time whatever its bytes.
#[derive(Default)]
pub(super) struct Tickets(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    by_digest: HashMap<[u8; 32], (Identity, Instant)>,
    /// Oldest first; also holds used ones until their time is over.
    order: VecDeque<([u8; 32], Instant)>,
}

impl Tickets {
    pub(super) fn issue(&self, identity: &Identity) -> Ticket {
        let secret: [u8; 24] = rand::rng().random();
        let ticket = secret.iter().fold(String::from("ticket-"), |mut text, byte| {
            use std::fmt::Write;
            // Writing into a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        // A ticket never outlives the token that it stands for.
        let token_left = identity.expires_at.map_or(TICKET_LIFETIME, |end| {
            Duration::from_millis(end.millis().saturating_sub(Timestamp::now().millis()))
        });
        let lifetime = TICKET_LIFETIME.min(token_left);
        let until = Instant::now() + lifetime;
        let digest = Sha256::digest(ticket.as_bytes()).into();
        let mut waiting = self.0.lock();
        waiting.forget_old();
        waiting.by_digest.insert(digest, (identity.clone(), until));
        waiting.order.push_back((digest, until));
        drop(waiting);
        let lifetime = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        Ticket { ticket, expires_at: Timestamp::from_millis(Timestamp::now().millis().saturating_add(lifetime)) }
    }

    pub(super) fn redeem(&self, ticket: &str) -> Result<Identity, Refusal> {
        let digest: [u8; 32] = Sha256::digest(ticket.as_bytes()).into();
        let found = self.0.lock().by_digest.remove(&digest);
        match found {
            Some((identity, until)) if until > Instant::now() => Ok(identity),
            _ => Err(unauthorized(
                "this ticket is unknown, spent or over: each opens one connection within 60 seconds; get another by POST /api/tickets",
            )),
        }
    }
}

impl Waiting {
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
