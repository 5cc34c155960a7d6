//! Idle clients' memory, durable appends, and catching up from the log.

use crate::Result;
use crate::clients::Clients;
use crate::process::{KEY, Started};
use crate::publish::Publisher;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// The process's memory per connected, subscribed client that nothing happens to.
pub fn idle(server: &Started, count: usize) -> Result<Value> {
    // The first connections pay for the allocator's and the runtime's own growth.
    let mut first = Clients::connect(server.address, 100, |at| at.to_string())?;
    first.read_until(usize::MAX, Instant::now(), Duration::from_millis(500))?;
    let before = server.memory_kib()?;
    let mut clients = Clients::connect(server.address, count, |_| "all".to_owned())?;
    clients.read_until(usize::MAX, Instant::now(), Duration::from_secs(2))?;
    let after = server.memory_kib()?;
    let cpu = server.cpu_micros()?;
    clients.read_until(usize::MAX, Instant::now(), Duration::from_secs(5))?;
    Ok(json!({
        "clients": count,
        "KiB per idle client": ((after - before) / count as f64 * 100.0).round() / 100.0,
        "resident before (KiB)": before,
        "cpu of all idle clients (us/s)": ((server.cpu_micros()? - cpu) / 5.0).round(),
    }))
}

/// Durable publishes over HTTP with 1, 8 and 64 publishers, and in arrays of 100.
pub fn append(server: &Started) -> Result<Value> {
    let mut row = serde_json::Map::new();
    for publishers in [1, 8, 64] {
        let began = Instant::now();
        let total = std::thread::scope(|scope| -> Result<usize> {
            let running: Vec<_> = (0..publishers)
                .map(|at| {
                    scope.spawn(move || -> std::result::Result<usize, String> {
                        let mut publisher = Publisher::connect(server.address).map_err(|error| error.to_string())?;
                        let mut count = 0;
                        while began.elapsed() < Duration::from_secs(3) {
                            publisher.publish(&format!("a{at}"), began).map_err(|error| error.to_string())?;
                            count += 1;
                        }
                        Ok(count)
                    })
                })
                .collect();
            let mut total = 0;
            for publisher in running {
                total += publisher.join().map_err(|_| "a publisher panicked")??;
            }
            Ok(total)
        })?;
        let rate = (total as f64 / began.elapsed().as_secs_f64()).round();
        row.insert(format!("events/s, {publishers} publishers"), json!(rate));
    }
    let mut publisher = Publisher::connect(server.address)?;
    let array = array_of(100);
    let began = Instant::now();
    let mut arrays = 0;
    while began.elapsed() < Duration::from_secs(3) {
        publisher.post("arrays", &array)?;
        arrays += 1;
    }
    row.insert("events/s, 1 publisher, arrays of 100".into(), json!((f64::from(arrays) * 100.0 / 3.0).round()));
    Ok(Value::Object(row))
}

fn array_of(events: usize) -> String {
    let event = format!("{{\"type\":\"tick\",\"data\":\"{}\"}}", "x".repeat(80));
    format!("[{}]", vec![event; events].join(","))
}

/// Reading 100,000 events from the start over SSE.
pub fn catch_up(server: &Started) -> Result<Value> {
    let mut publisher = Publisher::connect(server.address)?;
    for _ in 0..100 {
        publisher.post("history", &array_of(1_000))?;
    }
    let before = server.cpu_micros()?;
    let began = Instant::now();
    let mut stream = TcpStream::connect(server.address)?;
    let path = "/api/channels/bench/history/events?position=start&until=end";
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nX-API-Key: {KEY}\r\nConnection: close\r\n\r\n", server.address)?;
    let mut events = 0;
    for line in BufReader::with_capacity(1 << 20, stream).split(b'\n') {
        events += usize::from(line?.starts_with(b"id: "));
    }
    let seconds = began.elapsed().as_secs_f64();
    Ok(json!({
        "events": events,
        "events/s": (events as f64 / seconds).round(),
        "cpu per event (us)": ((server.cpu_micros()? - before) / events.max(1) as f64 * 100.0).round() / 100.0,
    }))
}
