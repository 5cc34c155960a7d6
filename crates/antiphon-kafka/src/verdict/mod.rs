//! Which records of a partition count: one rule that every reader applies to every record in the partition's order, so
//! that all of them reach the same verdict, whatever a clock or a lease said.
//!
//! 1. A begin record takes effect only if its epoch exceeds the one in force.
//! 2. Any other record counts only if its epoch and owner are in force where it stands, and its sequence follows on the last
//!    one that counted. A record that never arrived so voids what its owner wrote after it.
//!
//! A reader whose first record is not the partition's first cannot know what was in force there. It finds out by an
//! [`Anchor`]: its writer knew that this record counted, so its epoch was in force there. What stands before an anchor
//! is left out; that is at the edge of what the topic keeps anyway. Until then a begin record is believed, and given
//! up for an anchor of a higher epoch. Owners write often enough that an anchor is always among what is kept.

#[cfg(test)]
mod tests;

use crate::encoding::{Anchor, Header, Kind};
use antiphon_core::limits::KAFKA_IN_FLIGHT;
use bytes::{Buf, BufMut, Bytes};

/// What is in force at a place of a partition, and the place. Kept beside the local copy, so never change its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The offset of the next record to judge.
    pub next: u64,
    /// The offset from which the copy has what counted.
    pub first: u64,
    /// Which log; 0 before the partition's first begin record.
    pub incarnation: u32,
    /// The epoch in force; 0 for none.
    pub epoch: u32,
    /// Its owner.
    pub owner: u64,
    /// The last sequence that counted in the epoch.
    pub sequence: u64,
    /// Of the record before `next`, to notice that a topic was made anew. 0 where there is none.
    pub fingerprint: u64,
    /// False while a begin record is merely believed, or nothing is known.
    pub is_certain: bool,
    /// The offsets of the epoch's newest records, each at the rest of its sequence; [`UNKNOWN`] where there is none.
    pub recent: [u64; RECENT],
}

/// Records that an owner may have under way at once are fewer.
const RECENT: usize = 8;
const UNKNOWN: u64 = u64::MAX;
const _: () = assert!(KAFKA_IN_FLIGHT < RECENT, "a record's offset is forgotten before what follows on it is read");

/// What a record is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its ownership begins here.
    Begins,
    /// It counts.
    Counts,
    /// It does not.
    Void,
    /// It proves what was in force at an earlier place that the ledger did not know: the copy begins anew from this.
    Anchored(Ledger),
}

const LEDGER_VERSION: u8 = 1;

fn slot(sequence: u64) -> usize {
    // The rest is below RECENT.
    (sequence % RECENT as u64) as usize
}

fn recent(sequence: u64, offset: u64) -> [u64; RECENT] {
    let mut recent = [UNKNOWN; RECENT];
    recent[slot(sequence)] = offset;
    recent
}

impl Ledger {
    /// Before the record at `first`, the oldest that the topic has.
    pub fn at_start(first: u64) -> Self {
        Self { next: first, first, is_certain: first == 0, recent: [UNKNOWN; RECENT], ..Self::default() }
    }

    /// Judges the record at `self.next`, and goes on to the next one unless it is [`Verdict::Anchored`]. `header` is
    /// none for bytes that are no record of this log.
    pub fn judge(&mut self, header: Option<&Header>, fingerprint: u64) -> Verdict {
        let verdict = match header {
            None => Verdict::Void,
            Some(header) if header.kind == Kind::Begin => self.judge_begin(header),
            Some(header) => match self.anchored_by(header) {
                Some(anchored) => return Verdict::Anchored(anchored),
                None => self.judge_other(header),
            },
        };
        self.next += 1;
        self.fingerprint = fingerprint;
        verdict
    }

    fn judge_begin(&mut self, header: &Header) -> Verdict {
        if header.epoch <= self.epoch || header.incarnation == 0 {
            return Verdict::Void;
        }
        let incarnation = if self.incarnation == 0 { header.incarnation } else { self.incarnation };
        let Header { epoch, owner, .. } = *header;
        *self = Self { incarnation, epoch, owner, sequence: 0, recent: recent(0, self.next), ..*self };
        Verdict::Begins
    }

    fn judge_other(&mut self, header: &Header) -> Verdict {
        let is_in_force = self.epoch > 0 && header.epoch == self.epoch && header.owner == self.owner;
        if !is_in_force || header.sequence != self.sequence + 1 {
            return Verdict::Void;
        }
        if self.sequence == 0 && !self.is_certain {
            // The owner had read the partition when it wrote this; its begin record could only propose.
            self.incarnation = header.incarnation;
        }
        self.sequence += 1;
        self.recent[slot(self.sequence)] = self.next;
        self.is_certain |= self.has(header.anchor);
        Verdict::Counts
    }

    fn anchored_by(&self, header: &Header) -> Option<Self> {
        let is_news = (header.epoch, header.owner) != (self.epoch, self.owner) && header.epoch >= self.epoch;
        if self.is_certain || !is_news || !self.has(header.anchor) {
            return None;
        }
        let after = header.anchor.offset + 1;
        Some(Self {
            next: after,
            first: after,
            incarnation: header.incarnation,
            epoch: header.epoch,
            owner: header.owner,
            sequence: header.anchor.sequence,
            fingerprint: 0,
            is_certain: true,
            recent: recent(header.anchor.sequence, header.anchor.offset),
        })
    }

    /// True of a record at `self.next` that its writer, who had read the partition, took for one of another log: the
    /// topic was made anew, and reading happened to go on at an offset that it has as well. A begin record shows nothing,
    /// as it only proposes an incarnation; nor does a record of an earlier log, whose writer has not noticed yet.
    pub fn is_strange(&self, header: &Header) -> bool {
        let is_in_force = (header.epoch, header.owner) == (self.epoch, self.owner);
        let adopts = is_in_force && self.sequence == 0 && !self.is_certain;
        let differs = header.incarnation > self.incarnation || is_in_force && header.incarnation != self.incarnation;
        self.incarnation > 0 && header.kind != Kind::Begin && differs && !adopts
    }

    /// Where a record of the epoch in force stands, if it was seen lately.
    pub fn offset_of(&self, sequence: u64) -> Option<u64> {
        let is_recent = sequence <= self.sequence && self.sequence - sequence < RECENT as u64;
        Some(self.recent[slot(sequence)]).filter(|offset| is_recent && *offset != UNKNOWN)
    }

    fn has(&self, anchor: Anchor) -> bool {
        (self.first..self.next).contains(&anchor.offset)
    }

    /// For the local copy to keep.
    pub fn to_bytes(self) -> Bytes {
        let mut out = Vec::with_capacity(50 + 8 * RECENT);
        out.put_u8(LEDGER_VERSION);
        out.put_u64(self.next);
        out.put_u64(self.first);
        out.put_u32(self.incarnation);
        out.put_u32(self.epoch);
        out.put_u64(self.owner);
        out.put_u64(self.sequence);
        out.put_u64(self.fingerprint);
        out.put_u8(u8::from(self.is_certain));
        self.recent.iter().for_each(|offset| out.put_u64(*offset));
        out.into()
    }

    /// What the local copy kept; none where it is not a ledger of this version.
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        if bytes.try_get_u8().ok()? != LEDGER_VERSION {
            return None;
        }
        let mut ledger = Self {
            next: bytes.try_get_u64().ok()?,
            first: bytes.try_get_u64().ok()?,
            incarnation: bytes.try_get_u32().ok()?,
            epoch: bytes.try_get_u32().ok()?,
            owner: bytes.try_get_u64().ok()?,
            sequence: bytes.try_get_u64().ok()?,
            fingerprint: bytes.try_get_u64().ok()?,
            is_certain: bytes.try_get_u8().ok()? == 1,
            recent: [UNKNOWN; RECENT],
        };
        for offset in &mut ledger.recent {
            *offset = bytes.try_get_u64().ok()?;
        }
        bytes.is_empty().then_some(ledger)
    }
}

/// Tells a record from any other at the same offset of another topic: its header holds a random owner and a sequence.
pub fn fingerprint(record: &[u8]) -> u64 {
    let offset_basis = 0xcbf2_9ce4_8422_2325_u64;
    let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    record.iter().take(64).fold(offset_basis, hash).max(1)
}
