//! Guests of demo mode: people without an account.

use super::token::{MintedClaims, Tokens};
use antiphon_core::limits::GUEST_LIFETIME;
use antiphon_core::{Code, Refusal, Timestamp};
use rand::Rng;

/// A new guest, as they get it.
#[derive(Clone, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Guest {
    /// `guest-…`.
    pub user_id: String,
    /// A bearer token.
    pub token: String,
    /// Until when it holds.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

pub(super) fn new_guest(tokens: &Tokens) -> Result<Guest, Refusal> {
    let user_id = format!("guest-{:016x}", rand::rng().random::<u64>());
    let seconds = Timestamp::now().millis() / 1_000 + GUEST_LIFETIME.as_secs();
    // In demo mode, which listens on this machine only, guests may look at every bare channel.
    let claims = MintedClaims { sub: user_id.clone(), exp: seconds, read: vec!["*".into()], publish: Vec::new() };
    let token = tokens
        .mint(&claims)
        .ok_or_else(|| Refusal::new(Code::Unavailable, "no guest can be let in: the server has no jwt_secret"))?;
    Ok(Guest { user_id, token, expires_at: Timestamp::from_millis(seconds.saturating_mul(1_000)) })
}
