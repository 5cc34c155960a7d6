//! A scripted upstream: a model provider's HTTP server on a real socket, which answers, trickles, stalls, cuts and
//! resets as a test says, and remembers what it was asked and when its connections were closed.

pub mod anthropic;
mod connection;
pub mod gemini;
pub mod ollama;
pub mod openai;
pub mod perplexity;
mod player;
mod reply;
mod request;

pub use player::{Sent, stamp_of};
pub use reply::{Framing, Reply, Step};
pub use request::Request;

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::task::{JoinHandle, JoinSet};

/// How long the waiting methods wait before they give up with an error.
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes a reply to a request for which no reply is queued.
pub type Responder = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;

/// A running upstream. It stops, and closes its connections, when it is dropped.
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// A request and what became of it.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// What was asked.
    pub request: Request,
    /// What was sent, and when.
    pub sent: Sent,
    /// When the client closed the connection while the reply ran, or after it.
    pub closed_at: Option<Instant>,
    /// When the reply was over as scripted; none while it runs or where the client left before.
    pub replied_at: Option<Instant>,
}

struct Shared {
    replies: Mutex<VecDeque<Reply>>,
    responder: Mutex<Responder>,
    exchanges: Mutex<Vec<Exchange>>,
    changed: Notify,
    released: Semaphore,
    connections: Mutex<usize>,
}

impl Upstream {
    /// Listens on a free port of 127.0.0.1. Requests get these replies in order of arrival, on whatever connection;
    /// after them each gets the echo of [`Reply::echo`], or what [`Self::respond_with`] says.
    pub async fn start(replies: impl IntoIterator<Item = Reply>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            replies: Mutex::new(replies.into_iter().collect()),
            responder: Mutex::new(Arc::new(Reply::echo)),
            exchanges: Mutex::default(),
            changed: Notify::new(),
            released: Semaphore::new(0),
            connections: Mutex::new(0),
        });
        let task = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { address, shared, task })
    }

    /// What a client of it takes for its `base_url`: `http://127.0.0.1:PORT/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Queues another reply.
    pub fn push(&self, reply: Reply) {
        self.shared.replies.lock().push_back(reply);
    }

    /// Says what is answered once no reply is queued.
    pub fn respond_with(&self, responder: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        *self.shared.responder.lock() = Arc::new(responder);
    }

    /// Lets one [`Step::Stall`] go on, the one that waits or the next.
    pub fn release(&self) {
        self.shared.released.add_permits(1);
    }

    /// All requests so far, in order of arrival, and what became of them.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.shared.exchanges.lock().clone()
    }

    /// Connections that were ever opened.
    pub fn connections(&self) -> usize {
        *self.shared.connections.lock()
    }

    /// The request of an index, from 0 in order of arrival, once it has come.
    pub async fn request(&self, index: usize) -> io::Result<Request> {
        self.wait(|exchanges| exchanges.get(index).map(|exchange| exchange.request.clone())).await
    }

    /// When the client closed the connection of a request, once it has.
    pub async fn closed_at(&self, index: usize) -> io::Result<Instant> {
        self.wait(|exchanges| exchanges.get(index).and_then(|exchange| exchange.closed_at)).await
    }

    /// Waits until at least so many pieces of a request's reply have been written.
    pub async fn sent(&self, index: usize, pieces: usize) -> io::Result<Sent> {
        let enough = |exchange: &Exchange| exchange.sent.pieces.len() >= pieces;
        self.wait(|exchanges| exchanges.get(index).filter(|e| enough(e)).map(|e| e.sent.clone())).await
    }

    async fn wait<T>(&self, found: impl Fn(&[Exchange]) -> Option<T>) -> io::Result<T> {
        let search = async {
            loop {
                // Registered before the look, so that no change falls between the two.
                let changed = self.shared.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if let Some(result) = found(&self.shared.exchanges.lock()) {
                    return result;
                }
                changed.await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, search).await;
        waited.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, format!("not seen within {PATIENCE:?}")))
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// Remembers a request; gives its index and its reply. One step, so that the n-th request gets the n-th reply.
    fn record(&self, request: Request) -> (usize, Reply) {
        let (index, queued) = {
            let mut exchanges = self.exchanges.lock();
            exchanges.push(Exchange {
                request: request.clone(),
                sent: Sent::default(),
                closed_at: None,
                replied_at: None,
            });
            (exchanges.len() - 1, self.replies.lock().pop_front())
        };
        self.changed.notify_waiters();
        let responder = self.responder.lock().clone();
        (index, queued.unwrap_or_else(|| responder(&request)))
    }

    fn update(&self, index: usize, change: impl FnOnce(&mut Exchange)) {
        if let Some(exchange) = self.exchanges.lock().get_mut(index) {
            change(exchange);
        }
        self.changed.notify_waiters();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, and every connection with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((socket, _)) = accepted {
                    let mut count = shared.connections.lock();
                    connections.spawn(connection::serve(socket, *count, shared.clone()));
                    *count += 1;
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

#[cfg(test)]
mod tests;
