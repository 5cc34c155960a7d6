//! Rooms and messages in SQL, a fold of the rooms' channels for what the log is slow at, and the leases of the shards. In
//! a SQLite file, or in PostgreSQL for more than one process. Sole user of the SQL driver.
//!
//! The log is the truth. A [`Projection`] is written in one transaction with the position that it includes, so that a
//! reader adds the log's tail after that position and misses nothing. Whatever is lost here is folded again.

mod check;
mod database;
mod deployment;
mod error;
mod leases;
mod record;
mod records;
mod row;
mod schema;
mod statement;
mod write;

pub use check::{Checked, Finding, Severity, check, check_file};
pub use deployment::{Claim, Deployment};
pub use error::RecordsError;
pub use leases::{ClockSkew, Holder, Lease, Leases, ProcessRow};
pub use record::{Answer, ClientMessage, Loaded, Projection, StoredMessage, StoredRoom};
pub use records::Records;
