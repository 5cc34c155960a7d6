//! What operators and programs ask about the server itself.

use super::caller::Anyone;
use super::{ApiState, RealtimeStats};
use crate::problem::{Problem, ProblemDetails};
use antiphon_core::limits::MAX_STATS_LIST;
use antiphon_core::{Code, Refusal};
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// Everyone who answers.
#[derive(Serialize, ToSchema)]
pub struct AgentsView {
    /// By id.
    pub agents: Vec<AgentView>,
}

/// Who answers, and what they are.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentView {
    /// For `agentId`.
    pub id: String,
    /// What people see.
    pub name: String,
    /// The provider's kind.
    #[schema(example = "openai")]
    pub kind: String,
    /// The provider's name for the model.
    pub model: String,
    /// True where no model answers.
    pub simulated: bool,
    /// Whether it can answer now.
    pub ready: bool,
    /// A local model's file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// That file's SHA-256, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// A local model's pace, measured on real answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_second: Option<f64>,
}

/// The process lives.
#[derive(Serialize, ToSchema)]
pub struct HealthView {
    /// `healthy` or `degraded`, and `ready` where that was the question.
    pub status: &'static str,
    /// The server's version.
    pub version: &'static str,
    /// What it works worse without and is without now: `log`, `records`, `redis`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Option<Vec<String>>)]
    pub away: Vec<&'static str>,
}

/// Who answers.
#[utoipa::path(get, path = "/api/agents", tag = "agents", security(()), responses((status = 200, body = AgentsView)))]
pub(crate) async fn agents(State(state): State<Arc<ApiState>>, _: Anyone) -> Json<AgentsView> {
    Json(AgentsView { agents: (state.agents)() })
}

/// Whether the process lives, which it does if it answers, and what it is without.
#[utoipa::path(get, path = "/health", tag = "operations", security(()), responses((status = 200, body = HealthView)))]
pub(crate) async fn health(State(state): State<Arc<ApiState>>) -> Json<HealthView> {
    let away = (state.away)();
    let status = if away.is_empty() { "healthy" } else { "degraded" };
    Json(HealthView { status, version: env!("CARGO_PKG_VERSION"), away })
}

/// Whether the server takes work; it may lack what it can do without. Where not, `detail` names each thing that is lacking.
#[utoipa::path(get, path = "/ready", tag = "operations", security(()), responses(
    (status = 200, body = HealthView), (status = 503, description = "unavailable", body = ProblemDetails)))]
pub(crate) async fn ready(State(state): State<Arc<ApiState>>) -> Result<Json<HealthView>, Problem> {
    let lacking =
        if state.draining.is_cancelled() { vec!["the server is shutting down".to_owned()] } else { (state.lacking)() };
    if lacking.is_empty() {
        return Ok(Json(HealthView { status: "ready", version: env!("CARGO_PKG_VERSION"), away: (state.away)() }));
    }
    Err(Refusal::new(Code::Unavailable, lacking.join("; ")).retry_after(Duration::from_secs(2)).into())
}

/// Metrics in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "operations", security(()), responses(
    (status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn metrics(State(state): State<Arc<ApiState>>) -> impl IntoResponse {
    // https://prometheus.io/docs/instrumenting/exposition_formats/
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (state.metrics)())
}

/// Live delivery in numbers. Who and what is connected is listed for API keys only.
#[utoipa::path(get, path = "/api/realtime/stats", tag = "operations", security((), ("apiKey" = [])), responses(
    (status = 200, body = RealtimeStats)))]
pub(crate) async fn realtime_stats(State(state): State<Arc<ApiState>>, Anyone(who): Anyone) -> Json<RealtimeStats> {
    let mut stats = (state.stats)();
    let listed = if who.is_some_and(|who| who.is_back_end) { MAX_STATS_LIST } else { 0 };
    stats.channels.channels.truncate(listed);
    stats.sse.clients.truncate(listed);
    Json(stats)
}

/// This document.
pub(crate) async fn openapi(_: Anyone) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], crate::openapi::json())
}
