//! The one shared connection: kept up in the background, and judged by a probe each second.

use crate::connect::{jittered, within};
use crate::outage::{Connection, Outage};
use crate::server::Server;
use crate::target::RedisTarget;
use antiphon_core::LogError;
use antiphon_core::limits::{REDIS_PROBE_INTERVAL, REDIS_PROBE_TIMEOUT, REDIS_RECONNECT_LEAST, REDIS_RECONNECT_MOST};
use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind};
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// A connection that is up, with the server at its other end.
pub struct Up {
    pub connection: MultiplexedConnection,
    pub server: Server,
    broken: tokio_util::sync::CancellationToken,
}

impl Up {
    /// The connection is of no use any more: another one is made.
    pub fn give_up(&self) {
        self.broken.cancel();
    }
}

/// Up, or the reason why not.
pub type State = Result<Arc<Up>, String>;

/// Keeps a connection up. It ends when this is dropped.
pub struct Link {
    state: watch::Receiver<State>,
    _task: AbortOnDropHandle<()>,
}

impl Link {
    /// Begins to connect; what becomes of it is said by the `outage`.
    pub fn new(target: RedisTarget, outage: Arc<Outage>) -> Self {
        let (sender, state) = watch::channel(Err("not connected yet".to_owned()));
        Self { state, _task: AbortOnDropHandle::new(tokio::spawn(keep_up(target, outage, sender))) }
    }

    /// The connection, if it is up.
    pub fn up(&self) -> Result<Arc<Up>, LogError> {
        self.state.borrow().clone().map_err(|reason| LogError::Unavailable { reason })
    }

    /// Up or not, and its changes.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.state.clone()
    }
}

async fn keep_up(target: RedisTarget, outage: Arc<Outage>, state: watch::Sender<State>) {
    let mut pause = REDIS_RECONNECT_LEAST;
    loop {
        match connect(&target).await {
            Ok(up) => {
                pause = REDIS_RECONNECT_LEAST;
                let up = Arc::new(up);
                let _ = state.send_replace(Ok(up.clone()));
                outage.over(Connection::Calls);
                let reason = until_broken(&up).await;
                outage.lost(Connection::Calls, &reason);
                let _ = state.send_replace(Err(reason));
            }
            Err(error) => {
                outage.failed(Connection::Calls, &error);
                state.send_if_modified(|state| {
                    let reason = error.to_string();
                    let is_new = !matches!(&*state, Err(before) if *before == reason);
                    *state = Err(reason);
                    is_new
                });
            }
        }
        tokio::time::sleep(jittered(pause)).await;
        pause = (pause * 2).min(REDIS_RECONNECT_MOST);
    }
}

async fn connect(target: &RedisTarget) -> RedisResult<Up> {
    let mut connection = target.connect().await?;
    let server = within(REDIS_PROBE_TIMEOUT, Server::read(&mut connection)).await?;
    // After a failover the address, or a sentinel that has not heard of it, may lead to what was the master.
    if !server.is_master {
        return Err(RedisError::from((ErrorKind::Server(ServerErrorKind::ReadOnly), "this Redis is a replica")));
    }
    Ok(Up { connection, server, broken: tokio_util::sync::CancellationToken::new() })
}

/// Waits until a probe fails or somebody gives the connection up.
async fn until_broken(up: &Up) -> String {
    let mut connection = up.connection.clone();
    loop {
        tokio::select! {
            () = up.broken.cancelled() => return "a call failed".to_owned(),
            () = tokio::time::sleep(REDIS_PROBE_INTERVAL) => {}
        }
        let mut probe = redis::cmd("INFO");
        probe.arg("replication");
        match within(REDIS_PROBE_TIMEOUT, probe.query_async::<String>(&mut connection)).await {
            Ok(replication) if replication.contains("role:master") => {}
            // It would take what is published, and nobody would hear it.
            Ok(_) => return "this Redis was made a replica".to_owned(),
            Err(error) => return error.to_string(),
        }
    }
}
