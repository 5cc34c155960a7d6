//! A Redis of the test's own that is killed, suspended, flushed, emptied, set back and cut off: what the log and the live
//! paths do then; and one behind TLS, rights and sentinels. Needs `redis-server`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod failover;
mod fast_paths;
mod log;
mod process;
mod secured;
mod server;

use antiphon_testkit::faults::Redis;
use std::time::{Duration, Instant};

/// A Redis that syncs each write, or nothing where there is no `redis-server`.
fn redis() -> Option<Redis> {
    match Redis::start() {
        Ok(redis) => Some(redis),
        Err(error) => {
            // The same words as where a server is not given.
            eprintln!("NOT TESTED: faults of Redis ({error}): install redis-server");
            None
        }
    }
}

fn url(address: &str) -> String {
    format!("redis://{address}")
}

async fn command(redis: &Redis, words: &[&str]) {
    let client = redis::Client::open(url(redis.address())).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query_async::<redis::Value>(&mut connection).await.unwrap();
}

async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
