//! A publisher: one keep-alive connection, one event a request, each waiting for its answer.

use crate::Result;
use crate::process::KEY;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

/// One connection to the publishing call.
pub struct Publisher {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

impl Publisher {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), address })
    }

    /// Publishes one event of about 100 bytes that carries the time since `start`; returns once it is acknowledged.
    pub fn publish(&mut self, channel: &str, start: Instant) -> Result<()> {
        let filler = "x".repeat(48);
        let nanos = start.elapsed().as_nanos();
        self.post(channel, &format!("{{\"type\":\"tick\",\"data\":{{\"t\":\"{nanos:020}\",\"filler\":\"{filler}\"}}}}"))
    }

    /// Posts one body and checks that it was taken.
    pub fn post(&mut self, channel: &str, body: &str) -> Result<()> {
        self.request("POST", &format!("/api/channels/bench/{channel}/events"), &format!("X-API-Key: {KEY}"), body)?;
        Ok(())
    }

    /// One request with one header of the caller's; the answer's body where the status is a success.
    pub fn request(&mut self, method: &str, path: &str, header: &str, body: &str) -> Result<String> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n{header}\r\n\
             Content-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        self.stream.get_mut().write_all((head + body).as_bytes())?;
        let mut status = String::new();
        self.stream.read_line(&mut status)?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer)?;
        let answer = String::from_utf8(answer)?;
        if status.starts_with("HTTP/1.1 2") { Ok(answer) } else { Err(format!("{status}{answer}").into()) }
    }
}
