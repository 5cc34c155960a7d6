//! Removes all keys of one prefix.

use crate::check::{Finding, FindingKind, of_error};
use crate::connect::within;
use crate::target::RedisTarget;
use antiphon_core::limits::REDIS_CALL_TIMEOUT;
use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult};

/// Keys that one step looks at; Redis answers nobody else meanwhile.
const STEP: usize = 1_000;

/// Removes every key that begins with the target's prefix. Without a prefix nothing is removed, as it would be everything.
/// The log is gone for good: this is for what was made to be measured.
///
/// # Errors
/// Why some may still be there.
pub async fn remove(target: &RedisTarget) -> Result<(), Finding> {
    if target.prefix.is_empty() {
        return Err(Finding::fatal(FindingKind::Settings, "without a prefix no keys are removed: name one".to_owned()));
    }
    let removed = async { unlink_all(&mut target.connect().await?, &pattern(&target.prefix)).await };
    removed.await.map_err(|error: RedisError| of_error(target, &error))
}

async fn unlink_all(connection: &mut MultiplexedConnection, pattern: &str) -> RedisResult<()> {
    let mut cursor = 0_u64;
    loop {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(STEP);
        let (next, keys): (u64, Vec<Vec<u8>>) = within(REDIS_CALL_TIMEOUT, scan.query_async(connection)).await?;
        if !keys.is_empty() {
            within(REDIS_CALL_TIMEOUT, redis::cmd("UNLINK").arg(keys).query_async::<()>(connection)).await?;
        }
        cursor = next;
        if cursor == 0 {
            return Ok(());
        }
    }
}

/// Matches what begins with the prefix, of which no sign is a wildcard: <https://redis.io/docs/latest/commands/keys/>.
fn pattern(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for sign in prefix.chars() {
        if matches!(sign, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(sign);
    }
    pattern.push('*');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_matches_itself_only() {
        assert_eq!(pattern("bench1:"), "bench1:*");
        assert_eq!(pattern("a*[b]?\\"), "a\\*\\[b\\]\\?\\\\*");
    }

    #[tokio::test]
    async fn nothing_is_removed_without_a_prefix() {
        // Nobody listens there: nothing is asked.
        let target = RedisTarget::parse("redis://127.0.0.1:1", "").unwrap();
        assert_eq!(remove(&target).await.unwrap_err().kind, FindingKind::Settings);
    }
}
