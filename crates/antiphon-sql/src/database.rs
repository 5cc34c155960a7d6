//! The two databases behind one face. Everything that tells them apart is here and in [`schema`](crate::schema).
//!
//! sqlx's own `Any` driver is not used: it cannot read SQLite's BOOLEAN columns, and it takes settings only as far as they
//! fit into an address.

use crate::statement::{Argument, Row, Statement};
use crate::{RecordsError, schema};
use antiphon_core::limits::{
    RECORDS_CALL_TIMEOUT, RECORDS_CONNECT_TIMEOUT, RECORDS_READERS, RECORDS_STATEMENT_TIMEOUT,
};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{
    AssertSqlSafe, Connection as _, Encode, Executor, IntoArguments, PgPool, Postgres, Sqlite, SqlitePool, Type,
};
use std::future::Future;
use std::path::Path;
use std::time::Duration;

/// A database. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    /// A file.
    Sqlite {
        /// One connection: SQLite has one writer at a time, and waiting for it here is fair.
        writer: SqlitePool,
        readers: SqlitePool,
    },
    /// A server, which connections that broke are made to anew.
    Postgres(PgPool),
}

impl Database {
    /// Opens the file, or makes it, and brings its schema up to date.
    pub(crate) async fn open(path: &Path) -> Result<Self, RecordsError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5));
        // A connection to a file does not go away, so it need not be asked whether it is there.
        let pool = || SqlitePoolOptions::new().test_before_acquire(false);
        let writer = pool().max_connections(1).connect_with(options.clone()).await?;
        schema::sqlite().run(&writer).await?;
        Ok(Self::Sqlite { writer, readers: pool().max_connections(RECORDS_READERS).connect_lazy_with(options) })
    }

    /// At most `connections` to the server, made when they are needed.
    pub(crate) fn server(options: PgConnectOptions, connections: u32) -> Self {
        let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(RECORDS_CONNECT_TIMEOUT);
        Self::Postgres(pool.connect_lazy_with(options))
    }

    /// The same server over connections of its own, or the same file.
    pub(crate) fn apart(&self, connections: u32) -> Self {
        match self {
            Self::Sqlite { .. } => self.clone(),
            Self::Postgres(pool) => Self::server(pool.connect_options().as_ref().clone(), connections),
        }
    }

    /// A connection for what only reads.
    pub(crate) async fn reader(&self) -> Result<Connection, RecordsError> {
        Ok(match self {
            Self::Sqlite { readers, .. } => Connection::Sqlite(readers.acquire().await?),
            Self::Postgres(pool) => Connection::Postgres(pool.acquire().await?),
        })
    }

    /// A connection for what also writes.
    pub(crate) async fn writer(&self) -> Result<Connection, RecordsError> {
        Ok(match self {
            Self::Sqlite { writer, .. } => Connection::Sqlite(writer.acquire().await?),
            Self::Postgres(pool) => Connection::Postgres(pool.acquire().await?),
        })
    }

    /// What a statement that only reads gives.
    pub(crate) async fn read(&self, statement: Statement) -> Result<Vec<Row>, RecordsError> {
        run_alone(self.reader().await?, statement).await
    }

    /// The first row of what a statement that only reads gives.
    pub(crate) async fn read_one(&self, statement: Statement) -> Result<Option<Row>, RecordsError> {
        Ok(self.read(statement).await?.into_iter().next())
    }

    /// Runs a statement that writes; the rows are those of its `RETURNING`.
    pub(crate) async fn write(&self, statement: Statement) -> Result<Vec<Row>, RecordsError> {
        run_alone(self.writer().await?, statement).await
    }

    /// Waits until nothing is being read or written, and closes the connections.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// What connections to a server are made with, from its address.
pub(crate) fn server_options(url: &str) -> Result<PgConnectOptions, RecordsError> {
    if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
        return Err(RecordsError::Address);
    }
    let limit = format!("{}ms", RECORDS_STATEMENT_TIMEOUT.as_millis());
    let options: PgConnectOptions = url.parse()?;
    let named = options.get_application_name().is_some();
    let options = if named { options } else { options.application_name("antiphon") };
    Ok(options.options([
        ("statement_timeout", limit.as_str()),
        // A process that was suspended in a transaction would keep a room from its next owner.
        ("idle_in_transaction_session_timeout", limit.as_str()),
    ]))
}

async fn run_alone(mut connection: Connection, statement: Statement) -> Result<Vec<Row>, RecordsError> {
    let limit = connection.limit();
    let result = bounded(limit, connection.run(statement)).await;
    connection.release(result)
}

/// The work, if it is done in time. A file has no limit: it answers or fails by itself.
pub(crate) async fn bounded<T>(
    limit: Option<Duration>,
    work: impl Future<Output = Result<T, RecordsError>>,
) -> Result<T, RecordsError> {
    match limit {
        None => work.await,
        Some(limit) => tokio::time::timeout(limit, work).await.unwrap_or(Err(RecordsError::Timeout)),
    }
}

/// A connection that is nobody else's until it is released or dropped.
pub(crate) enum Connection {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

impl Connection {
    /// How long one call may take.
    pub(crate) fn limit(&self) -> Option<Duration> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(_) => Some(RECORDS_CALL_TIMEOUT),
        }
    }

    pub(crate) async fn run(&mut self, statement: Statement) -> Result<Vec<Row>, RecordsError> {
        match self {
            Self::Sqlite(connection) => sqlite_rows(connection, statement).await,
            Self::Postgres(connection) => postgres_rows(connection, statement).await,
        }
    }

    /// Statements that take effect together or not at all.
    pub(crate) async fn begin(&mut self) -> Result<Transaction<'_>, RecordsError> {
        Ok(match self {
            Self::Sqlite(connection) => Transaction::Sqlite(connection.begin().await?),
            Self::Postgres(connection) => Transaction::Postgres(connection.begin().await?),
        })
    }

    /// Statements that read what was there at one moment.
    pub(crate) async fn begin_snapshot(&mut self) -> Result<Transaction<'_>, RecordsError> {
        Ok(match self {
            Self::Sqlite(connection) => Transaction::Sqlite(connection.begin().await?),
            Self::Postgres(connection) => {
                let statement = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                Transaction::Postgres(connection.begin_with(statement).await?)
            }
        })
    }

    /// Gives the connection back, unless the result shows that it leads nowhere: a server that says nothing, or one that
    /// no longer takes writes since another has replaced it.
    pub(crate) fn release<T>(self, result: Result<T, RecordsError>) -> Result<T, RecordsError> {
        if let (Self::Postgres(connection), Err(error)) = (self, &result)
            && (matches!(error, RecordsError::Timeout) || error.sql_state().as_deref() == Some(READ_ONLY))
        {
            drop(connection.detach());
        }
        result
    }
}

/// `read_only_sql_transaction` (PostgreSQL manual, appendix A).
const READ_ONLY: &str = "25006";

/// Rolled back where it is dropped before it was committed.
pub(crate) enum Transaction<'c> {
    Sqlite(sqlx::Transaction<'c, Sqlite>),
    Postgres(sqlx::Transaction<'c, Postgres>),
}

impl Transaction<'_> {
    pub(crate) async fn run(&mut self, statement: Statement) -> Result<Vec<Row>, RecordsError> {
        match self {
            Self::Sqlite(transaction) => sqlite_rows(transaction, statement).await,
            Self::Postgres(transaction) => postgres_rows(transaction, statement).await,
        }
    }

    pub(crate) async fn commit(self) -> Result<(), RecordsError> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await?,
            Self::Postgres(transaction) => transaction.commit().await?,
        }
        Ok(())
    }
}

async fn sqlite_rows(connection: &mut sqlx::SqliteConnection, statement: Statement) -> Result<Vec<Row>, RecordsError> {
    Ok(rows::<Sqlite, _>(connection, statement).await?.into_iter().map(Row::Sqlite).collect())
}

async fn postgres_rows(connection: &mut sqlx::PgConnection, statement: Statement) -> Result<Vec<Row>, RecordsError> {
    let statement = statement.without_zeros();
    Ok(rows::<Postgres, _>(connection, statement).await?.into_iter().map(Row::Postgres).collect())
}

async fn rows<'c, D, E>(executor: E, statement: Statement) -> Result<Vec<D::Row>, sqlx::Error>
where
    D: sqlx::Database,
    D::Arguments: IntoArguments<D>,
    E: Executor<'c, Database = D>,
    Option<String>: for<'q> Encode<'q, D> + Type<D>,
    Option<i64>: for<'q> Encode<'q, D> + Type<D>,
    bool: for<'q> Encode<'q, D> + Type<D>,
{
    // Text of the program and none of its users': see `Statement::new`.
    let mut query = sqlx::query::<D>(AssertSqlSafe(statement.text));
    for argument in statement.arguments {
        query = match argument {
            Argument::Text(text) => query.bind(text),
            Argument::Integer(number) => query.bind(number),
            Argument::Boolean(value) => query.bind(value),
        };
    }
    query.fetch_all(executor).await
}
