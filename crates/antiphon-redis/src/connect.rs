//! Connections: to the server itself, or to the one that the sentinels name.

use crate::target::RedisTarget;
use antiphon_core::limits::REDIS_CONNECT_TIMEOUT;
use rand::Rng;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, RedisConnectionInfo, RedisError,
    RedisResult, TlsCertificates,
};
use std::future::Future;
use std::time::Duration;

/// A time-out as an error of the connection.
pub fn timed_out() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

/// The answer, or a time-out after `limit`.
pub async fn within<T>(limit: Duration, answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| Err(timed_out()))
}

/// Between half of `duration` and all of it, so that many processes do not come back at once.
pub fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(rand::rng().random_range(0.5..1.0))
}

impl RedisTarget {
    /// A new connection, on which many commands may be under way.
    pub(crate) async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        within(REDIS_CONNECT_TIMEOUT, async { multiplexed(&self.client().await?).await }).await
    }

    /// A new connection for subscriptions.
    pub(crate) async fn connect_subscriber(&self) -> RedisResult<PubSub> {
        within(REDIS_CONNECT_TIMEOUT, async { self.client().await?.get_async_pubsub().await }).await
    }

    async fn client(&self) -> RedisResult<Client> {
        let none = || RedisError::from((ErrorKind::InvalidClientConfig, "no server is named"));
        let first = self.servers.first().ok_or_else(none)?;
        let Some(master) = &self.master else { return self.client_of(first.clone()) };
        let mut last = none();
        for sentinel in &self.servers {
            match within(REDIS_CONNECT_TIMEOUT / 2, self.ask_sentinel(sentinel, master)).await {
                Ok((host, port)) => return self.client_of(first.clone().set_addr(moved(first.addr(), host, port))),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Where the master is. A sentinel that wants no password is asked without one.
    async fn ask_sentinel(&self, sentinel: &ConnectionInfo, master: &str) -> RedisResult<(String, u16)> {
        let settings = sentinel.redis_settings().clone().set_db(0);
        let with = multiplexed(&self.client_of(sentinel.clone().set_redis_settings(settings))?).await;
        let mut connection = match with {
            Err(error) if error.kind() == ErrorKind::AuthenticationFailed => {
                let without =
                    sentinel.clone().set_redis_settings(RedisConnectionInfo::default().set_skip_set_lib_name());
                multiplexed(&self.client_of(without)?).await?
            }
            with => with?,
        };
        let mut ask = redis::cmd("SENTINEL");
        let address: Option<(String, u16)> =
            ask.arg("get-master-addr-by-name").arg(master).query_async(&mut connection).await?;
        address.ok_or_else(|| {
            RedisError::from((ErrorKind::MasterNameNotFoundBySentinel, "the sentinels know no master of that name"))
        })
    }

    fn client_of(&self, server: ConnectionInfo) -> RedisResult<Client> {
        if !self.is_tls() {
            return Client::open(server);
        }
        // Whoever came first has chosen; where nobody did, TLS would panic.
        let _ = rustls::crypto::ring::default_provider().install_default();
        match &self.authorities {
            Some(pem) => {
                let certificates = TlsCertificates { client_tls: None, root_cert: Some(pem.clone()) };
                Client::build_with_tls(server, certificates)
            }
            None => Client::open(server),
        }
    }
}

async fn multiplexed(client: &Client) -> RedisResult<MultiplexedConnection> {
    // Each command has a time-out of its caller's.
    let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    client.get_multiplexed_async_connection_with_config(&config).await
}

fn moved(address: &ConnectionAddr, host: String, port: u16) -> ConnectionAddr {
    match address.clone() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure, tls_params }
        }
        _ => ConnectionAddr::Tcp(host, port),
    }
}
