//! A client of one room, as light as it can be: it looks for the text in what comes and never parses the JSON around it.

use super::clock::{Clock, stamps};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How a client is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    WebSocket,
    Sse,
}

/// What one client saw of one answer.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Microseconds from the model to this client: the first token, and the others.
    pub(super) first: Option<u64>,
    pub(super) others: Vec<u64>,
    /// Whether the answer's end came.
    pub(super) has_ended: bool,
}

/// A connected client.
pub(super) struct Viewer {
    socket: TcpStream,
    rest: Vec<u8>,
}

/// Where spoken text begins in every transport's frames.
const TEXT: &[u8] = b"\"text\":\"";
const END: &[u8] = b"\"type\":\"ar-stream-end\"";
/// Stands once in each frame that brings something of an answer, whether of one token or of several that were merged.
const CHUNK: &[u8] = b"\"type\":\"ar-stream-chunk\"";
const CAUGHT_UP: &[u8] = b"\"type\":\"caught-up\"";
/// How long a server may take to let a client in.
const CONNECT: Duration = Duration::from_secs(15);
/// What is kept of bytes in which nothing was found: as much as a frame's field names.
const KEPT: usize = 4 * 1024;

impl Viewer {
    /// Connects and waits until live delivery begins.
    pub(super) async fn connect(address: &str, room: &str, transport: Transport, token: &str) -> io::Result<Self> {
        let mut socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let (path, upgrade) = match transport {
            Transport::WebSocket => (
                format!("/ws/ar-rooms/{room}"),
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            ),
            Transport::Sse => (format!("/api/ar-rooms/{room}/stream"), ""),
        };
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n{upgrade}\r\n");
        socket.write_all(request.as_bytes()).await?;
        let mut viewer = Self { socket, rest: Vec::new() };
        let caught_up = async {
            loop {
                if let Some(at) = find(&viewer.rest, CAUGHT_UP) {
                    viewer.rest.drain(..at + CAUGHT_UP.len());
                    return io::Result::Ok(());
                }
                viewer.read().await?;
            }
        };
        tokio::time::timeout(CONNECT, caught_up).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        Ok(viewer)
    }

    /// Watches one answer until its end, or until nothing comes for so long.
    pub(super) async fn watch(&mut self, clock: &Clock, silence: Duration) -> Seen {
        let mut seen = Seen::default();
        while !seen.has_ended {
            match tokio::time::timeout(silence, self.read()).await {
                Ok(Ok(())) => self.take(clock.micros(), &mut seen),
                _ => break,
            }
        }
        seen
    }

    /// Adds the chunks that come to `delivered`, until the server ends the connection.
    pub(super) async fn count(mut self, delivered: &AtomicU64) {
        while self.read().await.is_ok() {
            let mut ends = memchr::memmem::find_iter(&self.rest, CHUNK).map(|at| at + CHUNK.len());
            let mut chunks = 0;
            let mut done = 0;
            for end in &mut ends {
                chunks += 1;
                done = end;
            }
            delivered.fetch_add(chunks, Ordering::Relaxed);
            // The beginning of the next one may be there.
            let keep = done.max(self.rest.len().saturating_sub(CHUNK.len() - 1));
            self.rest.drain(..keep);
        }
    }

    async fn read(&mut self) -> io::Result<()> {
        self.rest.reserve(16 * 1024);
        if self.socket.read_buf(&mut self.rest).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    fn take(&mut self, now: u64, seen: &mut Seen) {
        let mut done = 0;
        while let Some(at) = find(&self.rest[done..], TEXT) {
            let begin = done + at + TEXT.len();
            let Some(length) = self.rest[begin..].iter().position(|byte| *byte == b'"') else { break };
            for stamp in stamps(&self.rest[begin..begin + length]) {
                let micros = now.saturating_sub(stamp);
                match seen.first {
                    None => seen.first = Some(micros),
                    Some(_) => seen.others.push(micros),
                }
            }
            done = begin + length;
        }
        seen.has_ended |= find(&self.rest, END).is_some();
        // What may be the beginning of a text that is still on its way is kept.
        let unfinished = find(&self.rest[done..], TEXT).map(|at| done + at);
        let keep = unfinished.unwrap_or_else(|| done.max(self.rest.len().saturating_sub(KEPT)));
        self.rest.drain(..keep);
    }
}

/// The stamps of the spoken text in a body of server-sent events.
pub(super) fn spoken(body: &[u8]) -> impl Iterator<Item = u64> {
    memchr::memmem::find_iter(body, TEXT).flat_map(|at| {
        let text = body.get(at + TEXT.len()..).unwrap_or_default();
        stamps(text.split(|byte| *byte == b'"').next().unwrap_or_default())
    })
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// Serves these bytes one by one to the one client that comes.
    async fn serve(bytes: String) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            for byte in bytes.as_bytes() {
                socket.write_all(&[*byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        address
    }

    #[tokio::test]
    async fn chunks_are_counted_once_each_wherever_the_bytes_are_cut() {
        let frame = "{\"type\":\"ar-stream-chunk\",\"chunk\":\"a\",\"text\":\"a\"}";
        let address = serve(format!("\"type\":\"caught-up\"{frame}{frame}\"type\":\"ar-stream-end\"{frame}")).await;
        let viewer = Viewer::connect(&address, "room-1", Transport::WebSocket, "t").await.unwrap();
        let delivered = AtomicU64::new(0);
        viewer.count(&delivered).await;
        assert_eq!(delivered.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn only_what_is_spoken_has_stamps() {
        let body = "id: 446655440000\ndata: {\"text\":\"000000000001 000000000002 \",\"chunk\":\"000000000003 \"}\n";
        assert_eq!(spoken(body.as_bytes()).collect::<Vec<_>>(), [1, 2]);
    }

    #[tokio::test]
    async fn tokens_are_seen_once_each_wherever_the_bytes_are_cut() {
        let clock = Clock::start();
        let frames = format!(
            "x\"type\":\"caught-up\"y{{\"text\":\"{0} {0} \",\"chunk\":\"{0} {0} \"}}{{\"text\":\"{0} \"}}\"type\":\"ar-stream-end\"",
            clock.stamp()
        );
        let address = serve(frames).await;
        let mut viewer = Viewer::connect(&address, "room-1", Transport::Sse, "t").await.unwrap();
        let seen = viewer.watch(&clock, Duration::from_secs(5)).await;
        assert_eq!((seen.first.is_some(), seen.others.len(), seen.has_ended), (true, 2, true));
    }
}
