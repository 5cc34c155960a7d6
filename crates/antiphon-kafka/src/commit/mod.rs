//! The task that writes one shard while this process owns it.
//!
//! It gathers appends into one Kafka record, has a few records under way, and acknowledges each in order once it knows that
//! the record counts: its offset follows on the last record that was judged, or what lies between has been read. Whatever
//! else happens ends the ownership, and nothing later is acknowledged.

mod group;
mod tails;

use crate::encoding::{Anchor, Body, Header, Place};
use crate::partition::{Judged, Partition, Progress, Role, unavailable};
use crate::producer::{Delivered, Ticket};
use crate::shared::Shared;
use crate::verdict::{Verdict, fingerprint};
use antiphon_core::limits::{
    GROUP_COMMIT_APPENDS, KAFKA_GATHER, KAFKA_GATHER_BYTES, KAFKA_IN_FLIGHT, KAFKA_LOOK_INTERVAL,
};
use antiphon_core::{ChannelName, Event, LogError, Position, ReadFrom, ReadLimit};
use group::{Answer, Group};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tails::Tails;
use tokio::sync::{mpsc, oneshot};

/// What an owner is asked to write.
pub enum Command {
    /// Events of one channel.
    Append {
        /// Which.
        channel: ChannelName,
        /// At least one.
        events: Vec<Event>,
        /// Where each stands.
        answer: oneshot::Sender<Result<Vec<Position>, LogError>>,
    },
    /// Forget a channel's events.
    Trim {
        /// Which.
        channel: ChannelName,
        /// The last that goes.
        through: Position,
        /// Done.
        answer: oneshot::Sender<Result<(), LogError>>,
    },
}

/// The ownership that writes.
#[derive(Clone, Copy, Debug)]
pub struct Ownership {
    /// Its epoch.
    pub epoch: u32,
    /// Random.
    pub owner: u64,
    /// The log's.
    pub incarnation: u32,
    /// The offset of its begin record.
    pub begun_at: u64,
}

/// Why an ownership ended before it was ended.
struct Lost {
    reason: String,
}

/// A record on its way.
struct InFlight {
    header: Header,
    fingerprint: u64,
    body: Body,
    provider_at: Vec<Option<Instant>>,
    answers: Vec<Answer>,
}

/// Writes one shard.
pub struct Committer {
    shared: Arc<Shared>,
    partition: Arc<Partition>,
    ownership: Ownership,
    commands: mpsc::Receiver<Command>,
    delivered: mpsc::UnboundedReceiver<Delivered>,
    reply: mpsc::UnboundedSender<Delivered>,
    pending: VecDeque<Command>,
    pending_bytes: usize,
    in_flight: VecDeque<InFlight>,
    tails: Tails,
    sequence: u64,
    anchor: Anchor,
    last_sent: Instant,
    next_look: Instant,
    /// An owner with nothing to write says so before the topic forgets that it is in force.
    mark_interval: Duration,
}

impl Committer {
    /// For an ownership that has just begun.
    pub fn new(
        shared: Arc<Shared>,
        partition: Arc<Partition>,
        ownership: Ownership,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        let (reply, delivered) = mpsc::unbounded_channel();
        let mark_interval = (shared.options.target.retention / 8).clamp(KAFKA_GATHER, MARK_INTERVAL_MOST);
        Self {
            shared,
            partition,
            ownership,
            commands,
            delivered,
            reply,
            pending: VecDeque::new(),
            pending_bytes: 0,
            in_flight: VecDeque::new(),
            tails: Tails::default(),
            sequence: 0,
            anchor: Anchor { offset: ownership.begun_at, sequence: 0 },
            last_sent: Instant::now(),
            next_look: Instant::now() + KAFKA_LOOK_INTERVAL,
            mark_interval,
        }
    }

    /// Writes until nobody can ask any more and all is answered, or the ownership is lost.
    pub async fn run(mut self) {
        let Err(Lost { reason }) = self.write().await else { return };
        let Ownership { epoch, owner, .. } = self.ownership;
        tracing::warn!(shard = %self.partition.shard, epoch, "this process's ownership of the shard ended: {reason}");
        {
            let mut role = self.partition.role.lock();
            if matches!(*role, Role::Owned { owner: current, .. } if current == owner) {
                *role = self.shared.unowned();
            }
        }
        self.commands.close();
        let error = unavailable(reason);
        self.in_flight.drain(..).flat_map(|sent| sent.answers).for_each(|answer| answer.fail(&error));
        while let Ok(command) = self.commands.try_recv() {
            self.pending.push_back(command);
        }
        self.pending.drain(..).for_each(|command| command.fail(&error));
        (self.shared.options.on_lost)(self.partition.shard, epoch);
    }

    async fn write(&mut self) -> Result<(), Lost> {
        let mut is_open = true;
        loop {
            while self.may_send() {
                self.send().await?;
            }
            if !is_open && self.pending.is_empty() && self.in_flight.is_empty() {
                return Ok(());
            }
            let wake = match self.pending.is_empty() {
                true => self.next_look,
                false => self.last_sent + KAFKA_GATHER,
            };
            let takes_more = is_open && self.pending.len() < GROUP_COMMIT_APPENDS;
            tokio::select! {
                biased;
                Some(delivered) = self.delivered.recv() => self.settle(delivered).await?,
                command = self.commands.recv(), if takes_more => match command {
                    Some(command) => self.take(command),
                    None => is_open = false,
                },
                () = tokio::time::sleep_until(wake.into()), if self.in_flight.len() < KAFKA_IN_FLIGHT => {
                    if self.pending.is_empty() {
                        self.look().await?;
                    }
                }
            }
            while self.pending.len() < GROUP_COMMIT_APPENDS
                && let Ok(command) = self.commands.try_recv()
            {
                self.take(command);
            }
        }
    }

    /// An owner with nothing under way looks whether it still is one, and says so before the topic forgets that it is.
    async fn look(&mut self) -> Result<(), Lost> {
        self.next_look = Instant::now() + KAFKA_LOOK_INTERVAL;
        if !self.in_flight.is_empty() {
            return Ok(());
        }
        if self.last_sent.elapsed() >= self.mark_interval {
            return self.produce(Group::new(self.sequence + 1));
        }
        // Where Kafka does not answer, nobody else has taken over either as far as can be known.
        let Ok(marks) = self.shared.watermarks(self.partition.shard).await else { return Ok(()) };
        let mut progress = self.partition.progress.lock().await;
        match marks.high.checked_sub(1) {
            Some(newest) => self.read_what_others_wrote(&mut progress, newest).await,
            None => Ok(()),
        }
    }

    /// Reads up to and including an offset, where that is not what was judged last.
    async fn read_what_others_wrote(&self, progress: &mut Progress, through: u64) -> Result<(), Lost> {
        if progress.ledger.is_none_or(|ledger| ledger.next <= through) {
            // If this is still the topic that it was.
            progress.is_verified = false;
            let read = self.shared.read_through(&self.partition, progress, through).await;
            read.map_err(|error| Lost { reason: format!("what others wrote could not be read: {error}") })?;
        }
        let Ownership { epoch, owner, .. } = self.ownership;
        match progress.ledger {
            Some(ledger) if (ledger.epoch, ledger.owner) == (epoch, owner) => Ok(()),
            _ => Err(Lost { reason: "another owner took over".to_owned() }),
        }
    }

    fn take(&mut self, command: Command) {
        self.pending_bytes += command.bytes();
        self.pending.push_back(command);
    }

    /// After a pause nobody waits for others; while appends keep coming, each record is given a moment to gather them.
    fn may_send(&self) -> bool {
        let is_gathered = self.pending_bytes >= KAFKA_GATHER_BYTES || self.last_sent.elapsed() >= KAFKA_GATHER;
        is_gathered && self.in_flight.len() < KAFKA_IN_FLIGHT && !self.pending.is_empty()
    }

    /// Writes one record of what is pending; none where nothing of it is new.
    async fn send(&mut self) -> Result<(), Lost> {
        let epoch = self.ownership.epoch;
        let mut group = Group::new(self.sequence + 1);
        while let Some(command) = self.pending.pop_front() {
            match command {
                Command::Append { channel, events, answer } if group.has_room_for(&events) => {
                    self.pending_bytes -= bytes_of(&events);
                    self.tails.put(&self.shared.copy, &mut group, (channel, events), answer, epoch).await;
                }
                Command::Trim { channel, through, answer } if group.is_empty() => {
                    self.wait_with_the_newest(group);
                    return self.send_trim(channel, through, answer).await;
                }
                other => {
                    self.pending.push_front(other);
                    break;
                }
            }
        }
        if group.is_empty() {
            self.wait_with_the_newest(group);
            return Ok(());
        }
        self.produce(group)
    }

    /// Appends that bring nothing new are answered as soon as all that was there before counts.
    fn wait_with_the_newest(&mut self, group: Group) {
        match self.in_flight.back_mut() {
            Some(newest) => newest.answers.extend(group.answers),
            None => self.give(group.answers),
        }
    }

    fn give(&self, answers: Vec<Answer>) {
        let Ownership { epoch, incarnation, .. } = self.ownership;
        answers.into_iter().for_each(|answer| answer.give(&self.tails, epoch, incarnation));
    }

    async fn send_trim(
        &mut self,
        channel: ChannelName,
        through: Position,
        answer: oneshot::Sender<Result<(), LogError>>,
    ) -> Result<(), Lost> {
        let is_good =
            self.shared.copy.read(&channel, ReadFrom::After(through), ReadLimit { events: 1, bytes: 1 }).await;
        let refused = match is_good {
            // It is gone already.
            Err(LogError::Expired) => Some(Ok(())),
            Err(error) => Some(Err(error)),
            Ok(_) if through.number == 0 => Some(Ok(())),
            Ok(_) => None,
        };
        if let Some(answered) = refused {
            // Whoever asked may be gone.
            drop(answer.send(answered));
            return Ok(());
        }
        let body = Body::Trim { channel, through: Place::of(&through) };
        self.send_body(body, Vec::new(), vec![Answer::Trimmed(answer)])
    }

    fn produce(&mut self, group: Group) -> Result<(), Lost> {
        let (body, provider_at, answers) = group.into_parts();
        self.send_body(body, provider_at, answers)
    }

    fn send_body(&mut self, body: Body, provider_at: Vec<Option<Instant>>, answers: Vec<Answer>) -> Result<(), Lost> {
        let Ownership { epoch, owner, incarnation, .. } = self.ownership;
        self.sequence += 1;
        let sequence = self.sequence;
        let header = Header { kind: body.kind(), incarnation, epoch, owner, sequence, anchor: self.anchor };
        let record = body.encode(&header);
        let fingerprint = fingerprint(&record);
        self.in_flight.push_back(InFlight { header, fingerprint, body, provider_at, answers });
        self.last_sent = Instant::now();
        let ticket = Ticket { sequence, reply: self.reply.clone() };
        self.shared.producer.send(self.partition.shard, &record, ticket).map_err(|reason| {
            self.shared.health.refused(&reason);
            Lost { reason: format!("an append could not be sent: {reason}") }
        })
    }

    /// Acknowledges the oldest record under way, if this is the report on it and it counts.
    async fn settle(&mut self, delivered: Delivered) -> Result<(), Lost> {
        let lost = |reason: String| Lost { reason };
        let offset = delivered.outcome.map_err(|reason| {
            self.shared.health.refused(&reason);
            lost(format!("nobody knows what became of an append: {reason}"))
        })?;
        let Some(mut oldest) = self.in_flight.pop_front() else { return Err(lost("a report of nothing".to_owned())) };
        let is_in_order = oldest.header.sequence == delivered.sequence;
        let acknowledged = match is_in_order {
            true => self.acknowledge(&mut oldest, offset).await,
            false => Err(lost("records were taken out of order".to_owned())),
        };
        if acknowledged.is_err() {
            // Its answers are among those that fail.
            self.in_flight.push_front(oldest);
            return acknowledged;
        }
        self.shared.health.taken();
        self.anchor = Anchor { offset, sequence: delivered.sequence };
        self.give(oldest.answers);
        Ok(())
    }

    async fn acknowledge(&mut self, oldest: &mut InFlight, offset: u64) -> Result<(), Lost> {
        let lost = |reason: &str| Lost { reason: reason.to_owned() };
        let mut progress = self.partition.progress.lock().await;
        if let Some(before) = offset.checked_sub(1) {
            self.read_what_others_wrote(&mut progress, before).await?;
        }
        let Some(ledger) = progress.ledger.filter(|ledger| ledger.next == offset) else {
            return Err(lost("the topic is another one than before"));
        };
        let mut judged = Judged { ledger, changes: Vec::new(), records: Vec::new() };
        if judged.ledger.judge(Some(&oldest.header), oldest.fingerprint) != Verdict::Counts {
            return Err(lost("another owner took over"));
        }
        self.tails.settle(oldest.header.sequence, offset, &oldest.body);
        judged.change(offset, std::mem::replace(&mut oldest.body, Body::Begin));
        let logged_at = Some(Instant::now());
        for (record, provider_at) in judged.records.iter_mut().zip(oldest.provider_at.drain(..)) {
            record.provider_at = provider_at;
            record.logged_at = logged_at;
        }
        let applied = self.shared.apply(&self.partition, &mut progress, judged).await;
        applied.map_err(|error| Lost { reason: format!("the local copy failed: {error}") })
    }
}

/// The longest between two records of an owner with nothing to write.
const MARK_INTERVAL_MOST: Duration = Duration::from_secs(6 * 3600);

impl Command {
    fn bytes(&self) -> usize {
        match self {
            Self::Append { events, .. } => bytes_of(events),
            Self::Trim { .. } => 0,
        }
    }

    fn fail(self, error: &LogError) {
        match self {
            Self::Append { answer, .. } => drop(answer.send(Err(error.clone()))),
            Self::Trim { answer, .. } => drop(answer.send(Err(error.clone()))),
        }
    }
}

fn bytes_of(events: &[Event]) -> usize {
    events.iter().map(|event| event.json.len()).sum()
}
