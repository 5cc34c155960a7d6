//! The engine "redis-streams", two live paths through Redis, and the states of streams for outside readers.
//!
//! As the log ([`RedisLog`]) Redis is asked to be right: a script compares the shard's owner and appends in one step. As a
//! live path ([`RedisPubSub`], [`RedisCopies`], [`StreamStates`]) it is asked to be quick, and nothing waits for it.

mod check;
mod connect;
mod copies;
mod entry;
mod follower;
mod following;
mod health;
mod keys;
mod known;
mod link;
mod live;
mod log;
mod notice;
mod outage;
mod outbox;
mod owned;
mod pubsub;
mod read;
mod removal;
mod reply;
mod retention;
mod script;
mod server;
mod states;
mod target;
mod writer;

pub use check::{Checked, Finding, FindingKind, check};
pub use copies::RedisCopies;
pub use follower::RedisFollower;
pub use log::{OpenError, RedisLog, RedisOptions, Settings};
pub use pubsub::RedisPubSub;
pub use removal::remove;
pub use states::StreamStates;
pub use target::{AuthoritiesError, RedisTarget, TargetError};
