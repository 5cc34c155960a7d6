//! One shard's partition in this process: how far its copy is, who writes it, and how records become changes of the copy.

use crate::commit::Command;
use crate::encoding::{Before, Body, Header, Place, decode};
use crate::reader::Fetched;
use crate::verdict::{Ledger, Verdict, fingerprint};
use antiphon_core::{LogError, Record, Shard};
use antiphon_store::{Change, Placed};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// What this process does with a partition.
pub enum Role {
    /// Nothing.
    Idle,
    /// The follower brings its records, once it is `assigned`.
    Following {
        /// False while the follower has still to find out where to begin.
        is_assigned: bool,
    },
    /// An ownership is being begun.
    Beginning,
    /// It is written here.
    Owned {
        /// Of this ownership.
        owner: u64,
        /// To the task that writes.
        commands: mpsc::Sender<Command>,
        /// Ends when the task has.
        task: JoinHandle<()>,
    },
}

/// How far the copy is.
pub struct Progress {
    /// None before Kafka was asked where the partition begins.
    pub ledger: Option<Ledger>,
    /// False until the last record that the copy has was found in the topic again.
    pub is_verified: bool,
    /// The offset of a record of another log, for which the copy was built anew. Not done twice for one record: it may be
    /// a stray one.
    pub strange: Option<u64>,
}

/// What readers of the copy may know of it without waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The offset of the first record that the copy has not seen.
    pub next: u64,
    /// The offset from which the copy has records.
    pub first: u64,
    /// The log that it has.
    pub incarnation: u32,
    /// False until Kafka said where the partition begins, and the copy was found to fit.
    pub is_placed: bool,
}

/// A shard's partition.
pub struct Partition {
    /// Which.
    pub shard: Shard,
    /// Held while records are applied, so that commits are told in the log's order.
    pub progress: tokio::sync::Mutex<Progress>,
    /// Never held across an await.
    pub role: Mutex<Role>,
    /// Held by whoever begins or ends an ownership.
    pub turn: tokio::sync::Mutex<()>,
    /// The newest that asked for the turn.
    newest: AtomicU64,
    /// After each change of the copy.
    pub applied: watch::Sender<Applied>,
    known_incarnation: AtomicU32,
}

/// Why records could not be judged.
#[derive(Debug)]
pub enum Setback {
    /// The copy is not of this topic.
    Stale,
    /// The topic does not go on where the copy ends, as far as was seen.
    Gap,
    /// The copy has to begin anew from here.
    Anchored(Ledger),
}

/// What a batch of records does.
pub struct Judged {
    /// After them.
    pub ledger: Ledger,
    /// To the copy.
    pub changes: Vec<Change>,
    /// What is committed by them.
    pub records: Vec<Record>,
}

impl Partition {
    /// Whoever is about to wait for the turn takes a number.
    pub fn ask_for_turn(&self) -> u64 {
        self.newest.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether nobody has asked for the turn since.
    pub fn is_newest(&self, asked: u64) -> bool {
        self.newest.load(Ordering::Relaxed) == asked
    }

    /// With what the copy kept.
    pub fn new(shard: Shard, ledger: Option<Ledger>, incarnation_floor: u32, role: Role) -> Self {
        let known = ledger.map_or(0, |ledger| ledger.incarnation).max(incarnation_floor);
        Self {
            shard,
            progress: tokio::sync::Mutex::new(Progress { ledger, is_verified: false, strange: None }),
            role: Mutex::new(role),
            turn: tokio::sync::Mutex::default(),
            newest: AtomicU64::new(0),
            applied: watch::Sender::default(),
            known_incarnation: AtomicU32::new(known),
        }
    }

    /// The highest incarnation that this process knows of.
    pub fn known_incarnation(&self) -> u32 {
        self.known_incarnation.load(Ordering::Relaxed)
    }

    /// Shows how far the copy is.
    pub fn publish(&self, progress: &Progress) {
        let Some(ledger) = progress.ledger else { return };
        self.known_incarnation.fetch_max(ledger.incarnation, Ordering::Relaxed);
        let Ledger { next, first, incarnation, .. } = ledger;
        self.applied.send_replace(Applied { next, first, incarnation, is_placed: progress.is_verified });
    }
}

impl Progress {
    /// From where on records are wanted: the one before the next as well where it is to be compared.
    pub fn wanted(&self) -> u64 {
        let ledger = self.ledger.unwrap_or_default();
        if self.is_verified { ledger.next } else { ledger.next.saturating_sub(1) }
    }

    /// Judges records that follow on each other, and compares the first where that is still to do. Changes nothing.
    pub fn judge(&mut self, batch: &[Fetched]) -> Result<Judged, Setback> {
        let ledger = self.ledger.ok_or(Setback::Gap)?;
        let mut judged = Judged { ledger, changes: Vec::new(), records: Vec::new() };
        for fetched in batch {
            if fetched.offset < judged.ledger.next {
                if fetched.offset + 1 == judged.ledger.next && !self.is_verified {
                    if fingerprint(&fetched.payload) != judged.ledger.fingerprint {
                        return Err(Setback::Stale);
                    }
                    self.is_verified = true;
                }
                continue;
            }
            if fetched.offset > judged.ledger.next || !self.is_verified {
                return Err(Setback::Gap);
            }
            let decoded = decode(fetched.payload.clone()).ok();
            let is_strange = decoded.as_ref().is_some_and(|(header, _)| judged.ledger.is_strange(header));
            if is_strange && self.strange.replace(fetched.offset) != Some(fetched.offset) {
                return Err(Setback::Stale);
            }
            judged.take(fetched, decoded)?;
        }
        Ok(judged)
    }
}

impl Judged {
    fn take(&mut self, fetched: &Fetched, decoded: Option<(Header, Body)>) -> Result<(), Setback> {
        let header = decoded.as_ref().map(|(header, _)| header);
        match (self.ledger.judge(header, fingerprint(&fetched.payload)), decoded) {
            (Verdict::Anchored(ledger), _) => Err(Setback::Anchored(ledger)),
            (Verdict::Counts, Some((_, body))) => {
                self.change(fetched.offset, body);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Where a channel ended. Where the record that says so is not among those seen, neither are the channel's events.
    fn place(&self, before: &Before) -> Place {
        match *before {
            Before::Known(place) => place,
            Before::UnderWay(place) => Place { address: self.ledger.offset_of(place.address).unwrap_or(0), ..place },
        }
    }

    /// Adds what a record that counts does; it is the last that was judged.
    pub fn change(&mut self, offset: u64, body: Body) {
        let Ledger { incarnation, epoch, .. } = self.ledger;
        match body {
            Body::Begin => {}
            Body::Trim { channel, through } => {
                let through = through.position(&channel, incarnation);
                self.changes.push(Change::Trim { channel, through });
            }
            Body::Group { logged_millis, sections } => {
                let mut index = 0_u16;
                for section in sections {
                    let channel = section.channel;
                    let mut before = self.place(&section.before).position(&channel, incarnation);
                    for event in section.events {
                        let number = before.number + 1;
                        let position = antiphon_core::Position { epoch, address: offset, index, number, ..before };
                        let record = Record {
                            channel: channel.clone(),
                            position,
                            kind: event.kind,
                            json: event.json,
                            provider_at: None,
                            logged_at: None,
                        };
                        self.records.push(record.clone());
                        let event_id = event.event_id;
                        self.changes.push(Change::Put(Placed { record, before, event_id, logged_millis }));
                        before = position;
                        // A record has fewer events than that; reading refuses others.
                        index = index.saturating_add(1);
                    }
                }
            }
        }
    }
}

/// The error for whoever waits for something that Kafka did not do.
pub fn unavailable(reason: impl std::fmt::Display) -> LogError {
    LogError::Unavailable { reason: reason.to_string() }
}
