//! The migrations, in the spelling of each database.

use sqlx::migrate::{Migration, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

/// What PostgreSQL spells in another way. Texts compare by their bytes there too, whatever locale the database has:
/// positions must, and lists page by it.
const POSTGRES: [(&str, &str); 2] =
    [(" TEXT", " TEXT COLLATE \"C\""), ("unixepoch('subsec')", "EXTRACT(EPOCH FROM clock_timestamp())")];

/// The migrations as they are written.
pub(crate) fn sqlite() -> Migrator {
    sqlx::migrate!("./migrations")
}

/// The same ones for PostgreSQL, where processes that start together wait for each other by an advisory lock.
pub(crate) fn postgres() -> Migrator {
    Migrator::with_migrations(sqlite().iter().map(for_postgres).collect())
}

fn for_postgres(migration: &Migration) -> Migration {
    let text = POSTGRES.iter().fold(migration.sql.as_str().to_owned(), |text, (from, to)| text.replace(from, to));
    Migration { sql: AssertSqlSafe(text).into_sql_str(), ..migration.clone() }
}
