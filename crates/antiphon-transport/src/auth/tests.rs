//! Tokens, keys and tickets that hold, and all the ways in which they do not. The keys in `test_keys` are used here only.

use super::*;
use antiphon_core::{AnswerError, ChannelName, Pattern, Sharding};
use axum::routing::get;
use axum::{Json, Router};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const P256: &[u8] = include_bytes!("test_keys/p256.pem");
const RSA: &[u8] = include_bytes!("test_keys/rsa.pem");
const P256_PUBLIC: &str = include_str!("test_keys/p256_public.pem");
const RSA_PUBLIC: &str = include_str!("test_keys/rsa_public.pem");

fn in_seconds(seconds: i64) -> i64 {
    i64::try_from(antiphon_core::Timestamp::now().millis() / 1_000).unwrap() + seconds
}

fn claims() -> Value {
    json!({"sub": "anna", "exp": in_seconds(60)})
}

fn with(key: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[key] = value;
    claims
}

fn hs256(claims: &Value) -> String {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

fn es256(claims: &Value, key_id: Option<&str>) -> String {
    let header = Header { kid: key_id.map(str::to_owned), ..Header::new(Algorithm::ES256) };
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_ec_pem(P256).unwrap()).unwrap()
}

fn rs256(claims: &Value) -> String {
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), claims, &EncodingKey::from_rsa_pem(RSA).unwrap()).unwrap()
}

fn bearer(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    headers
}

fn with_secret() -> AuthOptions {
    AuthOptions { jwt_secret: Some(SECRET.into()), ..AuthOptions::default() }
}

async fn check(authenticator: &Authenticator, token: &str) -> Result<Identity, Refusal> {
    authenticator.authenticate(&bearer(token), None).await
}

async fn assert_refused(authenticator: &Authenticator, token: &str, word: &str) {
    let refusal = check(authenticator, token).await.unwrap_err();
    assert_eq!(refusal.code, Code::Unauthorized, "{token}");
    assert!(refusal.message.contains(word), "{} lacks {word}", refusal.message);
    assert!(!refusal.message.contains(token));
}

#[tokio::test]
async fn a_token_tells_who_and_what() {
    let authenticator = Authenticator::new(with_secret()).unwrap();
    let mut claims = claims();
    claims["read"] = json!(["job_progress:*"]);
    claims["publish"] = json!(["job_progress:job_1"]);
    let identity = check(&authenticator, &hs256(&claims)).await.unwrap();
    assert_eq!((identity.user_id.as_str(), identity.is_back_end), ("anna", false));
    assert_eq!(identity.read, [Pattern::parse("job_progress:*").unwrap()]);
    assert_eq!(identity.publish, [Pattern::parse("job_progress:job_1").unwrap()]);
    assert!(identity.expires_at.is_some());
}

#[tokio::test]
async fn a_token_that_does_not_hold_is_refused() {
    let authenticator = Authenticator::new(with_secret()).unwrap();
    let good = hs256(&claims());
    let (rest, _) = good.rsplit_once('.').unwrap();
    let other_secret = EncodingKey::from_secret(b"another secret, also 32 bytes long");
    let other = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims(), &other_secret).unwrap();
    // {"alg":"none"}
    let none = format!("eyJhbGciOiJub25lIn0.{}.", rest.split('.').nth(1).unwrap());
    let same_secret = EncodingKey::from_secret(SECRET.as_bytes());
    let longer = jsonwebtoken::encode(&Header::new(Algorithm::HS512), &claims(), &same_secret).unwrap();
    for (token, word) in [
        (String::new(), ""),
        ("abc".into(), "not a JSON Web Token"),
        (format!("{rest}."), ""),
        (format!("{rest}.AAAA"), ""),
        (other, "signature"),
        (none, ""),
        (longer, "algorithm"),
        (es256(&claims(), None), "algorithm"),
        (rs256(&claims()), "algorithm"),
        (hs256(&json!({"sub": "anna"})), ""),
        (hs256(&json!({"exp": in_seconds(60)})), ""),
        (hs256(&with("exp", json!(in_seconds(-1)))), "expired"),
        (hs256(&with("exp", json!("tomorrow"))), ""),
        (hs256(&with("exp", Value::Null)), ""),
        (hs256(&with("nbf", json!(in_seconds(60)))), "nbf"),
        (hs256(&with("sub", json!(""))), "sub"),
        (hs256(&with("sub", json!(7))), ""),
        (hs256(&with("sub", json!("a\nb"))), "sub"),
        (hs256(&with("sub", json!("x".repeat(257)))), "sub"),
        (hs256(&with("sub", json!("key:worker"))), "key:"),
        (hs256(&with("read", json!(["a*b"]))), "read"),
        (hs256(&with("publish", json!("all"))), ""),
        ("x".repeat(10_000), "at most"),
    ] {
        let refusal = check(&authenticator, &token).await.unwrap_err();
        assert_eq!(refusal.code, Code::Unauthorized, "{token:.80}");
        assert!(refusal.message.contains(word), "{} lacks {word}", refusal.message);
    }
    assert!(check(&authenticator, &good).await.is_ok());
    for headers in [HeaderMap::new(), [(header::AUTHORIZATION, "Basic YTpi".parse().unwrap())].into_iter().collect()] {
        assert_eq!(authenticator.authenticate(&headers, None).await.unwrap_err().code, Code::Unauthorized);
    }
}

#[tokio::test]
async fn a_public_key_is_never_taken_for_a_secret() {
    let options = AuthOptions { public_keys: vec![RSA_PUBLIC.into(), P256_PUBLIC.into()], ..AuthOptions::default() };
    let authenticator = Authenticator::new(options).unwrap();
    assert!(check(&authenticator, &rs256(&claims())).await.is_ok());
    assert!(check(&authenticator, &es256(&claims(), Some("any"))).await.is_ok());
    for secret in [RSA_PUBLIC, RSA_PUBLIC.trim_end(), P256_PUBLIC] {
        let key = EncodingKey::from_secret(secret.as_bytes());
        let forged = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims(), &key).unwrap();
        assert_refused(&authenticator, &forged, "algorithm").await;
    }
    assert_refused(&authenticator, &rs256(&with("exp", json!(in_seconds(-1)))), "expired").await;
}

#[tokio::test]
async fn issuer_and_audience_are_checked_where_configured() {
    let options =
        AuthOptions { issuer: Some("https://id.example".into()), audience: Some("antiphon".into()), ..with_secret() };
    let authenticator = Authenticator::new(options).unwrap();
    let mut claims = claims();
    assert_refused(&authenticator, &hs256(&claims), "").await;
    claims["iss"] = json!("https://id.example");
    assert_refused(&authenticator, &hs256(&claims), "aud").await;
    claims["aud"] = json!(["antiphon", "other"]);
    assert!(check(&authenticator, &hs256(&claims)).await.is_ok());
    claims["iss"] = json!("https://evil.example");
    assert_refused(&authenticator, &hs256(&claims), "iss").await;
}

/// Serves a key set and counts how often it is fetched.
async fn key_set_server(key_id: &'static str) -> (String, Arc<AtomicUsize>) {
    let fetches = Arc::new(AtomicUsize::new(0));
    let counted = fetches.clone();
    let mut key = Jwk::from_encoding_key(&EncodingKey::from_ec_pem(P256).unwrap(), Algorithm::ES256).unwrap();
    key.common.key_id = Some(key_id.to_owned());
    let symmetric = json!({"kty": "oct", "kid": "shared", "k": "c2VjcmV0"});
    let unknown = json!({"kty": "AKP", "kid": "later"});
    let document = json!({"keys": [unknown, symmetric, key]});
    let router = Router::new().route(
        "/keys",
        get(move || async move {
            counted.fetch_add(1, Ordering::SeqCst);
            Json(document.clone())
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}/keys"), fetches)
}

fn with_key_set(url: &str) -> Authenticator {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let options = AuthOptions { jwks_url: Some(url.to_owned()), http: Some(http), ..AuthOptions::default() };
    Authenticator::new(options).unwrap()
}

#[tokio::test]
async fn keys_of_an_identity_provider_are_fetched_once_and_kept() {
    let (url, fetches) = key_set_server("first").await;
    let authenticator = with_key_set(&url);
    for _ in 0..5 {
        let identity = check(&authenticator, &es256(&claims(), Some("first"))).await.unwrap();
        assert_eq!(identity.user_id, "anna");
    }
    assert_eq!(fetches.load(Ordering::SeqCst), 1);
    for _ in 0..5 {
        assert_refused(&authenticator, &es256(&claims(), Some("unknown")), "signature").await;
    }
    assert_eq!(fetches.load(Ordering::SeqCst), 1, "an unknown key must not cause a fetch each time");
    let forged = jsonwebtoken::encode(
        &Header { kid: Some("shared".into()), ..Header::new(Algorithm::HS256) },
        &claims(),
        &EncodingKey::from_secret(b"secret"),
    );
    assert_refused(&authenticator, &forged.unwrap(), "algorithm").await;
}

#[tokio::test]
async fn without_the_identity_provider_callers_are_asked_to_come_back() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    drop(listener);
    let refusal = check(&with_key_set(&url), &es256(&claims(), Some("first"))).await.unwrap_err();
    assert_eq!(refusal.code, Code::Unavailable);
    assert!(refusal.retry_after.is_some());
}

fn worker() -> ApiKeySettings {
    ApiKeySettings {
        name: "worker".into(),
        key: "a-key".into(),
        read: vec![],
        publish: vec![Pattern::parse("job_progress:*").unwrap()],
    }
}

#[tokio::test]
async fn an_api_key_is_a_back_end() {
    let options = AuthOptions { api_keys: vec![worker()], ..with_secret() };
    assert!(!format!("{options:?}").contains("a-key") && !format!("{options:?}").contains(SECRET));
    let authenticator = Authenticator::new(options).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(API_KEY_HEADER, "a-key".parse().unwrap());
    let identity = authenticator.authenticate(&headers, None).await.unwrap();
    assert_eq!((identity.user_id.as_str(), identity.is_back_end), ("key:worker", true));
    for wrong in ["", "a-ke", "a-keyy", "A-key"] {
        headers.insert(API_KEY_HEADER, wrong.parse().unwrap());
        assert_eq!(authenticator.authenticate(&headers, None).await.unwrap_err().code, Code::Unauthorized);
    }
    let twice = AuthOptions { api_keys: vec![worker(), worker()], ..AuthOptions::default() };
    assert!(Authenticator::new(twice).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_ticket_opens_one_connection_within_a_minute() {
    let authenticator = Authenticator::new(with_secret()).unwrap();
    let identity = check(&authenticator, &hs256(&claims())).await.unwrap();
    let ticket = authenticator.issue_ticket(&identity).await.unwrap().ticket;
    let none = HeaderMap::new();
    let admitted = authenticator.authenticate(&none, Some(&ticket)).await.unwrap();
    assert_eq!((admitted.user_id, admitted.expires_at), ("anna".into(), identity.expires_at));
    assert_eq!(authenticator.authenticate(&none, Some(&ticket)).await.unwrap_err().code, Code::Unauthorized);
    // The ticket decides, whatever else is shown.
    assert!(authenticator.authenticate(&bearer(&hs256(&claims())), Some("ticket-0")).await.is_err());
    let late = authenticator.issue_ticket(&identity).await.unwrap().ticket;
    tokio::time::advance(Duration::from_secs(61)).await;
    assert!(authenticator.authenticate(&none, Some(&late)).await.is_err());
}

/// The way from one authenticator to the other.
struct Other(Arc<Authenticator>);

#[async_trait::async_trait]
impl Elsewhere for Other {
    async fn ask(&self, _channel: &ChannelName, question: Bytes) -> Result<Bytes, Refusal> {
        self.0.answer_of_ticket(&question).map_err(|error| match error {
            AnswerError::NotOwner => panic!("the owner is asked"),
            AnswerError::Refused(refusal) => refusal,
        })
    }
}

#[tokio::test]
async fn any_process_redeems_what_any_other_gave_once() {
    let [owner, other] = [(), ()].map(|()| Arc::new(Authenticator::new(with_secret()).unwrap()));
    let none_owned = OwnedShards::none(Sharding::ONE);
    owner.share_tickets(OwnedShards::everything(), Arc::new(Other(other.clone())));
    other.share_tickets(none_owned, Arc::new(Other(owner.clone())));
    let identity = check(&owner, &hs256(&claims())).await.unwrap();
    let none = HeaderMap::new();
    for (from, to) in [(&owner, &other), (&other, &owner), (&other, &other)] {
        let ticket = from.issue_ticket(&identity).await.unwrap().ticket;
        let admitted = to.authenticate(&none, Some(&ticket)).await.unwrap();
        assert_eq!((admitted.user_id, admitted.expires_at), ("anna".into(), identity.expires_at));
        for again in [&owner, &other] {
            assert_eq!(again.authenticate(&none, Some(&ticket)).await.unwrap_err().code, Code::Unauthorized);
        }
    }
    let unreadable = other.answer_of_ticket(br#"{"Take":{"digest":[0]}}"#).unwrap_err();
    assert!(matches!(unreadable, AnswerError::Refused(refusal) if refusal.code == Code::Internal));
    let question = serde_json::to_vec(&json!({"Take": {"digest": vec![0; 32]}})).unwrap();
    assert_eq!(other.answer_of_ticket(&question), Err(AnswerError::NotOwner));
}

#[tokio::test]
async fn guests_are_let_in_in_demo_mode_only() {
    assert_eq!(Authenticator::new(with_secret()).unwrap().new_guest().err().unwrap().code, Code::NotFound);
    let authenticator = Authenticator::new(AuthOptions { is_demo: true, ..with_secret() }).unwrap();
    let guest = authenticator.new_guest().unwrap();
    let identity = check(&authenticator, &guest.token).await.unwrap();
    assert_eq!((identity.user_id, identity.expires_at), (guest.user_id, Some(guest.expires_at)));
    assert!(identity.publish.is_empty());
}

#[test]
fn a_weak_or_broken_configuration_is_refused() {
    let short = AuthOptions { jwt_secret: Some(String::new()), ..AuthOptions::default() };
    assert!(Authenticator::new(short).unwrap_err().to_string().contains("empty"));
    let no_key = AuthOptions { public_keys: vec!["nonsense".into()], ..AuthOptions::default() };
    assert!(Authenticator::new(no_key).unwrap_err().to_string().contains("PEM"));
}
