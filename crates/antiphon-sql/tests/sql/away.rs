//! PostgreSQL away, silent or refusing: calls fail soon and say why, and go on by themselves once it is back.

use crate::databases::{Postgres, message, projection, room};
use antiphon_core::{Code, Refusal};
use antiphon_sql::*;
use antiphon_testkit::proxy::{Link, Proxy};
use std::future::Future;
use std::time::{Duration, Instant};

/// Longer than any call may take, shorter than a caller's patience.
const SOON: Duration = Duration::from_secs(8);

async fn soon<T>(call: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let result = tokio::time::timeout(SOON, call).await.unwrap();
    println!("after {:?}", begun.elapsed());
    result
}

fn through(postgres: &Postgres, proxy: &Proxy) -> String {
    postgres.url_of(|url| {
        url.set_host(Some(&proxy.address().ip().to_string())).unwrap();
        url.set_port(Some(proxy.address().port())).unwrap();
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_fail_soon_while_it_is_cut_or_silent_and_work_once_it_is_back() {
    let Some(postgres) = Postgres::create().await else { return };
    let proxy = Proxy::start(&postgres.address()).await.unwrap();
    let records = Records::connect(&through(&postgres, &proxy)).await.unwrap();
    let leases = records.leases();
    let room = room("room-1", "u1", true);
    for (number, link) in [(1, Link::Cut), (2, Link::Paused), (3, Link::Cut)] {
        let written = projection(&room, number, vec![message(&room, 1, true)]);
        records.project(&written).await.unwrap();
        leases.all().await.unwrap();
        records.ping().await.unwrap();
        proxy.set(link);
        let (read, wrote, lease) = soon(async {
            tokio::join!(
                records.load("room-1", 9),
                records.project(&written),
                leases.renew("a", &[(antiphon_core::Shard(0), 1)], SOON)
            )
        })
        .await;
        assert!(read.is_err() && wrote.is_err() && lease.is_err(), "{link:?}: {read:?} {wrote:?} {lease:?}");
        assert!(soon(records.ping()).await.is_err());
        let refusal = Refusal::from(read.unwrap_err());
        assert_eq!(refusal.code, Code::Unavailable);
        assert!(soon(Records::connect(&through(&postgres, &proxy))).await.is_err());

        proxy.heal();
        // A connection that was found dead costs the call that found it.
        soon(async { while records.load("room-1", 9).await.is_err() {} }).await;
        soon(async { while leases.all().await.is_err() {} }).await;
        assert_eq!(records.load("room-1", 9).await.unwrap().unwrap().stored.position, written.position);
    }
}

/// A process that was suspended in the middle of a transaction.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_somebody_forgot_ends_by_itself() {
    use sqlx::{Connection as _, Executor as _};
    let Some(postgres) = Postgres::create().await else { return };
    let records = Records::connect(&postgres.url).await.unwrap();
    let room = room("room-1", "u1", true);
    records.project(&projection(&room, 1, vec![])).await.unwrap();
    let mut forgotten = sqlx::PgConnection::connect(&postgres.url).await.unwrap();
    forgotten.execute("BEGIN").await.unwrap();
    forgotten.execute("SELECT * FROM rooms FOR UPDATE").await.unwrap();
    let later = projection(&room, 2, vec![]);
    assert!(soon(records.project(&later)).await.is_err());
    drop(forgotten);
    soon(async { while records.project(&later).await.is_err() {} }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_made_read_only_is_left_for_the_one_that_is_not() {
    let Some(postgres) = Postgres::create().await else { return };
    let records = Records::connect(&postgres.url).await.unwrap();
    let room = room("room-1", "u1", true);
    let set = |value| format!("ALTER DATABASE {} SET default_transaction_read_only = {value}", postgres.name);
    postgres.administer(&set("on")).await;
    let ended = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'", postgres.name);
    postgres.administer(&ended).await;
    assert!(records.project(&projection(&room, 1, vec![])).await.is_err());
    postgres.administer(&set("off")).await;
    // The connection still is as it was made: it has to be another one.
    records.project(&projection(&room, 1, vec![])).await.unwrap();
}

#[tokio::test]
async fn an_address_of_another_kind_is_refused() {
    for url in ["", "mysql://host/x", "postgres", "/var/lib/records.sqlite"] {
        assert!(matches!(Records::connect(url).await, Err(RecordsError::Address)), "{url}");
    }
}
