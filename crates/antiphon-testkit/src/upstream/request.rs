//! Requests as the upstream gets them: HTTP/1.1 with a `Content-Length`, as all HTTP clients send JSON.

use std::io;
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Far beyond any prompt of a test.
const MAX_REQUEST: usize = 16 << 20;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// The connection it came on, from 0 in order of opening.
    pub connection: usize,
    /// When its last byte was read.
    pub received_at: Instant,
    /// `POST` and its like.
    pub method: String,
    /// The request's target, query included.
    pub path: String,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The parsed body; null where there is none or it is not JSON.
    pub body: serde_json::Value,
}

impl Request {
    /// A header's first value, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether a streamed answer is asked for.
    pub fn wants_stream(&self) -> bool {
        self.body["stream"] == true
    }

    /// The prompt's messages as (role, content).
    pub fn messages(&self) -> Vec<(String, String)> {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let messages = self.body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        messages.iter().map(|message| (text(&message["role"]), text(&message["content"]))).collect()
    }
}

/// Reads the next request; none where the client closed the connection between two.
pub(super) async fn read(
    socket: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    connection: usize,
) -> io::Result<Option<Request>> {
    let head_length = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if !read_more(socket, buffer).await? {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_length]).into_owned();
    let mut lines = head.lines();
    let mut start = lines.next().unwrap_or_default().split(' ');
    let mut next_word = || start.next().unwrap_or_default().to_owned();
    let (method, path) = (next_word(), next_word());
    let header = |line: &str| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    let headers: Vec<(String, String)> = lines.filter_map(header).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let length = head_length + length.unwrap_or(0usize).min(MAX_REQUEST);
    while buffer.len() < length {
        if !read_more(socket, buffer).await? {
            return Ok(None);
        }
    }
    let body = serde_json::from_slice(&buffer[head_length..length]).unwrap_or_default();
    buffer.drain(..length);
    Ok(Some(Request { connection, received_at: Instant::now(), method, path, headers, body }))
}

/// Reads on; false at the end.
pub(super) async fn read_more(socket: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> io::Result<bool> {
    if buffer.len() > MAX_REQUEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the request is too long"));
    }
    Ok(socket.read_buf(buffer).await? > 0)
}
