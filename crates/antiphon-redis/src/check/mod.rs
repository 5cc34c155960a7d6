//! What the doctor asks: whether Redis can be reached, used, and trusted with a log.

mod finding;
mod listener;

use crate::connect::within;
use crate::keys::Keys;
use crate::server::Server;
use crate::target::RedisTarget;
use antiphon_core::Shard;
use antiphon_core::limits::{REDIS_CALL_TIMEOUT, REDIS_CLOCK_SKEW};
pub(crate) use finding::of_error;
pub use finding::{Checked, Finding, FindingKind};
use redis::aio::MultiplexedConnection;
use redis::{ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, ServerErrorKind};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Looks at a Redis. `is_log` says that it is to be the log, and not a live path only. Nothing stays changed.
pub async fn check(target: &RedisTarget, is_log: bool) -> Checked {
    match connected(target).await {
        Ok((mut connection, server)) => {
            let findings = look(target, is_log, &mut connection, &server).await;
            Checked { server: Some(server.name), findings }
        }
        Err(finding) => Checked { server: None, findings: vec![finding] },
    }
}

async fn connected(target: &RedisTarget) -> Result<(MultiplexedConnection, Server), Finding> {
    let connected = async {
        let mut connection = target.connect().await?;
        let server = within(REDIS_CALL_TIMEOUT, Server::read(&mut connection)).await?;
        Ok((connection, server))
    };
    let error = match connected.await {
        Ok(connected) => return Ok(connected),
        Err(error) => error,
    };
    // A server without TLS says nothing to whoever begins it.
    if target.is_tls() && RedisError::is_timeout(&error) && listens(target).await {
        return Err(finding::tls(target, &error.to_string()));
    }
    let finding = finding::of_error(target, &error);
    if finding.kind != FindingKind::Unreachable {
        return Err(finding);
    }
    let who = listener::who_answers(target).await;
    Err(who.map_or(finding, |who| finding::another_server(target, who)))
}

async fn look(
    target: &RedisTarget,
    is_log: bool,
    connection: &mut MultiplexedConnection,
    server: &Server,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if server.version < (6, 2) {
        findings.push(finding::version(server.version));
    }
    if !server.is_master {
        findings.push(finding::replica(target));
    }
    match &server.settings {
        Some(settings) => {
            if is_log && !settings.is_durable() {
                findings.push(finding::not_durable(settings));
            }
            if settings.may_evict() {
                findings.push(finding::eviction(settings, is_log));
            }
        }
        None if is_log => findings.push(finding::unknown_settings()),
        None => {}
    }
    if is_log && target.master.is_some() {
        findings.push(finding::failover());
    }
    findings.extend(clock(connection).await);
    if server.is_master && server.version >= (6, 2) {
        findings.extend(rights(target, connection).await);
    }
    findings
}

/// Whether a port takes connections at all.
async fn listens(target: &RedisTarget) -> bool {
    let Some(ConnectionAddr::TcpTls { host, port, .. }) = target.servers.first().map(ConnectionInfo::addr) else {
        return false;
    };
    let connect = tokio::net::TcpStream::connect((host.as_str(), *port));
    matches!(tokio::time::timeout(REDIS_CALL_TIMEOUT, connect).await, Ok(Ok(_)))
}

async fn clock(connection: &mut MultiplexedConnection) -> Option<Finding> {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let before = now();
    let (seconds, micros): (u64, u32) =
        within(REDIS_CALL_TIMEOUT, redis::cmd("TIME").query_async(connection)).await.ok()?;
    let theirs = Duration::from_secs(seconds) + Duration::from_micros(micros.into());
    let (ours_first, ours_last) = (before, now());
    let skew = if theirs > ours_last { theirs - ours_last } else { ours_first.saturating_sub(theirs) };
    (skew > REDIS_CLOCK_SKEW).then(|| finding::clock(skew, theirs > ours_last))
}

/// Tries what the engine and the live paths do, on keys of the check's own.
async fn rights(target: &RedisTarget, connection: &mut MultiplexedConnection) -> Vec<Finding> {
    let keys = Keys::new(&target.prefix);
    // No deployment has a shard of this number.
    let (key, other) = (keys.notices(Shard(u16::MAX)), keys.shard(Shard(u16::MAX)));
    let tries: [(&str, Vec<&str>); 9] = [
        ("EVAL", vec!["return redis.call('HSET', KEYS[1], 'checked', '1')", "1", &other]),
        ("HMGET", vec![&other, "checked"]),
        ("XADD", vec![&key, "MAXLEN", "~", "10", "*", "checked", "1"]),
        ("XRANGE", vec![&key, "-", "+", "COUNT", "1"]),
        ("XREAD", vec!["COUNT", "1", "STREAMS", &key, "0"]),
        ("XTRIM", vec![&key, "MAXLEN", "0"]),
        ("EXPIRE", vec![&key, "60"]),
        ("PUBLISH", vec![&key, "checked"]),
        ("DEL", vec![&key, &other]),
    ];
    let mut missing = Vec::new();
    for (name, arguments) in tries {
        let mut command = redis::cmd(name);
        command.arg(&arguments);
        match within(REDIS_CALL_TIMEOUT, command.query_async::<redis::Value>(connection)).await {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => missing.push(name),
            Err(error) => return vec![finding::of_error(target, &error)],
        }
    }
    if missing.is_empty() { Vec::new() } else { vec![finding::rights(target, &missing)] }
}
