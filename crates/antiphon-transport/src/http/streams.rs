//! Streams: what is done to an answer while it runs, waits or is heard.

use super::ApiState;
use super::body::OptionalJson;
use super::caller::Caller;
use crate::problem::{Problem, ProblemDetails};
use antiphon_core::{AR_ROOM, ChannelName, Heard, ROOM};
use antiphon_rooms::{Accepted, StreamView};
use antiphon_wire::Object;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// An interrupt; the body may be empty.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct Interrupt {
    /// How far the answer was heard; without it all that was sent counts.
    #[serde(deserialize_with = "Object::optional")]
    pub heard: Option<Heard>,
    /// The attempt that was heard.
    pub attempt: Option<u32>,
}

type Changed = Result<(StatusCode, Json<StreamView>), Problem>;

fn changed(state: &ApiState, view: StreamView) -> Changed {
    Ok((StatusCode::ACCEPTED, Json(with_connections(state, view))))
}

/// The clients that watch the stream's room are known here, not to rooms.
fn with_connections(state: &ApiState, mut view: StreamView) -> StreamView {
    for namespace in [AR_ROOM, ROOM] {
        if let Ok(channel) = ChannelName::new(namespace, &view.room_id) {
            view.connections.extend(state.hub.client_ids(&channel));
        }
    }
    view
}

/// Where a stream stands.
#[utoipa::path(get, path = "/api/streams/{id}", tag = "streams", params(("id" = String, Path)), responses(
    (status = 200, body = StreamView), (status = 404, description = "stream_not_found", body = ProblemDetails)))]
pub(crate) async fn stream(
    State(state): State<Arc<ApiState>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Json<StreamView>, Problem> {
    Ok(Json(with_connections(&state, state.rooms.stream(&who, &id).await?)))
}

/// Interrupts an answer, also one whose text has ended but that is still being spoken.
#[utoipa::path(post, path = "/api/streams/{id}/interrupt", tag = "streams", params(("id" = String, Path)),
    request_body = inline(Option<Interrupt>), responses(
    (status = 202, body = StreamView), (status = 404, description = "stream_not_found", body = ProblemDetails)))]
pub(crate) async fn interrupt(
    State(state): State<Arc<ApiState>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    OptionalJson(interrupt): OptionalJson<Interrupt>,
) -> Changed {
    changed(&state, state.rooms.interrupt(&who, &id, interrupt.heard, interrupt.attempt).await?)
}

/// Stops an answer, or withdraws one that waits.
#[utoipa::path(post, path = "/api/streams/{id}/cancel", tag = "streams", params(("id" = String, Path)), responses(
    (status = 202, body = StreamView), (status = 404, description = "stream_not_found", body = ProblemDetails)))]
pub(crate) async fn cancel(State(state): State<Arc<ApiState>>, Caller(who): Caller, Path(id): Path<String>) -> Changed {
    changed(&state, state.rooms.cancel(&who, &id).await?)
}

/// Holds an answer.
#[utoipa::path(post, path = "/api/streams/{id}/pause", tag = "streams", params(("id" = String, Path)), responses(
    (status = 202, body = StreamView), (status = 404, description = "stream_not_found", body = ProblemDetails),
    (status = 409, description = "conflict", body = ProblemDetails)))]
pub(crate) async fn pause(State(state): State<Arc<ApiState>>, Caller(who): Caller, Path(id): Path<String>) -> Changed {
    changed(&state, state.rooms.pause(&who, &id).await?)
}

/// Lets a held answer go on.
#[utoipa::path(post, path = "/api/streams/{id}/resume", tag = "streams", params(("id" = String, Path)), responses(
    (status = 202, body = StreamView), (status = 404, description = "stream_not_found", body = ProblemDetails),
    (status = 409, description = "conflict", body = ProblemDetails)))]
pub(crate) async fn resume(State(state): State<Arc<ApiState>>, Caller(who): Caller, Path(id): Path<String>) -> Changed {
    changed(&state, state.rooms.resume(&who, &id).await?)
}

/// Asks again for a failed or interrupted answer; gives a new stream.
#[utoipa::path(post, path = "/api/streams/{id}/retry", tag = "streams", params(("id" = String, Path)), responses(
    (status = 202, body = Accepted), (status = 404, description = "stream_not_found", body = ProblemDetails),
    (status = 409, description = "conflict", body = ProblemDetails)))]
pub(crate) async fn retry(
    State(state): State<Arc<ApiState>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    state.limiter.message(&who)?;
    Ok((StatusCode::ACCEPTED, Json(state.rooms.retry(&who, &id).await?)))
}
