//! Databases for tests: a SQLite file, and on the PostgreSQL that is given a database of the test's own. Both go with the
//! value that names them.

use antiphon_core::*;
use antiphon_sql::*;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use std::path::PathBuf;
use tempfile::TempDir;

pub enum TestDatabase {
    Sqlite(TempDir),
    Postgres(Postgres),
}

impl TestDatabase {
    /// As another process would.
    pub async fn open(&self) -> Records {
        match self {
            Self::Sqlite(_) => Records::open(&self.path()).await.unwrap(),
            Self::Postgres(postgres) => Records::connect(&postgres.url).await.unwrap(),
        }
    }

    pub fn path(&self) -> PathBuf {
        let Self::Sqlite(folder) = self else { panic!("a server is no file") };
        folder.path().join("records.sqlite")
    }

    /// Runs statements as the database's administrator.
    pub async fn execute(&self, text: &str) {
        match self {
            Self::Sqlite(_) => {
                let url = format!("sqlite://{}", self.path().display());
                let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
                connection.execute(AssertSqlSafe(text)).await.unwrap();
            }
            Self::Postgres(postgres) => execute(&postgres.url, text).await,
        }
    }
}

/// Every database that can be had, empty.
pub async fn databases() -> Vec<TestDatabase> {
    let sqlite = TestDatabase::Sqlite(tempfile::tempdir().unwrap());
    [sqlite].into_iter().chain(Postgres::create().await.map(TestDatabase::Postgres)).collect()
}

/// A PostgreSQL database.
pub struct Postgres {
    /// Of the database.
    pub url: String,
    pub name: String,
    server: String,
}

impl Postgres {
    /// In a locale in which texts do not compare by their bytes, where the server has one.
    pub async fn create() -> Option<Self> {
        let server = antiphon_testkit::servers::postgres()?;
        let name = format!("antiphon_sql_{}", uuid::Uuid::new_v4().simple());
        let icu = "LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C'";
        let mut connection = PgConnection::connect(&server).await.unwrap();
        let create = |locale: &str| AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0 {locale}"));
        if connection.execute(create(icu)).await.is_err() {
            connection.execute(create("")).await.unwrap();
        }
        let mut url = url::Url::parse(&server).unwrap();
        url.set_path(&name);
        Some(Self { url: url.into(), name, server })
    }

    /// Runs statements in the server's own database.
    pub async fn administer(&self, text: &str) {
        execute(&self.server, text).await;
    }

    /// The database's address for somebody else.
    pub fn url_of(&self, change: impl FnOnce(&mut url::Url)) -> String {
        let mut url = url::Url::parse(&self.url).unwrap();
        change(&mut url);
        url.into()
    }

    /// Host and port.
    pub fn address(&self) -> String {
        let url = url::Url::parse(&self.url).unwrap();
        format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let (server, text) = (self.server.clone(), format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(execute(&server, &text));
        });
        let _ = dropping.join();
    }
}

/// Runs statements as whoever the address says.
pub async fn execute(url: &str, text: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    connection.execute(AssertSqlSafe(text)).await.unwrap();
    connection.close().await.unwrap();
}

pub fn room(id: &str, user: &str, is_ar: bool) -> Room {
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

pub fn message(room: &Room, place: u64, is_open: bool) -> StoredMessage {
    StoredMessage {
        place,
        message: Message {
            id: format!("msg-{}-{place}", room.id),
            ar_room_id: room.id.clone(),
            sender_id: "anna".into(),
            role: SenderRole::Assistant,
            content: "[emotion:happy]hi\0 😀\u{1}0".into(),
            text: "hi\0 😀\u{1}0".into(),
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
            moved_attempts: 1,
            moved_last: 1,
            chunks: 7,
            started_at: Some(Timestamp::from_millis(6)),
        }),
    }
}

pub fn projection(room: &Room, number: u64, messages: Vec<StoredMessage>) -> Projection {
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
