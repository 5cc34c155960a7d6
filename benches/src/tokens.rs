//! What the server adds to a token's way: the same paced upstream read directly and through the server.

use crate::Result;
use crate::process::{KEY, Started, Sync};
use crate::publish::Publisher;
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const ROUNDS: usize = 100;
const TOKENS: usize = 20;
const PACE: Duration = Duration::from_millis(5);

/// One clock for the upstream and the readers, which are threads of this process.
fn clock() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// First-token and per-token time, direct and through the server, with durability on and off.
pub fn compare(binary: &Path) -> Result<Value> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let upstream = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(&stream));
        }
    });
    let direct = read_direct(upstream)?;
    let durable = read_through(&Started::server(binary, Sync::Always, Some(upstream))?)?;
    let undurable = read_through(&Started::server(binary, Sync::Never, Some(upstream))?)?;
    let mut row = serde_json::Map::new();
    for (name, measured) in [("durable", &durable), ("sync never", &undurable)] {
        for quantile in [0.5, 0.99] {
            let added = |of: fn(&Measured) -> &Histogram<u64>| {
                let micros = |measured| of(measured).value_at_quantile(quantile) as f64;
                ((micros(measured) - micros(&direct)) / 1_000.0 * 1_000.0).round() / 1_000.0
            };
            let percent = quantile * 100.0;
            row.insert(format!("first token added, {name}, p{percent} (ms)"), json!(added(|m| &m.first)));
            row.insert(format!("each token added, {name}, p{percent} (ms)"), json!(added(|m| &m.each)));
        }
    }
    Ok(Value::Object(row))
}

/// A scripted OpenAI-compatible upstream: each token carries the time at which it was written.
fn serve(stream: &TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        reader.read_exact(&mut vec![0; length]).ok()?;
        let mut out = stream;
        out.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            .ok()?;
        let began = Instant::now();
        for token in 0..TOKENS {
            std::thread::sleep((began + PACE * u32::try_from(token).ok()?).saturating_duration_since(Instant::now()));
            let nanos = clock().elapsed().as_nanos();
            let frame =
                format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"<{nanos:020}>\"}}}}]}}\n\n");
            write!(out, "{:x}\r\n{frame}\r\n", frame.len()).ok()?;
        }
        let end = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
        write!(out, "{:x}\r\n{end}\r\n0\r\n\r\n", end.len()).ok()?;
    }
}

/// Microseconds: from the request to the first token, and from each token's writing to its arrival.
struct Measured {
    first: Histogram<u64>,
    each: Histogram<u64>,
}

impl Measured {
    fn new() -> Result<Self> {
        Ok(Self {
            first: Histogram::new_with_bounds(1, 60_000_000, 3)?,
            each: Histogram::new_with_bounds(1, 60_000_000, 3)?,
        })
    }

    /// Takes every token of a line; true once the first of a round has come.
    fn take(&mut self, line: &str, asked: Instant, mut has_first: bool) -> bool {
        let now = clock().elapsed().as_nanos() as u64;
        let mut rest = line;
        while let Some((_, after)) = rest.split_once('<') {
            if let Some(sent) = after.get(..20).and_then(|digits| digits.parse::<u64>().ok()) {
                self.each.saturating_record((now.saturating_sub(sent) / 1_000).max(1));
                if !has_first {
                    self.first.saturating_record(asked.elapsed().as_micros() as u64);
                    has_first = true;
                }
            }
            rest = after;
        }
        has_first
    }
}

fn read_direct(upstream: SocketAddr) -> Result<Measured> {
    let mut measured = Measured::new()?;
    let stream = TcpStream::connect(upstream)?;
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream.try_clone()?);
    for _ in 0..ROUNDS {
        let asked = Instant::now();
        (&stream).write_all(b"POST /v1/chat/completions HTTP/1.1\r\nHost: upstream\r\nContent-Length: 2\r\n\r\n{}")?;
        let mut has_first = false;
        let mut line = String::new();
        while !line.starts_with("0\r\n") {
            line.clear();
            lines.read_line(&mut line)?;
            has_first = measured.take(&line, asked, has_first);
        }
        lines.read_line(&mut line)?;
    }
    Ok(measured)
}

fn read_through(server: &Started) -> Result<Measured> {
    let mut measured = Measured::new()?;
    let mut http = Publisher::connect(server.address)?;
    let header = format!("X-API-Key: {KEY}");
    let room: Value =
        serde_json::from_str(&http.request("POST", "/api/ar-rooms", &header, "{\"agentId\":\"anna\"}")?)?;
    let id = room["id"].as_str().ok_or("a room without an id")?;
    let mut stream = TcpStream::connect(server.address)?;
    write!(stream, "GET /api/ar-rooms/{id}/stream HTTP/1.1\r\nHost: {}\r\n{header}\r\n\r\n", server.address)?;
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    while !line.contains("caught-up") {
        line.clear();
        lines.read_line(&mut line)?;
    }
    for _ in 0..ROUNDS {
        let asked = Instant::now();
        http.request("POST", &format!("/api/ar-rooms/{id}/messages"), &header, "{\"content\":\"go\"}")?;
        let mut has_first = false;
        loop {
            line.clear();
            lines.read_line(&mut line)?;
            if line.contains("\"ar-stream-chunk\"") {
                // `chunk` and `text` both hold the token: one of them counts.
                let chunk = line.split("\"text\"").next().unwrap_or_default();
                has_first = measured.take(chunk, asked, has_first);
            }
            if line.contains("\"ar-stream-end\"") {
                break;
            }
        }
    }
    Ok(measured)
}
