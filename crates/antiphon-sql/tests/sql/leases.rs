//! A lease has one holder at a time, by the database's clock, and its epoch only grows.

use crate::databases::databases;
use antiphon_core::{Shard, Sharding};
use antiphon_sql::*;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(30);
const SHARD: Shard = Shard(0);

fn process(id: &str) -> ProcessRow {
    ProcessRow { id: id.into(), address: format!("{id}.example:7001"), roles: "api,ai".into() }
}

fn held_by(id: &str) -> Option<Holder> {
    Some(Holder { process: id.into(), address: format!("{id}.example:7001") })
}

async fn two_processes(records: &Records, shards: u16) -> Leases {
    let leases = records.leases();
    leases.prepare(Sharding::new(shards).unwrap()).await.unwrap();
    for id in ["a", "b"] {
        leases.announce(&process(id), LONG).await.unwrap();
    }
    leases
}

/// The shard's row as the database has it after `change`: its clock cannot be moved, so what is compared with it is.
const RUN_OUT: &str = "UPDATE shards SET expires_at = (SELECT millis FROM database_clock) - 1";

#[tokio::test]
async fn a_lease_is_taken_renewed_released_and_runs_out() {
    for database in databases().await {
        let records = database.open().await;
        let leases = two_processes(&records, 2).await;
        assert_eq!(leases.take(SHARD, "a", LONG).await.unwrap(), Some(1));
        assert_eq!(leases.take(SHARD, "b", LONG).await.unwrap(), None);
        let all = leases.all().await.unwrap();
        assert_eq!(all[0], Lease { shard: SHARD, epoch: 1, holder: held_by("a"), incarnation: 0 });
        assert_eq!(all[1], Lease { shard: Shard(1), epoch: 0, holder: None, incarnation: 0 });
        assert_eq!(leases.renew("a", &[(SHARD, 1), (Shard(1), 1)], LONG).await.unwrap(), [SHARD]);
        assert_eq!(leases.renew("a", &[], LONG).await.unwrap(), []);

        database.execute(RUN_OUT).await;
        assert_eq!(leases.all().await.unwrap()[0].holder, None);
        assert_eq!(leases.take(SHARD, "b", LONG).await.unwrap(), Some(2));
        assert_eq!(leases.renew("a", &[(SHARD, 1)], LONG).await.unwrap(), []);
        assert_eq!(leases.raise(SHARD, "a", 7, LONG).await.unwrap(), None);
        leases.release(SHARD, "a", 1).await.unwrap();
        leases.release(SHARD, "b", 1).await.unwrap();
        assert_eq!(leases.all().await.unwrap()[0].holder, held_by("b"));

        leases.release(SHARD, "b", 2).await.unwrap();
        assert_eq!(leases.all().await.unwrap()[0].holder, None);
        assert_eq!(leases.take(SHARD, "b", LONG).await.unwrap(), Some(3));
    }
}

#[tokio::test]
async fn who_lost_a_lease_and_took_it_again_does_not_renew_the_old_one() {
    for database in databases().await {
        let records = database.open().await;
        let leases = two_processes(&records, 3).await;
        for shard in [2, 0, 1] {
            assert_eq!(leases.take(Shard(shard), "a", LONG).await.unwrap(), Some(1));
        }
        let held = [(Shard(2), 1), (Shard(0), 1), (Shard(1), 1)];
        assert_eq!(leases.renew("a", &held, LONG).await.unwrap(), [Shard(0), Shard(1), Shard(2)]);
        leases.release(Shard(1), "a", 1).await.unwrap();
        assert_eq!(leases.take(Shard(1), "a", LONG).await.unwrap(), Some(2));
        assert_eq!(leases.renew("a", &held, LONG).await.unwrap(), [Shard(0), Shard(2)]);
    }
}

#[tokio::test]
async fn an_epoch_is_raised_above_the_logs_and_never_falls() {
    for database in databases().await {
        let records = database.open().await;
        let leases = two_processes(&records, 1).await;
        assert_eq!(leases.take(SHARD, "a", LONG).await.unwrap(), Some(1));
        assert_eq!(leases.raise(SHARD, "a", 41, LONG).await.unwrap(), Some(42));
        assert_eq!(leases.raise(SHARD, "a", 3, LONG).await.unwrap(), Some(43));
        assert_eq!(leases.renew("a", &[(SHARD, 42)], LONG).await.unwrap(), []);
        leases.release(SHARD, "a", 43).await.unwrap();
        assert_eq!(leases.raise(SHARD, "a", 50, LONG).await.unwrap(), None);
        assert_eq!(leases.take(SHARD, "b", LONG).await.unwrap(), Some(44));
        leases.retire("b").await.unwrap();
        assert_eq!(leases.take(SHARD, "a", LONG).await.unwrap(), Some(45));
        assert_eq!(leases.raise(SHARD, "a", u32::MAX - 1, LONG).await.unwrap(), Some(u32::MAX));
        assert!(leases.raise(SHARD, "a", 0, LONG).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_processes_that_race_for_a_shard_one_wins() {
    for database in databases().await {
        let (here, there) = (database.open().await, database.open().await);
        let leases = two_processes(&here, 1).await;
        let others = there.leases();
        for round in 1..=30 {
            let (a, b) = tokio::join!(
                tokio::spawn({
                    let leases = leases.clone();
                    async move { leases.take(SHARD, "a", LONG).await.unwrap() }
                }),
                tokio::spawn({
                    let others = others.clone();
                    async move { others.take(SHARD, "b", LONG).await.unwrap() }
                }),
            );
            let winner = match (a.unwrap(), b.unwrap()) {
                (Some(epoch), None) if epoch == round => "a",
                (None, Some(epoch)) if epoch == round => "b",
                other => panic!("round {round}: {other:?}"),
            };
            assert_eq!(leases.all().await.unwrap()[0].holder, held_by(winner));
            leases.release(SHARD, winner, round).await.unwrap();
        }
    }
}

/// A short lease runs out though nobody touches the row; no process has a say in when.
#[tokio::test]
async fn time_runs_by_the_databases_clock() {
    for database in databases().await {
        let records = database.open().await;
        let leases = two_processes(&records, 1).await;
        assert_eq!(leases.take(SHARD, "a", Duration::from_millis(300)).await.unwrap(), Some(1));
        let begun = std::time::Instant::now();
        let epoch = loop {
            if let Some(epoch) = leases.take(SHARD, "b", LONG).await.unwrap() {
                break epoch;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        assert_eq!(epoch, 2);
        assert!(begun.elapsed() > Duration::from_millis(250), "it was taken after {:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_lease_from_before_the_databases_clock_was_put_back_counts_as_run_out() {
    for database in databases().await {
        let records = database.open().await;
        let leases = two_processes(&records, 1).await;
        assert_eq!(leases.take(SHARD, "a", LONG).await.unwrap(), Some(1));
        let hour = "(SELECT millis FROM database_clock) + 3600000";
        database.execute(&format!("UPDATE shards SET expires_at = {hour}")).await;
        database.execute(&format!("UPDATE processes SET expires_at = {hour} WHERE id = 'b'")).await;
        assert_eq!(leases.all().await.unwrap()[0].holder, None);
        assert_eq!(leases.processes().await.unwrap(), [process("a")]);
        assert_eq!(leases.renew("a", &[(SHARD, 1)], Duration::from_secs(3600)).await.unwrap(), [SHARD]);
        assert_eq!(leases.take(SHARD, "b", LONG).await.unwrap(), None);
    }
}

#[tokio::test]
async fn processes_come_and_go_with_their_leases() {
    for database in databases().await {
        let records = database.open().await;
        let leases = two_processes(&records, 2).await;
        assert!(leases.take(SHARD, "nobody", LONG).await.is_err());
        assert_eq!(leases.take(SHARD, "a", LONG).await.unwrap(), Some(1));
        assert_eq!(leases.take(Shard(1), "b", LONG).await.unwrap(), Some(1));
        let moved = ProcessRow { address: "elsewhere:1".into(), ..process("b") };
        leases.announce(&moved, LONG).await.unwrap();
        assert_eq!(leases.processes().await.unwrap(), [process("a"), moved]);
        leases.retire("a").await.unwrap();
        leases.retire("a").await.unwrap();
        let all = leases.all().await.unwrap();
        assert_eq!((all[0].epoch, &all[0].holder), (1, &None));
        assert_eq!(all[1].holder.as_ref().unwrap().address, "elsewhere:1");

        database.execute("UPDATE processes SET expires_at = expires_at - 100000").await;
        assert_eq!(leases.processes().await.unwrap(), []);
        // Its lease is its own business, and its row is kept for a while.
        assert_eq!(leases.all().await.unwrap()[1].holder.as_ref().unwrap().process, "b");
        database.execute("UPDATE processes SET expires_at = expires_at - 1000000").await;
        leases.prepare(Sharding::new(2).unwrap()).await.unwrap();
        assert_eq!(leases.all().await.unwrap()[1].holder, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_keeps_its_number_of_shards() {
    for database in databases().await {
        let (here, there) = (database.open().await, database.open().await);
        let (four, eight) = (Sharding::new(4).unwrap(), Sharding::new(8).unwrap());
        let (a, b) = (here.leases(), there.leases());
        let refused = match tokio::join!(a.prepare(four), b.prepare(eight)) {
            (Ok(()), Err(refused)) | (Err(refused), Ok(())) => refused,
            other => panic!("{other:?}"),
        };
        let RecordsError::ShardCount { created, configured } = refused else { panic!("{refused}") };
        assert_eq!((created + u32::from(configured), a.all().await.unwrap().len()), (12, created as usize));
        let words = RecordsError::ShardCount { created, configured }.to_string();
        assert!(
            words.contains(&format!("{created} shards")) && words.contains(&format!("with {configured}")),
            "{words}"
        );
    }
}

fn deployment(topology: &str, kafka_topic: Option<&str>, redis_prefix: Option<&str>) -> Deployment {
    Deployment {
        topology: topology.into(),
        sharding: Sharding::new(4).unwrap(),
        kafka_topic: kafka_topic.map(str::to_owned),
        redis_prefix: redis_prefix.map(str::to_owned),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_of_another_deployment_is_refused_and_leaves_no_trace() {
    for database in databases().await {
        let leases = database.open().await.leases();
        // Of a version that wrote down nothing but the shards.
        leases.prepare(Sharding::new(4).unwrap()).await.unwrap();
        assert_eq!(leases.topology().await.unwrap(), None);
        let eight = Deployment { sharding: Sharding::new(8).unwrap(), ..deployment("grpc", None, None) };
        assert!(matches!(leases.join(&eight).await, Err(RecordsError::ShardCount { created: 4, configured: 8 })));

        let relay = deployment("kafka-relay", Some("log"), Some("one:"));
        for _ in 0..2 {
            leases.join(&relay).await.unwrap();
        }
        assert_eq!(leases.topology().await.unwrap().as_deref(), Some("kafka-relay"));
        let others = [
            (deployment("redis-streams", None, Some("one:")), "topology", "kafka-relay", "redis-streams"),
            (deployment("kafka-relay", Some("other"), Some("one:")), "kafka.topic", "log", "other"),
            (deployment("kafka-relay", Some("log"), Some("two:")), "redis.prefix", "one:", "two:"),
        ];
        for (other, named, was, is) in others {
            let refused = leases.join(&other).await.unwrap_err();
            let words = refused.to_string();
            assert!(
                words.contains(&format!("set {named} to {was:?}")) && words.contains(&format!("has {is:?}")),
                "{words}"
            );
            let RecordsError::OtherDeployment { key, created, configured } = refused else { panic!("{words}") };
            assert_eq!((key, created.as_str(), configured.as_str()), (named, was, is));
        }
        leases.join(&relay).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_different_processes_that_start_together_one_is_refused() {
    for database in databases().await {
        let (here, there) = (database.open().await.leases(), database.open().await.leases());
        let (one, other) = (deployment("kafka", Some("one"), None), deployment("kafka", Some("other"), None));
        let outcomes = tokio::join!(here.join(&one), there.join(&other));
        assert!(outcomes.0.is_ok() != outcomes.1.is_ok(), "{outcomes:?}");
        let (joined, refused) = if outcomes.0.is_ok() { (one, other) } else { (other, one) };
        assert!(matches!(here.join(&refused).await, Err(RecordsError::OtherDeployment { key: "kafka.topic", .. })));
        there.join(&joined).await.unwrap();
    }
}

#[tokio::test]
async fn an_incarnation_only_grows() {
    for database in databases().await {
        let records = database.open().await;
        let leases = two_processes(&records, 1).await;
        for (at_least, known) in [(0, 0), (4, 4), (2, 4), (0, 4), (u32::MAX, u32::MAX)] {
            assert_eq!(leases.raise_incarnation(SHARD, at_least).await.unwrap(), known);
        }
        assert_eq!(leases.all().await.unwrap()[0].incarnation, u32::MAX);
        assert!(leases.raise_incarnation(Shard(1), 1).await.is_err());
    }
}

#[tokio::test]
async fn this_machines_clock_is_not_far_from_itself() {
    for database in databases().await {
        let records = database.open().await;
        let skew = records.leases().clock_skew().await.unwrap();
        assert!(skew.ahead_millis.unsigned_abs() <= skew.uncertainty_millis + 2_000, "{skew:?}");
    }
}
