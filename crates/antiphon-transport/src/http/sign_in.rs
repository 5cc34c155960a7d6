//! Tickets for browsers and tokens for guests.

use super::ApiState;
use super::caller::{Anyone, Caller};
use crate::auth::{Guest, Ticket};
use crate::problem::{Problem, ProblemDetails};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use std::sync::Arc;

/// A ticket that opens one WebSocket or SSE connection within 60 seconds.
#[utoipa::path(post, path = "/api/tickets", tag = "identity", responses(
    (status = 201, body = Ticket), (status = 401, body = ProblemDetails)))]
pub(crate) async fn ticket(
    State(state): State<Arc<ApiState>>,
    Caller(who): Caller,
) -> Result<(StatusCode, Json<Ticket>), Problem> {
    Ok((StatusCode::CREATED, Json(state.authenticator.issue_ticket(&who).await?)))
}

/// A guest and their token; in demo mode only.
#[utoipa::path(post, path = "/api/guest", tag = "identity", security(()), responses(
    (status = 201, body = Guest), (status = 404, body = ProblemDetails)))]
pub(crate) async fn guest(State(state): State<Arc<ApiState>>, _: Anyone) -> Result<(StatusCode, Json<Guest>), Problem> {
    Ok((StatusCode::CREATED, Json(state.authenticator.new_guest()?)))
}
