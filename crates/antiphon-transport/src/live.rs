//! What the live transports share: who may connect and read what, and the count of who is there.

use crate::auth::Authenticator;
use crate::limiter::{ConnectionGuard, Limiter};
use crate::origin::OriginPolicy;
use antiphon_core::{ChannelName, Code, Identity, Refusal};
use antiphon_hub::Hub;
use antiphon_rooms::Rooms;
use http::HeaderMap;
use std::collections::HashSet;
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
}

/// One more open connection, until it is dropped.
pub struct Counted<F: Fn(&LiveGauges) -> &AtomicUsize> {
    gauges: Arc<LiveGauges>,
    which: F,
}

impl<F: Fn(&LiveGauges) -> &AtomicUsize> Counted<F> {
    /// Counts.
    pub fn new(gauges: &Arc<LiveGauges>, which: F) -> Self {
        which(gauges).fetch_add(1, Ordering::Relaxed);
        Self { gauges: gauges.clone(), which }
    }
}

impl<F: Fn(&LiveGauges) -> &AtomicUsize> Drop for Counted<F> {
    fn drop(&mut self) {
        (self.which)(&self.gauges).fetch_sub(1, Ordering::Relaxed);
    }
}

impl Live {
    /// Lets a client in: origin, identity, number of connections.
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

    /// A time to come back, spread so that not all clients come at once.
    pub fn reconnect_after_ms(&self) -> u64 {
        rand::random_range(500..3_000)
    }
}
