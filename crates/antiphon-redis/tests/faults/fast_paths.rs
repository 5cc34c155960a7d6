//! Redis as a live path beside a log: nothing waits for it, and once it is back everybody is told to look at the log.

use super::process::{Seen, Sight, channel};
use super::{eventually, redis, url};
use antiphon_core::{Backbone, ChannelName, EventKind, Position, Record, Sharding};
use antiphon_redis::{RedisCopies, RedisPubSub, RedisTarget};
use antiphon_testkit::faults::Redis;
use antiphon_testkit::proxy::{Link, Proxy};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn record(incarnation: u32, number: u64) -> Record {
    let channel = channel();
    let position = Position { epoch: 1, address: number, number, ..Position::before_first(&channel, incarnation) };
    let json = Bytes::from_static(b"{\"type\":\"test\"}");
    Record { channel, position, kind: EventKind::Chunk, json, provider_at: None, logged_at: None }
}

type Way = Arc<dyn Backbone>;
type IsUp = Box<dyn Fn() -> bool>;

/// A process that delivers and one that follows.
pub struct Pair {
    near: Way,
    is_up: IsUp,
    sight: Sight,
    next: AtomicU64,
    _far: Way,
}

impl Pair {
    fn open(address: &str, is_copies: bool) -> Self {
        Self::of(&RedisTarget::parse(&url(address), "t:").unwrap(), is_copies)
    }

    pub fn of(target: &RedisTarget, is_copies: bool) -> Self {
        let target = || target.clone();
        let sight = Sight::default();
        let (near, far, is_up): (Way, Way, IsUp) = if is_copies {
            let near = Arc::new(RedisCopies::new(target(), Sharding::ONE));
            let far = Arc::new(RedisCopies::new(target(), Sharding::ONE));
            (near.clone(), far.clone(), Box::new(move || near.is_up() && far.is_up()))
        } else {
            let near = Arc::new(RedisPubSub::new(target()));
            let far = Arc::new(RedisPubSub::new(target()));
            (near.clone(), far.clone(), Box::new(move || near.is_up() && far.is_up()))
        };
        far.follow(&channel());
        far.attach(sight.receiver());
        Self { near, is_up, sight, next: AtomicU64::new(1), _far: far }
    }

    pub fn losses(&self) -> usize {
        self.sight.losses()
    }

    fn deliver(&self) -> u64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.near.deliver(&[record(1, number)]);
        number
    }

    /// Delivers until something arrives.
    pub async fn expect_flow(&self) {
        let from = self.next.load(Ordering::Relaxed);
        eventually("nothing arrives", || {
            self.deliver();
            (from..self.next.load(Ordering::Relaxed)).any(|number| self.sight.has(number))
        })
        .await;
    }

    /// While Redis is away.
    fn expect_no_wait(&self) {
        let since = Instant::now();
        for _ in 0..20_000 {
            self.deliver();
        }
        assert!(since.elapsed() < Duration::from_secs(2), "deliveries wait: {:?}", since.elapsed());
    }

    /// Redis was away: what came before is not waited for, everybody is told, and the rest flows.
    pub async fn expect_recovery(&self, losses: usize) {
        eventually("the follower is not told that it may have missed something", || self.sight.losses() > losses).await;
        eventually("it does not say that it is up", || (self.is_up)()).await;
        self.expect_flow().await;
    }
}

async fn withstands(is_copies: bool) {
    let Some(mut redis) = redis() else { return };
    let pair = Pair::open(redis.address(), is_copies);
    eventually("it does not come up", || (pair.is_up)()).await;
    pair.expect_flow().await;

    let losses = pair.sight.losses();
    redis.stop();
    eventually("it does not say that it is down", || !(pair.is_up)()).await;
    pair.expect_no_wait();
    redis.restart().unwrap();
    pair.expect_recovery(losses).await;

    let losses = pair.sight.losses();
    redis.pause();
    pair.expect_no_wait();
    eventually("it does not say that it is down", || !(pair.is_up)()).await;
    redis.wake();
    pair.expect_recovery(losses).await;

    redis.flush().unwrap();
    pair.expect_flow().await;

    let losses = pair.sight.losses();
    redis.forget().unwrap();
    pair.expect_no_wait();
    redis.restart().unwrap();
    pair.expect_recovery(losses).await;
    in_order(&pair.sight);
}

fn in_order(sight: &Sight) {
    let numbers: Vec<u64> = sight
        .all()
        .into_iter()
        .filter_map(|seen| if let Seen::Record(_, position) = seen { Some(position.number) } else { None })
        .collect();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "each once, in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_withstand_a_redis_that_is_killed_suspended_flushed_and_emptied() {
    withstands(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_withstands_a_redis_that_is_killed_suspended_flushed_and_emptied() {
    withstands(false).await;
}

async fn withstands_a_cut(is_copies: bool, redis: &Redis) {
    let proxy = Proxy::start(redis.address()).await.unwrap();
    let pair = Pair::open(&proxy.address().to_string(), is_copies);
    eventually("it does not come up", || (pair.is_up)()).await;
    pair.expect_flow().await;
    for link in [Link::Cut, Link::Paused] {
        let losses = pair.sight.losses();
        proxy.set(link);
        pair.expect_no_wait();
        eventually("it does not notice", || !(pair.is_up)()).await;
        proxy.heal();
        pair.expect_recovery(losses).await;
    }
    in_order(&pair.sight);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_withstand_a_network_that_is_cut_or_silent() {
    let Some(redis) = redis() else { return };
    tokio::join!(withstands_a_cut(true, &redis), withstands_a_cut(false, &redis));
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_another_log_take_the_place_of_those_that_are_there() {
    let Some(redis) = redis() else { return };
    let pair = Pair::open(redis.address(), true);
    eventually("it does not come up", || (pair.is_up)()).await;
    pair.near.deliver(&(1..=50).map(|number| record(1, number)).collect::<Vec<_>>());
    eventually("copies do not arrive", || pair.sight.has(50)).await;
    // Out of order and twice: refused by Redis, and nothing breaks.
    pair.near.deliver(&[record(1, 50), record(1, 49), record(1, 51)]);
    eventually("the next copy does not arrive", || pair.sight.has(51)).await;
    pair.near.deliver(&[record(2, 1), record(2, 2)]);
    let position = record(2, 2).position;
    let arrived = || pair.sight.all().contains(&Seen::Record(channel(), position));
    eventually("the other log's copies do not arrive", arrived).await;
    let first = pair.sight.all().iter().filter(|seen| matches!(seen, Seen::Record(..))).count();
    assert_eq!(first, 53, "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_event_before_a_silence_is_told_of_and_so_is_a_publisher_that_is_gone() {
    let Some(redis) = redis() else { return };
    let pair = Pair::open(redis.address(), false);
    eventually("it does not come up", || (pair.is_up)()).await;
    pair.expect_flow().await;
    let last = record(1, pair.deliver()).position;
    let is_told = || pair.sight.all().contains(&Seen::Tail(channel(), last));
    eventually("no tail notice comes", is_told).await;
    // Of channels that nobody follows none comes.
    let other = |seen: &Seen| matches!(seen, Seen::Tail(name, _) if *name != channel());
    assert!(!pair.sight.all().iter().any(other));
    let Pair { near, is_up, sight, _far, .. } = pair;
    drop(is_up);
    let losses = sight.losses();
    drop(near);
    eventually("nobody says that the publisher is gone", || sight.losses() > losses).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_channels_are_followed_on_one_connection() {
    let Some(redis) = redis() else { return };
    let target = || RedisTarget::parse(&url(redis.address()), "t:").unwrap();
    let (near, far) = (RedisPubSub::new(target()), RedisPubSub::new(target()));
    let sight = Sight::default();
    far.attach(sight.receiver());
    eventually("it does not come up", || near.is_up() && far.is_up()).await;
    let since = Instant::now();
    let channels: Vec<ChannelName> =
        (0..5_000).map(|number| ChannelName::new("jobs", &number.to_string()).unwrap()).collect();
    channels.iter().for_each(|channel| far.follow(channel));
    eventually("not all are subscribed to", || far.subscriptions() == 5_000).await;
    println!("5000 channels are subscribed to after {:?}", since.elapsed());
    let records: Vec<Record> =
        channels.iter().map(|channel| Record { channel: channel.clone(), ..record(1, 1) }).collect();
    near.deliver(&records);
    let arrived = || sight.all().iter().filter(|seen| matches!(seen, Seen::Record(..))).count() == 5_000;
    eventually("not all arrive", arrived).await;
    println!("and each has had an event after {:?}", since.elapsed());
    channels.iter().skip(1).for_each(|channel| far.unfollow(channel));
    eventually("they are not given up", || far.subscriptions() == 1).await;
}

/// Everybody is told again and again, about each second.
async fn expect_told(sight: &Sight, why: &str) {
    let (before, since) = (sight.losses(), Instant::now());
    eventually(why, || sight.losses() >= before + 4).await;
    let took = since.elapsed();
    println!("{why}: told four times after {took:?}");
    assert!(took > Duration::from_secs(2), "{why}: too often");
    assert!(took < Duration::from_secs(8), "{why}: too seldom");
}

/// As long as a publisher is heard nobody is told anything.
async fn expect_quiet(sight: &Sight) {
    let before = sight.losses();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(sight.losses() <= before + 1, "the first notice at most: {}", sight.losses() - before);
}

#[tokio::test(flavor = "multi_thread")]
async fn as_long_as_nobody_is_heard_followers_are_told_so_each_second() {
    let Some(mut redis) = redis() else { return };
    let pair = Pair::open(redis.address(), false);
    eventually("it does not come up", || (pair.is_up)()).await;
    expect_told(&pair.sight, "nobody has published yet").await;
    pair.expect_flow().await;
    expect_quiet(&pair.sight).await;
    redis.stop();
    expect_told(&pair.sight, "Redis is killed").await;
    redis.restart().unwrap();
    pair.expect_flow().await;
    expect_quiet(&pair.sight).await;
    redis.pause();
    expect_told(&pair.sight, "Redis is suspended").await;
    redis.wake();
    pair.expect_flow().await;
    expect_quiet(&pair.sight).await;
    let Pair { near, is_up, sight, _far, .. } = pair;
    drop(is_up);
    drop(near);
    expect_told(&sight, "the publisher is gone").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_redis_refuses_is_told_each_second_to_read_the_log() {
    let Some(redis) = redis() else { return };
    let sight = Sight::default();
    let refused = RedisPubSub::new(RedisTarget::parse(&format!("redis://:wrong@{}", redis.address()), "t:").unwrap());
    refused.attach(sight.receiver());
    expect_told(&sight, "Redis refuses the password").await;
    assert!(!refused.is_up());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_is_heard_before_it_publishes_and_needs_nobody_itself() {
    let Some(redis) = redis() else { return };
    let target = || RedisTarget::parse(&url(redis.address()), "t:").unwrap();
    let (relay, far) = (RedisPubSub::new(target()), RedisPubSub::new(target()));
    let (own, others) = (Sight::default(), Sight::default());
    let is_well = Arc::new(AtomicBool::new(true));
    let health = is_well.clone();
    relay.begin_relaying(move || health.load(Ordering::Relaxed));
    relay.attach(own.receiver());
    far.attach(others.receiver());
    eventually("it does not come up", || relay.is_up() && far.is_up()).await;
    expect_quiet(&own).await;
    expect_quiet(&others).await;
    // It is cut off from the log: whoever listens to it has to read that.
    is_well.store(false, Ordering::Relaxed);
    expect_told(&others, "the relay has nothing to pass on").await;
}
