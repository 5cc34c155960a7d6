//! What is written comes back, and a projection is all or nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use antiphon_core::*;
use antiphon_sql::*;

fn room(id: &str, user: &str, is_ar: bool) -> Room {
    Room {
        id: id.into(),
        agent_id: is_ar.then(|| "anna".into()),
        user_id: user.into(),
        name: None,
        room_type: "ar-conversation".into(),
        created_by: CreatedBy { id: user.into() },
        visibility: Visibility::Private,
        status: RoomStatus::Active,
        is_ar_conversation: is_ar,
        created_at: Timestamp::from_millis(1_700_000_000_000),
    }
}

fn message(room: &Room, place: u64, is_open: bool) -> StoredMessage {
    StoredMessage {
        place,
        message: Message {
            id: format!("msg-{}-{place}", room.id),
            ar_room_id: room.id.clone(),
            sender_id: "anna".into(),
            role: SenderRole::Assistant,
            content: "[emotion:happy]hi\0 😀".into(),
            text: "hi\0 😀".into(),
            markers: vec![Marker { kind: MarkerKind::Emotion, value: "happy".into(), offset: 0 }],
            status: MessageStatus::Streaming,
            stream_id: Some(format!("stream-{}-{place}", room.id)),
            heard: Some(Heard { offset: 2 }),
            reasoning: "hm".into(),
            citations: vec![Citation { url: "https://example.org/".into(), title: None }],
            error: Some(StreamFault { code: "declined".into(), message: "no".into() }),
            created_at: Timestamp::from_millis(5),
        },
        answer: Some(Answer {
            request_id: "msg-0".into(),
            asked_by: room.user_id.clone(),
            status: if is_open { StreamStatus::Active } else { StreamStatus::Completed },
            attempt: 2,
            chunks: 7,
            started_at: Some(Timestamp::from_millis(6)),
        }),
    }
}

fn projection(room: &Room, number: u64, messages: Vec<StoredMessage>) -> Projection {
    let position = Position { number, ..Position::before_first(&room.channel().unwrap(), 1) };
    let client_messages = vec![ClientMessage {
        user_id: room.user_id.clone(),
        client_message_id: "c1".into(),
        content_hash: "h".into(),
        message_id: "msg-0".into(),
        stream_id: None,
    }];
    Projection { room: room.clone(), position, messages, client_messages }
}

#[tokio::test]
async fn what_is_written_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records.sqlite");
    let room = room("room-1", "u1", true);
    let written = projection(&room, 3, (1..=5).map(|place| message(&room, place, place == 4)).collect());
    let records = Records::open(&path).await.unwrap();
    records.project(&written).await.unwrap();
    records.project(&written).await.unwrap();
    records.close().await;

    let records = Records::open(&path).await.unwrap();
    let stored = records.room("room-1").await.unwrap().unwrap();
    assert_eq!((stored.room, stored.position), (room.clone(), written.position));
    assert_eq!(records.messages_before("room-1", 5, 2).await.unwrap(), written.messages[2..4]);
    let loaded = records.load("room-1", 2).await.unwrap().unwrap();
    assert_eq!((loaded.latest.as_slice(), loaded.open.as_slice()), (&written.messages[3..], &written.messages[3..4]));
    let stream = records.message_of_stream("room-1", "stream-room-1-2").await.unwrap();
    assert_eq!(stream.as_ref(), written.messages.get(1));
    assert_eq!(records.message("room-2", "msg-room-1-2").await.unwrap(), None);
    assert_eq!(records.client_message("room-1", "u1", "c1").await.unwrap().as_ref(), written.client_messages.first());
    assert_eq!(records.client_message("room-1", "u2", "c1").await.unwrap(), None);
    assert!(records.rooms_after("", 10).await.unwrap()[0].1);

    records.remove("room-1").await.unwrap();
    assert_eq!(records.room("room-1").await.unwrap(), None);
    assert!(records.messages_before("room-1", 9, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_list_holds_a_users_own_rooms_of_one_kind_and_public_ones() {
    let folder = tempfile::tempdir().unwrap();
    let records = Records::open(&folder.path().join("records.sqlite")).await.unwrap();
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

#[tokio::test]
async fn a_projection_that_fails_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let records = Records::open(&folder.path().join("records.sqlite")).await.unwrap();
    let room = room("room-1", "u1", true);
    records.project(&projection(&room, 1, vec![message(&room, 1, true)])).await.unwrap();
    let mut clash = message(&room, 1, true);
    clash.message.id = "another".into();
    assert!(records.project(&projection(&room, 2, vec![message(&room, 2, true), clash])).await.is_err());
    assert!(matches!(records.project(&projection(&room, 0, vec![])).await, Err(RecordsError::Behind)));
    assert_eq!(records.room("room-1").await.unwrap().unwrap().position.number, 1);
    assert_eq!(records.messages_before("room-1", 9, 9).await.unwrap().len(), 1);
}
