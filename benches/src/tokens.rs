//! What the server adds to a token's way: the same paced upstream read directly and through the server.

use crate::Result;
use crate::formats::Format;
use crate::process::{KEY, Started, Sync};
use crate::publish::Publisher;
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const ROUNDS: usize = 300;
const TOKENS: u32 = 10;
const PACE: Duration = Duration::from_millis(5);

/// One clock for the upstream and the readers, which are threads of this process.
fn clock() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// What the server adds in front of each wire format, with durability off, and for the first of them with it on.
pub fn compare(binary: &Path) -> Result<Value> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let upstream = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(&stream));
        }
    });
    let mut row = serde_json::Map::new();
    let undurable = Started::server(binary, Sync::Never, Some(upstream))?;
    for format in Format::ALL {
        add(&mut row, format.kind(), &read_direct(upstream, format)?, &read_through(&undurable, format)?);
    }
    let durable = Started::server(binary, Sync::Always, Some(upstream))?;
    let (direct, through) = (read_direct(upstream, Format::OpenAi)?, read_through(&durable, Format::OpenAi)?);
    add(&mut row, "openai, synced", &direct, &through);
    Ok(Value::Object(row))
}

/// The figures of one comparison: the first token's delay, each token's delay, and what each token takes longer than
/// the one before it, which is what a reader of a long answer waits in all.
fn add(row: &mut serde_json::Map<String, Value>, name: &str, direct: &Measured, through: &Measured) {
    for quantile in [0.5, 0.99] {
        let added = |of: fn(&Measured) -> &Histogram<u64>| {
            let micros = |measured| of(measured).value_at_quantile(quantile) as f64;
            (micros(through) - micros(direct)).round() / 1_000.0
        };
        let percent = quantile * 100.0;
        row.insert(format!("{name}: first token added, p{percent} (ms)"), json!(added(|m| &m.first)));
        row.insert(format!("{name}: each token's delay added, p{percent} (ms)"), json!(added(|m| &m.each)));
    }
    let spacing = ((through.spacing() - direct.spacing()) * 10.0).round() / 10.0;
    row.insert(format!("{name}: time per token added (µs)"), json!(spacing));
}

/// A paced upstream of every format, told apart by the path: each token carries the time at which it was written.
fn serve(stream: &TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut request = String::new();
        reader.read_line(&mut request).ok()?;
        let format = Format::of_path(request.split(' ').nth(1)?)?;
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
        answer(stream, format).ok()?;
    }
}

fn answer(mut out: &TcpStream, format: Format) -> std::io::Result<()> {
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: {}\r\nTransfer-Encoding: chunked\r\n\r\n", format.content_type());
    out.write_all(head.as_bytes())?;
    let mut chunk = |text: &str| write!(out, "{:x}\r\n{text}\r\n", text.len());
    if !format.begin().is_empty() {
        chunk(format.begin())?;
    }
    let began = Instant::now();
    for token in 0..TOKENS {
        std::thread::sleep((began + PACE * token).saturating_duration_since(Instant::now()));
        chunk(&format.token(&format!("<{:020}>", clock().elapsed().as_nanos())))?;
    }
    chunk(format.end())?;
    write!(out, "0\r\n\r\n")
}

/// Microseconds: from the request to the first token, and from each token's writing to its arrival.
struct Measured {
    first: Histogram<u64>,
    each: Histogram<u64>,
    /// From the first token of a round to its last, summed, in microseconds.
    streamed: f64,
    first_at: Instant,
}

impl Measured {
    fn new() -> Result<Self> {
        Ok(Self {
            first: Histogram::new_with_bounds(1, 60_000_000, 3)?,
            each: Histogram::new_with_bounds(1, 60_000_000, 3)?,
            streamed: 0.0,
            first_at: Instant::now(),
        })
    }

    /// The mean time between two tokens, in microseconds.
    fn spacing(&self) -> f64 {
        self.streamed / (ROUNDS as f64 * f64::from(TOKENS - 1))
    }

    /// A round is over: its last token is the one that came last.
    fn end_round(&mut self, last_at: Instant) {
        self.streamed += last_at.duration_since(self.first_at).as_secs_f64() * 1e6;
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
                    self.first_at = Instant::now();
                    has_first = true;
                }
            }
            rest = after;
        }
        has_first
    }
}

fn read_direct(upstream: SocketAddr, format: Format) -> Result<Measured> {
    let mut measured = Measured::new()?;
    let stream = TcpStream::connect(upstream)?;
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream.try_clone()?);
    for _ in 0..ROUNDS {
        let asked = Instant::now();
        write!(&stream, "POST {} HTTP/1.1\r\nHost: upstream\r\nContent-Length: 2\r\n\r\n{{}}", format.path())?;
        let (mut has_first, mut last_at) = (false, asked);
        let mut line = String::new();
        while !line.starts_with("0\r\n") {
            line.clear();
            lines.read_line(&mut line)?;
            if line.contains('<') {
                last_at = Instant::now();
                has_first = measured.take(&line, asked, has_first);
            }
        }
        lines.read_line(&mut line)?;
        measured.end_round(last_at);
    }
    Ok(measured)
}

fn read_through(server: &Started, format: Format) -> Result<Measured> {
    let mut measured = Measured::new()?;
    let mut http = Publisher::connect(server.address)?;
    let header = format!("X-API-Key: {KEY}");
    let room: Value = serde_json::from_str(&http.request(
        "POST",
        "/api/ar-rooms",
        &header,
        &json!({"agentId": format.kind()}).to_string(),
    )?)?;
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
        let (mut has_first, mut last_at) = (false, asked);
        loop {
            line.clear();
            lines.read_line(&mut line)?;
            if line.contains("\"ar-stream-chunk\"") {
                // `chunk` and `text` both hold the token: one of them counts.
                let chunk = line.split("\"text\"").next().unwrap_or_default();
                // The last chunk is empty: nothing of it was waited for.
                if chunk.contains('<') {
                    last_at = Instant::now();
                }
                has_first = measured.take(chunk, asked, has_first);
            }
            if line.contains("\"ar-stream-end\"") {
                break;
            }
        }
        measured.end_round(last_at);
    }
    Ok(measured)
}
