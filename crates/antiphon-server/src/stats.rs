//! The numbers of this process, for `GET /api/realtime/stats` and `/metrics`.

use crate::config::Engine;
use crate::storage::{Condition, LivePath, RedisState, Storage};
use antiphon_cluster::WhyUnserved;
use antiphon_core::Log;
use antiphon_core::limits::MAX_STATS_LIST;
use antiphon_hub::{Hop, Hub};
use antiphon_rooms::Rooms;
use antiphon_transport::http::{
    CancelStats, ChannelStats, LatencyStats, RealtimeStats, SseClient, SseStats, WebSocketStats,
};
use antiphon_transport::live::LiveGauges;
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Where the numbers come from.
#[derive(Clone)]
pub struct Sources {
    /// Subscriptions and latencies.
    pub hub: Arc<Hub>,
    /// Connections.
    pub gauges: Arc<LiveGauges>,
    /// Streams.
    pub rooms: Arc<Rooms>,
    /// Whether it takes events.
    pub log: Arc<dyn Log>,
    /// Whether events come the quick way.
    pub live_path: LivePath,
    /// From the model's piece to its place in the log.
    pub provider_to_log: Arc<Hop>,
    /// What this process can do.
    pub condition: Condition,
}

impl Sources {
    /// Those of this process.
    pub fn of(storage: &Storage, hub: &Arc<Hub>, gauges: &Arc<LiveGauges>, rooms: &Arc<Rooms>) -> Self {
        Self {
            hub: hub.clone(),
            gauges: gauges.clone(),
            rooms: rooms.clone(),
            log: storage.log.clone(),
            live_path: storage.live_path.clone(),
            provider_to_log: storage.provider_to_log.clone(),
            condition: storage.condition.clone(),
        }
    }

    /// What this process works worse without, and is without now: `log`, `records`, `redis`.
    pub fn away(&self) -> Vec<&'static str> {
        let log = (!self.is_log_well()).then_some("log");
        let redis = self.live_path.redis().filter(|redis| !redis.is_up).map(|_| "redis");
        let records = self.condition.records.as_ref().filter(|records| !records.is_up()).map(|_| "records");
        log.into_iter().chain(records).chain(redis).collect()
    }

    /// Whether the log takes events, as far as this process knows.
    fn is_log_well(&self) -> bool {
        self.log.health().is_ok() && self.condition.is_taken_elsewhere()
    }

    /// The numbers now.
    pub fn realtime(&self) -> RealtimeStats {
        let counts = self.hub.counts();
        let hops = self.hub.hops();
        RealtimeStats {
            status: if self.away().is_empty() { "healthy" } else { "degraded" }.to_owned(),
            sse: SseStats {
                total_connections: self.gauges.sse_connections.load(Ordering::Relaxed),
                total_events: self.gauges.sse_events.load(Ordering::Relaxed),
                clients: self.sse_clients(),
            },
            websocket: WebSocketStats {
                total_connections: self.gauges.websocket_connections.load(Ordering::Relaxed),
                total_events: self.gauges.websocket_events.load(Ordering::Relaxed),
            },
            channels: ChannelStats {
                is_connected: self.live_path.is_connected(self.is_log_well()),
                active_channels: counts.channels.len(),
                total_subscriptions: counts.channels.iter().map(|(_, subscriptions)| subscriptions).sum(),
                redis_subscriptions: self.live_path.redis().map_or(0, |redis| redis.subscriptions),
                channels: counts.channels.into_iter().map(|(name, _)| name).collect(),
            },
            latency: LatencyStats {
                provider_to_log: self.provider_to_log.summary().into(),
                log_to_hub: hops.log_to_hub.summary().into(),
                hub_to_socket: hops.hub_to_socket.summary().into(),
            },
            cancel: self.cancel(),
        }
    }

    fn sse_clients(&self) -> Vec<SseClient> {
        let clients = self.gauges.sse_clients(MAX_STATS_LIST);
        clients.into_iter().map(|(client_id, channel)| SseClient { client_id, channel: channel.to_string() }).collect()
    }

    fn cancel(&self) -> CancelStats {
        let stops = self.rooms.stop_latencies();
        let millis = |latency: Duration| latency.as_secs_f64() * 1_000.0;
        CancelStats {
            p50: millis(stops.p50),
            p99: millis(stops.p99),
            chunks_after: stops.chunks_after,
            count: stops.count,
        }
    }

    /// The metrics now, in Prometheus' text format.
    pub fn prometheus(&self, handle: &PrometheusHandle) -> String {
        let stats = self.realtime();
        let gauge = |name: &'static str, value: f64| metrics::gauge!(name).set(value);
        gauge("antiphon_up", 1.0);
        gauge("antiphon_log_healthy", truth(self.is_log_well()));
        if let Some(RedisState { is_up, subscriptions, left_out }) = self.live_path.redis() {
            gauge("antiphon_redis_up", truth(is_up));
            gauge("antiphon_redis_subscriptions", subscriptions as f64);
            metrics::counter!("antiphon_redis_left_out_total").absolute(left_out);
        }
        self.engines_and_shards();
        gauge("antiphon_websocket_connections", stats.websocket.total_connections as f64);
        gauge("antiphon_sse_connections", stats.sse.total_connections as f64);
        gauge("antiphon_channels", stats.channels.active_channels as f64);
        gauge("antiphon_subscriptions", stats.channels.total_subscriptions as f64);
        gauge("antiphon_open_streams", self.rooms.open_streams() as f64);
        metrics::counter!("antiphon_events_written_total", "transport" => "websocket")
            .absolute(stats.websocket.total_events);
        metrics::counter!("antiphon_events_written_total", "transport" => "sse").absolute(stats.sse.total_events);
        let hops = [
            ("provider_to_log", stats.latency.provider_to_log),
            ("log_to_hub", stats.latency.log_to_hub),
            ("hub_to_socket", stats.latency.hub_to_socket),
        ];
        // One that no event took here has no figures.
        for (hop, latency) in hops.into_iter().filter(|(_, latency)| latency.count > 0) {
            metrics::gauge!("antiphon_hop_seconds", "hop" => hop, "quantile" => "0.5").set(latency.p50 / 1_000.0);
            metrics::gauge!("antiphon_hop_seconds", "hop" => hop, "quantile" => "0.99").set(latency.p99 / 1_000.0);
        }
        gauge("antiphon_stop_seconds_p99", stats.cancel.p99 / 1_000.0);
        metrics::counter!("antiphon_stops_total").absolute(stats.cancel.count);
        metrics::counter!("antiphon_chunks_after_stop_total").absolute(stats.cancel.chunks_after);
        handle.render()
    }
}

impl Sources {
    /// The gauges of what stands behind this process.
    fn engines_and_shards(&self) {
        let Condition { engine, records, shared, appends_refused, .. } = &self.condition;
        if let Some((Engine::Kafka, log)) = engine {
            metrics::gauge!("antiphon_kafka_up").set(truth(log.health().is_ok()));
        }
        if let Some(records) = records {
            metrics::gauge!("antiphon_postgres_up").set(truth(records.is_up()));
        }
        metrics::counter!("antiphon_appends_refused_total").absolute(appends_refused.load(Ordering::Relaxed));
        let Some((cluster, ownerships)) = shared else { return };
        let unserved = cluster.unserved();
        let without_owner = unserved.iter().filter(|unserved| unserved.why == WhyUnserved::NoOwner).count();
        metrics::gauge!("antiphon_owned_shards").set(cluster.owned().watch().borrow().len() as f64);
        metrics::gauge!("antiphon_shards_without_owner").set(without_owner as f64);
        metrics::gauge!("antiphon_shards_unreachable").set((unserved.len() - without_owner) as f64);
        let (taken, lost) = ownerships.counts();
        metrics::counter!("antiphon_ownerships_taken_total").absolute(taken);
        metrics::counter!("antiphon_ownerships_lost_total").absolute(lost);
    }
}

fn truth(is_so: bool) -> f64 {
    if is_so { 1.0 } else { 0.0 }
}
