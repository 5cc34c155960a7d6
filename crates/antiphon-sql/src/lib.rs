//! Rooms and messages in SQL: a fold of the rooms' channels, for what the log is slow at. Sole user of the SQL driver.
//!
//! The log is the truth. A [`Projection`] is written in one transaction with the position that it includes, so that a
//! reader adds the log's tail after that position and misses nothing. Whatever is lost here is folded again.

mod error;
mod record;
mod records;
mod row;
mod write;

pub use error::RecordsError;
pub use record::{Answer, ClientMessage, Loaded, Projection, StoredMessage, StoredRoom};
pub use records::Records;
