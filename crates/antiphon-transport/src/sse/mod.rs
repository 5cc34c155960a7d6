//! Server-sent events: the same events as over WebSocket, one way, over plain HTTP.

mod outlet;

use crate::limiter::ConnectionGuard;
use crate::live::{Counted, Live, LiveGauges};
use crate::problem::Problem;
use antiphon_core::limits::SSE_KEEP_ALIVE;
use antiphon_core::{AR_ROOM, ChannelName, Code, Identity, ROOM, Refusal, Timestamp};
use antiphon_hub::{Connection, Outlet, Start, SubscribeRequest};
use antiphon_wire::{Audience, Format, ServerMessage, encode};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderValue, header};
use outlet::QueueOutlet;
use serde::Deserialize;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// The streams of rooms and of bare channels.
pub fn router(live: Live) -> Router {
    Router::new()
        .route("/api/ar-rooms/{id}/stream", get(ar_room))
        .route("/api/ar-rooms/{id}/events", get(ar_room))
        .route("/api/rooms/{id}/stream", get(room))
        .route("/api/rooms/{id}/events", get(room))
        .route("/api/channels/{namespace}/{id}/events", get(channel))
        .with_state(live)
}

/// What the address says.
#[derive(Deserialize)]
pub struct Parameters {
    ticket: Option<String>,
    position: Option<String>,
    until: Option<String>,
    named: Option<String>,
}

async fn ar_room(
    State(live): State<Live>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    Path(id): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    open(live, address, ChannelName::new(AR_ROOM, &id), parameters, headers).await
}

async fn room(
    State(live): State<Live>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    Path(id): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    open(live, address, ChannelName::new(ROOM, &id), parameters, headers).await
}

async fn channel(
    State(live): State<Live>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    Path((namespace, id)): Path<(String, String)>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    open(live, address, ChannelName::new(&namespace, &id), parameters, headers).await
}

async fn open(
    live: Live,
    address: SocketAddr,
    channel: Result<ChannelName, Refusal>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Response {
    let has_ticket = parameters.ticket.is_some();
    match subscribe(&live, address, channel, parameters, &headers).await {
        Ok(client) => response(Body::from_stream(stream::unfold(client, Client::next))),
        // A browser cannot read the status or the body of a failed EventSource.
        Err(refusal) if has_ticket => {
            let message = ServerMessage::Refused { code: refusal.code.as_str(), message: refusal.message };
            response(Body::from(encode::notice(&message, Format::Sse)))
        }
        Err(refusal) => Problem::from(refusal).into_response(),
    }
}

fn response(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    // nginx would hold events back otherwise.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

async fn subscribe(
    live: &Live,
    address: SocketAddr,
    channel: Result<ChannelName, Refusal>,
    parameters: Parameters,
    headers: &HeaderMap,
) -> Result<Client, Refusal> {
    let (identity, guard) = live.admit(headers, parameters.ticket.as_deref(), address).await?;
    let channel = channel?;
    live.may_read(&identity, &channel).await?;
    // A browser that reconnects by itself says where it was; that is newer than what the address says.
    let last_event_id = headers.get("last-event-id").map(|id| id.to_str().unwrap_or("not a position"));
    let start = Start::parse(last_event_id.filter(|id| !id.is_empty()).or(parameters.position.as_deref()))?;
    let until_end = match parameters.until.as_deref() {
        None => false,
        Some("end") => true,
        Some(_) => return Err(Refusal::new(Code::InvalidRequest, "`until` is `end` or absent")),
    };
    let audience = if identity.is_back_end { Audience::BackEnds } else { Audience::People };
    let is_named = parameters.named.as_deref() == Some("true");
    let format = if is_named { Format::SseNamed } else { Format::Sse };
    let outlet = Arc::new(QueueOutlet::new(format, audience, live.gauges.clone()));
    let connection = live.hub.connect(&identity.user_id, outlet.clone(), None)?;
    connection.subscribe(SubscribeRequest { channel, start, until_end, request_id: None }).await?;
    let counted = Counted::new(&live.gauges, sse_connections as fn(&LiveGauges) -> &AtomicUsize);
    Ok(Client { live: live.clone(), outlet, identity, _connection: connection, _guard: guard, _counted: counted })
}

fn sse_connections(gauges: &LiveGauges) -> &AtomicUsize {
    &gauges.sse_connections
}

/// One open stream; dropping it ends its subscription.
struct Client {
    live: Live,
    outlet: Arc<QueueOutlet>,
    identity: Identity,
    _connection: Connection,
    _guard: ConnectionGuard,
    _counted: Counted<fn(&LiveGauges) -> &AtomicUsize>,
}

impl Drop for Client {
    fn drop(&mut self) {
        // Whoever waits for room in the queue must learn that nobody empties it any more.
        self.outlet.subscription_ended();
    }
}

impl Client {
    async fn next(self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let left = self.identity.expires_at.map(|at| at.millis().saturating_sub(Timestamp::now().millis()));
        let expiry = left.map(Duration::from_millis).filter(|left| *left <= SSE_KEEP_ALIVE);
        let frames = tokio::select! {
            biased;
            frames = self.outlet.take() => frames?,
            () = tokio::time::sleep(expiry.unwrap_or(SSE_KEEP_ALIVE)) => match expiry {
                None => Bytes::from_static(encode::SSE_COMMENT),
                Some(_) => {
                    let refusal = Refusal::new(Code::Unauthorized, "the token has ended: connect again with a new one");
                    self.last(&ServerMessage::error(refusal, None, None))
                }
            },
            () = self.live.goodbye.cancelled(), if !self.outlet.is_closed() => {
                let reason = "the server is leaving".to_owned();
                self.last(&ServerMessage::Goodbye { reason, reconnect_after_ms: self.live.reconnect_after_ms() })
            }
        };
        Some((Ok(frames), self))
    }

    /// The message after which the stream ends.
    fn last(&self, message: &ServerMessage) -> Bytes {
        self.outlet.subscription_ended();
        encode::notice(message, self.outlet.format())
    }
}
