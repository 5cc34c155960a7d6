//! Leases: which process owns which shard. They keep processes from contending; what makes a write safe is the log's own
//! fencing.
//!
//! Every time is read from the database's clock in the statement that uses it, so a process's own clock, and how long the
//! statement was on its way, can only make a lease shorter.

use crate::database::{Connection, Database, bounded};
use crate::row::signed;
use crate::statement::{Row, Statement};
use crate::{RecordsError, deployment};
use antiphon_core::limits::{MAX_LEASE, PROCESS_FORGOTTEN};
use antiphon_core::{Shard, Sharding, Timestamp};
use std::time::{Duration, Instant};

/// The leases of a deployment's shards, and the processes that may hold them. Cheap to clone. Each call fails within
/// seconds where the database is away.
#[derive(Clone, Debug)]
pub struct Leases {
    pub(crate) database: Database,
}

/// A shard as the leases have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The shard.
    pub shard: Shard,
    /// The latest ownership's. It only grows, whoever holds the lease.
    pub epoch: u32,
    /// Who holds it; none where it is free or has run out.
    pub holder: Option<Holder>,
    /// The highest incarnation of the shard's log that is known; 0 where none is. It only grows.
    pub incarnation: u32,
}

/// Who holds a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process's id.
    pub process: String,
    /// Where other processes reach it.
    pub address: String,
}

/// A process of the deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessRow {
    /// Its id: another one at each start.
    pub id: String,
    /// Where other processes reach it, as `host:port`.
    pub address: String,
    /// Its roles, in words with commas between.
    pub roles: String,
}

/// How far the database's clock is from this machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockSkew {
    /// By how many milliseconds the database is ahead; negative where it is behind.
    pub ahead_millis: i64,
    /// Half the time that asking took: the true difference is off by at most as much.
    pub uncertainty_millis: u64,
}

/// Until when something holds that begins now and lasts `$ttl` milliseconds.
macro_rules! until {
    ($ttl:literal) => {
        concat!("(SELECT millis FROM database_clock) + ", $ttl)
    };
}

/// Whether a row of a table holds still. One that lasts longer than any may comes from before the clock was put back.
macro_rules! holds {
    ($table:literal, $longest:literal) => {
        concat!(
            "(",
            $table,
            ".expires_at > (SELECT millis FROM database_clock) \
             AND ",
            $table,
            ".expires_at <= (SELECT millis FROM database_clock) + ",
            $longest,
            ")"
        )
    };
}

impl Leases {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Makes the rows of a new deployment, and forgets processes that are long gone. A deployment that was created with
    /// another number of shards is refused as [`RecordsError::ShardCount`].
    pub async fn prepare(&self, sharding: Sharding) -> Result<(), RecordsError> {
        let mut connection = self.database.writer().await?;
        let prepared = bounded(connection.limit(), prepare(&mut connection, sharding)).await;
        connection.release(prepared)
    }

    /// The process is there for `ttl` from now on. Has to have succeeded before the process takes anything.
    pub async fn announce(&self, process: &ProcessRow, ttl: Duration) -> Result<(), RecordsError> {
        let statement = Statement::new(concat!(
            "INSERT INTO processes (id, address, roles, expires_at) VALUES ($1, $2, $3, ",
            until!("$4"),
            ") ON CONFLICT (id) DO UPDATE \
             SET address = excluded.address, roles = excluded.roles, expires_at = excluded.expires_at",
        ));
        let statement = statement.bind(process.id.as_str()).bind(process.address.as_str());
        self.database.write(statement.bind(process.roles.as_str()).bind(millis(ttl))).await?;
        Ok(())
    }

    /// The processes that are there, by their ids.
    pub async fn processes(&self) -> Result<Vec<ProcessRow>, RecordsError> {
        let statement = Statement::new(concat!(
            "SELECT id, address, roles FROM processes WHERE ",
            holds!("processes", "$1"),
            " ORDER BY id"
        ));
        let found = self.database.read(statement.bind(millis(MAX_LEASE))).await?;
        let process = |row: &Row| {
            Ok(ProcessRow { id: row.text("id")?, address: row.text("address")?, roles: row.text("roles")? })
        };
        found.iter().map(process).collect()
    }

    /// The process leaves: whatever it holds is free.
    pub async fn retire(&self, process: &str) -> Result<(), RecordsError> {
        // The rows of its shards lose it by their foreign key.
        self.database.write(Statement::new("DELETE FROM processes WHERE id = $1").bind(process)).await?;
        Ok(())
    }

    /// Takes a shard that is free or whose lease has run out, and gives the new epoch; none where somebody holds it.
    pub async fn take(&self, shard: Shard, process: &str, ttl: Duration) -> Result<Option<u32>, RecordsError> {
        let statement = Statement::new(concat!(
            "UPDATE shards SET epoch = epoch + 1, process_id = $2, expires_at = ",
            until!("$3"),
            " WHERE shard = $1 AND (process_id IS NULL OR NOT ",
            holds!("shards", "$4"),
            ") RETURNING epoch",
        ));
        let statement = statement.bind(number(shard)).bind(process).bind(millis(ttl)).bind(millis(MAX_LEASE));
        epoch_of(&self.database.write(statement).await?)
    }

    /// Gives a shard that the process holds an epoch above its own and above `above`; none where it no longer holds it.
    pub async fn raise(
        &self,
        shard: Shard,
        process: &str,
        above: u32,
        ttl: Duration,
    ) -> Result<Option<u32>, RecordsError> {
        let statement = Statement::new(concat!(
            "UPDATE shards SET epoch = CASE WHEN epoch > $3 THEN epoch ELSE $3 END + 1, expires_at = ",
            until!("$4"),
            " WHERE shard = $1 AND process_id = $2 RETURNING epoch",
        ));
        let statement = statement.bind(number(shard)).bind(process).bind(i64::from(above)).bind(millis(ttl));
        epoch_of(&self.database.write(statement).await?)
    }

    /// Renews what the process holds, each in the epoch that it knows, and gives those that it still does, in order. What
    /// it does not know that it holds runs out.
    pub async fn renew(&self, process: &str, held: &[(Shard, u32)], ttl: Duration) -> Result<Vec<Shard>, RecordsError> {
        if held.is_empty() {
            return Ok(Vec::new());
        }
        let pairs = (0..held.len()).map(|pair| format!("(${}, ${})", 2 * pair + 3, 2 * pair + 4));
        let text = format!(
            concat!(
                "UPDATE shards SET expires_at = ",
                until!("$2"),
                " WHERE process_id = $1 AND (shard, epoch) IN (VALUES {}) RETURNING shard",
            ),
            pairs.collect::<Vec<_>>().join(", ")
        );
        let mut statement = Statement::new(text).bind(process).bind(millis(ttl));
        for (shard, epoch) in held {
            statement = statement.bind(number(*shard)).bind(i64::from(*epoch));
        }
        let renewed = self.database.write(statement).await?;
        let mut renewed = renewed.iter().map(shard_of).collect::<Result<Vec<_>, _>>()?;
        renewed.sort();
        Ok(renewed)
    }

    /// Frees a shard. Nothing happens where the process does not hold it, or holds it in another epoch.
    pub async fn release(&self, shard: Shard, process: &str, epoch: u32) -> Result<(), RecordsError> {
        let statement =
            Statement::new("UPDATE shards SET process_id = NULL WHERE shard = $1 AND process_id = $2 AND epoch = $3");
        self.database.write(statement.bind(number(shard)).bind(process).bind(i64::from(epoch))).await?;
        Ok(())
    }

    /// Every shard, in order.
    pub async fn all(&self) -> Result<Vec<Lease>, RecordsError> {
        let statement = Statement::new(concat!(
            "SELECT shard, epoch, incarnation, processes.id AS process_id, address FROM shards \
             LEFT JOIN processes ON processes.id = shards.process_id AND ",
            holds!("shards", "$1"),
            " ORDER BY shard",
        ));
        self.database.read(statement.bind(millis(MAX_LEASE))).await?.iter().map(lease).collect()
    }

    /// Remembers an incarnation of the shard's log unless a higher one is known, and gives the highest that is.
    pub async fn raise_incarnation(&self, shard: Shard, at_least: u32) -> Result<u32, RecordsError> {
        let statement = Statement::new(
            "UPDATE shards SET incarnation = CASE WHEN incarnation > $2 THEN incarnation ELSE $2 END \
             WHERE shard = $1 RETURNING incarnation",
        );
        let found = self.database.write(statement.bind(number(shard)).bind(i64::from(at_least))).await?;
        let Some(row) = found.first() else { return Err(RecordsError::Value(format!("there is no shard {shard}"))) };
        unsigned(row, "incarnation")
    }

    /// How far the database's clock is from this machine's.
    pub async fn clock_skew(&self) -> Result<ClockSkew, RecordsError> {
        let mut connection = self.database.reader().await?;
        let asked = Instant::now();
        let before = Timestamp::now().millis();
        let statement = Statement::new("SELECT millis FROM database_clock");
        let found = bounded(connection.limit(), connection.run(statement)).await;
        let uncertainty_millis = u64::try_from(asked.elapsed().as_millis() / 2).unwrap_or(u64::MAX);
        let found = connection.release(found)?;
        let there = found.first().map(|row| row.integer("millis")).transpose()?.unwrap_or_default();
        let here = signed(before.saturating_add(uncertainty_millis));
        Ok(ClockSkew { ahead_millis: there.saturating_sub(here), uncertainty_millis })
    }
}

async fn prepare(connection: &mut Connection, sharding: Sharding) -> Result<(), RecordsError> {
    let mut transaction = connection.begin().await?;
    deployment::create(&mut transaction, sharding).await?;
    for shard in sharding.all() {
        let statement = Statement::new(
            "INSERT INTO shards (shard, epoch, incarnation, expires_at) VALUES ($1, 0, 0, 0) \
             ON CONFLICT (shard) DO NOTHING",
        );
        transaction.run(statement.bind(number(shard))).await?;
    }
    let statement = Statement::new("DELETE FROM processes WHERE expires_at < (SELECT millis FROM database_clock) - $1");
    transaction.run(statement.bind(signed(PROCESS_FORGOTTEN.as_millis() as u64))).await?;
    transaction.commit().await
}

fn lease(row: &Row) -> Result<Lease, RecordsError> {
    let holder = row.text_or_null("process_id")?.zip(row.text_or_null("address")?);
    Ok(Lease {
        shard: shard_of(row)?,
        epoch: unsigned(row, "epoch")?,
        holder: holder.map(|(process, address)| Holder { process, address }),
        incarnation: unsigned(row, "incarnation")?,
    })
}

fn number(shard: Shard) -> i64 {
    i64::from(shard.0)
}

fn shard_of(row: &Row) -> Result<Shard, RecordsError> {
    let number = row.integer("shard")?;
    u16::try_from(number).map(Shard).map_err(|_| RecordsError::Value(format!("shard {number}")))
}

fn epoch_of(rows: &[Row]) -> Result<Option<u32>, RecordsError> {
    rows.first().map(|row| unsigned(row, "epoch")).transpose()
}

pub(crate) fn unsigned(row: &Row, column: &'static str) -> Result<u32, RecordsError> {
    let number = row.integer(column)?;
    u32::try_from(number).map_err(|_| RecordsError::Value(format!("{column} {number}")))
}

/// A time to live, cut to the longest.
fn millis(ttl: Duration) -> i64 {
    signed(ttl.min(MAX_LEASE).as_millis() as u64)
}
