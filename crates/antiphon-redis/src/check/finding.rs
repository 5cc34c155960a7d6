//! What is wrong with Redis, in a sentence that ends in what to do.

use crate::server::ServerSettings;
use crate::target::RedisTarget;
use antiphon_core::plain_words;
use redis::{ErrorKind, RedisError, ServerErrorKind};
use std::time::Duration;

/// What kind of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// Nothing answers.
    Unreachable,
    /// The user or the password is wrong, or missing.
    Credentials,
    /// The encrypted connection does not come about.
    Tls,
    /// We may not do what we have to do.
    NotAuthorised,
    /// It is too old.
    Version,
    /// What is acknowledged may be lost.
    NotDurable,
    /// It may drop keys when its memory is full.
    Eviction,
    /// It takes no writes.
    ReadOnly,
    /// Its settings cannot be read.
    Settings,
    /// Its clock and ours differ.
    ClockSkew,
}

/// All commands that are used. Users with no other ones can do everything here.
const COMMANDS: &str = "+ping +select +info +time +config|get +multi +exec +eval +evalsha +script|load +hmget +hset +expire +del +xadd \
                        +xrange +xrevrange +xread +xtrim +sadd +sscan +zadd +zcard +zscore +zremrangebyrank \
                        +zremrangebyscore +publish +subscribe +unsubscribe";

/// Something that is wrong with Redis.
pub type Finding = antiphon_core::Finding<FindingKind>;
/// What a look at Redis came to.
pub type Checked = antiphon_core::Checked<FindingKind>;

/// What an error says.
pub fn of_error(target: &RedisTarget, error: &RedisError) -> Finding {
    let text = error.to_string();
    let lower = text.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if error.kind() == ErrorKind::AuthenticationFailed || has(&["wrongpass", "noauth", "invalid password"]) {
        return credentials(target);
    }
    if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) {
        return rights(target, &["INFO"]);
    }
    if error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly) {
        return replica(target);
    }
    if error.kind() == ErrorKind::MasterNameNotFoundBySentinel {
        return Finding::fatal(
            FindingKind::Unreachable,
            format!(
                "the sentinels know no master {target}: write the name that their configuration has after the addresses"
            ),
        );
    }
    if target.is_tls() && !error.is_connection_refusal() && !error.is_timeout() && !has(&["resolve", "lookup"]) {
        return tls(target, &text);
    }
    let hint = if target.is_tls() { "takes TLS at all" } else { "wants TLS (rediss://)" };
    Finding::fatal(
        FindingKind::Unreachable,
        format!(
            "Redis does not answer at {target} ({}): check the address, that it runs and that nothing is between, \
             or whether this port {hint}",
            plain_words(&text)
        ),
    )
}

/// Another server has the port.
pub fn another_server(target: &RedisTarget, who: &str) -> Finding {
    Finding::fatal(
        FindingKind::Unreachable,
        format!("what answers at {target} is {who} and no Redis: check the host and the port of `redis.url`"),
    )
}

/// No encrypted connection.
pub fn tls(target: &RedisTarget, reason: &str) -> Finding {
    Finding::fatal(
        FindingKind::Tls,
        format!(
            "no encrypted connection to Redis at {target} comes about ({reason}): check that this port takes TLS, that its \
             certificate is signed by an authority that is trusted here, and that it names the host we connect to",
            reason = plain_words(reason)
        ),
    )
}

fn credentials(target: &RedisTarget) -> Finding {
    let said = match target.user() {
        Some(user) => format!("Redis at {target} refused the user {user:?} with this password: correct them in"),
        None => format!("Redis at {target} wants a user and a password: write them into"),
    };
    Finding::fatal(
        FindingKind::Credentials,
        format!(
            "{said} `redis.url` (redis://USER:PASSWORD@HOST, percent-encoded); ACL LIST, asked of Redis, shows its users"
        ),
    )
}

/// Commands that are refused.
pub fn rights(target: &RedisTarget, commands: &[&str]) -> Finding {
    let user = target.user().unwrap_or("default");
    let commands = commands.join(", ");
    Finding::fatal(
        FindingKind::NotAuthorised,
        format!(
            "Redis at {target} does not let the user {user:?} use {commands} on our keys: `ACL SETUSER {user} ~{prefix}antiphon:* \
             ~{prefix}ar:stream:* &{prefix}* {COMMANDS}`",
            prefix = target.prefix
        ),
    )
}

/// Too old.
pub fn version((major, minor): (u32, u32)) -> Finding {
    Finding::fatal(
        FindingKind::Version,
        format!("Redis {major}.{minor} is too old: use 6.2 or newer, best 7, as streams are trimmed by id"),
    )
}

/// A replica.
pub fn replica(target: &RedisTarget) -> Finding {
    Finding::fatal(
        FindingKind::ReadOnly,
        format!(
            "Redis at {target} is a replica, which takes no writes: give the master's address, or that of its sentinels"
        ),
    )
}

/// Acknowledged before it is synced.
pub fn not_durable(settings: &ServerSettings) -> Finding {
    Finding::warning(
        FindingKind::NotDurable,
        format!(
            "Redis acknowledges before it has synced to its disk (appendonly {}, appendfsync {}): what it loses is lost, and \
             streams are marked as not durable; set `appendonly yes` and `appendfsync always`",
            settings.appendonly, settings.appendfsync
        ),
    )
}

/// Replicas are behind.
pub fn failover() -> Finding {
    Finding::warning(
        FindingKind::NotDurable,
        "a failover by sentinels loses what the replica has not had yet, so streams are marked as not durable: use one Redis \
         with `appendonly yes` and `appendfsync always`, or Kafka, where that must not be"
            .to_owned(),
    )
}

/// May drop keys.
pub fn eviction(settings: &ServerSettings, is_log: bool) -> Finding {
    let policy = &settings.maxmemory_policy;
    let limit = if settings.maxmemory == "0" { ", once it is given a `maxmemory`," } else { "" };
    let sentence = format!(
        "Redis may drop keys{limit} when its memory is full (maxmemory-policy {policy}), and with them events or who owns \
         them: set `maxmemory-policy noeviction`"
    );
    if is_log && settings.maxmemory != "0" {
        Finding::fatal(FindingKind::Eviction, sentence)
    } else {
        Finding::warning(FindingKind::Eviction, sentence)
    }
}

/// CONFIG is not for us.
pub fn unknown_settings() -> Finding {
    Finding::warning(
        FindingKind::Settings,
        "Redis does not let its settings be read, so nobody can tell whether it keeps what it acknowledges: allow \
         `CONFIG GET`, or see to `appendonly yes`, `appendfsync always` and `maxmemory-policy noeviction` yourself"
            .to_owned(),
    )
}

/// Another time than ours.
pub fn clock(skew: Duration, is_ahead: bool) -> Finding {
    let way = if is_ahead { "ahead of" } else { "behind" };
    Finding::warning(
        FindingKind::ClockSkew,
        format!(
            "Redis's clock is {} ms {way} ours: have both follow one time server (NTP), as retention goes by Redis's",
            skew.as_millis()
        ),
    )
}
