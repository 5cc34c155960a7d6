//! The scripts, each of which Redis runs in one step.

use redis::Script;
use std::sync::LazyLock;

/// Appends, if the caller owns the shard.
pub static APPEND: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("script/append.lua")));
/// Makes the caller a shard's owner.
pub static BEGIN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("script/begin.lua")));
/// Forgets the oldest events of a channel.
pub static TRIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("script/trim.lua")));
/// Adds copies of another log's events.
pub static COPY: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("script/copy.lua")));
