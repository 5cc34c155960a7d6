//! `antiphon serve`: opens what the configuration names, wires it together, and closes it in order.

use crate::config::{ConfigError, Role, Settings};
use crate::stats::Sources;
use crate::storage::Storage;
use crate::{agents, identity, page};
use antiphon_ai::agent::Agents;
use antiphon_core::ViewerCount;
use antiphon_core::limits::WAIT_FOR_ANSWER;
use antiphon_hub::Hub;
use antiphon_markers::Vocabulary;
use antiphon_rooms::{Rooms, RoomsOptions};
use antiphon_transport::accept;
use antiphon_transport::auth::Authenticator;
use antiphon_transport::http::{ApiState, Served, router};
use antiphon_transport::limiter::Limiter;
use antiphon_transport::live::{Live, LiveGauges};
use antiphon_transport::origin::OriginPolicy;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long clients may take to leave once they are told to.
const GOODBYE: Duration = Duration::from_secs(3);
/// How often the metrics' histograms are tidied.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration cannot be used.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// Something that it names cannot be had.
    #[error("{0}")]
    Start(String),
}

/// Runs until SIGTERM or Ctrl-C, and then as long as running streams may take.
pub async fn serve(settings: Settings, is_demo: bool) -> Result<(), ServeError> {
    let mut signals = Signals::new()?;
    let metrics = install_metrics()?;
    let authenticator = Arc::new(identity::authenticator(&settings, is_demo)?);
    let agents = agents::build(&settings, is_demo)?;
    let vocabulary = Vocabulary::default();
    for agent in agents.iter() {
        agent.provider.prepare(agent.system_prompt(Some(&vocabulary)));
    }
    let listener = listen(&settings).await?;
    let viewers = ViewerCount::default();
    let storage = Storage::open(&settings, &viewers).await?;
    let hub = Hub::new(storage.log.clone(), storage.backbone.clone(), viewers.clone());
    let rooms = Rooms::start(RoomsOptions {
        log: storage.log.clone(),
        records: storage.records.clone(),
        agents: agents.clone(),
        viewers,
        owned: storage.owned.clone(),
        elsewhere: storage.rooms_elsewhere(),
        log_state: storage.log_state(),
    })
    .await
    .map_err(|error| ServeError::Start(format!("the rooms cannot be opened: {error}")))?;
    storage.join(&rooms, &authenticator).await?;
    let stopping = Stopping::default();
    let gauges = Arc::new(LiveGauges::default());
    let (api, live) = wire(Wiring {
        settings: &settings,
        is_demo,
        sources: Sources::of(&storage, &hub, &gauges, &rooms),
        agents,
        authenticator,
        stopping: &stopping,
        metrics,
    });
    let address = listener.local_addr().map_err(|error| ServeError::Start(error.to_string()))?;
    let proxies = settings.trusted_proxies()?;
    let roles = settings.role_set()?;
    let served = Served {
        calls: roles.contains(&Role::Api),
        live: roles.contains(&Role::Realtime),
        roles: roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let router = router(api, live, page::FILES, &served);
    let serving = tokio::spawn(accept::serve(listener, router, proxies, stopping.closed.clone()));
    // Whoever started the server may have closed its output; it serves all the same.
    let _ = writeln!(io::stdout(), "ready http://{address}").and_then(|()| io::stdout().flush());
    tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), demo = is_demo, "ready");
    run_until_stopped(&mut signals, &storage, &settings).await;
    let drain = Duration::from_secs(settings.server.drain_seconds);
    tracing::info!(seconds = drain.as_secs(), open_streams = rooms.open_streams(), "shutting down");
    stopping.draining.cancel();
    storage.retreat();
    tokio::select! {
        () = rooms.drain(drain) => {}
        () = signals.next() => tracing::warn!("told again: not waiting for running streams"),
    }
    storage.hand_over().await;
    stopping.goodbye.cancel();
    wait_until_empty(&gauges).await;
    stopping.closed.cancel();
    let _ = serving.await;
    storage.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// The steps of a graceful shutdown, in their order.
#[derive(Default)]
struct Stopping {
    draining: CancellationToken,
    goodbye: CancellationToken,
    closed: CancellationToken,
}

/// What the calls are made of.
struct Wiring<'a> {
    settings: &'a Settings,
    is_demo: bool,
    sources: Sources,
    agents: Agents,
    authenticator: Arc<Authenticator>,
    stopping: &'a Stopping,
    metrics: PrometheusHandle,
}

fn wire(wiring: Wiring<'_>) -> (ApiState, Live) {
    let Wiring { settings, is_demo, sources, agents, authenticator, stopping, metrics } = wiring;
    let limiter = Limiter::new(settings.limits.into());
    let declared = settings.channels.require_declared.then(|| Arc::new(settings.namespaces.keys().cloned().collect()));
    let origins = Arc::new(OriginPolicy { allowed: settings.server.cors_origins.clone(), allow_loopback: is_demo });
    let (for_stats, for_metrics, for_health) = (sources.clone(), sources.clone(), sources.clone());
    let condition = sources.condition.clone();
    let api = ApiState {
        rooms: sources.rooms.clone(),
        hub: sources.hub.clone(),
        log: sources.log.clone(),
        agents: Arc::new(move || agents::views(&agents)),
        authenticator: authenticator.clone(),
        limiter: limiter.clone(),
        declared: declared.clone(),
        wait: WAIT_FOR_ANSWER,
        draining: stopping.draining.clone(),
        metrics: Arc::new(move || for_metrics.prometheus(&metrics)),
        stats: Arc::new(move || for_stats.realtime()),
        away: Arc::new(move || for_health.away()),
        lacking: Arc::new(move || condition.lacking()),
    };
    let live = Live {
        hub: sources.hub,
        rooms: sources.rooms,
        authenticator,
        limiter,
        origins,
        declared,
        heartbeat: Duration::from_secs(settings.server.heartbeat_seconds),
        draining: stopping.draining.clone(),
        goodbye: stopping.goodbye.clone(),
        gauges: sources.gauges,
    };
    (api, live)
}

async fn listen(settings: &Settings) -> Result<TcpListener, ServeError> {
    let address = settings.address()?;
    TcpListener::bind(address).await.map_err(|error| {
        ServeError::Start(match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "{address} is in use: stop what listens there, or choose another by --listen (port 0 picks a free one)"
            ),
            io::ErrorKind::PermissionDenied => {
                format!("this user may not listen on {address}: choose a port above 1023 by --listen")
            }
            io::ErrorKind::AddrNotAvailable => {
                format!("{address} is not an address of this machine: choose one by --listen, such as 127.0.0.1:8787")
            }
            _ => format!("cannot listen on {address}: {error}"),
        })
    })
}

/// Waits for live clients to be gone, but not for those that do not read.
async fn wait_until_empty(gauges: &LiveGauges) {
    let until = tokio::time::Instant::now() + GOODBYE;
    let are_there =
        || gauges.websocket_connections.load(Ordering::Relaxed) + gauges.sse_connections.load(Ordering::Relaxed) > 0;
    while are_there() && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn install_metrics() -> Result<PrometheusHandle, ServeError> {
    let handle = PrometheusBuilder::new()
        .install_recorder()
        .map_err(|error| ServeError::Start(format!("the metrics cannot be set up: {error}")))?;
    let upkept = handle.clone();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(METRICS_UPKEEP);
        loop {
            ticks.tick().await;
            upkept.run_upkeep();
        }
    });
    Ok(handle)
}

/// Until SIGTERM or Ctrl-C; each SIGUSR1 before that writes a backup.
async fn run_until_stopped(signals: &mut Signals, storage: &Storage, settings: &Settings) {
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => return,
            _ = signals.interrupt.recv() => return,
            _ = signals.back_up.recv() => {}
        }
        match storage.back_up(&settings.data).await {
            Ok(folder) => tracing::info!(folder = %folder.display(), "a backup was written"),
            Err(error) => tracing::error!(%error, "no backup was written"),
        }
    }
}

/// SIGTERM and Ctrl-C, and SIGUSR1 for a backup.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    back_up: Signal,
}

impl Signals {
    fn new() -> Result<Self, ServeError> {
        let of = |kind| signal(kind).map_err(|error| ServeError::Start(format!("signals cannot be caught: {error}")));
        Ok(Self {
            terminate: of(SignalKind::terminate())?,
            interrupt: of(SignalKind::interrupt())?,
            back_up: of(SignalKind::user_defined1())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
