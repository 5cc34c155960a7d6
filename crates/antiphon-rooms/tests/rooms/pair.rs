//! Two processes on one log and one set of records, and what moves shards between them.

use crate::fenced::{ProcessLog, SharedLog};
use crate::world::{Call, Model, is_end_of, person, soon, text_of};
use antiphon_ai::agent::{Agent, Agents};
use antiphon_core::*;
use antiphon_rooms::{Accepted, NewRoom, Rooms, RoomsOptions};
use antiphon_sql::Records;
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a question looks for the owner.
const PATIENCE: Duration = Duration::from_millis(300);

/// The way between the processes: to whoever takes the question.
#[derive(Default)]
pub struct Wire {
    processes: Mutex<Vec<Weak<Rooms>>>,
    /// Questions get there, answers do not come back.
    pub loses_answers: AtomicBool,
    pub asked: std::sync::atomic::AtomicUsize,
}

#[async_trait::async_trait]
impl Elsewhere for Wire {
    async fn ask(&self, _: &ChannelName, question: Bytes) -> Result<Bytes, Refusal> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let until = tokio::time::Instant::now() + PATIENCE;
        while tokio::time::Instant::now() < until {
            let processes: Vec<Arc<Rooms>> = self.processes.lock().iter().filter_map(Weak::upgrade).collect();
            for rooms in processes {
                match rooms.answer(question.clone()).await {
                    Err(AnswerError::NotOwner) => {}
                    _ if self.loses_answers.load(Ordering::Relaxed) => {
                        return Err(Refusal::new(Code::Unavailable, "cut"));
                    }
                    Ok(answer) => return Ok(answer),
                    Err(AnswerError::Refused(refusal)) => return Err(refusal),
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Err(LogError::NotOwner.into())
    }
}

pub struct Process {
    pub log: Arc<ProcessLog>,
    pub owned: OwnedShards,
    pub viewers: ViewerCount,
    pub model: Arc<Model>,
    calls: mpsc::UnboundedReceiver<Call>,
    agent: Agent,
    rooms: Option<Arc<Rooms>>,
}

pub struct Pair {
    _folder: tempfile::TempDir,
    pub shared: Arc<SharedLog>,
    pub records: Records,
    pub wire: Arc<Wire>,
    pub processes: Vec<Process>,
    pub who: Identity,
}

impl Pair {
    /// The first process owns everything.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl Fn(&mut Agent)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(&folder.path().join("records.sqlite")).await.unwrap();
        let shared = SharedLog::new(Sharding::new(2).unwrap());
        let process = |index| {
            let (model, calls) = Model::new();
            let mut agent = model.agent();
            change(&mut agent);
            let log = Arc::new(ProcessLog::new(shared.clone(), index));
            let (owned, viewers) = (OwnedShards::none(shared.sharding), ViewerCount::default());
            Process { log, owned, viewers, model, calls, agent, rooms: None }
        };
        let processes = vec![process(0), process(1)];
        let wire = Arc::default();
        let mut pair = Self { _folder: folder, shared, records, wire, processes, who: person("u1") };
        pair.start(0).await;
        pair.start(1).await;
        pair.move_all(0).await;
        pair
    }

    pub async fn start(&mut self, index: usize) {
        let process = &mut self.processes[index];
        let log = process.log.clone();
        let options = RoomsOptions {
            log: process.log.clone(),
            records: self.records.clone(),
            agents: Agents::new([process.agent.clone()]),
            viewers: process.viewers.clone(),
            owned: process.owned.clone(),
            elsewhere: Some(self.wire.clone()),
            log_state: Box::new(move |_| log.health()),
        };
        process.rooms = Some(Rooms::start(options).await.unwrap());
        let all = self.processes.iter().filter_map(|process| process.rooms.as_ref()).map(Arc::downgrade);
        *self.wire.processes.lock() = all.collect();
    }

    /// Somebody asked for an answer in this room at the second process, and the first one has said half of it: its stream.
    pub async fn half_answered(&mut self, room: &str) -> (String, Call) {
        let stream = self.say(1, room, "one").await.unwrap().stream_id.unwrap();
        let call = self.call(0).await;
        call.say("half");
        self.until_text(room, &stream, "half").await;
        (stream, call)
    }

    /// A process is killed and started again, owning nothing.
    pub async fn crash(&mut self, index: usize) {
        let process = &mut self.processes[index];
        drop(process.rooms.take());
        process.owned = OwnedShards::none(self.shared.sharding);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        while self.processes[index].calls.try_recv().is_ok() {}
        self.start(index).await;
    }

    /// A process takes a shard, whether or not whoever has it knows.
    pub async fn take(&self, shard: Shard, to: usize) {
        let epoch = self.shared.begin(shard, to).await;
        self.processes[to].owned.gain(shard, epoch);
    }

    /// A shard moves as it should.
    pub async fn hand_over(&self, shard: Shard, to: usize) {
        self.processes[1 - to].owned.lose(shard);
        self.take(shard, to).await;
    }

    pub async fn move_all(&self, to: usize) {
        for shard in self.shared.sharding.all() {
            self.hand_over(shard, to).await;
        }
    }

    /// Whoever owns a shard begins an epoch anew where the log ended it.
    pub async fn mend(&self) {
        for shard in self.shared.sharding.all() {
            let owner = self.processes.iter().position(|process| process.owned.epoch(shard).is_some());
            if let Some(owner) = owner
                && self.shared.in_force(shard).await.is_none()
            {
                self.take(shard, owner).await;
            }
        }
    }

    pub fn rooms(&self, index: usize) -> &Rooms {
        self.processes[index].rooms.as_ref().unwrap()
    }

    pub async fn room(&self) -> String {
        self.rooms(0).create(&self.who, ar()).await.unwrap().room.id
    }

    pub fn shard_of(&self, room: &str) -> Shard {
        self.shared.sharding.shard_of(&channel(room))
    }

    pub async fn say(&self, by: usize, room: &str, content: &str) -> Result<Accepted, Refusal> {
        self.rooms(by).send(&self.who, Some(true), room, content.into(), Some(content.into())).await
    }

    pub async fn call(&mut self, index: usize) -> Call {
        soon(self.processes[index].calls.recv()).await.unwrap()
    }

    pub fn try_call(&mut self, index: usize) -> Option<Call> {
        self.processes[index].calls.try_recv().ok()
    }

    pub async fn events(&self, room: &str) -> Vec<RoomEvent> {
        let limit = ReadLimit { events: 100_000, bytes: 1 << 30 };
        let records = self.processes[0].log.read(&channel(room), ReadFrom::Start, limit).await.unwrap();
        records.iter().map(|record| RoomEvent::decode(&record.json).unwrap().0).collect()
    }

    /// Waits until the room's events are as wanted.
    pub async fn until(&self, room: &str, wanted: impl Fn(&[RoomEvent]) -> bool) -> Vec<RoomEvent> {
        let mut appended = self.shared.appended.subscribe();
        soon(async {
            loop {
                let events = self.events(room).await;
                if wanted(&events) {
                    return events;
                }
                appended.changed().await.unwrap();
            }
        })
        .await
    }

    pub async fn until_text(&self, room: &str, stream: &str, text: &str) {
        self.until(room, |events| text_of(events, stream) == text).await;
    }

    pub async fn end_of(&self, room: &str, stream: &str) -> Outcome {
        let events = self.until(room, |events| events.iter().any(|event| is_end_of(event, stream))).await;
        let end = events.into_iter().find(|event| is_end_of(event, stream)).unwrap();
        let RoomEvent::ArStreamEnd { outcome, .. } = end else { unreachable!() };
        outcome
    }

    /// No event of an epoch stands after one of a later epoch.
    pub async fn assert_fenced(&self, room: &str) {
        let epochs = self.shared.epochs_of(&channel(room)).await;
        assert!(epochs.is_sorted(), "{epochs:?}");
    }
}

pub fn channel(room: &str) -> ChannelName {
    ChannelName::new(AR_ROOM, room).unwrap()
}

pub fn ar() -> NewRoom {
    NewRoom { is_ar: true, agent_id: Some("anna".into()), ..NewRoom::default() }
}
