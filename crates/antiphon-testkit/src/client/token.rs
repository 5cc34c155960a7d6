//! JSON Web Tokens (RFC 7519), good ones and forged ones.

use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use std::time::SystemTime;

/// A token (HS256) of a user that holds for so many seconds; a negative number makes one that has ended.
pub fn mint(secret: &str, user_id: &str, seconds: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    mint_claims(secret, &json!({ "sub": user_id, "exp": i64::try_from(now).unwrap_or_default() + seconds }))
}

/// A token (HS256) with these claims.
pub fn mint_claims(secret: &str, claims: &Value) -> String {
    jsonwebtoken::encode(&Header::default(), claims, &EncodingKey::from_secret(secret.as_bytes()))
        .expect("claims can be signed")
}
