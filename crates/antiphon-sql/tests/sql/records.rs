//! What is written comes back, and a projection is all or nothing.

use crate::databases::{TestDatabase, databases, message, projection, room};
use antiphon_core::*;
use antiphon_sql::*;
use std::sync::Arc;
use tokio::sync::Barrier;

#[tokio::test]
async fn what_is_written_comes_back() {
    for database in databases().await {
        let room = room("room-1", "u1", true);
        let written = projection(&room, 3, (1..=5).map(|place| message(&room, place, place == 4)).collect());
        let records = database.open().await;
        records.project(&written).await.unwrap();
        records.project(&written).await.unwrap();
        records.close().await;

        let records = database.open().await;
        let stored = records.room("room-1").await.unwrap().unwrap();
        assert_eq!((stored.room, stored.position), (room.clone(), written.position));
        assert_eq!(records.messages_before("room-1", 5, 2).await.unwrap(), written.messages[2..4]);
        let loaded = records.load("room-1", 2).await.unwrap().unwrap();
        assert_eq!(
            (loaded.latest.as_slice(), loaded.open.as_slice()),
            (&written.messages[3..], &written.messages[3..4])
        );
        assert!(records.load("room-2", 2).await.unwrap().is_none());
        let stream = records.message_of_stream("room-1", "stream-room-1-2").await.unwrap();
        assert_eq!(stream.as_ref(), written.messages.get(1));
        assert_eq!(records.message("room-2", "msg-room-1-2").await.unwrap(), None);
        let found = records.client_message("room-1", "u1", "c1").await.unwrap();
        assert_eq!(found.as_ref(), written.client_messages.first());
        assert_eq!(records.client_message("room-1", "u2", "c1").await.unwrap(), None);

        records.remove("room-1").await.unwrap();
        assert_eq!(records.room("room-1").await.unwrap(), None);
        assert!(records.messages_before("room-1", 9, 9).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_list_holds_a_users_own_rooms_of_one_kind_and_public_ones() {
    for database in databases().await {
        let records = database.open().await;
        let mut public = room("room-3", "u2", false);
        public.visibility = Visibility::Public;
        let mut deleted = room("room-4", "u1", true);
        deleted.status = RoomStatus::Deleted;
        for room in [&room("room-1", "u1", true), &room("room-2", "u1", false), &public, &deleted] {
            records.project(&projection(room, 1, vec![])).await.unwrap();
        }
        let ids = async |user: &str, is_ar| -> Vec<String> {
            records.rooms_of(user, is_ar, 10).await.unwrap().into_iter().map(|stored| stored.room.id).collect()
        };
        assert_eq!(ids("u1", true).await, ["room-1"]);
        assert_eq!(ids("u1", false).await, ["room-3", "room-2"]);
        assert_eq!(ids("u2", true).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn rooms_are_paged_in_the_order_of_their_bytes_and_open_ones_are_found() {
    for database in databases().await {
        let records = database.open().await;
        // In most locales `a` stands before `B`.
        for (id, is_open) in [("room-a", true), ("room-B", true), ("room-C", false), ("room-c", true)] {
            let room = room(id, "u1", true);
            let messages = vec![message(&room, 1, is_open), message(&room, 2, is_open)];
            records.project(&projection(&room, 1, messages)).await.unwrap();
        }
        let all = records.rooms_after("", 10).await.unwrap();
        let all: Vec<_> = all.iter().map(|(stored, is_open)| (stored.room.id.as_str(), *is_open)).collect();
        assert_eq!(all, [("room-B", true), ("room-C", false), ("room-a", true), ("room-c", true)]);
        let open = async |after: &str, limit| -> Vec<String> {
            let found = records.open_rooms_after(after, limit).await.unwrap();
            found.into_iter().map(|stored| stored.room.id).collect()
        };
        assert_eq!(open("", 2).await, ["room-B", "room-a"]);
        assert_eq!(open("room-a", 2).await, ["room-c"]);
    }
}

#[tokio::test]
async fn a_projection_that_fails_changes_nothing() {
    for database in databases().await {
        let records = database.open().await;
        let room = room("room-1", "u1", true);
        records.project(&projection(&room, 1, vec![message(&room, 1, true)])).await.unwrap();
        let mut clash = message(&room, 1, true);
        clash.message.id = "another".into();
        assert!(records.project(&projection(&room, 2, vec![message(&room, 2, true), clash])).await.is_err());
        assert!(matches!(records.project(&projection(&room, 0, vec![])).await, Err(RecordsError::Behind)));
        assert_eq!(records.room("room-1").await.unwrap().unwrap().position.number, 1);
        assert_eq!(records.messages_before("room-1", 9, 9).await.unwrap().len(), 1);
    }
}

/// Positions that the database's locale would put in another order.
#[tokio::test]
async fn positions_compare_by_their_bytes() {
    for database in databases().await {
        let records = database.open().await;
        let room = room("room-1", "u1", true);
        for number in 1..=200 {
            records.project(&projection(&room, number, vec![])).await.unwrap();
            let behind = records.project(&projection(&room, number - 1, vec![])).await;
            assert!(matches!(behind, Err(RecordsError::Behind)), "{number} {behind:?}");
        }
    }
}

/// Each owner marks what it writes; the one that the log has moved past must not leave a mark beside the other's.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_owners_that_project_at_once_the_later_position_wins() {
    for database in databases().await {
        let room = room("room-1", "u1", true);
        let records = [database.open().await, database.open().await];
        let mut behind = 0;
        for round in 0..40 {
            let barrier = Arc::new(Barrier::new(2));
            let owners = [0, 1].map(|owner: usize| {
                let (records, room, barrier) = (records[owner].clone(), room.clone(), barrier.clone());
                tokio::spawn(async move {
                    let mut messages: Vec<_> = (1..=3).map(|place| message(&room, place, true)).collect();
                    for stored in &mut messages {
                        stored.message.content = format!("owner {owner} in round {round}");
                    }
                    // The second owner is always ahead, by one.
                    let projection = projection(&room, 2 * round + 1 + owner as u64, messages);
                    barrier.wait().await;
                    records.project(&projection).await
                })
            });
            let [old, new] = owners;
            match old.await.unwrap() {
                Err(RecordsError::Behind) => behind += 1,
                other => other.unwrap(),
            }
            new.await.unwrap().unwrap();
            let loaded = records[0].load("room-1", 9).await.unwrap().unwrap();
            assert_eq!(loaded.stored.position.number, 2 * round + 2);
            for stored in loaded.latest {
                assert_eq!(stored.message.content, format!("owner 1 in round {round}"));
            }
        }
        println!("{behind} of 40 projections were behind");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_removed_while_somebody_projects() {
    for database in databases().await {
        let room = room("room-1", "u1", true);
        let (records, other) = (database.open().await, database.open().await);
        for number in 1..=20 {
            let projection = projection(&room, number, vec![message(&room, 1, false)]);
            let (projected, removed) = tokio::join!(other.project(&projection), records.remove("room-1"));
            projected.unwrap();
            removed.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_together_make_one_schema() {
    for database in databases().await {
        let TestDatabase::Postgres(postgres) = &database else { continue };
        let all = futures::future::join_all((0..8).map(|_| Records::connect(&postgres.url))).await;
        for records in all {
            assert!(records.unwrap().rooms_after("", 1).await.unwrap().is_empty());
        }
    }
}

/// As a rolling upgrade does.
#[tokio::test]
async fn a_newer_version_may_add_columns_while_this_one_runs() {
    for database in databases().await {
        let records = database.open().await;
        let room = room("room-1", "u1", true);
        let written = projection(&room, 1, vec![message(&room, 1, true)]);
        for addition in ["ALTER TABLE rooms ADD COLUMN later TEXT", "ALTER TABLE messages ADD COLUMN later TEXT"] {
            records.project(&written).await.unwrap();
            assert_eq!(records.load("room-1", 9).await.unwrap().unwrap().latest, written.messages);
            database.execute(addition).await;
        }
        assert_eq!(records.load("room-1", 9).await.unwrap().unwrap().latest, written.messages);
    }
}

#[tokio::test]
async fn a_schema_that_is_newer_is_refused() {
    for database in databases().await {
        database.open().await.close().await;
        let kind = if matches!(database, TestDatabase::Sqlite(_)) { "X'00'" } else { "'\\x00'" };
        database
            .execute(&format!(
                "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (99, 'later', TRUE, {kind}, 0)"
            ))
            .await;
        let opened = match &database {
            TestDatabase::Sqlite(_) => Records::open(&database.path()).await,
            TestDatabase::Postgres(postgres) => Records::connect(&postgres.url).await,
        };
        assert!(matches!(opened, Err(RecordsError::Schema(_))), "{opened:?}");
    }
}
