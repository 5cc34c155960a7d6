//! What a deployment stores in engines that others use too: a topic, a prefix and a database of its own.

use crate::proxy::Proxy;
use crate::servers;
use rand::Rng;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

/// How long an engine may take to forget a test.
const FORGET: Duration = Duration::from_secs(5);

/// Where the engines are; empty where there is none.
#[derive(Clone, Debug, Default)]
pub struct Engines {
    /// `HOST:PORT` of the brokers, with commas between them.
    pub kafka: String,
    /// `redis://HOST:PORT`
    pub redis: String,
    /// `postgres://USER@HOST:PORT/DATABASE`; the user may make databases.
    pub postgres: String,
}

impl Engines {
    /// Those that a topology needs, as the tests are told of them; none where one is missing, which is said.
    #[track_caller]
    pub fn given(topology: super::Topology) -> Option<Self> {
        let kafka = if topology.uses_kafka() { servers::kafka()? } else { String::new() };
        let redis = if topology.uses_redis() { servers::redis()? } else { String::new() };
        let postgres = if topology.is_shared() { servers::postgres()? } else { String::new() };
        Some(Self { kafka, redis, postgres })
    }

    /// The same engines, with PostgreSQL behind a proxy.
    pub fn with_postgres_at(&self, proxy: &Proxy) -> Self {
        Self { postgres: with_authority(&self.postgres, &proxy.address().to_string()), ..self.clone() }
    }

    /// `HOST:PORT` of PostgreSQL.
    pub fn postgres_address(&self) -> String {
        let address = authority(&self.postgres).rsplit('@').next().unwrap_or_default();
        if address.contains(':') { address.to_owned() } else { format!("{address}:5432") }
    }
}

/// The names of what one deployment stores. [`Stores::drop_all`] removes it.
pub struct Stores {
    name: String,
    engines: Engines,
    topology: super::Topology,
}

impl Stores {
    /// Makes the database; topics and keys are made by the server.
    ///
    /// # Errors
    /// Where PostgreSQL refuses.
    pub fn make(topology: super::Topology, engines: &Engines) -> io::Result<Self> {
        let name = format!("antiphon_test_{:08x}", rand::rng().random::<u32>());
        let stores = Self { name, engines: engines.clone(), topology };
        if topology.is_shared() {
            stores.sql(&engines.postgres, &format!("CREATE DATABASE {}", stores.name))?;
        }
        Ok(stores)
    }

    /// The name of the topic and the database, and the prefix of the keys.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The database, reached as these engines say.
    pub(super) fn database_url(&self, engines: &Engines) -> String {
        with_path(&engines.postgres, &self.name)
    }

    /// Removes all of it, as far as the engines are there.
    pub(super) fn drop_all(&self) {
        let mut outcomes = Vec::new();
        if self.topology.is_shared() {
            let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
            outcomes.push(self.sql(&self.engines.postgres, &statement).map(drop));
        }
        if self.topology.uses_redis() {
            outcomes.push(delete_keys(&self.engines.redis, &self.name));
        }
        if self.topology.uses_kafka() {
            outcomes.push(delete_topic(&self.engines.kafka, &self.name));
        }
        for error in outcomes.into_iter().filter_map(Result::err) {
            eprintln!("{} is left behind: {error}", self.name);
        }
    }

    /// How many shards each owner has, in order; where the leases cannot be read, nobody has any.
    pub(super) fn shards_of_owners(&self) -> Vec<usize> {
        let count = "SELECT count(*) FROM shards WHERE process_id IS NOT NULL GROUP BY process_id ORDER BY 1";
        let rows = self.sql(&with_path(&self.engines.postgres, &self.name), count).unwrap_or_default();
        rows.lines().filter_map(|row| row.trim().parse().ok()).collect()
    }

    fn sql(&self, url: &str, statement: &str) -> io::Result<String> {
        let output = Command::new("psql").args([url, "-qXAtc", statement]).output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(io::Error::other(format!("psql: {}", String::from_utf8_lossy(&output.stderr))))
    }
}

fn authority(url: &str) -> &str {
    url.split_once("://").and_then(|(_, rest)| rest.split(['/', '?']).next()).unwrap_or_default()
}

/// The URL with another host and port.
fn with_authority(url: &str, address: &str) -> String {
    let old = authority(url);
    let user = old.rsplit_once('@').map(|(user, _)| format!("{user}@")).unwrap_or_default();
    url.replacen(old, &format!("{user}{address}"), 1)
}

/// The URL with another path; its query stays.
fn with_path(url: &str, path: &str) -> String {
    let (whole, query) = url.split_once('?').map_or((url, None), |(whole, query)| (whole, Some(query)));
    let start = whole.find("://").map_or(0, |at| at + 3);
    let end = whole[start..].find('/').map_or(whole.len(), |at| start + at);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}/{path}{query}", &whole[..end])
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(FORGET))?;
    socket.set_write_timeout(Some(FORGET))?;
    Ok(socket)
}

/// Removes all keys with this prefix, by an inline command (<https://redis.io/docs/latest/develop/reference/protocol-spec/>).
fn delete_keys(url: &str, prefix: &str) -> io::Result<()> {
    let script = "for _,k in ipairs(redis.call('keys',ARGV[1]))do redis.call('unlink',k)end return 1";
    redis_command(url, &["EVAL", script, "0", &format!("{prefix}:*")]).map(drop)
}

/// Sends one command to a Redis without a password and gives the first line of its answer.
pub(crate) fn redis_command(url: &str, words: &[&str]) -> io::Result<String> {
    let mut socket = connect(authority(url))?;
    let mut command = format!("*{}\r\n", words.len());
    for word in words {
        command += &format!("${}\r\n{word}\r\n", word.len());
    }
    socket.write_all(command.as_bytes())?;
    let (mut line, mut byte) = (Vec::new(), [0]);
    while byte[0] != b'\n' {
        socket.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    let line = String::from_utf8_lossy(&line).trim().to_owned();
    if line.starts_with('-') { Err(io::Error::other(format!("Redis: {line}"))) } else { Ok(line) }
}

/// Deletes a topic: one `DeleteTopics` request, version 1 (<https://kafka.apache.org/protocol.html>).
fn delete_topic(brokers: &str, topic: &str) -> io::Result<()> {
    let mut socket = connect(brokers.split(',').next().unwrap_or_default())?;
    let string = |text: &str| [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat();
    let (api_key, version, correlation, one, timeout_ms) = (20_u16, 1_u16, 1_u32, 1_u32, 5_000_u32);
    let request = [
        &api_key.to_be_bytes()[..],
        &version.to_be_bytes(),
        &correlation.to_be_bytes(),
        &string("antiphon-tests"),
        &one.to_be_bytes(),
        &string(topic),
        &timeout_ms.to_be_bytes(),
    ]
    .concat();
    socket.write_all(&(request.len() as u32).to_be_bytes())?;
    socket.write_all(&request)?;
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let mut answer = vec![0; (u32::from_be_bytes(length) as usize).min(65_536)];
    socket.read_exact(&mut answer)?;
    match answer.last_chunk() {
        Some([0, 0]) => Ok(()),
        code => Err(io::Error::other(format!("Kafka answers {code:?} to the deletion of a topic"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_an_address_are_replaced() {
        let url = "postgres://user:word@localhost:5433/postgres?sslmode=disable";
        assert_eq!(with_authority(url, "127.0.0.1:1"), "postgres://user:word@127.0.0.1:1/postgres?sslmode=disable");
        assert_eq!(with_path(url, "other"), "postgres://user:word@localhost:5433/other?sslmode=disable");
        assert_eq!(with_path("postgres://localhost", "other"), "postgres://localhost/other");
        let engines = Engines { postgres: url.to_owned(), ..Engines::default() };
        assert_eq!(engines.postgres_address(), "localhost:5433");
    }
}
