//! Server-sent events: the same events as over WebSocket, one way, over plain HTTP.

mod outlet;

use crate::limiter::ConnectionGuard;
use crate::live::{Listed, Live};
use crate::problem::Problem;
use crate::query::LiveQuery;
use antiphon_core::limits::SSE_KEEP_ALIVE;
use antiphon_core::{AR_ROOM, ChannelName, Code, Identity, ROOM, Refusal, Timestamp};
use antiphon_hub::{Connection, Outlet, Start, SubscribeRequest};
use antiphon_wire::{Audience, Format, ServerMessage, encode};
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{ConnectInfo, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderValue, Uri, header};
use outlet::QueueOutlet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The events of a bare channel.
pub(crate) const CHANNEL: &str = "/api/channels/{namespace}/{id}/events";
/// All that is streamed: an AR room twice, a regular one twice, and a bare channel.
pub(crate) const PATHS: [&str; 5] = [
    "/api/ar-rooms/{id}/stream",
    "/api/ar-rooms/{id}/events",
    "/api/rooms/{id}/stream",
    "/api/rooms/{id}/events",
    CHANNEL,
];

/// The streams of rooms and of bare channels.
pub fn router(live: Live) -> Router {
    let [ar_stream, ar_events, room_stream, room_events, bare] = PATHS;
    Router::new()
        .route(ar_stream, get(ar_room))
        .route(ar_events, get(ar_room))
        .route(room_stream, get(room))
        .route(room_events, get(room))
        .route(bare, get(channel))
        .with_state(live)
}

async fn ar_room(live: State<Live>, address: Address, id: Id, uri: Uri, headers: HeaderMap) -> Response {
    open(live.0, address.0, decoded(id).and_then(|id| ChannelName::new(AR_ROOM, &id)), &uri, headers).await
}

async fn room(live: State<Live>, address: Address, id: Id, uri: Uri, headers: HeaderMap) -> Response {
    open(live.0, address.0, decoded(id).and_then(|id| ChannelName::new(ROOM, &id)), &uri, headers).await
}

async fn channel(
    live: State<Live>,
    address: Address,
    name: Result<Path<(String, String)>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let channel = decoded(name).and_then(|(namespace, id)| ChannelName::new(&namespace, &id));
    open(live.0, address.0, channel, &uri, headers).await
}

type Address = ConnectInfo<SocketAddr>;
type Id = Result<Path<String>, PathRejection>;

/// What the path names; where it cannot be decoded, that is a refusal like others, so that browsers can read it.
fn decoded<T>(path: Result<Path<T>, PathRejection>) -> Result<T, Refusal> {
    match path {
        Ok(Path(path)) => Ok(path),
        Err(_) => Err(Refusal::new(Code::InvalidRequest, "the path is not UTF-8 in percent-encoding (RFC 3986)")),
    }
}

async fn open(
    live: Live,
    address: SocketAddr,
    channel: Result<ChannelName, Refusal>,
    uri: &Uri,
    headers: HeaderMap,
) -> Response {
    let query = LiveQuery::read(uri.query());
    let has_ticket = query.ticket.is_some();
    match subscribe(&live, address, channel, query, &headers).await {
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
    query: LiveQuery,
    headers: &HeaderMap,
) -> Result<Client, Refusal> {
    let (identity, guard) = live.admit(headers, query.ticket.as_deref(), address).await?;
    query.check()?;
    let channel = channel?;
    live.may_read(&identity, &channel).await?;
    // A browser that reconnects by itself says where it was; that is newer than what the address says.
    let last_event_id = headers.get("last-event-id").map(|id| id.to_str().unwrap_or("not a position"));
    let start = Start::parse(last_event_id.filter(|id| !id.is_empty()).or(query.position.as_deref()))?;
    let until_end = match query.until.as_deref() {
        None => false,
        Some("end") => true,
        Some(_) => return Err(Refusal::new(Code::InvalidRequest, "`until` is `end` or absent")),
    };
    let audience = if identity.is_back_end { Audience::BackEnds } else { Audience::People };
    let format = match query.named.as_deref() {
        None | Some("false") => Format::Sse,
        Some("true") => Format::SseNamed,
        Some(_) => return Err(Refusal::new(Code::InvalidRequest, "`named` is `true`, `false` or absent")),
    };
    let outlet = Arc::new(QueueOutlet::new(format, audience, live.gauges.clone()));
    let connection = live.hub.connect(&identity.user_id, outlet.clone(), None)?;
    connection.subscribe(SubscribeRequest { channel: channel.clone(), start, until_end, request_id: None }).await?;
    let listed = Listed::new(&live.gauges, connection.client_id(), channel);
    Ok(Client { live: live.clone(), outlet, identity, _connection: connection, _guard: guard, _listed: listed })
}

/// One open stream; dropping it ends its subscription.
struct Client {
    live: Live,
    outlet: Arc<QueueOutlet>,
    identity: Identity,
    _connection: Connection,
    _guard: ConnectionGuard,
    _listed: Listed,
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
                self.last(&self.live.goodbye_message())
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
