//! Plays a reply on a connection.

use super::reply::{Framing, Reply, Step};
use serde_json::Value;
use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Semaphore;

/// What has been sent of a reply.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// When each write of the body went out; the bytes of a trickle count as one.
    pub pieces: Vec<Instant>,
}

/// How a reply was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// As its framing says; the connection may be used again.
    KeepAlive,
    /// With the connection, by FIN.
    Close,
    /// With the connection, by RST.
    Reset,
    /// The client was gone.
    Left,
}

/// The number and the time of sending of a token of [`Step::Paced`], in microseconds since the Unix epoch.
pub fn stamp_of(token: &str) -> Option<(usize, u64)> {
    let (number, micros) = token.trim().split_once('@')?;
    Some((number.parse().ok()?, micros.parse().ok()?))
}

struct Player<'a, W, F> {
    writer: &'a mut W,
    framing: Option<Framing>,
    on_sent: F,
}

/// Plays a reply to its end.
pub(super) async fn play<W, F>(reply: &Reply, writer: &mut W, released: &Semaphore, on_sent: F) -> Ending
where
    W: AsyncWrite + Unpin,
    F: Fn(&dyn Fn(&mut Sent)),
{
    let mut player = Player { writer, framing: None, on_sent };
    for step in &reply.steps {
        match player.step(step, released).await {
            Ok(None) => {}
            Ok(Some(ending)) => return ending,
            Err(_) => return Ending::Left,
        }
    }
    player.done().await.unwrap_or(Ending::Left)
}

impl<W: AsyncWrite + Unpin, F: Fn(&dyn Fn(&mut Sent))> Player<'_, W, F> {
    async fn step(&mut self, step: &Step, released: &Semaphore) -> io::Result<Option<Ending>> {
        match step {
            Step::Headers { status, headers, framing } => self.headers(*status, headers, *framing).await?,
            Step::Bytes(bytes) => self.piece(bytes).await?,
            Step::SseData(json) => self.piece(&frame(json)).await?,
            Step::ByteByByte(bytes, delay) => {
                for byte in bytes {
                    self.write(std::slice::from_ref(byte)).await?;
                    // A sleep of nothing lasts until the timer's next millisecond.
                    match delay.is_zero() {
                        true => tokio::task::yield_now().await,
                        false => tokio::time::sleep(*delay).await,
                    }
                }
                self.note();
            }
            Step::Paced { tokens, per_second, frame } => self.paced(*tokens, *per_second, *frame).await?,
            Step::Sleep(duration) => tokio::time::sleep(*duration).await,
            Step::Stall => {
                if let Ok(permit) = released.acquire().await {
                    permit.forget();
                }
            }
            Step::Cut => {
                self.writer.shutdown().await?;
                return Ok(Some(Ending::Close));
            }
            Step::Reset => return Ok(Some(Ending::Reset)),
            Step::Done => return self.done().await.map(Some),
        }
        Ok(None)
    }

    async fn headers(&mut self, status: u16, headers: &[(String, String)], framing: Framing) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {status} Scripted\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&match framing {
            Framing::Chunked => "transfer-encoding: chunked\r\n\r\n".to_owned(),
            Framing::Length(length) => format!("content-length: {length}\r\n\r\n"),
            Framing::UntilClose => "connection: close\r\n\r\n".to_owned(),
        });
        self.framing = Some(framing);
        self.writer.write_all(head.as_bytes()).await
    }

    /// Sends n tokens, each when it is due after the first: a late one does not delay the rest.
    async fn paced(&mut self, tokens: usize, per_second: f64, frame: fn(&str) -> Vec<u8>) -> io::Result<()> {
        let begun = tokio::time::Instant::now();
        for number in 0..tokens {
            tokio::time::sleep_until(begun + Duration::from_secs_f64(number as f64 / per_second)).await;
            let micros = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
            self.piece(&frame(&format!("{number}@{micros} "))).await?;
        }
        Ok(())
    }

    async fn piece(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write(bytes).await?;
        self.note();
        Ok(())
    }

    fn note(&self) {
        let now = Instant::now();
        (self.on_sent)(&|sent| sent.pieces.push(now));
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.framing.is_none() {
            let headers = [("content-type".to_owned(), "text/event-stream".to_owned())];
            self.headers(200, &headers, Framing::Chunked).await?;
        }
        if self.framing != Some(Framing::Chunked) {
            return self.writer.write_all(bytes).await;
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.writer.write_all(&chunk).await
    }

    async fn done(&mut self) -> io::Result<Ending> {
        match self.framing {
            Some(Framing::Chunked) => self.writer.write_all(b"0\r\n\r\n").await?,
            Some(Framing::Length(_)) => {}
            Some(Framing::UntilClose) | None => {
                self.writer.shutdown().await?;
                return Ok(Ending::Close);
            }
        }
        Ok(Ending::KeepAlive)
    }
}

/// A server-sent event with this data.
pub(super) fn frame(json: &Value) -> Vec<u8> {
    format!("data: {json}\n\n").into_bytes()
}
