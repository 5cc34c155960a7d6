//! What a connected server says of itself.

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind};
use std::collections::HashMap;

/// A server, as it was when the connection came about.
#[derive(Clone, Debug)]
pub struct Server {
    /// Another one after each start.
    pub run_id: String,
    /// Which history of writes it has.
    pub replication_id: String,
    /// Which history it had before it took over as master.
    pub earlier_replication_id: String,
    /// What it calls itself, with its whole version.
    pub name: String,
    /// Major and minor of Redis, or of the one that it is like.
    pub version: (u32, u32),
    /// False for a replica, which takes no writes.
    pub is_master: bool,
    /// Where CONFIG may be asked.
    pub settings: Option<ServerSettings>,
}

/// The settings that matter here.
#[derive(Clone, Debug, Default)]
pub struct ServerSettings {
    pub appendonly: String,
    pub appendfsync: String,
    pub maxmemory: String,
    pub maxmemory_policy: String,
}

impl Server {
    /// Asks the server.
    pub async fn read(connection: &mut MultiplexedConnection) -> RedisResult<Self> {
        let mut info = HashMap::new();
        for section in ["server", "replication"] {
            let text: String = redis::cmd("INFO").arg(section).query_async(connection).await?;
            let lines = text.lines().filter_map(|line| line.split_once(':'));
            info.extend(lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())));
        }
        let mut take = |name: &str| info.remove(name).unwrap_or_default();
        let version = take("redis_version");
        let name = match take("valkey_version") {
            own if own.is_empty() => format!("Redis {version}"),
            own => format!("Valkey {own}"),
        };
        let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
        Ok(Self {
            run_id: take("run_id"),
            replication_id: take("master_replid"),
            earlier_replication_id: take("master_replid2"),
            name,
            version: (parts.next().unwrap_or(0), parts.next().unwrap_or(0)),
            is_master: take("role") == "master",
            settings: ServerSettings::read(connection).await?,
        })
    }

    /// Whether an acknowledged write is there after a restart of the machine.
    pub fn is_durable(&self, assumed: bool) -> bool {
        self.settings.as_ref().map_or(assumed, ServerSettings::is_durable)
    }
}

impl ServerSettings {
    async fn read(connection: &mut MultiplexedConnection) -> RedisResult<Option<Self>> {
        let mut values = Vec::new();
        for name in ["appendonly", "appendfsync", "maxmemory", "maxmemory-policy"] {
            match redis::cmd("CONFIG").arg("GET").arg(name).query_async::<Vec<String>>(connection).await {
                Ok(answer) => values.push(answer.into_iter().nth(1).unwrap_or_default()),
                Err(error) if is_refused(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let mut values = values.into_iter();
        let mut next = || values.next().unwrap_or_default();
        Ok(Some(Self { appendonly: next(), appendfsync: next(), maxmemory: next(), maxmemory_policy: next() }))
    }

    pub fn is_durable(&self) -> bool {
        self.appendonly == "yes" && self.appendfsync == "always"
    }

    pub fn may_evict(&self) -> bool {
        self.maxmemory_policy != "noeviction"
    }
}

/// Whether the server is there and does not do this for us: forbidden, renamed, or unknown to a hosted one.
fn is_refused(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(ServerErrorKind::NoPerm | ServerErrorKind::ResponseError))
}
