//! Whether any publisher is heard. As long as none is, whoever follows is told again and again to look at the log.

use crate::live::Live;
use antiphon_core::limits::{REDIS_PUBLISHERS, REDIS_SILENCE, REDIS_TAIL_INTERVAL};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::OnceLock;
use tokio::time::{Instant, MissedTickBehavior};

/// Whether a relay gets what it is to pass on.
pub type IsWell = Box<dyn Fn() -> bool + Send + Sync>;

/// What was heard of those that publish.
#[derive(Default)]
pub struct Hearing {
    /// Set where everything comes here without Redis: whether it does at the moment.
    relays: OnceLock<IsWell>,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    /// Since when there is a subscription.
    subscribed: Option<Instant>,
    last: Option<Instant>,
    publishers: HashMap<String, Instant>,
}

impl Hearing {
    /// From now on all that is committed comes here without Redis, as long as `is_well`.
    pub fn begin_relaying(&self, is_well: IsWell) {
        // A second one says the same.
        let _ = self.relays.set(is_well);
    }

    pub fn is_relaying(&self) -> bool {
        self.relays.get().is_some()
    }

    /// Whether this process may say that it tells everything; none where it does not relay.
    pub fn is_well(&self) -> Option<bool> {
        self.relays.get().map(|is_well| is_well())
    }

    /// A subscription came about.
    pub fn begin(&self) {
        self.heard.lock().subscribed = Some(Instant::now());
    }

    /// There is none any more.
    pub fn end(&self) {
        *self.heard.lock() = Heard::default();
    }

    /// An event came.
    pub fn hear(&self) {
        self.heard.lock().last = Some(Instant::now());
    }

    /// A notice came; true where this publisher was not heard of lately.
    pub fn hear_of(&self, publisher: String) -> bool {
        let mut heard = self.heard.lock();
        let now = Instant::now();
        heard.last = Some(now);
        let is_new = !heard.publishers.contains_key(&publisher);
        if !is_new || heard.publishers.len() < REDIS_PUBLISHERS {
            heard.publishers.insert(publisher, now);
        }
        is_new
    }

    /// Tells of what may be lost: once where one of several publishers is silent, and each second while all are, or cannot
    /// be heard.
    pub async fn tell_losses(&self, live: &Live, redis: &str) {
        let mut ticks = tokio::time::interval(REDIS_TAIL_INTERVAL / 4);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut told, mut voice) = (None::<Instant>, Voice::Unknown);
        loop {
            let now = ticks.tick().await;
            if self.is_relaying() {
                continue;
            }
            voice = voice.next(&self.heard.lock(), now, redis);
            let is_again = told.is_none_or(|told| now.saturating_duration_since(told) >= REDIS_TAIL_INTERVAL);
            if self.heard.lock().misses(now) || (voice != Voice::Heard && is_again) {
                told = Some(now);
                live.lost();
            }
        }
    }
}

impl Heard {
    /// Whoever was not heard for three notices may have published what did not come.
    fn misses(&mut self, now: Instant) -> bool {
        let before = self.publishers.len();
        let limit = 3 * REDIS_TAIL_INTERVAL + REDIS_TAIL_INTERVAL / 2;
        self.publishers.retain(|_, at| now.saturating_duration_since(*at) < limit);
        self.publishers.len() < before
    }
}

/// Whether anybody is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voice {
    /// Nobody was so far: a deployment whose relay is yet to begin.
    Unknown,
    Heard,
    /// Nobody is, for want of a subscription or just for now.
    Missed,
    /// Nobody is, though there is a subscription. That was said.
    Silent,
}

impl Voice {
    fn next(self, heard: &Heard, now: Instant, redis: &str) -> Self {
        let within = |at: Option<Instant>| at.is_some_and(|at| now.saturating_duration_since(at) < REDIS_SILENCE);
        if within(heard.last) {
            if self == Self::Silent {
                tracing::info!("a relay is heard again at Redis {redis}");
            }
            return Self::Heard;
        }
        match self {
            Self::Heard | Self::Missed if heard.subscribed.is_some() && !within(heard.subscribed) => {
                tracing::warn!("no relay is heard any more at Redis {redis}: the log is read each second meanwhile");
                Self::Silent
            }
            Self::Heard => Self::Missed,
            voice => voice,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use antiphon_core::Delivery;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    /// How often a loss was told, as paused time goes on.
    fn start() -> (Arc<Hearing>, Arc<AtomicUsize>) {
        let (hearing, live) = (Arc::<Hearing>::default(), Arc::<Live>::default());
        let losses = Arc::<AtomicUsize>::default();
        let counting = losses.clone();
        live.attach(Arc::new(move |delivery| {
            assert!(matches!(delivery, Delivery::Lost));
            counting.fetch_add(1, Ordering::Relaxed);
        }));
        let telling = hearing.clone();
        tokio::spawn(async move { telling.tell_losses(&live, "somewhere").await });
        (hearing, losses)
    }

    async fn losses_within(losses: &AtomicUsize, seconds: u64) -> usize {
        let before = losses.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        losses.load(Ordering::Relaxed) - before
    }

    async fn speak(hearing: &Hearing, names: &[&str], seconds: u64) {
        for _ in 0..seconds {
            for name in names {
                hearing.hear_of((*name).to_owned());
            }
            tokio::time::sleep(REDIS_TAIL_INTERVAL).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn while_nobody_is_heard_it_is_told_each_second() {
        let (hearing, losses) = start();
        assert_eq!(losses_within(&losses, 10).await, 10, "nobody was ever heard");
        hearing.begin();
        assert_eq!(losses_within(&losses, 10).await, 10, "subscribed, and still nobody");
        let before = losses.load(Ordering::Relaxed);
        speak(&hearing, &["one", "two"], 10).await;
        assert!(losses.load(Ordering::Relaxed) <= before + 1, "all is well");
        let before = losses.load(Ordering::Relaxed);
        speak(&hearing, &["two"], 10).await;
        assert_eq!(losses.load(Ordering::Relaxed), before + 1, "one of two is silent: once");
        let silent = losses_within(&losses, 10).await;
        assert!((8..=10).contains(&silent), "the other one too: {silent}");
        speak(&hearing, &["two"], 1).await;
        hearing.end();
        assert_eq!(losses_within(&losses, 10).await, 10, "no connection: from the first second on");
    }

    #[tokio::test(start_paused = true)]
    async fn a_relay_waits_for_nobody() {
        let (hearing, losses) = start();
        losses_within(&losses, 1).await;
        hearing.begin_relaying(Box::new(|| true));
        assert_eq!(losses_within(&losses, 10).await, 0);
    }
}
