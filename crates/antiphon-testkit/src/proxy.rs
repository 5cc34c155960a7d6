//! A TCP proxy that stands between a process and what it speaks to, and cuts, pauses, delays and throttles it.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use rand::Rng;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

/// What is read at once, in bytes.
const BLOCK: usize = 16 * 1024;
/// Blocks that are on their way in one direction; then the sender waits.
const BLOCKS: usize = 64;

/// How long a port may stay taken.
const LETS_GO: Duration = Duration::from_secs(10);

/// What a connection through the proxy is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Link {
    /// As if the proxy were not there.
    Open,
    /// Connections are reset and new ones too.
    Cut,
    /// Connections stay, and no byte passes.
    Paused,
    /// Each block of bytes comes later, in order, by the delay and up to as much again as the jitter says.
    Delayed {
        /// At least so much later.
        delay: Duration,
        /// And at most so much more.
        jitter: Duration,
    },
    /// So many bytes pass in a second, in each direction of each connection.
    Throttled {
        /// Bytes per second.
        bytes_per_second: u32,
    },
}

/// A proxy that was dropped lets go of its port a moment later.
async fn bind(listen: &str) -> io::Result<TcpListener> {
    let began = Instant::now();
    loop {
        match TcpListener::bind(listen).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && began.elapsed() < LETS_GO => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            bound => return bound,
        }
    }
}

/// A running proxy. It stops, and cuts its connections, when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    link: watch::Sender<Link>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port and passes on to `HOST:PORT`.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn start(target: &str) -> io::Result<Self> {
        Self::start_on("127.0.0.1:0", target).await
    }

    /// Listens on this address and passes on to `HOST:PORT`, which may be down.
    ///
    /// # Errors
    /// Where the address is taken.
    pub async fn start_on(listen: &str, target: &str) -> io::Result<Self> {
        let listener = bind(listen).await?;
        let address = listener.local_addr()?;
        let (link, state) = watch::channel(Link::Open);
        let task = tokio::spawn(accept(listener, target.to_owned(), state));
        Ok(Self { address, link, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what all connections are like, those there are and those to come.
    pub fn set(&self, link: Link) {
        self.link.send_replace(link);
    }

    /// Back to [`Link::Open`]. What was cut stays closed; what was paused goes on.
    pub fn heal(&self) {
        self.set(Link::Open);
    }

    /// What connections are like.
    pub fn link(&self) -> Link {
        *self.link.borrow()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, target: String, link: watch::Receiver<Link>) {
    // Dropped with this task, and every connection with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((near, _)) = accepted {
                    connections.spawn(serve(near, target.clone(), link.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(near: TcpStream, target: String, mut link: watch::Receiver<Link>) {
    // A drop without lingering is a reset (RST), as from a machine that is gone.
    let _ = near.set_zero_linger();
    let cut = link.clone();
    tokio::select! {
        biased;
        () = until_cut(cut) => {}
        () = async {
            until_passing(&mut link).await;
            let Ok(far) = TcpStream::connect(&target).await else { return };
            let _ = (near.set_nodelay(true), far.set_nodelay(true), far.set_zero_linger());
            let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
            // Either end's closing ends both.
            tokio::select! {
                () = pass(from_near, to_far, link.clone()) => {}
                () = pass(from_far, to_near, link.clone()) => {}
            }
        } => {}
    }
}

async fn until_cut(mut link: watch::Receiver<Link>) {
    // An error means that the proxy is dropped.
    let _ = link.wait_for(|link| *link == Link::Cut).await;
}

async fn until_passing(link: &mut watch::Receiver<Link>) {
    let _ = link.wait_for(|link| *link != Link::Paused).await;
}

/// One direction: a reader that notes when each block is due, and a writer that waits for it.
async fn pass(from: OwnedReadHalf, to: OwnedWriteHalf, link: watch::Receiver<Link>) {
    let (sender, receiver) = mpsc::channel(BLOCKS);
    tokio::join!(read(from, sender, link.clone()), write(to, receiver, link));
}

async fn read(mut from: OwnedReadHalf, blocks: mpsc::Sender<(Instant, Vec<u8>)>, link: watch::Receiver<Link>) {
    let mut buffer = vec![0; BLOCK];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let later = match *link.borrow() {
            Link::Delayed { delay, jitter } => delay + jitter.mul_f64(rand::rng().random()),
            _ => Duration::ZERO,
        };
        if blocks.send((Instant::now() + later, buffer[..length].to_vec())).await.is_err() {
            return;
        }
    }
}

async fn write(
    mut to: OwnedWriteHalf,
    mut blocks: mpsc::Receiver<(Instant, Vec<u8>)>,
    mut link: watch::Receiver<Link>,
) {
    while let Some((due, block)) = blocks.recv().await {
        tokio::time::sleep_until(due).await;
        until_passing(&mut link).await;
        let state = *link.borrow();
        if let Link::Throttled { bytes_per_second } = state {
            tokio::time::sleep(Duration::from_secs_f64(block.len() as f64 / f64::from(bytes_per_second.max(1)))).await;
        }
        if to.write_all(&block).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

#[cfg(test)]
mod tests;
