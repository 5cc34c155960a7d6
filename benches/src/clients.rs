//! The load client: many WebSocket connections on one thread, counting frames; one in sixteen has its latencies taken.

use crate::Result;
use crate::process::KEY;
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const MEASURE_EVERY: usize = 16;

struct Client {
    stream: TcpStream,
    /// The cut end of the last read.
    rest: Vec<u8>,
    events: usize,
}

/// Connected and subscribed clients.
pub struct Clients {
    poll: Poll,
    clients: Vec<Client>,
    /// Microseconds from publish to arrival.
    pub latency: Histogram<u64>,
}

impl Clients {
    /// Connects one after the other; client `i` subscribes to `channel(i)`.
    pub fn connect(address: SocketAddr, count: usize, channel: impl Fn(usize) -> String) -> Result<Self> {
        let poll = Poll::new()?;
        let mut clients = Vec::with_capacity(count);
        for at in 0..count {
            let mut stream = std::net::TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            let request = format!(
                "GET /ws HTTP/1.1\r\nHost: {address}\r\nX-API-Key: {KEY}\r\nConnection: Upgrade\r\n\
                 Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            );
            stream.write_all(request.as_bytes())?;
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte)?;
                head.push(byte[0]);
            }
            let subscribe =
                format!("{{\"type\":\"subscribe\",\"channel\":{{\"type\":\"bench\",\"id\":\"{}\"}}}}", channel(at));
            // Masked with zeros, which RFC 6455 allows a client to draw.
            let mut frame = vec![0x81, 0x80 | u8::try_from(subscribe.len())?, 0, 0, 0, 0];
            frame.extend_from_slice(subscribe.as_bytes());
            stream.write_all(&frame)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(at), Interest::READABLE)?;
            clients.push(Client { stream, rest: Vec::new(), events: 0 });
        }
        Ok(Self { poll, clients, latency: Histogram::new_with_bounds(1, 600_000_000, 3)? })
    }

    /// Events that all clients have had.
    pub fn events(&self) -> usize {
        self.clients.iter().map(|client| client.events).sum()
    }

    /// Reads what comes for at most this long; returns early once all clients together have had `enough` events.
    pub fn read_until(&mut self, enough: usize, start: Instant, longest: Duration) -> Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut buffer = vec![0; 256 * 1024];
        let deadline = Instant::now() + longest;
        let mut had = self.events();
        while had < enough && Instant::now() < deadline {
            self.poll.poll(&mut events, Some(Duration::from_millis(20)))?;
            for event in &events {
                let at = event.token().0;
                while let Ok(length @ 1..) = self.clients[at].stream.read(&mut buffer) {
                    had += self.take(at, &buffer[..length], start)?;
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, at: usize, bytes: &[u8], start: Instant) -> Result<usize> {
        let client = &mut self.clients[at];
        let joined;
        let mut rest = if client.rest.is_empty() {
            bytes
        } else {
            joined = [&client.rest[..], bytes].concat();
            &joined[..]
        };
        let mut count = 0;
        while let Some((payload, after)) = split_frame(rest) {
            if payload.get(..14) == Some(br#"{"type":"tick""#) {
                count += 1;
                if at.is_multiple_of(MEASURE_EVERY) {
                    let sent = nanos_of(payload).ok_or("an event without its time")?;
                    let micros = (start.elapsed().as_nanos() as u64).saturating_sub(sent) / 1_000;
                    self.latency.saturating_record(micros.max(1));
                }
            }
            rest = after;
        }
        client.rest = rest.to_vec();
        client.events += count;
        Ok(count)
    }
}

fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (start, length) = match *bytes {
        [_, 126, a, b, ..] => (4, usize::from(u16::from_be_bytes([a, b]))),
        [_, 127, ..] => (10, usize::try_from(u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)).ok()?),
        [_, short, ..] if short < 126 => (2, usize::from(short)),
        _ => return None,
    };
    Some((bytes.get(start..start + length)?, &bytes[start + length..]))
}

fn nanos_of(payload: &[u8]) -> Option<u64> {
    let at = payload.windows(5).position(|five| five == b"\"t\":\"")? + 5;
    std::str::from_utf8(payload.get(at..at + 20)?).ok()?.parse().ok()
}
