//! Rooms: AR rooms and regular ones, which differ in nothing but their list and who answers.

use super::ApiState;
use super::body::Json as Body;
use super::caller::Caller;
use crate::problem::{Problem, ProblemDetails};
use antiphon_core::{Identity, Visibility};
use antiphon_rooms::{NewRoom, RoomView};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// A new AR room.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewArRoom {
    /// Who answers in it; see `GET /api/agents`.
    pub agent_id: String,
    /// What the user calls it.
    pub name: Option<String>,
}

/// A new regular room.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewRegularRoom {
    /// What the user calls it.
    pub name: Option<String>,
    /// The creator's word for what it is, such as `group`; not `ar-conversation`.
    #[serde(rename = "type")]
    pub room_type: String,
    /// Who may find and enter it.
    pub visibility: Option<Visibility>,
    /// Who answers in it; nobody where none is named.
    pub agent_id: Option<String>,
}

/// The caller's rooms.
#[derive(Serialize, ToSchema)]
pub struct RoomList {
    /// Newest first.
    pub rooms: Vec<RoomView>,
}

type Created = Result<(StatusCode, Json<RoomView>), Problem>;

/// Creates an AR room: the caller and an agent.
#[utoipa::path(post, path = "/api/ar-rooms", tag = "rooms", request_body = NewArRoom, responses(
    (status = 201, body = RoomView), (status = 404, description = "agent_not_found", body = ProblemDetails),
    (status = 422, body = ProblemDetails)))]
pub(crate) async fn create_ar_room(
    State(state): State<Arc<ApiState>>,
    Caller(who): Caller,
    Body(new): Body<NewArRoom>,
) -> Created {
    let new = NewRoom { is_ar: true, agent_id: Some(new.agent_id), name: new.name, room_type: None, visibility: None };
    create(&state, &who, new).await
}

/// Creates a regular room.
#[utoipa::path(post, path = "/api/rooms", tag = "rooms", request_body = NewRegularRoom, responses(
    (status = 201, body = RoomView), (status = 404, description = "agent_not_found", body = ProblemDetails),
    (status = 422, body = ProblemDetails)))]
pub(crate) async fn create_room(
    State(state): State<Arc<ApiState>>,
    Caller(who): Caller,
    Body(new): Body<NewRegularRoom>,
) -> Created {
    let new = NewRoom {
        is_ar: false,
        agent_id: new.agent_id,
        name: new.name,
        room_type: Some(new.room_type),
        visibility: new.visibility,
    };
    create(&state, &who, new).await
}

async fn create(state: &ApiState, who: &Identity, new: NewRoom) -> Created {
    Ok((StatusCode::CREATED, Json(state.rooms.create(who, new).await?)))
}

/// The caller's AR rooms.
#[utoipa::path(get, path = "/api/ar-rooms", tag = "rooms", responses((status = 200, body = RoomList)))]
pub(crate) async fn ar_rooms(
    State(state): State<Arc<ApiState>>,
    Caller(who): Caller,
) -> Result<Json<RoomList>, Problem> {
    Ok(Json(RoomList { rooms: state.rooms.list(&who, true).await? }))
}

/// The caller's regular rooms; never an AR room.
#[utoipa::path(get, path = "/api/rooms", tag = "rooms", responses((status = 200, body = RoomList)))]
pub(crate) async fn rooms(State(state): State<Arc<ApiState>>, Caller(who): Caller) -> Result<Json<RoomList>, Problem> {
    Ok(Json(RoomList { rooms: state.rooms.list(&who, false).await? }))
}

/// An AR room of the caller.
#[utoipa::path(get, path = "/api/ar-rooms/{id}", tag = "rooms", params(("id" = String, Path)), responses(
    (status = 200, body = RoomView), (status = 404, description = "room_not_found", body = ProblemDetails)))]
pub(crate) async fn ar_room(
    State(state): State<Arc<ApiState>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Json<RoomView>, Problem> {
    Ok(Json(state.rooms.get(&who, true, &id).await?))
}

/// A regular room.
#[utoipa::path(get, path = "/api/rooms/{id}", tag = "rooms", params(("id" = String, Path)), responses(
    (status = 200, body = RoomView), (status = 404, description = "room_not_found", body = ProblemDetails)))]
pub(crate) async fn room(
    State(state): State<Arc<ApiState>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Json<RoomView>, Problem> {
    Ok(Json(state.rooms.get(&who, false, &id).await?))
}

/// Deletes an AR room: its streams end first.
#[utoipa::path(delete, path = "/api/ar-rooms/{id}", tag = "rooms", params(("id" = String, Path)), responses(
    (status = 204), (status = 404, description = "room_not_found", body = ProblemDetails)))]
pub(crate) async fn delete_ar_room(
    State(state): State<Arc<ApiState>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    state.rooms.delete(&who, true, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes a regular room: its streams end first.
#[utoipa::path(delete, path = "/api/rooms/{id}", tag = "rooms", params(("id" = String, Path)), responses(
    (status = 204), (status = 404, description = "room_not_found", body = ProblemDetails)))]
pub(crate) async fn delete_room(
    State(state): State<Arc<ApiState>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    state.rooms.delete(&who, false, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
