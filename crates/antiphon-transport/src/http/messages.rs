//! Messages of a room.

use super::ApiState;
use super::body::Json as Body;
use super::caller::Caller;
use crate::problem::{Problem, ProblemDetails};
use antiphon_core::limits::{DEFAULT_MESSAGE_PAGE, MAX_MESSAGE_PAGE};
use antiphon_core::{Code, Identity, Message, Refusal};
use antiphon_rooms::{Accepted, MessagePage, Reply};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// What a person says.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewMessage {
    /// The words.
    pub content: String,
    /// The client's own id: sending it again never doubles the message.
    pub client_message_id: Option<String>,
}

/// The whole answer in one response, for clients that cannot stream.
#[derive(Serialize, ToSchema)]
pub struct Answered {
    /// What was said.
    pub message: Message,
    /// What was answered, also where the answer failed.
    pub reply: Reply,
}

/// How a message is answered.
#[derive(Deserialize, IntoParams)]
pub(crate) struct Waiting {
    /// Wait for the whole answer.
    #[serde(default)]
    wait: bool,
}

/// Which messages are asked for.
#[derive(Deserialize, IntoParams)]
pub(crate) struct Page {
    /// At most this many, the latest; more than a page holds comes to a page.
    limit: Option<usize>,
    /// Only messages before the one of this id.
    before: Option<String>,
}

/// Says something in an AR room. 202 once it is durable; with `wait=true` 200 and the whole answer, or 202 if that takes
/// too long.
#[utoipa::path(post, path = "/api/ar-rooms/{id}/messages", tag = "messages", request_body = NewMessage,
    params(("id" = String, Path), Waiting), responses(
    (status = 200, body = Answered), (status = 202, body = Accepted),
    (status = 404, description = "room_not_found", body = ProblemDetails),
    (status = 409, description = "conflict", body = ProblemDetails), (status = 422, body = ProblemDetails),
    (status = 429, description = "rate_limited, queue_full", body = ProblemDetails)))]
pub(crate) async fn send_ar_message(
    State(state): State<Arc<ApiState>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Query(waiting): Query<Waiting>,
    Body(new): Body<NewMessage>,
) -> Result<Response, Problem> {
    send(&state, &who, true, &id, waiting, new).await
}

/// Says something in a regular room.
#[utoipa::path(post, path = "/api/rooms/{id}/messages", tag = "messages", request_body = NewMessage,
    params(("id" = String, Path), Waiting), responses(
    (status = 200, body = Answered), (status = 202, body = Accepted),
    (status = 404, description = "room_not_found", body = ProblemDetails),
    (status = 409, description = "conflict", body = ProblemDetails), (status = 422, body = ProblemDetails),
    (status = 429, description = "rate_limited, queue_full", body = ProblemDetails)))]
pub(crate) async fn send_message(
    State(state): State<Arc<ApiState>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Query(waiting): Query<Waiting>,
    Body(new): Body<NewMessage>,
) -> Result<Response, Problem> {
    send(&state, &who, false, &id, waiting, new).await
}

async fn send(
    state: &ApiState,
    who: &Identity,
    is_ar: bool,
    room_id: &str,
    waiting: Waiting,
    new: NewMessage,
) -> Result<Response, Problem> {
    state.limiter.message(who)?;
    let accepted = state.rooms.send(who, Some(is_ar), room_id, new.content, new.client_message_id).await?;
    if waiting.wait
        && let Some(stream_id) = &accepted.stream_id
        && let Some(reply) = state.rooms.wait(stream_id, state.wait).await
    {
        return Ok(Json(Answered { message: accepted.message, reply }).into_response());
    }
    Ok((StatusCode::ACCEPTED, Json(accepted)).into_response())
}

/// Messages of an AR room, oldest first.
#[utoipa::path(get, path = "/api/ar-rooms/{id}/messages", tag = "messages", params(("id" = String, Path), Page),
    responses((status = 200, body = MessagePage),
    (status = 404, description = "room_not_found", body = ProblemDetails), (status = 422, body = ProblemDetails)))]
pub(crate) async fn ar_messages(
    State(state): State<Arc<ApiState>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<MessagePage>, Problem> {
    list(&state, &who, true, &id, page).await
}

/// Messages of a regular room, oldest first.
#[utoipa::path(get, path = "/api/rooms/{id}/messages", tag = "messages", params(("id" = String, Path), Page),
    responses((status = 200, body = MessagePage),
    (status = 404, description = "room_not_found", body = ProblemDetails), (status = 422, body = ProblemDetails)))]
pub(crate) async fn messages(
    State(state): State<Arc<ApiState>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Query(page): Query<Page>,
) -> Result<Json<MessagePage>, Problem> {
    list(&state, &who, false, &id, page).await
}

async fn list(
    state: &ApiState,
    who: &Identity,
    is_ar: bool,
    room_id: &str,
    page: Page,
) -> Result<Json<MessagePage>, Problem> {
    let limit = match page.limit {
        None => DEFAULT_MESSAGE_PAGE,
        Some(0) => {
            let allowed = format!("`limit` is 1 to {MAX_MESSAGE_PAGE}");
            return Err(Refusal::new(Code::InvalidRequest, allowed).into());
        }
        Some(limit) => limit.min(MAX_MESSAGE_PAGE),
    };
    Ok(Json(state.rooms.messages(who, is_ar, room_id, limit, page.before.as_deref()).await?))
}
