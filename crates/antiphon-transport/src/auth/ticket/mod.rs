//! Tickets: what a browser shows in an address, where it cannot set a header. Each opens one connection.
//!
//! A ticket waits in one process. Where a deployment has several, that is the owner of the shard which the ticket's
//! digest falls into, so that any process redeems what any other gave, once.

mod waiting;

use super::unauthorized;
use antiphon_core::limits::TICKET_LIFETIME;
use antiphon_core::{AnswerError, ChannelName, Code, Elsewhere, Identity, OwnedShards, Refusal, Timestamp};
use bytes::Bytes;
use rand::Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use waiting::{TicketDigest, Waiting};

/// A ticket as its owner gets it.
#[derive(Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ticket {
    /// For `?ticket=`, once.
    pub ticket: String,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// The tickets of a deployment.
#[derive(Default)]
pub(super) struct Tickets {
    waiting: Waiting,
    others: OnceLock<Others>,
}

/// Where tickets are that do not wait here.
struct Others {
    owned: OwnedShards,
    elsewhere: Arc<dyn Elsewhere>,
}

/// What one process asks of another.
#[derive(Serialize, Deserialize)]
enum Question {
    Keep { digest: TicketDigest, identity: Identity, lifetime_millis: u64 },
    Take { digest: TicketDigest },
}

impl Question {
    fn digest(&self) -> &TicketDigest {
        match self {
            Self::Keep { digest, .. } | Self::Take { digest } => digest,
        }
    }
}

impl Tickets {
    pub(super) fn share(&self, owned: OwnedShards, elsewhere: Arc<dyn Elsewhere>) {
        if self.others.set(Others { owned, elsewhere }).is_err() {
            tracing::warn!("tickets are shared already");
        }
    }

    pub(super) async fn issue(&self, identity: &Identity) -> Result<Ticket, Refusal> {
        let secret: [u8; 24] = rand::rng().random();
        let ticket = format!("ticket-{}", hex(&secret));
        // A ticket never outlives the token that it stands for.
        let token_left = identity.expires_at.map_or(TICKET_LIFETIME, |end| {
            Duration::from_millis(end.millis().saturating_sub(Timestamp::now().millis()))
        });
        let lifetime = TICKET_LIFETIME.min(token_left);
        let lifetime_millis = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        let digest = Sha256::digest(ticket.as_bytes()).into();
        self.ask(Question::Keep { digest, identity: identity.clone(), lifetime_millis }).await?;
        let expires_at = Timestamp::from_millis(Timestamp::now().millis().saturating_add(lifetime_millis));
        Ok(Ticket { ticket, expires_at })
    }

    pub(super) async fn redeem(&self, ticket: &str) -> Result<Identity, Refusal> {
        let digest = Sha256::digest(ticket.as_bytes()).into();
        self.ask(Question::Take { digest }).await?.ok_or_else(|| {
            unauthorized(
                "this ticket is unknown, spent or over: each opens one connection within 60 seconds; get another by POST /api/tickets",
            )
        })
    }

    async fn ask(&self, question: Question) -> Result<Option<Identity>, Refusal> {
        let Some(others) = self.others.get() else { return Ok(self.obey(question)) };
        let place = place(question.digest())?;
        if others.owned.epoch_of(&place).is_some() {
            return Ok(self.obey(question));
        }
        let bytes = serde_json::to_vec(&question).map_err(|error| unreadable(&error))?;
        let answer = others.elsewhere.ask(&place, bytes.into()).await?;
        serde_json::from_slice(&answer).map_err(|error| unreadable(&error))
    }

    /// Answers another process, where the ticket waits here.
    pub(super) fn answer(&self, question: &[u8]) -> Result<Bytes, AnswerError> {
        let question: Question = serde_json::from_slice(question).map_err(|error| unreadable(&error))?;
        let place = place(question.digest())?;
        if self.others.get().is_some_and(|others| others.owned.epoch_of(&place).is_none()) {
            return Err(AnswerError::NotOwner);
        }
        let answer = serde_json::to_vec(&self.obey(question)).map_err(|error| unreadable(&error))?;
        Ok(answer.into())
    }

    fn obey(&self, question: Question) -> Option<Identity> {
        match question {
            Question::Keep { digest, identity, lifetime_millis } => {
                let lifetime = Duration::from_millis(lifetime_millis).min(TICKET_LIFETIME);
                self.waiting.keep(digest, identity, lifetime);
                None
            }
            Question::Take { digest } => self.waiting.take(&digest),
        }
    }
}

/// Where a ticket waits: no channel of that name is ever written.
fn place(digest: &TicketDigest) -> Result<ChannelName, Refusal> {
    ChannelName::new("ticket", &hex(digest.get(..8).unwrap_or_default()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write;
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unreadable(error: &serde_json::Error) -> Refusal {
    tracing::error!(%error, "what another process says of a ticket cannot be read");
    Refusal::new(Code::Internal, "the ticket could not be looked up")
}
