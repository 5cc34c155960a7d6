//! Every diagnosis of every kind of provider, with errors as the real ones word them, against a scripted upstream.

use super::KEY;
use crate::doctor::{Report, providers};
use crate::settings::Settings;
use antiphon_testkit::upstream::{Framing, Reply, Request, Step, Upstream};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use std::sync::Arc;

/// The remote kinds, with the path that each one's base_url has.
const KINDS: [(&str, &str); 5] =
    [("openai", "/v1"), ("anthropic", ""), ("gemini", "/v1beta"), ("ollama", ""), ("perplexity", "")];

/// What an upstream of a kind answers when all is well, with the model `m-1`.
fn healthy(kind: &'static str) -> impl Fn(&Request) -> Reply + Send + Sync + 'static {
    move |request| {
        let path = request.path.split('?').next().unwrap_or_default();
        let is_list = request.method == "GET";
        let is_call =
            request.body.get("messages").or(request.body.get("contents")).is_some_and(|turns| turns != &json!([]));
        match (kind, is_list, is_call) {
            ("openai", true, _) if path == "/v1/models" => {
                Reply::json(200, &json!({"object": "list", "data": [{"id": "m-1"}]}))
            }
            ("openai", _, true) => Reply::openai_chat(["Hello"]),
            ("anthropic", true, _) if path == "/v1/models" => {
                Reply::json(200, &json!({"data": [{"type": "model", "id": "m-1"}], "has_more": false}))
            }
            ("anthropic", true, _) if path == "/v1/models/m-latest" => Reply::json(200, &json!({"id": "m-1"})),
            ("anthropic", true, _) => Reply::json(404, &anthropic("not_found_error", "model: x")),
            ("anthropic", _, true) => Reply::anthropic_chat(["Hello"]),
            ("gemini", true, _) if path == "/v1beta/models" => {
                Reply::json(200, &json!({"models": [{"name": "models/m-1"}]}))
            }
            ("gemini", true, _) => Reply::json(404, &google(404, "NOT_FOUND", "models/x is not found")),
            ("gemini", _, true) => Reply::gemini_chat(["Hello"]),
            ("ollama", true, _) if path == "/api/tags" => {
                Reply::json(200, &json!({"models": [{"name": "m-1:latest", "model": "m-1:latest"}]}))
            }
            ("ollama", _, true) => Reply::ollama_chat(["Hello"]),
            ("perplexity", _, true) => Reply::perplexity_chat(["Hello"]),
            ("perplexity", false, _) => match request.body["model"].as_str() {
                Some("m-1") | None => Reply::json(
                    400,
                    &json!({"error": {"message": "messages: too short", "type": "bad_request", "code": 400}}),
                ),
                Some(model) => Reply::json(
                    400,
                    &json!({"error": {"message": format!("Invalid model '{model}'. Permitted models can be found in the documentation."), "type": "invalid_model", "code": 400}}),
                ),
            },
            ("openai", false, false) => Reply::error(400, "you must provide a model parameter"),
            _ => Reply::json(
                404,
                &json!({"error": {"message": "no such model", "type": "invalid_request_error", "code": "model_not_found"}}),
            ),
        }
    }
}

fn anthropic(kind: &str, message: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"})
}

fn google(code: u16, status: &str, message: &str) -> Value {
    json!({"error": {"code": code, "message": message, "status": status}})
}

fn page(status: u16, html: &str) -> Reply {
    let headers = vec![("content-type".to_owned(), "text/html".to_owned())];
    let body = html.as_bytes().to_vec();
    Reply::new([Step::Headers { status, headers, framing: Framing::Length(body.len()) }, Step::Bytes(body)])
}

/// What doctor says of a configuration, and how much of it is bad.
async fn look(config: &str, may_call: bool) -> (String, usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("antiphon.toml");
    std::fs::write(&path, config).unwrap();
    let settings = Settings::load(&path).unwrap();
    let mut output = Vec::new();
    let mut report = Report::new(&mut output);
    providers::check(&settings, may_call, &mut report).await.unwrap();
    let bad = report.bad;
    let text = String::from_utf8(output).unwrap();
    assert!(!text.contains(KEY), "{text}");
    let told = text.lines().filter(|line| line.starts_with(['✗', '!'])).count();
    assert_eq!(text.matches("    → ").count(), told, "each finding has its fix: {text}");
    (text, bad)
}

fn config(kind: &str, base_url: &str, key: Option<&str>, model: &str) -> String {
    let key = key.map(|key| format!("api_key = \"{key}\"\n")).unwrap_or_default();
    format!(
        "[providers.p]\nkind = \"{kind}\"\nbase_url = \"{base_url}\"\n{key}[agents.anna]\nprovider = \"p\"\nmodel = \"{model}\"\n"
    )
}

/// Starts an upstream that always answers so.
async fn upstream(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Upstream {
    let upstream = Upstream::start([]).await.unwrap();
    upstream.respond_with(answer);
    upstream
}

fn base_of(upstream: &Upstream, path: &str) -> String {
    format!("http://{}{path}", upstream.address())
}

/// What doctor says of a provider of a kind whose upstream answers so.
async fn said(
    kind: &'static str,
    model: &str,
    may_call: bool,
    answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) -> (String, usize) {
    let path = KINDS.iter().find(|(name, _)| *name == kind).unwrap().1;
    let upstream = upstream(answer).await;
    look(&config(kind, &base_of(&upstream, path), Some(KEY), model), may_call).await
}

/// An upstream that is well but refuses calls so.
fn refusing(kind: &'static str, status: u16, body: Value) -> impl Fn(&Request) -> Reply + Send + Sync + 'static {
    let healthy = healthy(kind);
    move |request| {
        let is_call =
            request.body.get("messages").or(request.body.get("contents")).is_some_and(|turns| turns != &json!([]));
        if is_call { Reply::json(status, &body) } else { healthy(request) }
    }
}

#[track_caller]
fn assert_says((text, bad): (String, usize), expected_bad: usize, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` is missing in {text}");
    }
    assert_eq!(bad, expected_bad, "{text}");
}

#[tokio::test]
async fn every_kind_is_well_and_its_first_token_is_timed_where_a_call_is_allowed() {
    for (kind, _) in KINDS {
        let free = said(kind, "m-1", false, healthy(kind)).await;
        assert!(!free.0.contains("first token after"), "{kind} was called: {}", free.0);
        assert_says(
            free,
            0,
            &["answers and takes the key", "agent anna: m-1 is there; first token not measured, see --call"],
        );
        let called = said(kind, "m-1", true, healthy(kind)).await;
        assert_says(called, 0, &["m-1 answers, first token after ", "7 + 1 tokens"]);
    }
}

#[tokio::test]
async fn who_takes_no_key_is_called_without_being_told() {
    let upstream = upstream(healthy("ollama")).await;
    let told = look(&config("ollama", &base_of(&upstream, ""), None, "m-1"), false).await;
    assert_says(told, 0, &["first token after "]);
}

#[tokio::test]
async fn a_missing_key_is_told_from_one_that_cannot_be_had() {
    for (kind, page) in [
        ("openai", "platform.openai.com"),
        ("anthropic", "console.anthropic.com"),
        ("gemini", "aistudio.google.com"),
        ("perplexity", "perplexity.ai"),
    ] {
        let url = if kind == "openai" { "base_url = \"https://api.openai.com/v1\"\n" } else { "" };
        let none = look(&format!("[providers.p]\nkind = \"{kind}\"\n{url}"), false).await;
        assert_says(none, 1, &["its key is missing", page]);
        let unset = format!(
            "[providers.p]\nkind = \"{kind}\"\n{url}api_key = {{ env = \"ANTIPHON_TEST_THAT_NOBODY_SETS\" }}\n"
        );
        assert_says(
            look(&unset, false).await,
            1,
            &["its key is missing: api_key gives none", "export ANTIPHON_TEST_THAT_NOBODY_SETS"],
        );
    }
    let nowhere = look("[providers.p]\nkind = \"openai\"\n", false).await;
    assert_says(nowhere, 1, &["base_url must be", "OpenAI's own is https://api.openai.com/v1"]);
}

#[tokio::test]
async fn a_refused_key_is_told_as_each_provider_words_it() {
    let openai = json!({"error": {"message": "Incorrect API key provided: sk-*****own.", "type": "invalid_request_error", "param": null, "code": "invalid_api_key"}});
    let gemini = json!({"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT",
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}]}});
    let html = "<html>\r\n<head><title>401 Authorization Required</title></head><body></body></html>";
    for (kind, reply) in [
        ("openai", Reply::json(401, &openai)),
        ("anthropic", Reply::json(401, &anthropic("authentication_error", "invalid x-api-key"))),
        ("gemini", Reply::json(400, &gemini)),
        ("ollama", Reply::json(401, &json!({"error": "unauthorized"}))),
        ("perplexity", page(401, html)),
    ] {
        let told = said(kind, "m-1", false, move |_| reply.clone()).await;
        assert!(!told.0.contains("<html"), "{}", told.0);
        assert_says(told, 1, &["refuses the key (status 40", "is the key for this very provider"]);
    }
    // Servers that give their list to anybody still say whether they take the key.
    let told = said("openai", "m-1", false, move |request| match request.method.as_str() {
        "GET" => healthy("openai")(request),
        _ => Reply::json(401, &openai),
    });
    assert_says(told.await, 1, &["refuses the key"]);
}

#[tokio::test]
async fn a_wrong_address_is_told_by_what_answers_there() {
    for (kind, _) in KINDS {
        let web = said(kind, "m-1", false, |_| page(200, "<!doctype html><title>Welcome</title>")).await;
        assert_says(web, 1, &["but not as this API: a web page came", "base_url"]);
        let nothing = said(kind, "m-1", false, |_| page(404, "<html>404 page not found</html>")).await;
        assert_says(nothing, 1, &["but not as this API: a web page came, with status 404"]);
        let moved = Reply::new([Step::Headers {
            status: 308,
            headers: vec![("location".into(), "https://elsewhere.example/x?key=1".into())],
            framing: Framing::Length(0),
        }]);
        let moved = said(kind, "m-1", false, move |_| moved.clone()).await;
        assert_says(moved, 1, &["answers with a redirect to https://elsewhere.example\n"]);
    }
    let lm_studio = json!({"error": "Unexpected endpoint or method. (GET /models)"});
    assert_says(said("openai", "m", false, move |_| Reply::json(200, &lm_studio)).await, 1, &["other JSON came"]);
}

#[tokio::test]
async fn a_path_that_is_missing_or_too_much_is_named() {
    let not_found = |_: &Request| Reply::json(404, &json!({"error": "not found"}));
    let upstream = upstream(not_found).await;
    let without = base_of(&upstream, "");
    let with_v1 = base_of(&upstream, "/v1");
    for (kind, given, right) in [
        ("openai", &without, format!("{without}/v1")),
        ("anthropic", &with_v1, without.clone()),
        ("ollama", &with_v1, without.clone()),
        ("perplexity", &with_v1, without.clone()),
    ] {
        let told = look(&config(kind, given, Some(KEY), "m-1"), false).await;
        assert_says(told, 1, &["but not as this API", &format!("base_url = \"{right}\"?")]);
    }
}

#[tokio::test]
async fn an_unknown_model_is_told_with_the_likely_one() {
    for (kind, _) in KINDS {
        let told = said(kind, "m-2", false, healthy(kind)).await;
        // A server that merely speaks OpenAI's format may take names that it does not list.
        let bad = usize::from(kind != "openai");
        let fix = match kind {
            "ollama" => "ollama pull m-2",
            "perplexity" => "docs.perplexity.ai",
            _ => "There are m-1",
        };
        assert_says(told, bad, &["does not know the model `m-2`", fix]);
    }
    assert_says(said("gemini", "models/m-1", false, healthy("gemini")).await, 0, &["is there"]);
    assert_says(said("anthropic", "m-latest", false, healthy("anthropic")).await, 0, &["m-latest is there"]);
    assert_says(said("openai", "m-1x", true, healthy("openai")).await, 0, &["answers, though it is in no list"]);
    let none = |_: &Request| Reply::json(200, &json!({"models": []}));
    assert_says(
        said("ollama", "m-1", false, none).await,
        1,
        &["answers and takes the key, 0 models", "ollama pull m-1"],
    );
    let pull = json!({"error": "model \"m-1\" not found, try pulling it first"});
    let told = said("ollama", "m-1", true, refusing("ollama", 404, pull)).await;
    assert_says(told, 1, &["does not know the model `m-1`", "try pulling it first", "ollama pull m-1"]);
}

#[tokio::test]
async fn an_empty_account_is_told_from_a_busy_server() {
    let quota = json!({"error": {"message": "You exceeded your current quota", "type": "insufficient_quota", "param": null, "code": "insufficient_quota"}});
    let credit = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.";
    for (kind, status, body) in [
        ("openai", 429, quota),
        (
            "openai",
            402,
            json!({"error": {"message": "Insufficient Balance", "type": "unknown_error", "code": "invalid_request_error"}}),
        ),
        ("anthropic", 400, anthropic("invalid_request_error", credit)),
        ("anthropic", 402, anthropic("billing_error", "billing")),
        (
            "perplexity",
            401,
            json!({"error": {"message": "You exceeded your current quota, please check your plan and billing details", "type": "insufficient_quota", "code": 401}}),
        ),
    ] {
        let told = said(kind, "m-1", true, refusing(kind, status, body)).await;
        assert_says(told, 1, &["the account has nothing left", "add credit"]);
    }
    for (kind, status, body) in [
        (
            "openai",
            429,
            json!({"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}}),
        ),
        ("anthropic", 529, anthropic("overloaded_error", "Overloaded")),
        ("gemini", 429, google(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted")),
        ("ollama", 503, json!({"error": "server busy, please try again. maximum pending requests exceeded"})),
        (
            "perplexity",
            429,
            json!({"error": {"message": "Request rate limit exceeded", "type": "request_rate_limit_exceeded", "code": 429}}),
        ),
    ] {
        let told = said(kind, "m-1", true, refusing(kind, status, body)).await;
        assert_says(told, 0, &["! agent anna", "takes no more requests at the moment", "wait a little"]);
    }
    let slow_down = json!({"error": {"message": "Rate limit reached", "type": "requests", "code": null}});
    let told = said("openai", "m-1", false, move |_| Reply::json_with(429, &[("retry-after", "7")], &slow_down)).await;
    assert_says(told, 0, &["! provider p", "wait 7 s"]);
}

#[tokio::test]
async fn other_failures_of_a_call_are_told() {
    let cut = |request: &Request| match request.body["messages"].is_array() {
        true => Reply::stream().token("Hel").cut(),
        false => healthy("openai")(request),
    };
    assert_says(said("openai", "m-1", true, cut).await, 1, &["began to answer and broke off"]);
    let filtered = |request: &Request| match request.body["messages"].is_array() {
        true => Reply::stream().token("Hel").finish("content_filter").done_marker(),
        false => healthy("openai")(request),
    };
    assert_says(said("openai", "m-1", true, filtered).await, 0, &["! agent anna", "declined a greeting"]);
    let refused = json!({"error": {"message": "Unsupported value: 'temperature'", "type": "invalid_request_error", "code": "unsupported_value"}});
    assert_says(
        said("openai", "m-1", true, refusing("openai", 400, refused)).await,
        1,
        &["refuses the call", "temperature"],
    );
    let silent = |request: &Request| match request.body["messages"].is_array() {
        true => Reply::stream().role().finish("length").done_marker(),
        false => healthy("openai")(request),
    };
    assert_says(said("openai", "m-1", true, silent).await, 0, &["no visible token in so short an answer"]);
    let broken = json!({"error": {"message": "The server had an error", "type": "server_error", "code": null}});
    assert_says(
        said("openai", "m-1", true, refusing("openai", 500, broken)).await,
        1,
        &["had an error", "status page"],
    );
}

/// A server with a certificate that nobody signed but itself.
fn untrusted() -> std::net::SocketAddr {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("untrusted.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("untrusted.key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut tls = rustls::ServerConnection::new(config.clone()).unwrap();
            while tls.is_handshaking() && tls.complete_io(&mut socket).is_ok() {}
        }
    });
    address
}

#[tokio::test]
async fn reasons_for_no_connection_are_told_apart() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (kind, _) in KINDS {
        let refused = look(&config(kind, &format!("http://{free}"), Some(KEY), "m"), false).await;
        let fix = if kind == "ollama" { "ollama serve" } else { "start the model's server there" };
        assert_says(refused, 1, &["the connection is refused: nobody listens there", fix]);
    }
    let name = look(&config("openai", "http://antiphon-test.invalid/v1", Some(KEY), "m"), false).await;
    assert_says(name, 1, &["DNS: no address is found for antiphon-test.invalid"]);
    let plain = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = plain.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut socket in plain.incoming().flatten() {
            let _ = std::io::Write::write_all(&mut socket, b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
        }
    });
    let tls = look(&config("openai", &format!("https://{address}/v1"), Some(KEY), "m"), false).await;
    assert_says(tls, 1, &["TLS: no secure connection comes about", "http://"]);
    let untrusted = look(&config("openai", &format!("https://{}/v1", untrusted()), Some(KEY), "m"), false).await;
    assert_says(untrusted, 1, &["TLS: its certificate is not trusted", "certificate authority"]);
    let silent = upstream(|_| Reply::hang_up()).await;
    let broke = look(&config("openai", &base_of(&silent, "/v1"), Some(KEY), "m"), false).await;
    assert_says(broke, 1, &["cannot be reached"]);
}

#[tokio::test]
async fn agents_without_a_model_or_a_provider_and_files_that_are_no_model_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let (gguf, zip) = (file("a.gguf", b"GGUF\x03\0\0\0"), file("b.gguf", b"PK\x03\x04"));
    let pointer = file("c.gguf", b"version https://git-lfs.github.com/spec/v1\n");
    let text = format!(
        "[providers.a]\nkind = \"local\"\nfile = {gguf:?}\n[providers.b]\nkind = \"local\"\nfile = {zip:?}\n\
         [providers.c]\nkind = \"local\"\nfile = {pointer:?}\n[providers.d]\nkind = \"local\"\n[providers.e]\nkind = \"clippy\"\n\
         [agents.x]\nprovider = \"nobody\"\n"
    );
    let words = [
        "✓ provider a",
        "is no GGUF file",
        "git lfs pull",
        "it names no model",
        "its kind is `clippy`",
        "there is no provider `nobody`",
    ];
    assert_says(look(&text, false).await, 5, &words);
    let upstream = upstream(healthy("openai")).await;
    let none = look(&config("openai", &base_of(&upstream, "/v1"), Some(KEY), ""), true).await;
    assert_says(none, 1, &["it has no model"]);
}
