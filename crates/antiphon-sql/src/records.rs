//! Opening and reading the records.

use crate::row;
use crate::{ClientMessage, Loaded, RecordsError, StoredMessage, StoredRoom};
use antiphon_core::limits::RECORDS_READERS;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::path::Path;
use std::time::Duration;

/// The records of all rooms, in one SQLite file. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Records {
    /// One connection: SQLite has one writer at a time, and waiting for it here is fair.
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Records {
    /// Opens the file, makes it where there is none, and brings its schema up to date.
    ///
    /// The journal is synced only at checkpoints: what a power cut takes from here is folded again from the log.
    pub async fn open(path: &Path) -> Result<Self, RecordsError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5));
        let writer = pool().max_connections(1).connect_with(options.clone()).await?;
        sqlx::migrate!("./migrations").run(&writer).await?;
        let readers = pool().max_connections(RECORDS_READERS).connect_lazy_with(options);
        Ok(Self { writer, readers })
    }

    /// Writes a consistent copy to a file that does not exist yet, while reading and writing go on.
    pub async fn back_up(&self, to: &Path) -> Result<(), RecordsError> {
        sqlx::query("VACUUM INTO $1").bind(to.display().to_string()).execute(&self.readers).await?;
        Ok(())
    }

    /// Waits until nothing is being read or written, and closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    pub(crate) fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    /// A room, deleted ones that are not yet removed included.
    pub async fn room(&self, room_id: &str) -> Result<Option<StoredRoom>, RecordsError> {
        let found =
            sqlx::query("SELECT * FROM rooms WHERE id = $1").bind(room_id).fetch_optional(&self.readers).await?;
        found.as_ref().map(row::room).transpose()
    }

    /// The rooms that a user finds: their own, and among regular ones everybody's public ones. Newest first.
    pub async fn rooms_of(&self, user_id: &str, is_ar: bool, limit: usize) -> Result<Vec<StoredRoom>, RecordsError> {
        let found = sqlx::query(
            "SELECT * FROM rooms WHERE status = 'active' AND is_ar = $2 \
             AND (user_id = $1 OR (visibility = 'public' AND is_ar = $3)) ORDER BY id DESC LIMIT $4",
        )
        .bind(user_id)
        .bind(is_ar)
        .bind(false)
        .bind(row::signed(limit as u64))
        .fetch_all(&self.readers)
        .await?;
        found.iter().map(row::room).collect()
    }

    /// All rooms in the order of their ids, after one, each with whether a stream of it is open.
    pub async fn rooms_after(&self, room_id: &str, limit: usize) -> Result<Vec<(StoredRoom, bool)>, RecordsError> {
        let found = sqlx::query(
            "SELECT rooms.*, EXISTS (SELECT 1 FROM messages WHERE messages.room_id = rooms.id \
             AND stream_status IN ('queued', 'active', 'paused')) AS is_open FROM rooms WHERE id > $1 ORDER BY id LIMIT $2",
        )
        .bind(room_id)
        .bind(row::signed(limit as u64))
        .fetch_all(&self.readers)
        .await?;
        found.iter().map(|found| Ok((row::room(found)?, sqlx::Row::try_get::<bool, _>(found, "is_open")?))).collect()
    }

    /// The latest messages of a room before a place, oldest first.
    pub async fn messages_before(
        &self,
        room_id: &str,
        place: u64,
        limit: usize,
    ) -> Result<Vec<StoredMessage>, RecordsError> {
        let found =
            sqlx::query("SELECT * FROM messages WHERE room_id = $1 AND place < $2 ORDER BY place DESC LIMIT $3")
                .bind(room_id)
                .bind(row::signed(place))
                .bind(row::signed(limit as u64))
                .fetch_all(&self.readers)
                .await?;
        found.iter().rev().map(row::message).collect()
    }

    /// A message of a room by its id.
    pub async fn message(&self, room_id: &str, message_id: &str) -> Result<Option<StoredMessage>, RecordsError> {
        let found = sqlx::query("SELECT * FROM messages WHERE id = $1 AND room_id = $2")
            .bind(message_id)
            .bind(room_id)
            .fetch_optional(&self.readers)
            .await?;
        found.as_ref().map(row::message).transpose()
    }

    /// The message that a stream of a room makes.
    pub async fn message_of_stream(
        &self,
        room_id: &str,
        stream_id: &str,
    ) -> Result<Option<StoredMessage>, RecordsError> {
        let found = sqlx::query("SELECT * FROM messages WHERE stream_id = $1 AND room_id = $2")
            .bind(stream_id)
            .bind(room_id)
            .fetch_optional(&self.readers)
            .await?;
        found.as_ref().map(row::message).transpose()
    }

    /// A room with its latest messages and those whose streams are open, read together.
    pub async fn load(&self, room_id: &str, latest: usize) -> Result<Option<Loaded>, RecordsError> {
        let mut transaction = self.readers.begin().await?;
        let found = sqlx::query("SELECT * FROM rooms WHERE id = $1").bind(room_id).fetch_optional(&mut *transaction);
        let Some(stored) = found.await?.as_ref().map(row::room).transpose()? else { return Ok(None) };
        let latest = sqlx::query("SELECT * FROM messages WHERE room_id = $1 ORDER BY place DESC LIMIT $2")
            .bind(room_id)
            .bind(row::signed(latest as u64))
            .fetch_all(&mut *transaction)
            .await?;
        let open = sqlx::query(
            "SELECT * FROM messages WHERE room_id = $1 AND stream_status IN ('queued', 'active', 'paused') ORDER BY place",
        )
        .bind(room_id)
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        let latest = latest.iter().rev().map(row::message).collect::<Result<_, _>>()?;
        let open = open.iter().map(row::message).collect::<Result<_, _>>()?;
        Ok(Some(Loaded { stored, latest, open }))
    }

    /// What a user's own id for a message led to, if it was used in the room.
    pub async fn client_message(
        &self,
        room_id: &str,
        user_id: &str,
        client_message_id: &str,
    ) -> Result<Option<ClientMessage>, RecordsError> {
        let found =
            sqlx::query("SELECT * FROM client_messages WHERE room_id = $1 AND user_id = $2 AND client_message_id = $3")
                .bind(room_id)
                .bind(user_id)
                .bind(client_message_id)
                .fetch_optional(&self.readers)
                .await?;
        found.as_ref().map(row::client_message).transpose()
    }
}

/// A connection to a file does not go away, so it need not be asked whether it is there.
fn pool() -> SqlitePoolOptions {
    SqlitePoolOptions::new().test_before_acquire(false)
}
