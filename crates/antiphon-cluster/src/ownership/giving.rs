//! Giving shards to others while all go on: those in which no answer runs, a few at a time. Where each one has an answer
//! under way whenever it is looked at, one at a time is kept from beginning new ones.

use super::{Held, Ownership};
use antiphon_core::Shard;
use antiphon_core::limits::{SHARD_HELD_BACK, SHARD_IDLE_WAIT, SHARDS_GIVEN_AT_ONCE};
use tokio::time::Instant;

/// How far this process is with what is too much.
#[derive(Default)]
pub(super) struct Giving {
    /// Since when too much is kept only because answers run in all of it.
    waits_since: Option<Instant>,
    /// The shard that begins no answer, and until when.
    held_back: Option<(Shard, Instant)>,
}

impl Ownership {
    /// So many of the owned shards are too much.
    pub(super) fn give(&mut self, too_many: usize) {
        let now = Instant::now();
        let (idle, busy): (Vec<_>, Vec<_>) = self.owned_shards().partition(|(_, _, answers)| *answers == 0);
        let given = too_many.min(SHARDS_GIVEN_AT_ONCE).min(idle.len());
        for (shard, epoch, _) in idle.into_iter().take(given) {
            self.held.insert(shard, Held::Giving(epoch));
            self.under_way.spawn(self.works.clone().vacate(shard, epoch));
        }
        let left = too_many - given;
        self.look_at_held_back(left, now);
        if left == 0 {
            self.giving.waits_since = None;
            return;
        }
        let waits_since = *self.giving.waits_since.get_or_insert(now);
        let has_waited = given == 0 && now - waits_since >= SHARD_IDLE_WAIT;
        // The fewer answers, the sooner they have ended.
        let fewest = busy.into_iter().min_by_key(|(_, _, answers)| *answers);
        if let (Some((shard, _, answers)), None) = (fewest.filter(|_| has_waited), self.giving.held_back) {
            tracing::info!(%shard, answers, "a shard is to be given away, and begins no answer until it is");
            self.giving.held_back = Some((shard, now + SHARD_HELD_BACK));
            if let Some(work) = &self.parts.work {
                work.hold_back(shard);
            }
        }
    }

    /// The shards that are owned and not being given away, their epochs, and how many answers run in each.
    fn owned_shards(&self) -> impl Iterator<Item = (Shard, u32, usize)> {
        let answers = |shard| self.parts.work.as_ref().map_or(0, |work| work.under_way(shard));
        self.held.iter().rev().filter_map(move |(shard, held)| match held {
            Held::Owned(epoch) => Some((*shard, *epoch, answers(*shard))),
            Held::Beginning | Held::Giving(_) | Held::Ending => None,
        })
    }

    /// Lets the shard that is held back go on where that has taken too long or is not needed.
    fn look_at_held_back(&mut self, too_many: usize, now: Instant) {
        let Some((shard, until)) = self.giving.held_back else { return };
        let is_owned = matches!(self.held.get(&shard), Some(Held::Owned(_)));
        if is_owned && too_many > 0 && now < until {
            return;
        }
        self.giving.held_back = None;
        if is_owned {
            self.giving.waits_since = Some(now);
            self.admit(shard);
        }
    }

    /// Everything may run in the shard.
    pub(super) fn admit(&self, shard: Shard) {
        if let Some(work) = &self.parts.work {
            work.admit(shard);
        }
    }
}
