//! HTTP without sockets: each kind of bad input gets its problem, and good input gets what the contract says.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use antiphon_ai::agent::{Agent, Agents, MarkerSource, OnDisconnect, Recovery};
use antiphon_ai::script::Script;
use antiphon_core::limits::MAX_BODY_BYTES;
use antiphon_core::{Log, OwnedShards, Pattern, ReadFrom, ReadLimit, Timestamp, ViewerCount};
use antiphon_hub::Hub;
use antiphon_rooms::{Rooms, RoomsOptions};
use antiphon_sql::Records;
use antiphon_store::{InProcessBackbone, MemoryLog, NamespaceTable};
use antiphon_transport::auth::{ApiKeySettings, AuthOptions, Authenticator, MintedClaims};
use antiphon_transport::http::{ApiState, RealtimeStats, api_router, finish};
use antiphon_transport::limiter::{Limiter, LimiterOptions};
use antiphon_transport::origin::OriginPolicy;
use antiphon_transport::problem::PROBLEM_JSON;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A server without sockets.
struct Server {
    router: Router,
    log: Arc<dyn Log>,
    draining: CancellationToken,
    lacking: Arc<Mutex<Vec<String>>>,
    _folder: tempfile::TempDir,
}

fn script() -> Agent {
    Agent {
        id: "guide".into(),
        name: "Guide".into(),
        provider: Arc::new(Script::with_pace(Duration::ZERO)),
        model: "script".into(),
        system: String::new(),
        markers: MarkerSource::Prompt,
        recovery: Recovery::Fail,
        max_attempts: 1,
        on_disconnect: OnDisconnect::Continue,
        viewer_grace: Duration::from_secs(30),
        temperature: None,
        max_tokens: None,
        context_tokens: 4_096,
    }
}

fn worker() -> ApiKeySettings {
    ApiKeySettings {
        name: "worker".into(),
        key: "a-key".into(),
        read: vec![],
        publish: vec![Pattern::parse("job_progress:*").unwrap(), Pattern::parse("ar-room:*").unwrap()],
    }
}

async fn server(limits: LimiterOptions, declared: Option<&str>) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(NamespaceTable::default(), Arc::new(|_| {})));
    let records = Records::open(&folder.path().join("records.sqlite")).await.unwrap();
    let rooms = Rooms::start(RoomsOptions {
        log: log.clone(),
        records,
        agents: Agents::new([script()]),
        viewers: ViewerCount::default(),
        owned: OwnedShards::everything(),
        elsewhere: None,
        log_state: Box::new(|_| Ok(())),
    })
    .await
    .unwrap();
    let options = AuthOptions {
        jwt_secret: Some(SECRET.into()),
        api_keys: vec![worker()],
        is_demo: declared.is_none(),
        ..AuthOptions::default()
    };
    let draining = CancellationToken::new();
    let stats = || {
        let mut stats = RealtimeStats { status: "healthy".into(), ..RealtimeStats::default() };
        stats.channels.channels = vec!["jobs:secret".into()];
        stats
    };
    let lacking = Arc::new(Mutex::new(Vec::new()));
    let told = lacking.clone();
    let state = ApiState {
        rooms,
        hub: Hub::new(log.clone(), Arc::new(InProcessBackbone::new()), ViewerCount::default()),
        log: log.clone(),
        agents: Arc::new(Vec::new),
        authenticator: Arc::new(Authenticator::new(options).unwrap()),
        limiter: Limiter::new(limits),
        declared: declared.map(|name| Arc::new([name.to_owned()].into())),
        wait: Duration::from_secs(10),
        draining: draining.clone(),
        metrics: Arc::new(|| "antiphon_up 1\n".into()),
        stats: Arc::new(stats),
        away: Arc::new(Vec::new),
        lacking: Arc::new(move || told.lock().clone()),
    };
    let origins = OriginPolicy { allowed: vec!["https://app.example".into()], allow_loopback: false };
    Server { router: finish(api_router(state), Arc::new(origins)), log, draining, lacking, _folder: folder }
}

fn token(user_id: &str) -> String {
    let exp = Timestamp::now().millis() / 1_000 + 60;
    let claims = MintedClaims { sub: user_id.into(), exp, read: vec![], publish: vec![] };
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Server {
    async fn raw(&self, method: &str, path: &str, who: &str, body: impl Into<Body>) -> Answer {
        let request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
        let request = match who {
            "" => request,
            "key" => request.header("x-api-key", "a-key"),
            user => request.header(header::AUTHORIZATION, format!("Bearer {}", token(user))),
        };
        self.answer(request.body(body.into()).unwrap()).await
    }

    async fn answer(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Answer { status: head.status, headers: head.headers, body }
    }

    async fn call(&self, method: &str, path: &str, who: &str, body: Value) -> Answer {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.raw(method, path, who, body).await
    }

    async fn new_room(&self, who: &str) -> String {
        let answer = self.call("POST", "/api/ar-rooms", who, json!({"agentId": "guide", "name": "Talk"})).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body["id"].as_str().unwrap().to_owned()
    }
}

fn assert_problem(answer: &Answer, status: u16, code: &str) {
    let what = &answer.body;
    assert_eq!((answer.status.as_u16(), what["code"].as_str()), (status, Some(code)), "{what}");
    assert_eq!(answer.headers[header::CONTENT_TYPE], PROBLEM_JSON);
    assert_eq!(what["status"], status);
    assert!(what["type"].is_string() && what["title"].is_string());
    let detail = what["detail"].as_str().unwrap();
    assert!(!detail.is_empty(), "{what}");
    let of_rust = ["struct ", "New", "Interrupt", "usize", "u32", "u64", "type: sequence", "tuple"];
    assert!(!of_rust.iter().any(|word| detail.contains(word)), "{what}");
}

/// Method, path, caller, body; status and code of the answer.
type Bad<'a> = (&'a str, &'a str, &'a str, Vec<u8>, u16, &'a str);

#[tokio::test]
async fn each_kind_of_bad_input_has_its_problem() {
    let server = server(LimiterOptions::default(), None).await;
    let room = server.new_room("anna").await;
    let messages = "/api/ar-rooms/ROOM/messages";
    let events = "/api/channels/job_progress/job_1/events";
    let large = vec![b' '; MAX_BODY_BYTES + 1];
    let table: Vec<Bad<'_>> = vec![
        ("GET", "/nothing", "anna", vec![], 404, "not_found"),
        ("GET", "/api/ar-rooms/", "anna", vec![], 404, "not_found"),
        ("PUT", "/api/ar-rooms", "anna", vec![], 405, "method_not_allowed"),
        ("GET", "/api/tickets", "anna", vec![], 405, "method_not_allowed"),
        ("POST", "/api/ar-rooms", "", b"{}".to_vec(), 401, "unauthorized"),
        ("GET", "/api/ar-rooms", "", vec![], 401, "unauthorized"),
        ("POST", "/api/tickets", "", vec![], 401, "unauthorized"),
        ("POST", "/api/ar-rooms", "anna", b"".to_vec(), 400, "invalid_json"),
        ("POST", "/api/ar-rooms", "anna", b"{".to_vec(), 400, "invalid_json"),
        ("POST", "/api/ar-rooms", "anna", b"{\"agentId\":\"\xff\"}".to_vec(), 400, "invalid_json"),
        ("POST", "/api/ar-rooms", "anna", b"{}".to_vec(), 422, "invalid_request"),
        ("POST", "/api/ar-rooms", "anna", b"{\"agentId\":7}".to_vec(), 422, "invalid_request"),
        ("POST", "/api/ar-rooms", "anna", b"{\"agentId\":\"nobody\"}".to_vec(), 404, "agent_not_found"),
        ("POST", "/api/ar-rooms", "anna", large.clone(), 413, "payload_too_large"),
        ("POST", "/api/ar-rooms", "anna", b"[\"guide\"]".to_vec(), 422, "invalid_request"),
        ("POST", "/api/rooms", "anna", b"{\"type\":\"x\",\"visibility\":\"odd\"}".to_vec(), 422, "invalid_request"),
        ("POST", "/api/rooms", "anna", b"{\"name\":\"x\"}".to_vec(), 422, "invalid_request"),
        ("POST", "/api/rooms", "anna", b"{\"type\":\"\"}".to_vec(), 422, "invalid_request"),
        ("POST", "/api/rooms", "anna", b"{\"type\":\"ar-conversation\"}".to_vec(), 422, "invalid_request"),
        ("POST", "/api/rooms", "anna", b"{\"type\":7}".to_vec(), 422, "invalid_request"),
        ("GET", "/api/ar-rooms/room-0", "anna", vec![], 404, "room_not_found"),
        ("GET", "/api/ar-rooms/%FF", "anna", vec![], 422, "invalid_request"),
        ("GET", "/api/ar-rooms/ROOM", "ben", vec![], 404, "room_not_found"),
        ("DELETE", "/api/ar-rooms/ROOM", "ben", vec![], 404, "room_not_found"),
        ("GET", "/api/rooms/ROOM", "anna", vec![], 404, "room_not_found"),
        ("GET", messages, "ben", vec![], 404, "room_not_found"),
        ("POST", messages, "ben", b"{\"content\":\"hi\"}".to_vec(), 404, "room_not_found"),
        ("POST", messages, "anna", b"{\"content\":\"\"}".to_vec(), 422, "invalid_request"),
        ("POST", messages, "anna", b"[\"hi\"]".to_vec(), 422, "invalid_request"),
        ("POST", messages, "anna", b"{\"content\":null}".to_vec(), 422, "invalid_request"),
        ("GET", "/api/ar-rooms/ROOM/messages?limit=0", "anna", vec![], 422, "invalid_request"),
        ("GET", "/api/ar-rooms/ROOM/messages?limit=-1", "anna", vec![], 422, "invalid_request"),
        ("GET", "/api/ar-rooms/ROOM/messages?limit=many", "anna", vec![], 422, "invalid_request"),
        ("POST", "/api/ar-rooms/ROOM/messages?wait=maybe", "anna", b"{}".to_vec(), 422, "invalid_request"),
        ("GET", "/api/streams/stream-0", "anna", vec![], 404, "stream_not_found"),
        ("POST", "/api/streams/stream-0/cancel", "anna", vec![], 404, "stream_not_found"),
        ("POST", "/api/streams/stream-0/interrupt", "anna", b"{\"heard\":3}".to_vec(), 422, "invalid_request"),
        ("POST", "/api/streams/stream-0/interrupt", "anna", b"[{\"offset\":3}]".to_vec(), 422, "invalid_request"),
        ("POST", "/api/streams/stream-0/interrupt", "anna", b"{\"heard\":[3]}".to_vec(), 422, "invalid_request"),
        ("POST", "/api/streams/stream-0/interrupt", "anna", b"nonsense".to_vec(), 400, "invalid_json"),
        ("POST", events, "anna", b"{\"type\":\"tick\"}".to_vec(), 403, "forbidden"),
        ("POST", "/api/channels/other/1/events", "key", b"{\"type\":\"tick\"}".to_vec(), 403, "forbidden"),
        ("POST", "/api/channels/ar-room/ROOM/events", "key", b"{\"type\":\"t\"}".to_vec(), 403, "forbidden"),
        ("POST", "/api/channels/Upper/1/events", "key", b"{\"type\":\"tick\"}".to_vec(), 422, "invalid_request"),
        ("POST", events, "key", b"nonsense".to_vec(), 400, "invalid_json"),
        ("POST", events, "key", b"{\"type\":\"ar-stream-end\"}".to_vec(), 422, "invalid_request"),
        ("POST", events, "key", b"[]".to_vec(), 422, "invalid_request"),
        ("POST", events, "key", b"[[\"tick\",1]]".to_vec(), 422, "invalid_request"),
        ("POST", events, "key", large, 413, "payload_too_large"),
    ];
    for (method, path, who, body, status, code) in table {
        let answer = server.raw(method, &path.replace("ROOM", &room), who, body).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}: {}", answer.body);
        assert_problem(&answer, status, code);
    }
    let wrong = server.call("POST", "/api/ar-rooms", "anna", json!({"agentId": 7})).await;
    assert!(wrong.body["detail"].as_str().unwrap().contains("agentId"), "{}", wrong.body);
    let method = server.raw("PUT", "/api/ar-rooms", "anna", "").await;
    assert_eq!(method.headers[header::ALLOW], "GET,HEAD,POST");
    let unknown = server.call("GET", "/api/ar-rooms", "", Value::Null).await;
    assert_eq!(unknown.headers[header::WWW_AUTHENTICATE], "Bearer");
}

#[tokio::test]
async fn a_room_is_made_found_listed_and_deleted() {
    let server = server(LimiterOptions::default(), None).await;
    let id = server.new_room("anna").await;
    let room = server.call("GET", &format!("/api/ar-rooms/{id}"), "anna", Value::Null).await.body;
    assert_eq!((&room["id"], &room["agentId"], &room["userId"]), (&json!(id), &json!("guide"), &json!("anna")));
    assert_eq!((&room["isARConversation"], &room["createdBy"]["id"]), (&json!(true), &json!("anna")));
    assert!(room["position"].is_string() && room["createdAt"].is_string() && room["status"] == "active");
    let regular = server.call("POST", "/api/rooms", "anna", json!({"name": "Team", "type": "group"})).await;
    assert_eq!((regular.status.as_u16(), &regular.body["isARConversation"]), (201, &json!(false)));
    for (path, wanted) in [("/api/ar-rooms", &json!(id)), ("/api/rooms", &regular.body["id"])] {
        let rooms = server.call("GET", path, "anna", Value::Null).await.body["rooms"].clone();
        assert_eq!((rooms.as_array().unwrap().len(), &rooms[0]["id"]), (1, wanted), "{path}");
    }
    assert_eq!(server.call("GET", "/api/ar-rooms", "ben", Value::Null).await.body["rooms"], json!([]));
    assert_eq!(server.call("DELETE", &format!("/api/ar-rooms/{id}"), "anna", Value::Null).await.status, 204);
    let gone = server.call("GET", &format!("/api/ar-rooms/{id}"), "anna", Value::Null).await;
    assert_problem(&gone, 404, "room_not_found");
}

#[tokio::test]
async fn a_client_that_cannot_stream_gets_the_whole_answer() {
    let server = server(LimiterOptions::default(), None).await;
    let messages = format!("/api/ar-rooms/{}/messages", server.new_room("anna").await);
    let body = json!({"content": "Who are you?", "clientMessageId": "m1"});
    let answer = server.call("POST", &format!("{messages}?wait=true"), "anna", body.clone()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let reply = &answer.body["reply"];
    assert_eq!(reply["status"], "completed");
    assert!(!reply["text"].as_str().unwrap().is_empty() && reply["markers"].is_array() && !reply["timeline"].is_null());
    let again = server.call("POST", &messages, "anna", body).await;
    assert_eq!((again.status.as_u16(), &again.body["message"]["id"]), (202, &answer.body["message"]["id"]));
    let other = server.call("POST", &messages, "anna", json!({"content": "Else", "clientMessageId": "m1"})).await;
    assert_problem(&other, 409, "conflict");
    let page = server.call("GET", &format!("{messages}?limit=1000"), "anna", Value::Null).await.body;
    assert_eq!(page["messages"].as_array().unwrap().len(), 2, "{page}");
    assert_eq!((&page["messages"][0]["role"], &page["messages"][1]["id"]), (&json!("user"), &reply["id"]));
    let stream_id = again.body["streamId"].as_str().unwrap();
    let stream = server.call("GET", &format!("/api/streams/{stream_id}"), "anna", Value::Null).await;
    assert_eq!((stream.status.as_u16(), &stream.body["status"]), (200, &json!("completed")));
    let interrupt = format!("/api/streams/{stream_id}/interrupt");
    let interrupted = server.call("POST", &interrupt, "anna", json!({"heard": {"offset": 3}})).await;
    assert_eq!(interrupted.status, 202, "{}", interrupted.body);
    assert_problem(&server.call("POST", &interrupt, "ben", Value::Null).await, 404, "stream_not_found");
}

#[tokio::test]
async fn published_events_are_kept_as_they_were_given() {
    let server = server(LimiterOptions::default(), None).await;
    let path = "/api/channels/job_progress/job_1/events";
    let one = server.raw("POST", path, "key", r#"{"type":"tick","data":{"b":1.10},"eventId":"e1"}"#).await;
    assert_eq!(one.status, 200, "{}", one.body);
    let array = server.raw("POST", path, "key", r#"[{"type":"a"},{"type":"b"}]"#).await;
    assert!(array.body["position"].as_str().unwrap() > one.body["position"].as_str().unwrap());
    let again = server.raw("POST", path, "key", r#"{"type":"tick","data":{"b":1.10},"eventId":"e1"}"#).await;
    assert_eq!(again.body["position"], one.body["position"]);
    let same = server.raw("POST", path, "key", r#"{"eventId":"e1","data":{"b":1.1},"type":"tick"}"#).await;
    assert_eq!(same.body["position"], one.body["position"], "{}", same.body);
    for other in
        [r#"{"type":"tick","data":{"b":2},"eventId":"e1"}"#, r#"{"type":"tock","data":{"b":1.1},"eventId":"e1"}"#]
    {
        let refused = server.raw("POST", path, "key", other).await;
        assert_problem(&refused, 409, "conflict");
        let array = format!(r#"[{{"type":"c"}},{other}]"#);
        assert_problem(&server.raw("POST", path, "key", array).await, 409, "conflict");
    }
    let half = server.raw("POST", path, "key", r#"[{"type":"c"},{"type":"ping"}]"#).await;
    assert_problem(&half, 422, "invalid_request");
    let channel = antiphon_core::ChannelName::parse("job_progress:job_1").unwrap();
    let limit = ReadLimit { events: 100, bytes: 1 << 20 };
    let records = server.log.read(&channel, ReadFrom::Start, limit).await.unwrap();
    assert_eq!(records.len(), 3);
    let mut json = Vec::new();
    records[0].write_json(&mut json);
    assert!(String::from_utf8(json.clone()).unwrap().contains(r#""data":{"b":1.10}"#));
    let event: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(event["channel"], json!({"type": "job_progress", "id": "job_1"}));
    assert_eq!((&event["position"], &event["type"]), (&one.body["position"], &json!("tick")));
    assert!(event["timestamp"].is_string());
}

#[tokio::test]
async fn limits_are_kept_and_say_when_to_come_back() {
    let limits = LimiterOptions {
        messages_per_minute: 1,
        requests_per_minute: 4,
        publishes_per_second: 1,
        ..LimiterOptions::default()
    };
    let server = server(limits, None).await;
    let messages = format!("/api/ar-rooms/{}/messages", server.new_room("anna").await);
    let say = || server.call("POST", &messages, "anna", json!({"content": "hi"}));
    assert_eq!(say().await.status, 202);
    let refused = say().await;
    assert_problem(&refused, 429, "rate_limited");
    assert!(refused.headers.contains_key(header::RETRY_AFTER));
    assert_eq!(server.raw("GET", "/api/agents", "", "").await.status, 200);
    assert_problem(&server.raw("GET", "/api/agents", "", "").await, 429, "rate_limited");
    assert_eq!(server.raw("GET", "/api/agents", "key", "").await.status, 200, "keys have no address limit");
    assert_eq!(server.raw("GET", "/health", "", "").await.status, 200, "probes have none");
    let publish = || server.raw("POST", "/api/channels/job_progress/1/events", "key", r#"{"type":"t"}"#);
    assert_eq!(publish().await.status, 200);
    assert_problem(&publish().await, 429, "rate_limited");
}

#[tokio::test]
async fn undeclared_namespaces_and_guests_do_not_exist_where_that_is_required() {
    let server = server(LimiterOptions::default(), Some("metrics")).await;
    let answer = server.raw("POST", "/api/channels/job_progress/1/events", "key", r#"{"type":"t"}"#).await;
    assert_problem(&answer, 404, "channel_not_found");
    assert_problem(&server.raw("POST", "/api/guest", "", "").await, 404, "not_found");
}

#[tokio::test]
async fn guests_tickets_and_operations_answer() {
    let server = server(LimiterOptions::default(), None).await;
    let guest = server.raw("POST", "/api/guest", "", "").await;
    assert_eq!(guest.status, 201);
    assert!(["userId", "token", "expiresAt"].iter().all(|field| guest.body[field].is_string()), "{}", guest.body);
    let ticket = server.raw("POST", "/api/tickets", "anna", "").await;
    assert_eq!(ticket.status, 201);
    assert!(ticket.body["ticket"].is_string() && ticket.body["expiresAt"].is_string());
    assert_eq!(server.raw("GET", "/health", "", "").await.body["status"], "healthy");
    assert_eq!(server.raw("GET", "/openapi.json", "", "").await.body["info"]["title"], "Antiphon");
    assert_eq!(server.raw("GET", "/metrics", "", "").await.status, 200);
    let open = server.raw("GET", "/api/realtime/stats", "", "").await;
    assert_eq!((&open.body["status"], &open.body["channels"]["channels"]), (&json!("healthy"), &json!([])));
    let key = server.raw("GET", "/api/realtime/stats", "key", "").await;
    assert_eq!(key.body["channels"]["channels"], json!(["jobs:secret"]));
    assert_eq!(server.raw("GET", "/ready", "", "").await.status, 200);
    *server.lacking.lock() = vec!["one thing is away".into(), "another refuses".into()];
    let lacking = server.raw("GET", "/ready", "", "").await;
    assert_problem(&lacking, 503, "unavailable");
    assert_eq!(lacking.body["detail"], "one thing is away; another refuses");
    server.lacking.lock().clear();
    assert_eq!(server.raw("GET", "/ready", "", "").await.status, 200);
    server.draining.cancel();
    let leaving = server.raw("GET", "/ready", "", "").await;
    assert_problem(&leaving, 503, "unavailable");
    assert!(leaving.headers.contains_key(header::RETRY_AFTER));
    let refused = server.raw("POST", "/api/channels/job_progress/1/events", "key", r#"{"type":"t"}"#).await;
    assert_problem(&refused, 503, "unavailable");
    assert!(refused.headers.contains_key(header::RETRY_AFTER));
}

#[tokio::test]
async fn only_named_pages_may_read_answers() {
    let server = server(LimiterOptions::default(), None).await;
    for (origin, allowed) in [("https://app.example", true), ("https://evil.example", false)] {
        let preflight = Request::builder()
            .method("OPTIONS")
            .uri("/api/ar-rooms")
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type");
        let answer = server.answer(preflight.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN), allowed, "{origin}");
        let plain = Request::builder().uri("/api/agents").header(header::ORIGIN, origin);
        let answer = server.answer(plain.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN), allowed, "{origin}");
        assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    }
}
