//! Puts the parts together.

use crate::ask::Ask;
use crate::backbone::GrpcBackbone;
use crate::leases::{LeaseError, LeaseTable};
use crate::log::{ClusterLog, Reads};
use crate::message::proto::peer_server::PeerServer;
use crate::owners::Owners;
use crate::ownership::{self, Losses, OwnershipParts};
use crate::peers::Peers;
use crate::presence::{self, TELLING};
use crate::reach::{Reach, Unserved};
use crate::routes::{Routes, has_role, without_role};
use crate::secret::Secret;
use crate::service::Service;
use crate::timing::Timing;
use crate::watching::{self, Watching};
use antiphon_core::limits::{
    PEER_CONNECTION_WINDOW, PEER_KEEPALIVE, PEER_MESSAGE_BYTES, PEER_STREAM_WINDOW, PEER_STREAMS,
};
use antiphon_core::{AnswerError, Elsewhere, Fenced, Log, OnLost, OwnedShards, ShardWork, Sharding, ViewerCount};
use antiphon_sql::{Leases, ProcessRow, RecordsError};
use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;

/// Answers what the rooms of another process ask of this one's. Where it turns out that this process does not own what is
/// asked about, and nothing was done, the question goes to whoever does.
pub type Answer = Arc<dyn Fn(Bytes) -> BoxFuture<'static, Result<Bytes, AnswerError>> + Send + Sync>;

/// How long connections may take to end once the process stops.
const CLOSING: Duration = Duration::from_secs(1);

/// What a process brings to its deployment.
pub struct ClusterOptions {
    /// Another one at every start: an old one's leases may still stand.
    pub process_id: String,
    /// Where other processes reach this one; port 0 picks one.
    pub listen: SocketAddr,
    /// What the others are told, `host:port`; none: where it listens.
    pub advertise: Option<String>,
    /// Words with commas between: `ai` may own shards, `relay` may be read from while an owner is away.
    pub roles: String,
    /// What all processes of the deployment share. None only where nobody else can reach the listener.
    pub secret: Option<String>,
    /// Who owns what.
    pub leases: Leases,
    /// The same in all processes, for as long as the deployment lives.
    pub sharding: Sharding,
    /// From an owner's death to its successor, 1 to 60 s.
    pub takeover: Duration,
    /// Where channels are read that this process does not own.
    pub reads: Reads,
    /// What [`Log::is_durable`] says in a process without an engine.
    pub durable: bool,
    /// This process's viewers; those of other processes are counted in it too.
    pub viewers: ViewerCount,
}

/// A process's own engine.
pub struct Engine {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The same log's fencing; without it the process owns nothing.
    pub fenced: Option<Arc<dyn Fenced>>,
    /// Whether a shard's events outlive a change of its owner. Where not, shards move only when their owner goes.
    pub outlives_owner: bool,
}

/// Why a process cannot be part of its deployment.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The address cannot be listened at.
    #[error("cannot listen at {address} for other processes: {error}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// The secret cannot be sent in a header.
    #[error("the secret of the deployment's processes is empty, too long, or has characters other than visible ASCII")]
    Secret,
    /// The table of leases refuses, or is away.
    #[error("the table of leases: {0}")]
    Leases(#[from] RecordsError),
    /// The table of leases cannot be written or read.
    #[error("the table of leases: {0}")]
    Away(String),
}

/// One process's part in its deployment.
///
/// Made by [`Cluster::bind`]; then the engine, which needs [`Cluster::on_lost`], is given by [`Cluster::set_engine`]; then
/// the rooms are made, and [`Cluster::start`] sets everything going.
pub struct Cluster {
    process: watch::Sender<ProcessRow>,
    leases: Arc<dyn LeaseTable>,
    may_own: bool,
    timing: Timing,
    reads: Reads,
    durable: bool,
    secret: Secret,
    owners: Owners,
    reach: Arc<Reach>,
    engine: Arc<OnceLock<Arc<dyn Log>>>,
    /// The engine's fencing, and whether its shards may be moved.
    fenced: OnceLock<(Arc<dyn Fenced>, bool)>,
    /// What runs in the shards.
    work: OnceLock<Arc<dyn ShardWork>>,
    answer: Arc<OnceLock<Answer>>,
    losses: Arc<Losses>,
    backbone: Arc<GrpcBackbone>,
    watching: Arc<Watching>,
    listener: Mutex<Option<TcpListener>>,
    retreating: CancellationToken,
    leaving: Mutex<Option<oneshot::Sender<oneshot::Sender<()>>>>,
    announcing: Mutex<Option<tokio::task::JoinHandle<()>>>,
    tasks: Mutex<JoinSet<()>>,
    present: CancellationToken,
    stopped: CancellationToken,
}

impl Cluster {
    /// Listens, but answers nothing yet; makes the process known, and reads who owns what.
    pub async fn bind(options: ClusterOptions) -> Result<Arc<Self>, ClusterError> {
        let ClusterOptions {
            process_id,
            listen,
            advertise,
            roles,
            secret,
            sharding,
            takeover,
            reads,
            durable,
            viewers,
            leases,
        } = options;
        leases.prepare(sharding).await?;
        let leases: Arc<dyn LeaseTable> = Arc::new(leases);
        let secret = Secret::new(secret.as_deref()).ok_or(ClusterError::Secret)?;
        let refused = |error| ClusterError::Listen { address: listen, error };
        let listener = TcpListener::bind(listen).await.map_err(refused)?;
        let address = match advertise {
            Some(address) => address,
            None => listener.local_addr().map_err(refused)?.to_string(),
        };
        let timing = Timing::of(takeover);
        let may_own = has_role(&roles, ownership::ROLE);
        // It counts among those that share shards once it can own any.
        let process = ProcessRow { id: process_id, address, roles: without_role(&roles, ownership::ROLE) };
        let away = |error: LeaseError| ClusterError::Away(error.to_string());
        leases.announce(&process, timing.ttl).await.map_err(away)?;
        let routes = Arc::new(Routes::new(leases.clone()));
        routes.read().await.map_err(away)?;
        let owned = OwnedShards::none(sharding);
        let owners = Owners {
            process: process.id.as_str().into(),
            owned: owned.clone(),
            routes,
            peers: Arc::new(Peers::new(secret.clone())),
        };
        Ok(Arc::new(Self {
            process: watch::Sender::new(process),
            leases,
            may_own,
            timing,
            reads,
            durable,
            secret,
            reach: Arc::new(Reach::new(owners.clone())),
            owners,
            engine: Arc::default(),
            fenced: OnceLock::new(),
            work: OnceLock::new(),
            answer: Arc::default(),
            losses: Arc::default(),
            backbone: Arc::new(GrpcBackbone::new(owned.clone())),
            watching: Arc::new(Watching::new(owned, viewers)),
            listener: Mutex::new(Some(listener)),
            retreating: CancellationToken::new(),
            leaving: Mutex::default(),
            announcing: Mutex::default(),
            tasks: Mutex::default(),
            present: CancellationToken::new(),
            stopped: CancellationToken::new(),
        }))
    }

    /// Where the others reach this process, `host:port`.
    pub fn address(&self) -> String {
        self.process.borrow().address.clone()
    }

    /// The shards that this process owns, now and later.
    pub fn owned(&self) -> OwnedShards {
        self.owners.owned.clone()
    }

    /// The shards whose channels this process can do nothing for now, as was seen last: waits for nothing.
    pub fn unserved(&self) -> Vec<Unserved> {
        self.reach.unserved()
    }

    /// What the engine calls when the log ends an ownership.
    pub fn on_lost(&self) -> OnLost {
        self.losses.on_lost()
    }

    /// The live path by gRPC. The engine's [`OnCommit`](antiphon_core::OnCommit) delivers to it where it is used.
    pub fn backbone(&self) -> Arc<GrpcBackbone> {
        self.backbone.clone()
    }

    /// The log of the whole deployment.
    pub fn log(&self) -> Arc<dyn Log> {
        Arc::new(ClusterLog {
            owners: self.owners.clone(),
            engine: self.engine.clone(),
            reads: self.reads,
            durable: self.durable,
        })
    }

    /// The way to the rooms of other processes.
    pub fn elsewhere(&self) -> Arc<dyn Elsewhere> {
        Arc::new(Ask { owners: self.owners.clone(), answer: self.answer.clone() })
    }

    /// Gives the process its own engine, once, before [`start`](Self::start).
    pub fn set_engine(&self, engine: Engine) {
        let is_second = self.engine.set(engine.log).is_err()
            || engine.fenced.is_some_and(|fenced| self.fenced.set((fenced, engine.outlives_owner)).is_err());
        if is_second {
            tracing::warn!("a second engine was given to the cluster and is ignored");
        }
    }

    /// What runs in the shards, asked before one is given away, once, before [`start`](Self::start). Without it nothing is
    /// taken to run.
    pub fn set_work(&self, work: Arc<dyn ShardWork>) {
        if self.work.set(work).is_err() {
            tracing::warn!("a second work was given to the cluster and is ignored");
        }
    }

    /// Answers the others, follows, and takes shards if the process has the role `ai`, an engine, and an `answer`.
    pub fn start(self: &Arc<Self>, answer: Option<Answer>) {
        let Some(listener) = self.listener.lock().take() else {
            tracing::warn!("the cluster was started twice");
            return;
        };
        if let Some(answer) = answer
            && self.answer.set(answer).is_err()
        {
            tracing::warn!("a second answerer was given to the cluster and is ignored");
        }
        let announcing =
            presence::announce(self.leases.clone(), self.process.subscribe(), self.timing, self.present.child_token());
        *self.announcing.lock() = Some(tokio::spawn(announcing));
        let mut tasks = self.tasks.lock();
        tasks.spawn(self.serve(listener));
        let (routes, peers) = (self.owners.routes.clone(), self.owners.peers.clone());
        let (stopped, look) = (self.stopped.clone(), self.timing.look);
        tasks.spawn(async move { routes.run(look, &peers, &stopped).await });
        let (reach, stopped) = (self.reach.clone(), self.stopped.clone());
        tasks.spawn(async move { reach.run(&stopped).await });
        tasks.spawn(watching::tell(self.owners.clone(), self.watching.clone(), self.stopped.clone()));
        for shard in self.owners.owned.sharding().all() {
            let (backbone, owners) = (self.backbone.clone(), self.owners.clone());
            tasks.spawn(crate::following::follow(backbone, owners, shard, self.stopped.clone()));
        }
        if let Some(parts) = self.ownership() {
            let (leaving, left) = oneshot::channel();
            *self.leaving.lock() = Some(leaving);
            tasks.spawn(ownership::run(parts, self.retreating.clone(), left));
        }
    }

    /// What owns shards here, if anything may.
    fn ownership(&self) -> Option<OwnershipParts> {
        let (fenced, balances) = self.fenced.get().filter(|_| self.may_own)?;
        Some(OwnershipParts {
            process: self.owners.process.clone(),
            leases: self.leases.clone(),
            fenced: fenced.clone(),
            work: self.work.get().cloned(),
            owned: self.owners.owned.clone(),
            routes: self.owners.routes.clone(),
            peers: self.owners.peers.clone(),
            losses: self.losses.clone(),
            timing: self.timing,
            balances: *balances,
            presence: self.process.clone(),
        })
    }

    fn serve(&self, listener: TcpListener) -> impl Future<Output = ()> + Send + use<> {
        let service = Service {
            engine: self.engine.clone(),
            answer: self.answer.clone(),
            owned: self.owners.owned.clone(),
            has_copy: self.reads != Reads::Owner,
            followers: self.backbone.followers.clone(),
            watching: self.watching.clone(),
            losses: self.losses.clone(),
            stopped: self.stopped.clone(),
        };
        let service = PeerServer::new(service)
            .max_decoding_message_size(PEER_MESSAGE_BYTES)
            .max_encoding_message_size(PEER_MESSAGE_BYTES);
        let service = InterceptedService::new(service, self.secret.demand());
        let stopped = self.stopped.clone();
        async move {
            let served = Server::builder()
                .tcp_nodelay(true)
                .http2_keepalive_interval(Some(PEER_KEEPALIVE))
                .http2_keepalive_timeout(Some(PEER_KEEPALIVE))
                .initial_connection_window_size(PEER_CONNECTION_WINDOW)
                .initial_stream_window_size(PEER_STREAM_WINDOW)
                .max_concurrent_streams(PEER_STREAMS)
                .add_service(service)
                .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stopped.cancelled())
                .await;
            if let Err(error) = served {
                tracing::error!(%error, "other processes are no longer answered");
            }
        }
    }

    /// Takes no more shards, and gives away those in which no answer runs, while other processes are there to take them.
    /// For a process whose rooms finish what they began; where a log does not outlive its owner, all stay.
    pub fn retreat(&self) {
        self.retreating.cancel();
    }

    /// Gives all shards away, and takes its leave of the others. Whoever calls this has stopped the rooms, or they stop now.
    pub async fn hand_over(&self) {
        let leaving = self.leaving.lock().take();
        if let Some(leaving) = leaving {
            let (left, has_left) = oneshot::channel();
            if leaving.send(left).is_ok() {
                // Without an answer the task is gone, and with it what it owned.
                let _ = has_left.await;
            }
        }
        self.present.cancel();
        let announcing = self.announcing.lock().take();
        if let Some(announcing) = announcing {
            // Announced once more after it retired, the process would be counted among the living.
            let _ = announcing.await;
            let retired = tokio::time::timeout(TELLING, self.leases.retire(&self.owners.process)).await;
            if !matches!(retired, Ok(Ok(()))) {
                tracing::warn!("the table of leases is away: what this process had runs out by itself");
            }
        }
    }

    /// Hands over if nobody did, and ends everything.
    pub async fn stop(&self) {
        self.hand_over().await;
        self.stopped.cancel();
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        let ended = async { while tasks.join_next().await.is_some() {} };
        // What is still open then is cut off.
        let _ = tokio::time::timeout(CLOSING, ended).await;
    }
}
