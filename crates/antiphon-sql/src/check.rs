//! What `antiphon doctor` says of a database: what would keep a process from starting or working on it.

mod unreached;

use crate::database::{bounded, server_options};
use crate::deployment::{CREATED, Claim};
use crate::statement::Row;
use crate::{RecordsError, schema};
use antiphon_core::Timestamp;
use antiphon_core::limits::{CLOCK_SKEW_REPORTED, RECORDS_CALL_TIMEOUT, RECORDS_CONNECT_TIMEOUT};
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, PgConnection, Row as _, SqliteConnection};
use std::path::Path;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// What answered, if something did: name, version, whether the connection is encrypted.
    pub server: Option<String>,
    /// What is wrong with it; empty where nothing is.
    pub findings: Vec<Finding>,
}

/// Something that is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in a sentence without its full stop.
    pub what: String,
    /// What to do, likewise.
    pub advice: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It works, but not as it should.
    Warning,
    /// It cannot work.
    Problem,
}

/// PostgreSQL's oldest version that is tried, as it numbers itself.
const OLDEST: u32 = 120_000;

/// Connects to a PostgreSQL database as a starting process would, looks, and changes nothing. Ends within seconds.
pub async fn check(url: &str, claim: &Claim) -> Checked {
    let options = match server_options(url) {
        Ok(options) => options,
        Err(error) => {
            let advice = "write it as postgres://user:password@host:5432/database?sslmode=verify-full, with other \
                          characters than letters and digits in user and password percent-encoded";
            return unreachable(problem(format!("records.url cannot be read: {}", unreached::said(&error)), advice));
        }
    };
    let connect = async { Ok(PgConnection::connect_with(&options).await?) };
    let mut connection = match bounded(Some(RECORDS_CONNECT_TIMEOUT), connect).await {
        Ok(connection) => connection,
        Err(error) => return unreachable(unreached::finding(&error, &options)),
    };
    let looked = bounded(Some(RECORDS_CALL_TIMEOUT), look(&mut connection, &options, claim)).await;
    let _ = tokio::time::timeout(RECORDS_CONNECT_TIMEOUT, connection.close()).await;
    looked.unwrap_or_else(|error| {
        let advice = "look into the database's own log";
        unreachable(problem(format!("the database answers, but not to what it was asked: {error}"), advice))
    })
}

fn unreachable(finding: Finding) -> Checked {
    Checked { server: None, findings: vec![finding] }
}

fn problem(what: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { severity: Severity::Problem, what: what.into(), advice: advice.into() }
}

fn warning(what: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { severity: Severity::Warning, what: what.into(), advice: advice.into() }
}

/// Looks whether a file of records is the claimant's. There is nothing to find where there is none yet, or one of an older
/// version, which said nothing of that.
pub async fn check_file(path: &Path, claim: &Claim) -> Checked {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let created = async {
        let mut connection = SqliteConnection::connect_with(&options).await?;
        let created = sqlx::query(CREATED).fetch_optional(&mut connection).await;
        let _ = connection.close().await;
        created
    };
    let findings = match created.await {
        Ok(Some(created)) => of_deployment(&Row::Sqlite(created), &path.display().to_string(), claim),
        Ok(None) | Err(_) => None,
    };
    Checked { server: None, findings: findings.into_iter().collect() }
}

async fn look(
    connection: &mut PgConnection,
    options: &PgConnectOptions,
    claim: &Claim,
) -> Result<Checked, RecordsError> {
    let before = Timestamp::now().millis();
    let row = sqlx::query(
        "SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number, \
         current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS is_standby, \
         current_setting('transaction_read_only') = 'on' AS is_read_only, \
         (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint AS millis, current_user::text AS role, \
         current_schema()::text AS schema, \
         COALESCE(has_schema_privilege(current_schema(), 'CREATE'), FALSE) AS may_create, \
         COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), FALSE) AS is_encrypted",
    )
    .fetch_one(&mut *connection)
    .await?;
    let after = Timestamp::now().millis();
    let is_encrypted: bool = row.try_get("is_encrypted")?;
    let version: String = row.try_get("version")?;
    let server = format!("PostgreSQL {version}, {}", if is_encrypted { "encrypted" } else { "not encrypted" });
    let mut findings = of_server(&row, &version)?;
    if !is_encrypted && !is_local(options.get_host()) && options.get_socket().is_none() {
        let advice = "turn ssl on in the server and set sslmode=verify-full";
        findings.push(warning("the connection goes over a network and is not encrypted", advice));
    }
    findings.extend(of_clock(row.try_get("millis")?, before, after));
    findings.extend(of_schema(connection, &row).await?);
    let place = unreached::place(options);
    for finding in findings.iter_mut().filter(|finding| finding.severity == Severity::Problem) {
        finding.what = format!("{place}: {}", finding.what);
    }
    if findings.iter().all(|finding| finding.severity == Severity::Warning) {
        let created = match sqlx::query(CREATED).fetch_optional(&mut *connection).await {
            // Not there yet.
            Err(sqlx::Error::Database(error)) if matches!(error.code().as_deref(), Some("42P01" | "42703")) => None,
            created => created?,
        };
        findings.extend(created.and_then(|created| of_deployment(&Row::Postgres(created), &place, claim)));
    }
    Ok(Checked { server: Some(server), findings })
}

/// Whether the row is of the deployment that the claimant is of, or would be.
fn of_deployment(created: &Row, database: &str, claim: &Claim) -> Option<Finding> {
    let (key, created, configured) = match claim.compare(created) {
        Ok(()) => return None,
        Err(RecordsError::OtherDeployment { key, created, configured }) => {
            (key, format!("{created:?}"), format!("{configured:?}"))
        }
        Err(RecordsError::ShardCount { created, configured }) => {
            ("cluster.shards", created.to_string(), configured.to_string())
        }
        Err(error) => return Some(problem(format!("{database} cannot be read: {error}"), "give another database")),
    };
    let what = format!(
        "{database} is of a deployment that was created with {key} = {created}, and this configuration has {configured}: \
         neither would see what the other writes"
    );
    Some(problem(what, format!("set {key} to {created}, or give this process records of its own by records.url")))
}

fn of_server(row: &PgRow, version: &str) -> Result<Vec<Finding>, RecordsError> {
    let mut findings = Vec::new();
    let number: i32 = row.try_get("number")?;
    if number < OLDEST as i32 {
        let what = format!("PostgreSQL {version} is older than {}", OLDEST / 10_000);
        findings.push(problem(what, "use a version that its makers still support"));
    }
    let encoding: String = row.try_get("encoding")?;
    if encoding != "UTF8" {
        let advice = "create another one: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0";
        findings.push(problem(format!("its encoding is {encoding}, which cannot hold every text"), advice));
    }
    if row.try_get("is_standby")? {
        let advice = "give the address of the primary, or of what always leads to it";
        findings.push(problem("the server is a standby that cannot be written to", advice));
    } else if row.try_get("is_read_only")? {
        let advice = "take default_transaction_read_only from the role, the database or the server";
        findings.push(problem("it is set to be only read", advice));
    }
    Ok(findings)
}

fn is_local(host: &str) -> bool {
    host == "localhost"
        || host.starts_with('/')
        || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The database's time lies between the two of this machine, or one of the clocks is wrong.
fn of_clock(there: i64, before: u64, after: u64) -> Option<Finding> {
    let there = u64::try_from(there).unwrap_or(0);
    let (by, word) = if there > after { (there - after, "ahead of") } else { (before.saturating_sub(there), "behind") };
    (u128::from(by) > CLOCK_SKEW_REPORTED.as_millis()).then(|| {
        let what = format!("the database's clock is {:.1} s {word} this machine's", by as f64 / 1000.0);
        warning(what, "let both follow a time server; leases do not mind, but times of messages will not fit")
    })
}

/// What the schema, or the lack of one, asks of the role.
async fn of_schema(connection: &mut PgConnection, row: &PgRow) -> Result<Vec<Finding>, RecordsError> {
    let role: String = row.try_get("role")?;
    let Some(schema) = row.try_get::<Option<String>, _>("schema")? else {
        let advice = format!("create one and name it: ALTER ROLE \"{role}\" SET search_path = …");
        return Ok(vec![problem(format!("the role {role} has no schema on its search path"), advice)]);
    };
    let tables = sqlx::query(
        "SELECT tablename::text AS name, has_table_privilege(quote_ident(schemaname) || '.' || quote_ident(tablename), \
         'SELECT') AS may_read, has_table_privilege(quote_ident(schemaname) || '.' || quote_ident(tablename), 'INSERT') \
         AND has_table_privilege(quote_ident(schemaname) || '.' || quote_ident(tablename), 'UPDATE') \
         AND has_table_privilege(quote_ident(schemaname) || '.' || quote_ident(tablename), 'DELETE') AS may_write \
         FROM pg_tables WHERE schemaname = current_schema() AND tablename = ANY($1)",
    )
    .bind(TABLES.map(str::to_owned).to_vec())
    .fetch_all(&mut *connection)
    .await?;
    let mut findings = Vec::new();
    let mut is_new = true;
    let mut may_see_versions = false;
    let mut ours = Vec::new();
    for table in &tables {
        let name: String = table.try_get("name")?;
        let (may_read, may_write): (bool, bool) = (table.try_get("may_read")?, table.try_get("may_write")?);
        if !(may_read && may_write) {
            let advice =
                format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA \"{schema}\" TO \"{role}\"");
            findings.push(problem(format!("the role {role} may not read and write the table {name}"), advice));
        }
        if name == VERSIONS {
            is_new = false;
            may_see_versions = may_read;
        } else {
            ours.push(name);
        }
    }
    let applied = match (is_new, may_see_versions) {
        (true, _) => Vec::new(),
        (false, true) => applied(connection).await?,
        (false, false) => return Ok(findings),
    };
    // A start that failed leaves the list of steps empty.
    if let (true, Some(name)) = (applied.is_empty(), ours.first()) {
        return Ok(vec![foreign(&format!("its table {name} is not one that Antiphon made"))]);
    }
    let is_pending = of_versions(&applied, &mut findings);
    if is_pending && !row.try_get::<bool, _>("may_create")? {
        let what = format!("the role {role} may not create tables in the schema {schema}, and some are to be created");
        findings.push(problem(what, format!("GRANT CREATE ON SCHEMA \"{schema}\" TO \"{role}\"")));
    }
    Ok(findings)
}

/// The table in which the migrations are written down.
const VERSIONS: &str = "_sqlx_migrations";
const TABLES: [&str; 7] = [VERSIONS, "rooms", "messages", "client_messages", "deployment", "processes", "shards"];

/// The migrations that were made, by number, with their checksums.
async fn applied(connection: &mut PgConnection) -> Result<Vec<(i64, Vec<u8>)>, RecordsError> {
    let applied = sqlx::query("SELECT version, checksum FROM _sqlx_migrations ORDER BY version");
    let applied = applied.fetch_all(connection).await?;
    applied.iter().map(|row| Ok((row.try_get("version")?, row.try_get("checksum")?))).collect()
}

/// True where migrations are still to be made.
fn of_versions(applied: &[(i64, Vec<u8>)], findings: &mut Vec<Finding>) -> bool {
    let ours = schema::postgres();
    let (mut made, mut wrong) = (0, Vec::new());
    for (version, checksum) in applied {
        match ours.iter().find(|migration| migration.version == *version) {
            Some(known) if *known.checksum == **checksum => made += 1,
            Some(_) => {
                let what = format!("the schema's step {version} is not the one that this program would have made");
                wrong.push(problem(what, "use a database that nothing else writes its tables to"));
            }
            None => {
                let what = format!("the schema is newer than this program, which does not know its step {version}");
                wrong.push(problem(what, "start the version that made it, or a newer one"));
            }
        }
    }
    if made == 0 && !applied.is_empty() {
        wrong = vec![foreign("its list of steps, _sqlx_migrations, has none of ours")];
    }
    let is_pending = made < ours.iter().count() && wrong.is_empty();
    findings.extend(wrong);
    is_pending
}

fn foreign(why: &str) -> Finding {
    let advice = "create a database for Antiphon alone, and name it in records.url";
    problem(format!("it is another program's: {why}"), advice)
}
