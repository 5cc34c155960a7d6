//! Opening and reading the records.

use crate::database::{Connection, Database, bounded, server_options};
use crate::row::{self, message_columns, room_columns, signed};
use crate::statement::Statement;
use crate::{ClientMessage, Leases, Loaded, RecordsError, StoredMessage, StoredRoom, schema};
use antiphon_core::limits::{
    LEASE_CONNECTIONS, RECORDS_CONNECT_TIMEOUT, RECORDS_CONNECTIONS, RECORDS_MIGRATION_TIMEOUT,
};
use sqlx::{Connection as _, PgConnection};
use std::path::Path;

/// The records of all rooms, in one SQLite file or in a PostgreSQL database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Records {
    database: Database,
}

impl Records {
    /// Opens the file, makes it where there is none, and brings its schema up to date.
    ///
    /// The journal is synced only at checkpoints: what a power cut takes from here is folded again from the log.
    pub async fn open(path: &Path) -> Result<Self, RecordsError> {
        Ok(Self { database: Database::open(path).await? })
    }

    /// Connects to a PostgreSQL database (`postgres://user:password@host:port/database?sslmode=verify-full`) and brings
    /// its schema up to date; several processes may do so at once. Fails within seconds where it cannot be reached, and
    /// so does each later call; once it is back, the next call finds it.
    pub async fn connect(url: &str) -> Result<Self, RecordsError> {
        let options = server_options(url)?;
        // Of its own, as a migration may take longer than any other statement.
        let unlimited = options.clone().options([("statement_timeout", "0")]);
        let mut connection = tokio::time::timeout(RECORDS_CONNECT_TIMEOUT, PgConnection::connect_with(&unlimited))
            .await
            .map_err(|_| RecordsError::Timeout)??;
        let migrate = async { Ok(schema::postgres().run_direct(None, &mut connection, false).await?) };
        bounded(Some(RECORDS_MIGRATION_TIMEOUT), migrate).await?;
        // What it was for is done; over TLS the farewell may meet a server that has closed already.
        let _ = connection.close().await;
        Ok(Self { database: Database::server(options, RECORDS_CONNECTIONS) })
    }

    /// The leases of the shards, in the same database, over connections of their own. Ask once and clone them.
    pub fn leases(&self) -> Leases {
        Leases::new(self.database.apart(LEASE_CONNECTIONS))
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), RecordsError> {
        self.database.read(Statement::new("SELECT 1")).await?;
        Ok(())
    }

    /// Writes a consistent copy of the file to one that does not exist yet, while reading and writing go on. A server has
    /// tools of its own for that and refuses.
    pub async fn back_up(&self, to: &Path) -> Result<(), RecordsError> {
        self.database.read(Statement::new("VACUUM INTO $1").bind(to.display().to_string())).await?;
        Ok(())
    }

    /// Waits until nothing is being read or written, and closes the file or the connections.
    pub async fn close(&self) {
        self.database.close().await;
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// A room, deleted ones that are not yet removed included.
    pub async fn room(&self, room_id: &str) -> Result<Option<StoredRoom>, RecordsError> {
        self.database.read_one(room_statement(room_id)).await?.as_ref().map(row::room).transpose()
    }

    /// The rooms that a user finds: their own, and among regular ones everybody's public ones. Newest first.
    pub async fn rooms_of(&self, user_id: &str, is_ar: bool, limit: usize) -> Result<Vec<StoredRoom>, RecordsError> {
        let statement = Statement::new(concat!(
            "SELECT ",
            room_columns!(),
            " FROM rooms WHERE status = 'active' AND is_ar = $2 \
             AND (user_id = $1 OR (visibility = 'public' AND is_ar = $3)) ORDER BY id DESC LIMIT $4",
        ));
        let statement = statement.bind(user_id).bind(is_ar).bind(false).bind(signed(limit as u64));
        self.database.read(statement).await?.iter().map(row::room).collect()
    }

    /// All rooms in the order of their ids, after one, each with whether a stream of it is open.
    pub async fn rooms_after(&self, room_id: &str, limit: usize) -> Result<Vec<(StoredRoom, bool)>, RecordsError> {
        let statement = Statement::new(concat!(
            "SELECT ",
            room_columns!(),
            ", EXISTS (SELECT 1 FROM messages WHERE messages.room_id = rooms.id \
             AND stream_status IN ('queued', 'active', 'paused')) AS is_open \
             FROM rooms WHERE id > $1 ORDER BY id LIMIT $2",
        ));
        let found = self.database.read(statement.bind(room_id).bind(signed(limit as u64))).await?;
        found.iter().map(|found| Ok((row::room(found)?, found.boolean("is_open")?))).collect()
    }

    /// The rooms in which a stream is open, in the order of their ids, after one: by an index that holds no others, so
    /// that it costs nothing how many rooms there are.
    pub async fn open_rooms_after(&self, room_id: &str, limit: usize) -> Result<Vec<StoredRoom>, RecordsError> {
        let statement = Statement::new(concat!(
            "SELECT ",
            room_columns!(),
            " FROM rooms WHERE id IN (SELECT DISTINCT room_id FROM messages \
             WHERE stream_status IN ('queued', 'active', 'paused') AND room_id > $1 ORDER BY room_id LIMIT $2) \
             ORDER BY id",
        ));
        let found = self.database.read(statement.bind(room_id).bind(signed(limit as u64))).await?;
        found.iter().map(row::room).collect()
    }

    /// The latest messages of a room before a place, oldest first.
    pub async fn messages_before(
        &self,
        room_id: &str,
        place: u64,
        limit: usize,
    ) -> Result<Vec<StoredMessage>, RecordsError> {
        let statement = Statement::new(concat!(
            "SELECT ",
            message_columns!(),
            " FROM messages WHERE room_id = $1 AND place < $2 ORDER BY place DESC LIMIT $3",
        ));
        let statement = statement.bind(room_id).bind(signed(place)).bind(signed(limit as u64));
        self.database.read(statement).await?.iter().rev().map(row::message).collect()
    }

    /// A message of a room by its id.
    pub async fn message(&self, room_id: &str, message_id: &str) -> Result<Option<StoredMessage>, RecordsError> {
        let statement =
            Statement::new(concat!("SELECT ", message_columns!(), " FROM messages WHERE id = $1 AND room_id = $2"));
        let found = self.database.read_one(statement.bind(message_id).bind(room_id)).await?;
        found.as_ref().map(row::message).transpose()
    }

    /// The message that a stream of a room makes.
    pub async fn message_of_stream(
        &self,
        room_id: &str,
        stream_id: &str,
    ) -> Result<Option<StoredMessage>, RecordsError> {
        let statement = Statement::new(concat!(
            "SELECT ",
            message_columns!(),
            " FROM messages WHERE stream_id = $1 AND room_id = $2"
        ));
        let found = self.database.read_one(statement.bind(stream_id).bind(room_id)).await?;
        found.as_ref().map(row::message).transpose()
    }

    /// A room with its latest messages and those whose streams are open, read together.
    pub async fn load(&self, room_id: &str, latest: usize) -> Result<Option<Loaded>, RecordsError> {
        let mut connection = self.database.reader().await?;
        let loaded = bounded(connection.limit(), load(&mut connection, room_id, latest)).await;
        connection.release(loaded)
    }

    /// What a user's own id for a message led to, if it was used in the room.
    pub async fn client_message(
        &self,
        room_id: &str,
        user_id: &str,
        client_message_id: &str,
    ) -> Result<Option<ClientMessage>, RecordsError> {
        let statement = Statement::new(
            "SELECT user_id, client_message_id, content_hash, message_id, stream_id FROM client_messages \
             WHERE room_id = $1 AND user_id = $2 AND client_message_id = $3",
        );
        let statement = statement.bind(room_id).bind(user_id).bind(client_message_id);
        self.database.read_one(statement).await?.as_ref().map(row::client_message).transpose()
    }
}

fn room_statement(room_id: &str) -> Statement {
    Statement::new(concat!("SELECT ", room_columns!(), " FROM rooms WHERE id = $1")).bind(room_id)
}

async fn load(connection: &mut Connection, room_id: &str, latest: usize) -> Result<Option<Loaded>, RecordsError> {
    let mut transaction = connection.begin_snapshot().await?;
    let found = transaction.run(room_statement(room_id)).await?;
    let Some(stored) = found.first().map(row::room).transpose()? else { return Ok(None) };
    let statement = Statement::new(concat!(
        "SELECT ",
        message_columns!(),
        " FROM messages WHERE room_id = $1 ORDER BY place DESC LIMIT $2",
    ));
    let latest = transaction.run(statement.bind(room_id).bind(signed(latest as u64))).await?;
    let statement = Statement::new(concat!(
        "SELECT ",
        message_columns!(),
        " FROM messages WHERE room_id = $1 AND stream_status IN ('queued', 'active', 'paused') ORDER BY place",
    ));
    let open = transaction.run(statement.bind(room_id)).await?;
    transaction.commit().await?;
    let latest = latest.iter().rev().map(row::message).collect::<Result<_, _>>()?;
    let open = open.iter().map(row::message).collect::<Result<_, _>>()?;
    Ok(Some(Loaded { stored, latest, open }))
}
