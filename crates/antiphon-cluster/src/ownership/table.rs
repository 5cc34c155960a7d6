//! A table of leases in memory, on the tests' paused clock, that can be away for each process.

use crate::leases::{LeaseError, LeaseTable};
use antiphon_core::{Shard, Sharding};
use antiphon_sql::{Holder, Lease, ProcessRow};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

#[derive(Default)]
struct Rows {
    leases: BTreeMap<Shard, (u32, Option<(String, Instant)>)>,
    processes: BTreeMap<String, (ProcessRow, Instant)>,
}

/// The table as one process reaches it.
#[derive(Clone)]
pub(super) struct FakeTable {
    rows: Arc<Mutex<Rows>>,
    /// Nothing is answered.
    pub(super) is_away: Arc<AtomicBool>,
    /// What is asked is done, and not answered.
    pub(super) is_mute: Arc<AtomicBool>,
}

impl FakeTable {
    pub(super) fn new(sharding: Sharding) -> Self {
        let rows = Rows { leases: sharding.all().map(|shard| (shard, (0, None))).collect(), ..Rows::default() };
        Self { rows: Arc::new(Mutex::new(rows)), is_away: Arc::default(), is_mute: Arc::default() }
    }

    /// The same table, reached by another way.
    pub(super) fn another_way(&self) -> Self {
        Self { rows: self.rows.clone(), is_away: Arc::default(), is_mute: Arc::default() }
    }

    fn ask<T>(&self, answer: impl FnOnce(&mut Rows) -> T) -> Result<T, LeaseError> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(LeaseError("away".into()));
        }
        let answer = answer(&mut self.rows.lock());
        if self.is_mute.load(Ordering::SeqCst) { Err(LeaseError("cut off".into())) } else { Ok(answer) }
    }
}

#[async_trait::async_trait]
impl LeaseTable for FakeTable {
    async fn announce(&self, process: &ProcessRow, ttl: Duration) -> Result<(), LeaseError> {
        self.ask(|rows| drop(rows.processes.insert(process.id.clone(), (process.clone(), Instant::now() + ttl))))
    }

    async fn processes(&self) -> Result<Vec<ProcessRow>, LeaseError> {
        let living = |(row, until): &(ProcessRow, Instant)| (*until > Instant::now()).then(|| row.clone());
        self.ask(|rows| rows.processes.values().filter_map(living).collect())
    }

    async fn retire(&self, process: &str) -> Result<(), LeaseError> {
        self.ask(|rows| {
            rows.processes.remove(process);
            for (_, holder) in rows.leases.values_mut() {
                holder.take_if(|(id, _)| id == process);
            }
        })
    }

    async fn take(&self, shard: Shard, process: &str, ttl: Duration) -> Result<Option<u32>, LeaseError> {
        self.ask(|rows| {
            let (epoch, holder) = rows.leases.get_mut(&shard)?;
            if holder.as_ref().is_some_and(|(_, until)| *until > Instant::now()) {
                return None;
            }
            *epoch += 1;
            *holder = Some((process.to_owned(), Instant::now() + ttl));
            Some(*epoch)
        })
    }

    async fn raise(&self, shard: Shard, process: &str, above: u32, ttl: Duration) -> Result<Option<u32>, LeaseError> {
        self.ask(|rows| {
            let (epoch, holder) = rows.leases.get_mut(&shard)?;
            let (_, until) = holder.as_mut().filter(|(id, _)| id == process)?;
            *until = Instant::now() + ttl;
            *epoch = (*epoch).max(above) + 1;
            Some(*epoch)
        })
    }

    async fn renew(&self, process: &str, held: &[(Shard, u32)], ttl: Duration) -> Result<Vec<Shard>, LeaseError> {
        self.ask(|rows| {
            let mut still = Vec::new();
            for (shard, in_epoch) in held {
                let Some((epoch, Some((id, until)))) = rows.leases.get_mut(shard) else { continue };
                if id == process && epoch == in_epoch {
                    *until = Instant::now() + ttl;
                    still.push(*shard);
                }
            }
            still
        })
    }

    async fn release(&self, shard: Shard, process: &str, in_epoch: u32) -> Result<(), LeaseError> {
        self.ask(|rows| {
            if let Some((epoch, holder)) = rows.leases.get_mut(&shard)
                && *epoch == in_epoch
            {
                holder.take_if(|(id, _)| id == process);
            }
        })
    }

    async fn all(&self) -> Result<Vec<Lease>, LeaseError> {
        let living = |holder: &Option<(String, Instant)>| {
            let (process, _) = holder.as_ref().filter(|(_, until)| *until > Instant::now())?;
            Some(Holder { process: process.clone(), address: "127.0.0.1:1".into() })
        };
        self.ask(|rows| {
            let lease = |(shard, (epoch, holder)): (&Shard, &(u32, Option<(String, Instant)>))| Lease {
                shard: *shard,
                epoch: *epoch,
                holder: living(holder),
                incarnation: 0,
            };
            rows.leases.iter().map(lease).collect()
        })
    }
}
