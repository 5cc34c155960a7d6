//! A master that is gone: its sentinel makes a replica the master, and everybody goes on there.

use super::fast_paths::Pair;
use super::log::{append_some, expect_another_log};
use super::process::{Process, channel};
use super::server::Server;
use super::{eventually, url};
use antiphon_core::{Log, LogError};
use antiphon_redis::RedisTarget;
use antiphon_testkit::servers::{self, Certificates};
use std::time::{Duration, Instant};

const DATA: &str = "t:antiphon:channel:jobs:1";
/// What sentinels ask of the servers that they watch, and replicas of their master, they may do as the default user here.
const USER: &str = "user antiphon on >s3cret ~* &* +@all";

/// A master, its replica, and who watches them.
struct Trio {
    master: Server,
    replica: Server,
    sentinel: Server,
}

impl Trio {
    async fn start(certificates: Option<&Certificates>) -> Option<Self> {
        let port = |server: &Server| if certificates.is_some() { server.tls_port } else { server.port };
        let master = Server::start(certificates, USER).await?;
        let replicating = format!("{USER}\nreplicaof 127.0.0.1 {}", port(&master));
        let replica = Server::start(certificates, &replicating).await?;
        let is_in_sync = |info: String| info.contains("state=online");
        master.until("the replica does not come up", &["INFO", "replication"], is_in_sync).await;
        let watching = format!(
            "sentinel monitor main 127.0.0.1 {} 1\nsentinel down-after-milliseconds main 300\n\
             sentinel failover-timeout main 10000",
            port(&master)
        );
        // One sentinel asks for a password as well, and lets the user do nothing but this; the other has none.
        let watching = match certificates {
            Some(_) => format!("{watching}\nuser antiphon on >s3cret +sentinel|get-master-addr-by-name"),
            None => watching,
        };
        let sentinel = Server::sentinel(certificates, &watching).await?;
        let is_known = |info: String| info.contains("slaves=1");
        sentinel.until("the sentinel knows of no replica", &["INFO", "sentinel"], is_known).await;
        Some(Self { master, replica, sentinel })
    }

    /// The first that is named is not there.
    fn target(&self, certificates: Option<&Certificates>) -> RedisTarget {
        let named = |scheme: &str, port: u16| {
            let url = format!("{scheme}://antiphon:s3cret@127.0.0.1:1,127.0.0.1:{port}/main");
            RedisTarget::parse(&url, "t:").unwrap()
        };
        match certificates {
            Some(certificates) => named("rediss+sentinel", self.sentinel.tls_port)
                .trusting(std::fs::read(&certificates.authority).unwrap())
                .unwrap(),
            None => named("redis+sentinel", self.sentinel.port),
        }
    }
}

/// What was acknowledged and had not come to the replica is lost, which is why all positions are of another log afterwards.
async fn expect_failover(certificates: Option<&Certificates>) {
    let Some(mut trio) = Trio::start(certificates).await else { return };
    let target = trio.target(certificates);
    let (owner, other) = (Process::of(&target, &channel()).await, Process::of(&target, &channel()).await);
    let pair = Pair::of(&target, false);
    pair.expect_flow().await;
    owner.begin(1).await;
    assert!(!owner.log.is_durable("jobs"));
    let mut before = append_some(&owner).await;
    trio.replica.until("the replica is behind", &["XLEN", DATA], |length: usize| length == 10).await;
    trio.replica.signal("-STOP");
    let _: redis::Value = trio.master.ask(&["CLIENT", "KILL", "TYPE", "replica"]).await;
    for text in ["is", "not", "replicated"] {
        before.push(owner.append(&channel(), text).await.unwrap());
    }
    eventually("the other process does not follow", || other.sight.has(13)).await;
    let losses = pair.losses();
    trio.master.kill();
    let since = Instant::now();
    trio.replica.signal("-CONT");
    expect_another_log(&owner, &other, &before, 10).await;
    println!("appends went on within {:?} of the master's death", since.elapsed());
    assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
    assert_eq!(trio.replica.ask::<usize>(&["XLEN", DATA]).await, 11);
    pair.expect_recovery(losses).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sentinel_fails_over_and_appends_go_on_at_the_promoted_replica() {
    expect_failover(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sentinel_fails_over_with_every_connection_encrypted() {
    let Some(certificates) = servers::certificates() else { return };
    expect_failover(Some(&certificates)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_was_made_a_replica_is_left_and_taken_again() {
    let (Some(server), Some(other)) = (Server::start(None, "").await, Server::start(None, "").await) else { return };
    let target = RedisTarget::parse(&url(&format!("127.0.0.1:{}", server.port)), "t:").unwrap();
    let process = Process::of(&target, &channel()).await;
    process.begin(1).await;
    append_some(&process).await;
    // Whose history is another one: what is here is lost.
    let _: () = server.ask(&["REPLICAOF", "127.0.0.1", &other.port.to_string()]).await;
    let refused = process.append(&channel(), "refused").await;
    assert!(matches!(refused, Err(LogError::Unavailable { .. } | LogError::NotOwner)), "{refused:?}");
    let is_said =
        || matches!(process.log.health(), Err(LogError::Unavailable { reason }) if reason.contains("replica"));
    eventually("health does not say that it is a replica", is_said).await;
    let _: () = server.ask(&["REPLICAOF", "NO", "ONE"]).await;
    eventually("health does not say that it is the master again", || process.log.health().is_ok()).await;
    process.begin(2).await;
    process.append(&channel(), "goes on").await.unwrap();
}
