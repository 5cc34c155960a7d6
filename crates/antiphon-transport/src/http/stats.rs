//! The shape of `GET /api/realtime/stats`.

use serde::Serialize;
use utoipa::ToSchema;

/// Live delivery in numbers.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RealtimeStats {
    /// `healthy`, or `degraded` while something that this process works worse without is away.
    pub status: String,
    /// Server-sent events.
    pub sse: SseStats,
    /// WebSocket.
    pub websocket: WebSocketStats,
    /// Channels that somebody is subscribed to.
    pub channels: ChannelStats,
    /// How long an event takes from hop to hop, as far as both ends are in this process: a hop whose `count` is 0 was not
    /// measured here.
    pub latency: LatencyStats,
    /// How fast a stop reaches the provider.
    pub cancel: CancelStats,
}

/// Server-sent events.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SseStats {
    /// Open now.
    pub total_connections: usize,
    /// Events written since the start.
    pub total_events: u64,
    /// Each open connection; for back-end callers only.
    pub clients: Vec<SseClient>,
}

/// One open connection.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SseClient {
    /// Its id.
    pub client_id: String,
    /// The channel it follows.
    pub channel: String,
}

/// WebSocket.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebSocketStats {
    /// Open now.
    pub total_connections: usize,
    /// Events written since the start.
    pub total_events: u64,
}

/// Channels that somebody is subscribed to.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelStats {
    /// Whether the live path between processes works. Without it events come later, from the log.
    pub is_connected: bool,
    /// How many channels.
    pub active_channels: usize,
    /// How many subscriptions to them.
    pub total_subscriptions: usize,
    /// How many of the channels this process follows over Redis now.
    pub redis_subscriptions: usize,
    /// Their names; for back-end callers only.
    pub channels: Vec<String>,
}

/// How long an event takes from hop to hop.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LatencyStats {
    /// From the model's piece to its place in the log.
    pub provider_to_log: Latency,
    /// From the log to the channel's writer.
    pub log_to_hub: Latency,
    /// From the channel's writer to a client's socket.
    pub hub_to_socket: Latency,
}

/// One hop.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub struct Latency {
    /// Median, in milliseconds.
    pub p50: f64,
    /// 99th percentile, in milliseconds.
    pub p99: f64,
    /// How many were measured.
    pub count: u64,
}

impl From<antiphon_hub::HopSummary> for Latency {
    fn from(hop: antiphon_hub::HopSummary) -> Self {
        Self { p50: hop.p50, p99: hop.p99, count: hop.count }
    }
}

/// How fast a stop reaches the provider.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CancelStats {
    /// From the stop to the closed connection: median, in milliseconds.
    pub p50: f64,
    /// The same, 99th percentile.
    pub p99: f64,
    /// Chunks that were sent after a stop, over all stops.
    pub chunks_after: u64,
    /// How many stops were measured.
    pub count: u64,
}
