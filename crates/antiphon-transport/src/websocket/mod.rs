//! WebSocket: the upgrade, the refusals that a browser can read, and the connection after it.

mod close_code;
mod connection;
mod outlet;
mod requests;

use crate::accept::Unstalled;
use crate::live::{Counted, Live};
use crate::problem::Problem;
use crate::query::LiveQuery;
use antiphon_core::{AR_ROOM, ChannelName, Code, Identity, Refusal};
use antiphon_hub::{Start, SubscribeRequest};
use antiphon_wire::websocket::{accept_key, close};
use antiphon_wire::{Audience, ServerMessage};
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use outlet::SocketOutlet;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;

/// A connection that joins nothing yet, and one that joins a room.
pub(crate) const PATHS: [&str; 2] = ["/ws", "/ws/ar-rooms/{room_id}"];

/// `/ws` and `/ws/ar-rooms/{id}`.
pub fn router(live: Live) -> Router {
    let [bare, of_room] = PATHS;
    Router::new().route(bare, get(open)).route(of_room, get(open_room)).with_state(live)
}

async fn open(State(live): State<Live>, ConnectInfo(address): ConnectInfo<SocketAddr>, request: Request) -> Response {
    upgrade(live, address, None, request).await
}

async fn open_room(
    State(live): State<Live>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    room_id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    // An id that is not UTF-8 is nobody's, as the empty one is.
    let room_id = room_id.map_or_else(|_| String::new(), |Path(room_id)| room_id);
    upgrade(live, address, Some(room_id), request).await
}

/// A client that was let in, and what it wants first.
struct Admitted {
    identity: Identity,
    first: Option<SubscribeRequest>,
    resume: Option<String>,
    guard: crate::limiter::ConnectionGuard,
}

/// Refusals are given after the upgrade, as browsers cannot read the answer to a failed one.
async fn upgrade(live: Live, address: SocketAddr, room_id: Option<String>, mut request: Request) -> Response {
    let Some(key) = websocket_key(request.headers()) else {
        let refusal = Refusal::new(Code::InvalidRequest, "this address speaks WebSocket, version 13 (RFC 6455)");
        return Problem::from(refusal).into_response();
    };
    let Some(on_upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
        return Problem::from(Refusal::new(Code::InvalidRequest, "this connection cannot be upgraded")).into_response();
    };
    let query = LiveQuery::read(request.uri().query());
    let admitted = admit(&live, address, query, room_id, request.headers()).await;
    tokio::spawn(async move {
        match on_upgrade.await {
            // A task of its own: this one's waiting for the upgrade would be memory of an idle client.
            Ok(upgraded) => drop(tokio::spawn(run(live, upgraded, admitted))),
            Err(error) => tracing::debug!(%error, "an upgrade failed"),
        }
    });
    let headers = [
        (header::CONNECTION, "upgrade".to_owned()),
        (header::UPGRADE, "websocket".to_owned()),
        (header::SEC_WEBSOCKET_ACCEPT, key),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

fn websocket_key(headers: &HeaderMap) -> Option<String> {
    let is = |name, wanted: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(',').any(|part| part.trim().eq_ignore_ascii_case(wanted))
    };
    let is_upgrade = is(header::CONNECTION, "upgrade")
        && is(header::UPGRADE, "websocket")
        && is(header::SEC_WEBSOCKET_VERSION, "13");
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
    is_upgrade.then(|| accept_key(key.as_bytes()))
}

/// A refusal comes with the channel that it is about, if it is about one.
async fn admit(
    live: &Live,
    address: SocketAddr,
    query: LiveQuery,
    room_id: Option<String>,
    headers: &HeaderMap,
) -> Result<Admitted, (Refusal, Option<ChannelName>)> {
    let (identity, guard) =
        live.admit(headers, query.ticket.as_deref(), address).await.map_err(|refusal| (refusal, None))?;
    query.check().map_err(|refusal| (refusal, None))?;
    let mut first = None;
    if let Some(room_id) = room_id {
        let not_found = |_| (Refusal::new(Code::RoomNotFound, "no such room"), None);
        let channel = ChannelName::new(AR_ROOM, &room_id).map_err(not_found)?;
        live.may_read(&identity, &channel).await.map_err(|refusal| (refusal, Some(channel.clone())))?;
        let start = Start::parse(query.position.as_deref()).map_err(|refusal| (refusal, Some(channel.clone())))?;
        first = Some(SubscribeRequest { channel, start, until_end: false, request_id: None });
    }
    Ok(Admitted { identity, first, resume: query.resume, guard })
}

async fn run(live: Live, upgraded: Upgraded, admitted: Result<Admitted, (Refusal, Option<ChannelName>)>) {
    let Some((socket, early)) = socket_of(upgraded) else {
        tracing::error!("an upgraded connection is not one of this listener's");
        return;
    };
    let is_back_end = admitted.as_ref().is_ok_and(|admitted| admitted.identity.is_back_end);
    let audience = if is_back_end { Audience::BackEnds } else { Audience::People };
    let outlet = SocketOutlet::new(socket, audience, live.gauges.clone());
    let counted = Counted::new(&live.gauges);
    match admitted {
        Ok(admitted) => connection::run(live, outlet, admitted, &early).await,
        Err((refusal, channel)) => Box::pin(refuse(&live, &outlet, refusal, channel.as_ref())).await,
    }
    drop(counted);
}

/// The socket itself, without the HTTP connection's buffers, and what the client sent before it saw the answer.
fn socket_of(upgraded: Upgraded) -> Option<(TcpStream, Vec<u8>)> {
    let parts = upgraded.downcast::<TokioIo<Unstalled>>().ok()?;
    // Copied, as a slice would keep the HTTP connection's whole read buffer.
    Some((parts.io.into_inner().into_inner(), parts.read_buf.to_vec()))
}

async fn refuse(live: &Live, outlet: &Arc<SocketOutlet>, refusal: Refusal, channel: Option<&ChannelName>) {
    let is_leaving = refusal.code == Code::Unavailable && live.draining.is_cancelled();
    let code = if is_leaving { close::LEAVING } else { close_code::of(refusal.code) };
    let reason = refusal.code.as_str();
    outlet.say(&ServerMessage::error(refusal, None, channel));
    if is_leaving {
        outlet.say(&live.goodbye_message());
    }
    outlet.finish(code, reason).await;
}
