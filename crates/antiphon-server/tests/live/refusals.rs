//! Bad input over WebSocket and SSE: a coded, helpful error each, and nothing else disturbed.

use crate::follower::{Follower, Transport};
use crate::server::{KEY, SECRET, Server};
use antiphon_testkit::upstream::{Reply, Upstream};
use futures::{SinkExt, StreamExt};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

fn token(user: &str, seconds_left: i64, secret: &str) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64;
    let claims = json!({ "sub": user, "exp": now + seconds_left });
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

/// Connects; every upgrade succeeds, refused or not.
async fn connect(server: &Server, path: &str, headers: &[(&'static str, &str)]) -> Socket {
    let mut request = format!("ws://{}{path}", server.address).into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    tokio_tungstenite::connect_async(request).await.expect("the upgrade succeeds").0
}

async fn next(socket: &mut Socket) -> Message {
    let waited = tokio::time::timeout(Duration::from_secs(10), socket.next()).await;
    waited.expect("something comes").expect("not ended").unwrap()
}

/// The next message of a type; others are passed over.
async fn until(socket: &mut Socket, kind: &str) -> Value {
    loop {
        if let Message::Text(text) = next(socket).await {
            let message: Value = serde_json::from_str(&text).unwrap();
            if message["type"] == kind {
                return message;
            }
        }
    }
}

/// The code of the error that comes before the close, and the close code.
async fn ending(mut socket: Socket) -> (String, u16) {
    let mut code = String::new();
    loop {
        match next(&mut socket).await {
            Message::Text(text) => {
                let message: Value = serde_json::from_str(&text).unwrap();
                if message["type"] == "error" {
                    assert!(message["message"].as_str().unwrap().len() > 10, "{message}");
                    code = message["code"].as_str().unwrap().to_owned();
                }
            }
            Message::Close(frame) => return (code, frame.unwrap().code.into()),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_may_not_be_is_told_why_and_closed() {
    let upstream = Upstream::start([]).await.unwrap();
    let server = Server::start(Some(&upstream), "");
    let room = server.new_room().await;
    let other = server.new_room().await;
    let (status, page) = server.get(&format!("/api/ar-rooms/{other}/messages")).await.unwrap();
    assert_eq!(status, 200);
    let foreign = page["position"].as_str().unwrap().to_owned();
    let good = format!("Bearer {}", token("ann", 60, SECRET));
    let expired = format!("Bearer {}", token("ann", -60, SECRET));
    let forged = format!("Bearer {}", token("ann", 60, "another secret, as long as the right one"));
    let key = [("x-api-key", KEY)];
    let own = format!("/ws/ar-rooms/{room}");
    let at = |position: &str| format!("{own}?position={position}");
    let cases = [
        ("/ws".to_owned(), &[][..], "unauthorized", 1008),
        ("/ws?ticket=never".to_owned(), &[], "unauthorized", 1008),
        ("/ws".to_owned(), &[("authorization", &*expired)], "unauthorized", 1008),
        ("/ws".to_owned(), &[("authorization", &*forged)], "unauthorized", 1008),
        ("/ws".to_owned(), &[("x-api-key", "wrong")], "unauthorized", 1008),
        ("/ws?resume=0123".to_owned(), &key, "unauthorized", 1008),
        ("/ws".to_owned(), &[("x-api-key", KEY), ("origin", "https://evil.example")], "forbidden", 1008),
        ("/ws/ar-rooms/room-0".to_owned(), &key, "room_not_found", 1008),
        (own.clone(), &[("authorization", &*good)], "room_not_found", 1008),
        (at("nonsense"), &key, "position_invalid", 4010),
        (at(&foreign), &key, "position_foreign", 4010),
        (at("%ff"), &key, "position_invalid", 4010),
        (at("start&position=start"), &key, "position_invalid", 4010),
        ("/ws?position=a&position=b".to_owned(), &key, "position_invalid", 4010),
        ("/ws?position=a&position=b".to_owned(), &[], "unauthorized", 1008),
        ("/ws?resume=a&resume=a".to_owned(), &key, "invalid_request", 1008),
        ("/ws/ar-rooms/%ff".to_owned(), &key, "room_not_found", 1008),
        ("/ws/ar-rooms/%ff".to_owned(), &[], "unauthorized", 1008),
    ];
    for (path, headers, code, close) in cases {
        let socket = connect(&server, &path, headers).await;
        assert_eq!(ending(socket).await, (code.to_owned(), close), "{path} {headers:?}");
    }
    let short = format!("Bearer {}", token("ann", 1, SECRET));
    let socket = connect(&server, "/ws", &[("authorization", &short)]).await;
    assert_eq!(ending(socket).await, ("unauthorized".to_owned(), 4001));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_message_gets_its_error_and_the_socket_stays() {
    let upstream = Upstream::start([]).await.unwrap();
    upstream.respond_with(|_| Reply::openai_paced(40, 20.0));
    let server = Server::start(Some(&upstream), "[channels]\nrequire_declared = true\n[namespaces.jobs]\n");
    let room = server.new_room().await;
    let other = server.new_room().await;
    let bystander = Follower::start(&server.address, "ar-room", &room, Transport::WebSocket);
    let path = format!("/api/ar-rooms/{room}/messages");
    let accepted = server.post(&path, &json!({ "content": "go" })).await.unwrap().1;
    let stream = accepted["streamId"].as_str().unwrap();
    let own = format!("/ws/ar-rooms/{room}");
    let mut socket = connect(&server, &own, &[("x-api-key", KEY)]).await;
    until(&mut socket, "caught-up").await;
    let join = |more: &str| format!(r#"{{"type":"join-ar-room","roomId":"{room}",{more}}}"#);
    let interrupt = |more: &str| format!(r#"{{"type":"interrupt-stream","streamId":"{stream}",{more}}}"#);
    let cases = [
        // Of the room that is joined already.
        (&*join(r#""position":"x""#), "position_invalid"),
        (&*join(r#""agentId":"nobody""#), "invalid_request"),
        (&*join(r#""position":["start"]"#), "invalid_request"),
        (&*interrupt(&format!(r#""roomId":"{other}""#)), "stream_not_found"),
        (&*interrupt(r#""roomId":"room-0""#), "stream_not_found"),
        (&*interrupt(r#""attempt":2"#), "invalid_request"),
        (&*interrupt(r#""attempt":-1"#), "invalid_request"),
        (&*interrupt(r#""heard":[3]"#), "invalid_request"),
        (r#"{"type":"subscribe","channel":["jobs","1"]}"#, "invalid_request"),
        ("{", "invalid_json"),
        ("[]", "invalid_request"),
        (r#"{"type":"dance"}"#, "invalid_request"),
        (r#"{"type":"ar-message","roomId":7,"content":"x"}"#, "invalid_request"),
        (r#"{"type":"ar-message","roomId":"room-0","content":"x"}"#, "room_not_found"),
        (r#"{"type":"join-ar-room","roomId":"room-0"}"#, "room_not_found"),
        (r#"{"type":"interrupt-stream","streamId":"stream-0"}"#, "stream_not_found"),
        (r#"{"type":"subscribe","channel":{"type":"jobs","id":"a b"}}"#, "invalid_request"),
        (r#"{"type":"subscribe","channel":{"type":"nobody","id":"1"}}"#, "channel_not_found"),
        (r#"{"type":"subscribe","channel":{"type":"jobs","id":"1"},"position":"x"}"#, "position_invalid"),
        (r#"{"type":"unsubscribe","channel":{"type":"jobs","id":"1"}}"#, "conflict"),
    ];
    for (text, code) in cases {
        socket.send(Message::text(text)).await.unwrap();
        let error = until(&mut socket, "error").await;
        assert_eq!(error["code"], code, "{text}: {error}");
        let is_of_channel = text.contains("join") || text.contains("subscribe");
        let names_a_channel = is_of_channel && !text.contains("a b") && !text.contains(":[");
        assert_eq!(error["channel"].is_object(), names_a_channel, "{error}");
        assert!(!error["message"].as_str().unwrap().contains("struct"), "{error}");
    }
    for again in [r#""requestId":8"#, r#""requestId":9,"agentId":"anna","position":"start""#] {
        socket.send(Message::text(join(again))).await.unwrap();
        assert!(again.contains(&until(&mut socket, "ok").await["requestId"].to_string()), "joined already: it goes on");
    }
    socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(until(&mut socket, "error").await["code"], "invalid_request");
    socket.send(Message::text(r#"{"type":"dance","requestId":"r1"}"#)).await.unwrap();
    assert_eq!(until(&mut socket, "error").await["requestId"], "r1");
    socket.send(Message::text(r#"{"type":"ping","requestId":2}"#)).await.unwrap();
    assert_eq!(until(&mut socket, "pong").await["requestId"], 2, "the socket stays");
    let oversize = format!("{{\"type\":\"ping\",\"x\":\"{}\"}}", "y".repeat(1_100_000));
    let _ = socket.send(Message::text(oversize)).await;
    assert_eq!(ending(socket).await, ("payload_too_large".to_owned(), 1009));
    let raw = send_raw(&server.address, &[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe]);
    assert!(raw.contains("invalid_json") && raw.contains("UTF-8"), "{raw}");
    bystander.until("the whole answer", |events| events.iter().any(|event| event["type"] == "ar-stream-end")).await;
    let events = bystander.events.lock();
    assert_eq!(events.iter().find(|event| event["type"] == "ar-stream-end").unwrap()["outcome"], "completed");
}

/// Sends one frame as it is and reads until the server closes.
fn send_raw(address: &str, frame: &[u8]) -> String {
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {address}\r\nX-API-Key: {KEY}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).unwrap();
    socket.write_all(frame).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_and_tickets_are_judged_alike_over_sse() {
    let server = Server::start(None, "[namespaces.jobs]\nkeep = { events = 5 }\n");
    let publish = async |channel: &str, count: usize| {
        let events: Vec<Value> = (0..count).map(|number| json!({ "type": "tick", "data": number })).collect();
        let path = format!("/api/channels/jobs/{channel}/events");
        server.post(&path, &json!(events)).await.unwrap().1["position"].as_str().unwrap().to_owned()
    };
    let early = publish("a", 1).await;
    publish("a", 2_000).await;
    let foreign = publish("b", 1).await;
    let mut expired = 0;
    // Trimming follows a moment later.
    for _ in 0..500 {
        expired = status(&server, &format!("position={early}")).await.0;
        if expired == 410 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(expired, 410);
    assert_eq!(status(&server, "position=x").await, (400, "position_invalid".into()));
    assert_eq!(status(&server, &format!("position={foreign}")).await, (409, "position_foreign".into()));
    assert_eq!(status(&server, "until=noon").await, (422, "invalid_request".into()));
    assert_eq!(status(&server, "named=maybe").await, (422, "invalid_request".into()));
    assert_eq!(status(&server, "position=start&position=start").await, (400, "position_invalid".into()));
    let (code, ticket) = server.post("/api/tickets", &json!({})).await.unwrap();
    assert_eq!(code, 201, "{ticket}");
    let url = |query: &str| format!("http://{}/api/channels/jobs/a/events?until=end&{query}", server.address);
    let with_ticket = url(&format!("ticket={}&position=start", ticket["ticket"].as_str().unwrap()));
    let first = reqwest::get(&with_ticket).await.unwrap().text().await.unwrap();
    assert!(first.contains("\"tick\"") && first.contains("caught-up"), "{first}");
    let second = reqwest::get(&with_ticket).await.unwrap();
    assert_eq!(second.status(), 200);
    let second = second.text().await.unwrap();
    assert!(second.contains("\"type\":\"refused\"") && second.contains("unauthorized"), "{second}");
    let (_, ticket) = server.post("/api/tickets", &json!({})).await.unwrap();
    let twice = url(&format!("ticket={}&position=start&position=start", ticket["ticket"].as_str().unwrap()));
    let refused = reqwest::get(&twice).await.unwrap();
    assert_eq!(refused.status(), 200, "readable in a browser");
    let refused = refused.text().await.unwrap();
    assert!(refused.contains("\"refused\"") && refused.contains("position_invalid"), "{refused}");
}

async fn status(server: &Server, query: &str) -> (u16, String) {
    let (status, body) = server.get(&format!("/api/channels/jobs/a/events?{query}")).await.unwrap_or((0, Value::Null));
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}
