//! A thousand clients that come and go, and one that stops reading.

use crate::follower::{Follower, Transport};
use crate::server::{KEY, Server};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const CLIENTS: usize = 1_000;
const EVENTS: usize = 10_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_with_random_disconnects_miss_and_repeat_nothing() {
    let seed = std::env::var("ANTIPHON_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("seed {seed} (ANTIPHON_TEST_SEED repeats it)");
    let mut random = StdRng::seed_from_u64(seed);
    let server = Server::start(None, "");
    let transports = [Transport::WebSocket, Transport::Sse, Transport::Both];
    let followers: Vec<Follower> =
        (0..CLIENTS).map(|at| Follower::start(&server.address, "jobs", "all", transports[at % 3])).collect();
    let began = Instant::now();
    let mut published = 0;
    while published < EVENTS {
        let size = random.random_range(1..=200).min(EVENTS - published);
        let events: Vec<Value> =
            (published..published + size).map(|number| json!({ "type": "tick", "data": number })).collect();
        let (status, answer) = server.post("/api/channels/jobs/all/events", &json!(events)).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        published += size;
        for _ in 0..5 {
            followers[random.random_range(0..CLIENTS)].cut.store(true, Ordering::Relaxed);
        }
    }
    for follower in &followers {
        follower.until("every event", |events| events.len() >= EVENTS).await;
        let numbers: Vec<u64> = follower.events.lock().iter().map(|event| event["data"].as_u64().unwrap()).collect();
        assert!(numbers.iter().copied().eq(0..EVENTS as u64), "in order, each once");
    }
    println!("{} deliveries in {:?}", CLIENTS * EVENTS, began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stops_reading_costs_little_and_gets_everything_later() {
    let server = Server::start(None, "[namespaces.jobs]\nkeep = { events = 0, bytes = 0 }\n");
    let stalled = subscribe_without_reading(&server.address);
    let other = Follower::start(&server.address, "jobs", "all", Transport::WebSocket);
    publish(&server, 0, 100).await;
    other.until("the first events", |events| events.len() == 100).await;
    let before = server.memory_kib();
    // 40 MB for a client that takes none of it.
    let mut slowest = Duration::ZERO;
    for round in 1..400 {
        let began = Instant::now();
        publish(&server, round * 100, 100).await;
        other.until("the next events", |events| events.len() >= (round + 1) * 100).await;
        slowest = slowest.max(began.elapsed());
    }
    let grown = server.memory_kib().saturating_sub(before);
    println!("grew by {grown} KiB; the other client's slowest batch took {slowest:?}");
    // The disk engine's own tables in memory are up to 24 MB of it.
    assert!(grown < 64 * 1024, "grew by {grown} KiB");
    assert_eq!(read_all(stalled, 40_000), 40_000, "on waking it gets every event");
}

async fn publish(server: &Server, from: usize, count: usize) {
    let filler = "x".repeat(1_000);
    let events: Vec<Value> = (from..from + count)
        .map(|number| json!({ "type": "tick", "data": { "number": number, "filler": filler } }))
        .collect();
    let (status, answer) = server.post("/api/channels/jobs/all/events", &json!(events)).await.unwrap();
    assert_eq!(status, 200, "{answer}");
}

/// A WebSocket client by hand, so that nothing reads ahead for it.
fn subscribe_without_reading(address: &str) -> std::net::TcpStream {
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {address}\r\nX-API-Key: {KEY}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let subscribe = br#"{"type":"subscribe","channel":{"type":"jobs","id":"all"},"position":"start"}"#;
    // Masked with zeros, as RFC 6455 lets a client choose any mask.
    let mut frame = vec![0x81, 0x80 | u8::try_from(subscribe.len()).unwrap(), 0, 0, 0, 0];
    frame.extend_from_slice(subscribe);
    socket.write_all(&frame).unwrap();
    socket
}

/// Reads until `wanted` events came; checks their order; returns how many came.
fn read_all(mut socket: std::net::TcpStream, wanted: usize) -> usize {
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let (mut rest, mut buffer, mut next) = (Vec::new(), vec![0; 1 << 20], 0);
    while next < wanted {
        let length = socket.read(&mut buffer).unwrap();
        assert!(length > 0, "closed after {next}");
        rest.extend_from_slice(&buffer[..length]);
        let mut used = 0;
        while let Some((payload, after)) = frame_at(&rest[used..]) {
            let event: Value = serde_json::from_slice(payload).unwrap_or(Value::Null);
            if event["type"] == "tick" {
                assert_eq!(event["data"]["number"], next);
                next += 1;
            }
            used += after;
        }
        rest.drain(..used);
    }
    next
}

fn frame_at(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (start, length) = match *bytes {
        [_, 126, a, b, ..] => (4, usize::from(u16::from_be_bytes([a, b]))),
        [_, 127, ..] => (10, usize::try_from(u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)).unwrap()),
        [_, short, ..] if short < 126 => (2, usize::from(short)),
        _ => return None,
    };
    Some((bytes.get(start..start + length)?, start + length))
}
