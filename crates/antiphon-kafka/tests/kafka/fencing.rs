//! Owners: one at a time whatever they believe, and nothing acknowledged is lost.

use crate::deployment::{Deployment, NO_LIMIT, channel, until};
use antiphon_core::{BeginError, Fenced, Log, LogError, ReadFrom, Shard};
use antiphon_testkit::servers;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_was_suspended_writes_nothing_that_counts() {
    let Some(brokers) = servers::kafka() else { return };
    let deployment = Deployment::new(&brokers, 1);
    let (first, second) = (deployment.process("first").await, deployment.process("second").await);
    let room = channel("a");
    assert_eq!(first.append(&room, &["nobody"]).await, Err(LogError::NotOwner));
    assert_eq!(first.own(0, 1).await, 1);
    first.append(&room, &["one"]).await.unwrap();
    // The first knows nothing of this, as if it slept.
    assert_eq!(second.log.begin(Shard(0), 1).await, Err(BeginError::Superseded { epoch: 1 }));
    second.own(0, 2).await;
    assert_eq!(second.texts(&room).await, ["one"], "what the earlier owner had acknowledged");
    let refused = first.append(&room, &["void"]).await;
    assert!(matches!(refused, Err(LogError::Unavailable { .. })), "{refused:?}");
    until("the loss is told", || *first.lost.lock() == [(Shard(0), 1)]).await;
    assert_eq!(first.append(&room, &["void too"]).await, Err(LogError::NotOwner));
    let positions = second.append(&room, &["two"]).await.unwrap();
    assert_eq!((positions[0].number, positions[0].epoch), (2, 2));
    // The position is good wherever it is brought, however far that process is.
    let after = first.log.read(&room, ReadFrom::After(positions[0]), NO_LIMIT).await.unwrap();
    assert!(after.is_empty());
    assert_eq!(first.texts(&room).await, ["one", "two"]);
    first.until_told(2).await;
    assert_eq!((first.told(), second.told()), (vec!["one".into(), "two".into()], vec!["one".into(), "two".into()]));
    assert!(second.lost.lock().is_empty());
    deployment.end([first, second]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_goes_on_when_what_lies_between_does_not_count() {
    let Some(brokers) = servers::kafka() else { return };
    let deployment = Deployment::new(&brokers, 1);
    let owner = deployment.process("owner").await;
    let room = channel("a");
    owner.own(0, 5).await;
    owner.append(&room, &["one"]).await.unwrap();
    for _ in 0..3 {
        // Writes a record that is none.
        let findings = antiphon_kafka::check(&deployment.target).await.findings;
        assert!(findings.iter().all(|finding| !finding.is_fatal), "{findings:?}");
        let append = |name: usize| {
            let (log, room) = (owner.log.clone(), room.clone());
            tokio::spawn(async move { log.append(&room, vec![crate::deployment::event(&name.to_string())]).await })
        };
        let appends: Vec<_> = (0..20).map(append).collect();
        for append in appends {
            append.await.unwrap().unwrap();
        }
    }
    assert!(owner.lost.lock().is_empty());
    let read = owner.texts(&room).await;
    assert_eq!(read.len(), 61);
    // Whoever reads all of it from Kafka finds the same, at the same places.
    let other = deployment.process("other").await;
    other.until_told(61).await;
    let positions = |records: &[antiphon_core::Record]| records.iter().map(|it| it.position).collect::<Vec<_>>();
    assert_eq!(positions(&owner.committed.lock()), positions(&other.committed.lock()));
    assert_eq!(other.texts(&room).await, read);
    deployment.end([owner, other]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ownership_goes_back_and_forth_under_load_and_nothing_acknowledged_is_lost() {
    let Some(brokers) = servers::kafka() else { return };
    let deployment = Deployment::new(&brokers, 1);
    let processes = [deployment.process("first").await, deployment.process("second").await];
    let room = channel("a");
    let stopping = tokio_util::sync::CancellationToken::new();
    let append = |number: usize| {
        let (log, room, stopping) = (processes[number % 2].log.clone(), room.clone(), stopping.clone());
        tokio::spawn(async move {
            let (mut acknowledged, mut count) = (Vec::new(), 0);
            while !stopping.is_cancelled() {
                count += 1;
                let text = format!("{number}.{count}");
                match log.append(&room, vec![crate::deployment::event(&text)]).await {
                    Ok(positions) => acknowledged.push((positions[0], text)),
                    Err(LogError::NotOwner | LogError::Unavailable { .. }) => {
                        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            acknowledged
        })
    };
    let appenders: Vec<_> = (0..6).map(append).collect();
    let mut epoch = 0;
    for turn in 0..10 {
        epoch = processes[turn % 2].own(0, epoch + 1).await;
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
        if turn % 3 == 2 {
            processes[turn % 2].log.end(Shard(0)).await;
        }
    }
    stopping.cancel();
    let mut acknowledged = Vec::new();
    for appender in appenders {
        acknowledged.extend(appender.await.unwrap());
    }
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
    epoch = processes[0].own(0, epoch + 1).await;
    let last = processes[0].append(&room, &["last"]).await.unwrap()[0];
    assert_eq!(last.epoch, epoch);
    let mut whole = Vec::new();
    for process in &processes {
        process.log.read(&room, ReadFrom::After(last), NO_LIMIT).await.unwrap();
        let records = process.log.read(&room, ReadFrom::Start, NO_LIMIT).await.unwrap();
        let numbers: Vec<u64> = records.iter().map(|record| record.position.number).collect();
        assert_eq!(numbers, (1..=last.number).collect::<Vec<_>>());
        for (position, text) in &acknowledged {
            let record = &records[usize::try_from(position.number).unwrap() - 1];
            assert_eq!(
                (record.position, crate::deployment::texts(std::slice::from_ref(record))[0].as_str()),
                (*position, text.as_str())
            );
        }
        let told = process.committed.lock();
        assert!(
            told.windows(2).all(|pair| pair[0].position.number + 1 == pair[1].position.number),
            "told in order, once"
        );
        whole.push(records.iter().map(|record| record.position).collect::<Vec<_>>());
    }
    assert_eq!(whole[0], whole[1]);
    deployment.end(processes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_that_were_given_up_do_not_queue_before_the_newest() {
    let Some(brokers) = servers::kafka() else { return };
    let deployment = Deployment::new(&brokers, 1);
    let owner = deployment.process("owner").await;
    let begun = futures::future::join_all((1..=20).map(|epoch| owner.log.begin(Shard(0), epoch))).await;
    assert_eq!(begun.last(), Some(&Ok(())));
    let positions = owner.append(&channel("a"), &["one"]).await.unwrap();
    assert_eq!(positions[0].epoch, 20);
    // The first may have been under way; in Kafka the address is the offset.
    assert!(positions[0].address <= 3, "{positions:?}");
    deployment.end([owner]).await;
}
