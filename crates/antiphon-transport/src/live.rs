//! What the live transports share: who may connect and read what, and the count of who is there.

use crate::auth::Authenticator;
use crate::limiter::{ConnectionGuard, Limiter};
use crate::origin::OriginPolicy;
use antiphon_core::{ChannelName, Code, Identity, Refusal};
use antiphon_hub::Hub;
use antiphon_rooms::Rooms;
use antiphon_wire::ServerMessage;
use http::HeaderMap;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Everything that a live connection needs.
#[derive(Clone)]
pub struct Live {
    /// Sessions and subscriptions.
    pub hub: Arc<Hub>,
    /// Rooms and their streams.
    pub rooms: Arc<Rooms>,
    /// Who a caller is.
    pub authenticator: Arc<Authenticator>,
    /// How much each may do.
    pub limiter: Limiter,
    /// Which pages may connect.
    pub origins: Arc<OriginPolicy>,
    /// The namespaces that may be read, where the operator requires them to be declared.
    pub declared: Option<Arc<HashSet<String>>>,
    /// How often clients hear from the server.
    pub heartbeat: Duration,
    /// Cancelled once the server drains: it lets nobody in any more.
    pub draining: CancellationToken,
    /// Cancelled when clients are to be told to come back later.
    pub goodbye: CancellationToken,
    /// WebSocket and SSE connections now, and events sent.
    pub gauges: Arc<LiveGauges>,
}

/// Connections and deliveries in numbers.
#[derive(Debug, Default)]
pub struct LiveGauges {
    /// Open WebSocket connections.
    pub websocket_connections: AtomicUsize,
    /// Open SSE connections.
    pub sse_connections: AtomicUsize,
    /// Batches of events written to WebSocket clients.
    pub websocket_events: AtomicU64,
    /// Batches of events written to SSE clients.
    pub sse_events: AtomicU64,
    /// The open SSE connections: the client's id, and what it follows. As many as there may be connections.
    sse_clients: Mutex<BTreeMap<String, ChannelName>>,
}

impl LiveGauges {
    /// Some of the open SSE connections: the client's id, and what it follows.
    pub fn sse_clients(&self, most: usize) -> Vec<(String, ChannelName)> {
        let clients = self.sse_clients.lock();
        clients.iter().take(most).map(|(id, channel)| (id.clone(), channel.clone())).collect()
    }
}

/// One more open SSE connection, until it is dropped.
pub struct Listed {
    gauges: Arc<LiveGauges>,
    client_id: String,
}

impl Listed {
    /// Counts and lists it.
    pub fn new(gauges: &Arc<LiveGauges>, client_id: &str, channel: ChannelName) -> Self {
        gauges.sse_connections.fetch_add(1, Ordering::Relaxed);
        gauges.sse_clients.lock().insert(client_id.to_owned(), channel);
        Self { gauges: gauges.clone(), client_id: client_id.to_owned() }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.gauges.sse_clients.lock().remove(&self.client_id);
        self.gauges.sse_connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One more open WebSocket connection, until it is dropped.
pub struct Counted(Arc<LiveGauges>);

impl Counted {
    /// Counts.
    pub fn new(gauges: &Arc<LiveGauges>) -> Self {
        gauges.websocket_connections.fetch_add(1, Ordering::Relaxed);
        Self(gauges.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.websocket_connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The server drains: it takes nothing new, and the one after it will.
pub(crate) fn leaving() -> Refusal {
    Refusal::new(Code::Unavailable, "the server is about to restart and takes nothing new, try again")
        .retry_after(Duration::from_secs(2))
}

impl Live {
    /// Lets a client in: origin, whether anybody is let in, identity, number of connections.
    pub async fn admit(
        &self,
        headers: &HeaderMap,
        ticket: Option<&str>,
        address: SocketAddr,
    ) -> Result<(Identity, ConnectionGuard), Refusal> {
        if !self.origins.allows(headers) {
            return Err(Refusal::new(
                Code::Forbidden,
                "pages of this origin may not connect: the operator can add it to `server.cors_origins`",
            ));
        }
        if self.draining.is_cancelled() {
            // Before the ticket is spent.
            return Err(leaving());
        }
        let identity = self.authenticator.authenticate(headers, ticket).await?;
        let guard = self.limiter.connection(&identity, Some(address.ip()))?;
        Ok((identity, guard))
    }

    /// Whether the caller may read the channel. A room that is not theirs does not exist.
    pub async fn may_read(&self, identity: &Identity, channel: &ChannelName) -> Result<(), Refusal> {
        if channel.is_room() {
            return self.rooms.may_read(identity, channel).await;
        }
        if !identity.may_read(channel) {
            return Err(Refusal::new(
                Code::Forbidden,
                format!("you may not read channels of type {}", channel.namespace()),
            ));
        }
        if let Some(declared) = &self.declared
            && !declared.contains(channel.namespace())
        {
            return Err(Refusal::new(Code::ChannelNotFound, "no namespace of that name is declared"));
        }
        Ok(())
    }

    /// The server leaves, and when to come back: spread, so that not all clients come at once.
    pub fn goodbye_message(&self) -> ServerMessage {
        let reconnect_after_ms = rand::random_range(500..3_000);
        ServerMessage::Goodbye { reason: "the server is leaving".to_owned(), reconnect_after_ms }
    }
}
