//! How much a caller may do: rates of requests, messages and publishes, and connections at once.
//!
//! The limits are for people. A caller with a valid API key has only the rate of its publishes.

use antiphon_core::limits::{MAX_LIMITED_CALLERS, SHARED_LIMIT_KEYS};
use antiphon_core::{Code, Identity, Refusal};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// The limits; 0 = none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimiterOptions {
    /// Messages of one user.
    pub messages_per_minute: u32,
    /// HTTP requests of one address.
    pub requests_per_minute: u32,
    /// Live connections of one user.
    pub connections_per_user: u32,
    /// Live connections of one address.
    pub connections_per_address: u32,
    /// Publish calls of one key or user.
    pub publishes_per_second: u32,
}

impl Default for LimiterOptions {
    fn default() -> Self {
        Self {
            messages_per_minute: 60,
            requests_per_minute: 600,
            connections_per_user: 20,
            connections_per_address: 100,
            publishes_per_second: 1_000,
        }
    }
}

/// Counts what callers do. Cloned handles count together.
#[derive(Clone)]
pub struct Limiter(Arc<Counters>);

struct Counters {
    messages: Rate,
    requests: Rate,
    publishes: Rate,
    options: LimiterOptions,
    connections: Mutex<Connections>,
}

#[derive(Default)]
struct Connections {
    by_user: HashMap<String, u32>,
    by_address: HashMap<IpAddr, u32>,
}

/// One live connection, counted until it is dropped.
pub struct ConnectionGuard {
    counters: Arc<Counters>,
    counted: Option<(String, Option<IpAddr>)>,
}

impl Limiter {
    /// A limiter that has counted nothing yet.
    pub fn new(options: LimiterOptions) -> Self {
        Self(Arc::new(Counters {
            messages: Rate::new(options.messages_per_minute, Quota::per_minute),
            requests: Rate::new(options.requests_per_minute, Quota::per_minute),
            publishes: Rate::new(options.publishes_per_second, Quota::per_second),
            options,
            connections: Mutex::default(),
        }))
    }

    /// Counts a message; the refusal is `rate_limited` with the time after which one is taken again.
    pub fn message(&self, who: &Identity) -> Result<(), Refusal> {
        if who.is_back_end {
            return Ok(());
        }
        self.0.messages.take(&who.user_id).map_err(|after| {
            refusal(format!("at most {} messages a minute are taken from a user", self.0.options.messages_per_minute))
                .retry_after(after)
        })
    }

    /// Counts an HTTP request of an address, by a caller if one is known.
    pub fn request(&self, address: IpAddr, who: Option<&Identity>) -> Result<(), Refusal> {
        if who.is_some_and(|who| who.is_back_end) {
            return Ok(());
        }
        self.0.requests.take(&subscriber(address)).map_err(|after| {
            let allowed = self.0.options.requests_per_minute;
            refusal(format!("at most {allowed} requests a minute are taken from an address")).retry_after(after)
        })
    }

    /// Counts a call that publishes, of one event or an array.
    pub fn publish(&self, who: &Identity) -> Result<(), Refusal> {
        self.0.publishes.take(&who.user_id).map_err(|after| {
            let allowed = self.0.options.publishes_per_second;
            refusal(format!("at most {allowed} publishes a second are taken from a key; an array counts as one"))
                .retry_after(after)
        })
    }

    /// Counts a connection for as long as the guard lives; none = an address that is not known.
    pub fn connection(&self, who: &Identity, address: Option<IpAddr>) -> Result<ConnectionGuard, Refusal> {
        if who.is_back_end {
            return Ok(ConnectionGuard { counters: self.0.clone(), counted: None });
        }
        let address = address.map(subscriber);
        let options = &self.0.options;
        let is_full = |count: Option<&u32>, most: u32| most != 0 && count.copied().unwrap_or(0) >= most;
        let mut connections = self.0.connections.lock();
        if is_full(connections.by_user.get(&who.user_id), options.connections_per_user) {
            let most = options.connections_per_user;
            return Err(refusal(format!("a user has at most {most} connections at once: close one first")));
        }
        if let Some(address) = address {
            if is_full(connections.by_address.get(&address), options.connections_per_address) {
                let most = options.connections_per_address;
                return Err(refusal(format!("an address has at most {most} connections at once: close one first")));
            }
            *connections.by_address.entry(address).or_default() += 1;
        }
        *connections.by_user.entry(who.user_id.clone()).or_default() += 1;
        Ok(ConnectionGuard { counters: self.0.clone(), counted: Some((who.user_id.clone(), address)) })
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let Some((user_id, address)) = self.counted.take() else { return };
        let mut connections = self.counters.connections.lock();
        leave(&mut connections.by_user, &user_id);
        if let Some(address) = address {
            leave(&mut connections.by_address, &address);
        }
    }
}

fn leave<K: Hash + Eq>(counts: &mut HashMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

fn refusal(message: String) -> Refusal {
    // For connections nobody knows when one is free; a few seconds keep a client from trying in a loop.
    Refusal::new(Code::RateLimited, message).retry_after(Duration::from_secs(5))
}

/// Whom an address stands for: an IPv6 subscriber has a /64 to themselves (RFC 6177).
fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        four => four,
    }
}

/// One rate, kept apart for each caller by a hash of their name.
struct Rate {
    limiter: Option<DefaultKeyedRateLimiter<u64>>,
    clock: DefaultClock,
    hasher: RandomState,
    /// Calls since the map of callers was last looked through.
    calls: AtomicU32,
    is_crowded: AtomicBool,
}

/// Calls between two looks at the map of callers: it can grow by this much beyond its bound.
const CALLS_BETWEEN_SWEEPS: u32 = 4_096;

impl Rate {
    fn new(allowed: u32, quota: fn(NonZeroU32) -> Quota) -> Self {
        Self {
            limiter: NonZeroU32::new(allowed).map(|allowed| RateLimiter::dashmap(quota(allowed))),
            clock: DefaultClock::default(),
            hasher: RandomState::new(),
            calls: AtomicU32::new(0),
            is_crowded: AtomicBool::new(false),
        }
    }

    /// Takes one; the error says after how long there is one again.
    fn take(&self, caller: &impl Hash) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else { return Ok(()) };
        if self.calls.fetch_add(1, Ordering::Relaxed) % CALLS_BETWEEN_SWEEPS == CALLS_BETWEEN_SWEEPS - 1 {
            self.sweep(limiter);
        }
        let mut key = self.hasher.hash_one(caller);
        if self.is_crowded.load(Ordering::Relaxed) {
            key %= SHARED_LIMIT_KEYS;
        }
        limiter.check_key(&key).map_err(|refused| refused.wait_time_from(self.clock.now()))
    }

    /// Forgets callers who have their whole allowance again.
    fn sweep(&self, limiter: &DefaultKeyedRateLimiter<u64>) {
        limiter.retain_recent();
        limiter.shrink_to_fit();
        self.is_crowded.store(limiter.len() >= MAX_LIMITED_CALLERS, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str) -> Identity {
        Identity { user_id: name.into(), is_back_end: false, read: vec![], publish: vec![], expires_at: None }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_caller_has_an_allowance_and_is_told_when_to_come_back() {
        let limiter = Limiter::new(LimiterOptions {
            messages_per_minute: 2,
            requests_per_minute: 1,
            publishes_per_second: 1,
            ..LimiterOptions::default()
        });
        let (anna, ben) = (person("anna"), person("ben"));
        let back_end = Identity { is_back_end: true, ..person("key:worker") };
        assert!(limiter.message(&anna).is_ok() && limiter.message(&anna).is_ok());
        let refused = limiter.message(&anna).unwrap_err();
        assert_eq!(refused.code, Code::RateLimited);
        assert!(refused.retry_after.is_some_and(|after| after <= Duration::from_secs(30) && !after.is_zero()));
        assert!(limiter.message(&ben).is_ok());
        assert!(limiter.publish(&anna).is_ok() && limiter.publish(&anna).is_err());
        assert!(limiter.request(address("10.0.0.1"), None).is_ok());
        assert!(limiter.request(address("10.0.0.1"), Some(&anna)).is_err());
        assert!(limiter.request(address("10.0.0.2"), None).is_ok());
        assert!(limiter.request(address("2001:db8::1"), None).is_ok());
        assert!(limiter.request(address("2001:db8::2"), None).is_err(), "one subscriber");
        assert!(limiter.request(address("10.0.0.1"), Some(&back_end)).is_ok());
        assert!((0..9).all(|_| limiter.message(&back_end).is_ok()));
    }

    #[test]
    fn connections_are_counted_while_they_live() {
        let limiter = Limiter::new(LimiterOptions {
            connections_per_user: 1,
            connections_per_address: 2,
            ..LimiterOptions::default()
        });
        let home = Some(address("10.0.0.1"));
        let first = limiter.connection(&person("anna"), home).ok();
        assert!(first.is_some());
        assert!(limiter.connection(&person("anna"), home).is_err(), "per user");
        let second = limiter.connection(&person("ben"), home).ok();
        assert!(limiter.connection(&person("cleo"), home).is_err(), "per address");
        drop(first);
        let third = limiter.connection(&person("anna"), home).ok();
        assert!(third.is_some());
        drop((second, third));
        let connections = limiter.0.connections.lock();
        assert!(connections.by_user.is_empty() && connections.by_address.is_empty());
    }

    #[test]
    fn zero_is_no_limit_and_many_callers_are_forgotten() {
        let none = Limiter::new(LimiterOptions {
            messages_per_minute: 0,
            requests_per_minute: 0,
            connections_per_user: 0,
            connections_per_address: 0,
            publishes_per_second: 0,
        });
        let anna = person("anna");
        assert!((0..10_000).all(|_| none.message(&anna).is_ok() && none.publish(&anna).is_ok()));
        let guards: Vec<_> = (0..500).filter_map(|_| none.connection(&anna, None).ok()).collect();
        assert_eq!(guards.len(), 500);

        let rate = Rate::new(1_000_000, Quota::per_second);
        for caller in 0..50_000_u32 {
            assert!(rate.take(&caller).is_ok());
        }
        let kept = rate.limiter.as_ref().map(RateLimiter::len).unwrap();
        assert!(kept < 20_000, "{kept} callers are remembered");
    }
}
