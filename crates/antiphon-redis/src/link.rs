//! The one shared connection: kept up in the background, and judged by a probe each second.

use crate::connect::{jittered, within};
use crate::server::Server;
use crate::target::RedisTarget;
use antiphon_core::LogError;
use antiphon_core::limits::{REDIS_PROBE_INTERVAL, REDIS_PROBE_TIMEOUT, REDIS_RECONNECT_LEAST, REDIS_RECONNECT_MOST};
use redis::RedisResult;
use redis::aio::MultiplexedConnection;
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
    /// Begins to connect.
    pub fn new(target: RedisTarget) -> Self {
        let (sender, state) = watch::channel(Err("not connected yet".to_owned()));
        Self { state, _task: AbortOnDropHandle::new(tokio::spawn(keep_up(target, sender))) }
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

async fn keep_up(target: RedisTarget, state: watch::Sender<State>) {
    let mut pause = REDIS_RECONNECT_LEAST;
    loop {
        match connect(&target).await {
            Ok(up) => {
                pause = REDIS_RECONNECT_LEAST;
                let up = Arc::new(up);
                if state.send_replace(Ok(up.clone())).is_err() {
                    tracing::info!("connected to Redis at {target}");
                }
                let reason = until_broken(&up).await;
                tracing::warn!("the connection to Redis at {target} is lost: {reason}");
                let _ = state.send_replace(Err(reason));
            }
            Err(error) => {
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
        let ping = redis::cmd("PING");
        if let Err(error) = within(REDIS_PROBE_TIMEOUT, ping.query_async::<()>(&mut connection)).await {
            return error.to_string();
        }
    }
}
