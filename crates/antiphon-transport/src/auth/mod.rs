//! Who is calling: the one door for HTTP, WebSocket and SSE.
//!
//! A caller shows a JSON Web Token (RFC 7519) as a bearer token (RFC 6750), an API key, or a ticket that it got for one
//! of these.

mod api_key;
mod guest;
mod key_set;
mod ticket;
mod token;

pub use api_key::ApiKeySettings;
pub use guest::Guest;
pub use ticket::Ticket;
pub use token::MintedClaims;

use antiphon_core::{AnswerError, Code, Elsewhere, Identity, OwnedShards, Refusal};
use api_key::ApiKeys;
use axum::http::{HeaderMap, HeaderName, header};
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;
use ticket::Tickets;
use token::Tokens;

/// The header that carries an API key.
pub const API_KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");

/// How the user id of an API key's holder begins; no token's may.
pub const API_KEY_USER_PREFIX: &str = "key:";

/// What callers are checked against.
#[derive(Default)]
pub struct AuthOptions {
    /// The secret of HS256 tokens; shorter than [`antiphon_core::limits::MIN_JWT_SECRET_BYTES`] is warned of.
    pub jwt_secret: Option<String>,
    /// Where an identity provider publishes its keys (RFC 7517).
    pub jwks_url: Option<String>,
    /// Public keys in PEM, RSA or P-256, for RS256 and ES256 tokens.
    pub public_keys: Vec<String>,
    /// The `iss` that tokens must have.
    pub issuer: Option<String>,
    /// The `aud` that tokens must name.
    pub audience: Option<String>,
    /// Keys of back-end callers.
    pub api_keys: Vec<ApiKeySettings>,
    /// Whether guests are let in.
    pub is_demo: bool,
    /// The client that fetches `jwks_url`.
    pub http: Option<reqwest::Client>,
}

impl fmt::Debug for AuthOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AuthOptions")
            .field("jwt_secret", &self.jwt_secret.as_ref().map(|_| "[redacted]"))
            .field("jwks_url", &self.jwks_url)
            .field("public_keys", &self.public_keys.len())
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("api_keys", &self.api_keys)
            .field("is_demo", &self.is_demo)
            .finish_non_exhaustive()
    }
}

/// Why the options cannot be used. Shows no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AuthError(String);

impl AuthError {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// Checks callers.
pub struct Authenticator {
    tokens: Tokens,
    api_keys: ApiKeys,
    tickets: Tickets,
    is_demo: bool,
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Authenticator").field("is_demo", &self.is_demo).finish_non_exhaustive()
    }
}

impl Authenticator {
    /// Checks the options; fetches nothing yet.
    pub fn new(options: AuthOptions) -> Result<Self, AuthError> {
        Ok(Self {
            api_keys: ApiKeys::new(&options.api_keys)?,
            is_demo: options.is_demo,
            tokens: Tokens::new(options)?,
            tickets: Tickets::default(),
        })
    }

    /// Who calls, by ticket, API key or bearer token; the first of these that is there decides. The refusal is
    /// `unauthorized`, or `unavailable` where the identity provider's keys cannot be had.
    pub async fn authenticate(&self, headers: &HeaderMap, ticket: Option<&str>) -> Result<Identity, Refusal> {
        if let Some(ticket) = ticket {
            return self.tickets.redeem(ticket).await;
        }
        if let Some(key) = headers.get(API_KEY_HEADER) {
            return self.api_keys.check(key.as_bytes());
        }
        let Some(authorization) = headers.get(header::AUTHORIZATION) else {
            return Err(unauthorized(
                "say who you are: a bearer token in Authorization, an API key in X-API-Key, or a ticket on WebSocket and SSE",
            ));
        };
        let token = authorization
            .to_str()
            .ok()
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(|| unauthorized("Authorization must be `Bearer` and a token"))?;
        self.tokens.check(token).await
    }

    /// A ticket that opens one connection as this identity.
    pub async fn issue_ticket(&self, identity: &Identity) -> Result<Ticket, Refusal> {
        self.tickets.issue(identity).await
    }

    /// Lets every process of a deployment redeem what any of them gave. To be called once, before the first caller.
    pub fn share_tickets(&self, owned: OwnedShards, elsewhere: Arc<dyn Elsewhere>) {
        self.tickets.share(owned, elsewhere);
    }

    /// Answers what another process asks of a ticket, where the ticket waits here.
    pub fn answer_of_ticket(&self, question: &[u8]) -> Result<Bytes, AnswerError> {
        self.tickets.answer(question)
    }

    /// A new guest with a token. Outside demo mode the path does not exist.
    pub fn new_guest(&self) -> Result<Guest, Refusal> {
        if !self.is_demo {
            return Err(Refusal::new(Code::NotFound, "there are no guests here: the server does not run in demo mode"));
        }
        guest::new_guest(&self.tokens)
    }
}

fn unauthorized(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::Unauthorized, message)
}

#[cfg(test)]
mod tests;
