//! HTTP: one function a call, each a thin door to rooms, the log or the numbers of this process.

mod body;
mod caller;
mod finish;
mod messages;
mod operations;
mod publish;
mod role;
mod rooms;
mod sign_in;
mod stats;
mod streams;

pub use finish::finish;
pub use messages::{Answered, NewMessage};
pub use operations::{AgentView, AgentsView, HealthView};
pub use publish::{NewEvent, NewEvents, Published};
pub use rooms::{NewArRoom, NewRegularRoom, RoomList};
pub use stats::{CancelStats, ChannelStats, Latency, LatencyStats, RealtimeStats, SseClient, SseStats, WebSocketStats};
pub use streams::Interrupt;

pub(crate) use messages::{__path_ar_messages, __path_messages, __path_send_ar_message, __path_send_message};
pub(crate) use operations::{__path_agents, __path_health, __path_metrics, __path_ready, __path_realtime_stats};
pub(crate) use publish::__path_publish;
pub(crate) use rooms::{
    __path_ar_room, __path_ar_rooms, __path_create_ar_room, __path_create_room, __path_delete_ar_room,
    __path_delete_room, __path_room, __path_rooms,
};
pub(crate) use sign_in::{__path_guest, __path_ticket};
pub(crate) use streams::{__path_cancel, __path_interrupt, __path_pause, __path_resume, __path_retry, __path_stream};

use crate::auth::Authenticator;
use crate::limiter::Limiter;
use crate::live::Live;
use crate::page::{self, PageFile};
use crate::{sse, websocket};
use antiphon_core::Log;
use antiphon_hub::Hub;
use antiphon_rooms::Rooms;
use axum::Router;
use axum::routing::{get, post};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What the calls need; shared by all of them.
pub struct ApiState {
    /// Rooms and their streams.
    pub rooms: Arc<Rooms>,
    /// Who is connected.
    pub hub: Arc<Hub>,
    /// Bare channels.
    pub log: Arc<dyn Log>,
    /// Who answers, as things stand.
    pub agents: Arc<dyn Fn() -> Vec<AgentView> + Send + Sync>,
    /// Who a caller is.
    pub authenticator: Arc<Authenticator>,
    /// How much each may do.
    pub limiter: Limiter,
    /// The namespaces that may be published to, where the operator requires them to be declared.
    pub declared: Option<Arc<HashSet<String>>>,
    /// How long `?wait=true` waits for an answer.
    pub wait: Duration,
    /// Cancelled once the server drains: it is no longer ready.
    pub draining: CancellationToken,
    /// The metrics of the process in Prometheus' text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// The numbers of live delivery.
    pub stats: Arc<dyn Fn() -> RealtimeStats + Send + Sync>,
    /// Names of what the process works worse without and is without now, such as `redis`.
    pub away: Arc<dyn Fn() -> Vec<&'static str> + Send + Sync>,
    /// What it cannot do without and is without now: sentences for operators. Waits for nothing.
    pub lacking: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
}

/// What a process serves beside its own health and numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Calls over HTTP, and the page.
    pub calls: bool,
    /// WebSocket and SSE.
    pub live: bool,
    /// The process's roles, for people: whoever asks for what it does not serve is told them.
    pub roles: String,
}

/// The whole server, or as much of it as this process serves.
pub fn router(api: ApiState, live: Live, files: &'static [PageFile], served: &Served) -> Router {
    let origins = live.origins.clone();
    let state = Arc::new(api);
    let mut calls = operations_router(state.clone()).merge(role::router(served));
    if served.calls {
        calls = calls.merge(calls_router(state)).merge(page::router(files));
    }
    if served.live {
        calls = calls.merge(sse::router(live.clone())).merge(websocket::router(live));
    }
    finish(calls, origins)
}

/// Every call but the live ones. Merge with their routers, then [`finish`].
pub fn api_router(state: ApiState) -> Router {
    let state = Arc::new(state);
    operations_router(state.clone()).merge(calls_router(state))
}

fn operations_router(state: Arc<ApiState>) -> Router {
    Router::new()
        .route("/api/realtime/stats", get(operations::realtime_stats))
        .route("/health", get(operations::health))
        .route("/ready", get(operations::ready))
        .route("/metrics", get(operations::metrics))
        .route("/openapi.json", get(operations::openapi))
        .with_state(state)
}

fn calls_router(state: Arc<ApiState>) -> Router {
    Router::new()
        .route("/api/agents", get(operations::agents))
        .route("/api/tickets", post(sign_in::ticket))
        .route("/api/guest", post(sign_in::guest))
        .route("/api/ar-rooms", get(rooms::ar_rooms).post(rooms::create_ar_room))
        .route("/api/ar-rooms/{id}", get(rooms::ar_room).delete(rooms::delete_ar_room))
        .route("/api/ar-rooms/{id}/messages", get(messages::ar_messages).post(messages::send_ar_message))
        .route("/api/rooms", get(rooms::rooms).post(rooms::create_room))
        .route("/api/rooms/{id}", get(rooms::room).delete(rooms::delete_room))
        .route("/api/rooms/{id}/messages", get(messages::messages).post(messages::send_message))
        .route("/api/streams/{id}", get(streams::stream))
        .route("/api/streams/{id}/interrupt", post(streams::interrupt))
        .route("/api/streams/{id}/cancel", post(streams::cancel))
        .route("/api/streams/{id}/pause", post(streams::pause))
        .route("/api/streams/{id}/resume", post(streams::resume))
        .route("/api/streams/{id}/retry", post(streams::retry))
        .route(sse::CHANNEL, post(publish::publish))
        .with_state(state)
}
