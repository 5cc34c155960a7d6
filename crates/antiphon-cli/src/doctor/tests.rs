//! Each finding is told with its fix, and no secret is shown.

use super::*;
use crate::fake_server::FakeServer;

mod examples;
mod providers;

const KEY: &str = "sk-never-shown";

async fn look(fake: &FakeServer, config: &str) -> (String, usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("antiphon.toml");
    std::fs::write(&path, config).unwrap();
    let data = folder.path().join("not").join("there");
    let given = DoctorArguments { config: Some(path), data: Some(data), url: Some(fake.url().to_owned()), call: false };
    let mut output = Vec::new();
    let mut report = Report::new(&mut output);
    examine(&given, &mut report).await.unwrap();
    let bad = report.bad;
    let text = String::from_utf8(output).unwrap();
    assert!(!text.contains(KEY), "{text}");
    (text, bad)
}

fn antiphon(fake: &FakeServer) {
    let agents = r#"{"agents":[{"id":"guide","kind":"script","simulated":true,"ready":true},
        {"id":"anna","kind":"local","model":"m","simulated":false,"ready":false}]}"#;
    fake.answer("GET /api/agents", 200, agents);
    fake.answer("GET /health", 200, r#"{"status":"healthy","version":"1.2.3"}"#);
    fake.answer("GET /ready", 200, "{}");
}

#[tokio::test]
async fn a_healthy_server_with_a_good_key_has_nothing_to_mend() {
    let fake = FakeServer::start().await;
    antiphon(&fake);
    fake.answer("GET /v1/models", 200, r#"{"data":[{"id":"m"}]}"#);
    fake.answer("POST /v1/chat/completions", 400, r#"{"error":{"message":"model is missing"}}"#);
    let url = fake.url();
    let config = format!(
        "[providers.main]\nkind = \"openai\"\nbase_url = \"{url}/v1\"\napi_key = \"{KEY}\"\n[providers.s]\nkind = \"script\"\n"
    );
    let (text, bad) = look(&fake, &config).await;
    assert_eq!(bad, 0, "{text}");
    for line in [
        "✓ server: an Antiphon (1.2.3)",
        "✓ server: ready",
        "✓ agent guide",
        "! agent anna",
        "can be made",
        "✓ disk: a sync takes",
        "takes the key",
        "✓ provider s",
    ] {
        assert!(text.contains(line), "{line} is missing in {text}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_fix() {
    let fake = FakeServer::start().await;
    antiphon(&fake);
    fake.answer("GET /models", 401, "{}");
    let url = fake.url();
    let config = format!(
        "[auth]\njwt_secret = \"short\"\n\
         [providers.a]\nkind = \"openai\"\nbase_url = \"{url}\"\napi_key = \"{KEY}\"\n\
         [providers.b]\nkind = \"anthropic\"\napi_key = {{ env = \"ANTIPHON_TEST_THAT_NOBODY_SETS\" }}\n\
         [providers.c]\nkind = \"openai\"\n\
         [providers.d]\nkind = \"ollama\"\nbase_url = \"http://127.0.0.1:1\"\n\
         [providers.e]\nkind = \"clippy\"\n\
         [providers.f]\nkind = \"local\"\nfile = \"/no/such/file.gguf\"\n"
    );
    let (text, bad) = look(&fake, &config).await;
    assert_eq!(bad, 6, "{text}");
    for line in [
        "! auth.jwt_secret: shorter than 32 bytes",
        "refuses the key (status 401",
        "export ANTIPHON_TEST_THAT_NOBODY_SETS",
        "base_url must be",
        "ollama serve",
        "its kind is `clippy`",
        "openssl rand",
        "GGUF file that is readable",
    ] {
        assert!(text.contains(line), "{line} is missing in {text}");
    }
    assert_eq!(text.matches("    → ").count(), text.lines().filter(|line| line.starts_with(['✗', '!'])).count());
}

#[tokio::test]
async fn somebody_else_on_the_port_is_told_apart() {
    let fake = FakeServer::start().await;
    let (text, bad) = look(&fake, "").await;
    assert_eq!(bad, 1, "{text}");
    assert!(text.contains("not an Antiphon answers at"), "{text}");
}

#[tokio::test]
async fn a_free_port_is_no_fault() {
    // Whoever builds an HTTP client first chooses its cryptography; the command does so at its start.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut output = Vec::new();
    let mut report = Report::new(&mut output);
    listener::check(&format!("http://{free}"), &mut report).await.unwrap();
    assert_eq!(report.bad, 0);
    assert!(String::from_utf8(output).unwrap().contains("is free"));
}
