//! API keys of back-end callers.

use super::{API_KEY_USER_PREFIX, AuthError, unauthorized};
use antiphon_core::limits::{MAX_API_KEYS, MAX_PATTERNS, MAX_TOKEN_BYTES};
use antiphon_core::{Identity, Pattern, Refusal};
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

/// One key and what its holder may do.
#[derive(Clone)]
pub struct ApiKeySettings {
    /// For logs and limits; its holder's user id is `key:NAME`.
    pub name: String,
    /// The secret.
    pub key: String,
    /// Channels it may read, rooms included.
    pub read: Vec<Pattern>,
    /// Bare channels it may publish to.
    pub publish: Vec<Pattern>,
}

impl fmt::Debug for ApiKeySettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ApiKeySettings")
            .field("name", &self.name)
            .field("key", &"[redacted]")
            .field("read", &self.read)
            .field("publish", &self.publish)
            .finish()
    }
}

/// All keys, as digests: the keys themselves are not kept.
pub(super) struct ApiKeys(Vec<([u8; 32], Identity)>);

impl ApiKeys {
    pub(super) fn new(settings: &[ApiKeySettings]) -> Result<Self, AuthError> {
        if settings.len() > MAX_API_KEYS {
            return Err(AuthError::new(format!("at most {MAX_API_KEYS} API keys can be used")));
        }
        let mut keys: Vec<([u8; 32], Identity)> = Vec::with_capacity(settings.len());
        for one in settings {
            let is_a_header = !one.key.is_empty()
                && one.key.len() <= MAX_TOKEN_BYTES
                && one.key.bytes().all(|byte| byte.is_ascii_graphic());
            if !is_a_header {
                return Err(AuthError::new(format!(
                    "the API key `{}` must be 1 to {MAX_TOKEN_BYTES} visible ASCII characters",
                    one.name
                )));
            }
            if one.read.len().max(one.publish.len()) > MAX_PATTERNS {
                return Err(AuthError::new(format!("the API key `{}` has over {MAX_PATTERNS} patterns", one.name)));
            }
            let digest = Sha256::digest(one.key.as_bytes()).into();
            let user_id = format!("{API_KEY_USER_PREFIX}{}", one.name);
            if keys.iter().any(|(other, identity)| *other == digest || identity.user_id == user_id) {
                return Err(AuthError::new(format!("the API key `{}` is there twice, by name or key", one.name)));
            }
            let identity = Identity {
                user_id,
                is_back_end: true,
                read: one.read.clone(),
                publish: one.publish.clone(),
                expires_at: None,
            };
            keys.push((digest, identity));
        }
        Ok(Self(keys))
    }

    /// Compares with every key, so that the time taken tells nothing about which bytes were right.
    pub(super) fn check(&self, shown: &[u8]) -> Result<Identity, Refusal> {
        let digest: [u8; 32] = Sha256::digest(shown).into();
        let mut found = None;
        for (known, identity) in &self.0 {
            if bool::from(digest.ct_eq(known)) {
                found = Some(identity);
            }
        }
        found.cloned().ok_or_else(|| unauthorized("this API key is not one of the server's"))
    }
}
