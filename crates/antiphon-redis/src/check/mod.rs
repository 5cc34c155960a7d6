//! What the doctor asks: whether Redis can be reached, used, and trusted with a log.

mod finding;

use crate::connect::within;
use crate::keys::Keys;
use crate::server::Server;
use crate::target::RedisTarget;
use antiphon_core::Shard;
use antiphon_core::limits::{REDIS_CALL_TIMEOUT, REDIS_CLOCK_SKEW};
pub use finding::{Finding, FindingKind};
use redis::aio::MultiplexedConnection;
use redis::{ConnectionAddr, ConnectionInfo, ErrorKind, ServerErrorKind};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Looks at a Redis. `is_log` says that it is to be the log, and not a live path only. Nothing stays changed.
pub async fn check(target: &RedisTarget, is_log: bool) -> Vec<Finding> {
    let mut connection = match target.connect().await {
        Ok(connection) => connection,
        // A server without TLS says nothing to whoever begins it.
        Err(error) if target.is_tls() && error.is_timeout() && listens(target).await => {
            return vec![finding::tls(target, &error.to_string())];
        }
        Err(error) => return vec![finding::of_error(target, &error)],
    };
    let server = match within(REDIS_CALL_TIMEOUT, Server::read(&mut connection)).await {
        Ok(server) => server,
        Err(error) => return vec![finding::of_error(target, &error)],
    };
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
    findings.extend(clock(&mut connection).await);
    if server.is_master && server.version >= (6, 2) {
        findings.extend(rights(target, &mut connection).await);
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
