//! A model that is simulated: it streams tokens at a fixed pace in the format of OpenAI's chat completions
//! (<https://platform.openai.com/docs/api-reference/chat-streaming>), and each token is the time at which it was sent.

use super::clock::Clock;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How an answer comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How many tokens it has.
    pub(super) tokens: usize,
    /// Tokens a second, each written by itself.
    pub(super) per_second: f64,
}

/// Multiples of it, without their whole parts, lie evenly between 0 and 1 however many there are (Weyl, 1916).
const GOLDEN_RATIO: f64 = 1.618_033_988_749_895;

/// The model at an address of this machine, until it is dropped.
pub(super) struct Provider {
    pub(super) address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Provider {
    pub(super) async fn start(clock: Clock, pace: Pace) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let answers = Arc::new(AtomicU32::new(0));
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let answers = answers.clone();
                // A caller that goes away ends its answer.
                tokio::spawn(async move { drop(serve(socket, &clock, pace, &answers).await) });
            }
        });
        Ok(Self { address, serving })
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(socket: TcpStream, clock: &Clock, pace: Pace, answers: &AtomicU32) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let (reader, mut writer) = socket.into_split();
    let mut reader = BufReader::new(reader);
    while skip_request(&mut reader).await? {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        writer.write_all(head.as_bytes()).await?;
        // Answers that kept step would come in bursts of all of them, as those of different models and callers do not.
        let phase = (f64::from(answers.fetch_add(1, Ordering::Relaxed)) * GOLDEN_RATIO).fract();
        stream(&mut writer, clock, pace, phase).await?;
    }
    Ok(())
}

/// Reads one request; false where the caller has gone.
async fn skip_request(reader: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<bool> {
    let (mut line, mut length) = (String::new(), 0_usize);
    loop {
        line.clear();
        if reader.read_line(&mut line).await? == 0 {
            return Ok(false);
        }
        let header = line.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await?;
    Ok(true)
}

/// `phase` is the part of the time between two tokens after which the first one comes.
async fn stream(writer: &mut (impl AsyncWriteExt + Unpin), clock: &Clock, pace: Pace, phase: f64) -> io::Result<()> {
    let between = Duration::from_secs_f64(1.0 / pace.per_second);
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + between.mul_f64(phase), between);
    for _ in 0..pace.tokens {
        ticks.tick().await;
        let stamp = clock.stamp();
        write_chunk(
            writer,
            &format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{stamp} \"}}}}]}}\n\n"),
        )
        .await?;
    }
    let end = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    write_chunk(writer, end).await?;
    writer.write_all(b"0\r\n\r\n").await
}

async fn write_chunk(writer: &mut (impl AsyncWriteExt + Unpin), text: &str) -> io::Result<()> {
    writer.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await
}
