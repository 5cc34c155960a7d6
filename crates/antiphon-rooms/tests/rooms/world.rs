//! A process with its log, records and model, that can crash and start again.

use antiphon_ai::agent::{Agent, Agents, MarkerSource, OnDisconnect, Recovery};
use antiphon_ai::provider::{CallEnd, CallOutcome, FaultKind, Piece, Prompt, Provider, ProviderStatus, WholeAnswer};
use antiphon_core::*;
use antiphon_rooms::{Accepted, NewRoom, Rooms, RoomsOptions};
use antiphon_sql::Records;
use antiphon_store::{MemoryLog, NamespaceTable};
use futures::StreamExt;
use futures::stream::BoxStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// What the log does with appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    Fine,
    /// Refuses them.
    Full,
    /// Takes them and says that it did not.
    Lying,
    /// Does not answer.
    Stuck,
}

pub struct TestLog {
    inner: MemoryLog,
    disk: watch::Sender<Disk>,
    pub appended: watch::Sender<u64>,
    pub refused: watch::Sender<u64>,
}

#[async_trait::async_trait]
impl Log for TestLog {
    async fn append(&self, channel: &ChannelName, events: Vec<Event>) -> Result<Vec<Position>, LogError> {
        // Lets other tasks in, as a disk does.
        tokio::task::yield_now().await;
        let disk = *self.disk.subscribe().wait_for(|disk| *disk != Disk::Stuck).await.unwrap();
        let full = Err(LogError::Unavailable { reason: "no space left on device".into() });
        if disk == Disk::Full {
            self.refused.send_modify(|count| *count += 1);
            return full;
        }
        let positions = self.inner.append(channel, events).await;
        self.appended.send_modify(|count| *count += 1);
        tokio::task::yield_now().await;
        if disk == Disk::Fine {
            return positions;
        }
        self.refused.send_modify(|count| *count += 1);
        full
    }

    async fn read(&self, channel: &ChannelName, from: ReadFrom, limit: ReadLimit) -> Result<Vec<Record>, LogError> {
        self.inner.read(channel, from, limit).await
    }

    async fn bounds(&self, channel: &ChannelName) -> Result<Bounds, LogError> {
        self.inner.bounds(channel).await
    }

    async fn trim(&self, channel: &ChannelName, through: Position) -> Result<(), LogError> {
        self.inner.trim(channel, through).await
    }

    fn is_durable(&self, _: &str) -> bool {
        true
    }

    fn health(&self) -> Result<(), LogError> {
        Ok(())
    }
}

/// A piece that is too much for whoever reads it.
pub const BUG: &str = "a bug";

/// A call that the test answers.
pub struct Call {
    pub prompt: Prompt,
    pieces: mpsc::UnboundedSender<Piece>,
}

impl Call {
    pub fn say(&self, text: &str) {
        let _ = self.pieces.send(Piece::Text(text.into()));
    }

    pub fn think(&self, text: &str) {
        let _ = self.pieces.send(Piece::Reasoning(text.into()));
    }

    pub fn wait_in_line(&self, place: usize) {
        let _ = self.pieces.send(Piece::Waiting { place });
    }

    pub fn end(&self, outcome: CallOutcome) {
        let _ = self.pieces.send(Piece::End(CallEnd { finish_reason: Some("stop".into()), ..CallEnd::new(outcome) }));
    }

    pub fn complete_with(&self, citations: Vec<Citation>) {
        let _ = self.pieces.send(Piece::End(CallEnd { citations, ..CallEnd::new(CallOutcome::Complete) }));
    }

    pub fn complete(&self) {
        self.end(CallOutcome::Complete);
    }

    pub fn cut(&self) {
        self.end(CallOutcome::Truncated { detail: "cut".into() });
    }

    pub fn fail(&self, retryable: bool) {
        let kind = if retryable { FaultKind::Error } else { FaultKind::Unusable };
        self.end(CallOutcome::Failed(kind.fault("").saying("the model is busy")));
    }

    pub fn is_dropped(&self) -> bool {
        self.pieces.is_closed()
    }

    pub async fn dropped(&self) {
        soon(self.pieces.closed()).await;
    }
}

pub struct Model {
    calls: mpsc::UnboundedSender<Call>,
    pub can_continue: AtomicBool,
}

impl Model {
    /// A model, and the calls that it gets.
    pub fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<Call>) {
        let (calls, called) = mpsc::unbounded_channel();
        (Arc::new(Self { calls, can_continue: AtomicBool::new(false) }), called)
    }

    pub fn agent(self: &Arc<Self>) -> Agent {
        Agent {
            id: "anna".into(),
            name: "Anna".into(),
            provider: self.clone(),
            model: "m".into(),
            system: "You are Anna.".into(),
            markers: MarkerSource::Prompt,
            recovery: Recovery::Restart,
            max_attempts: 3,
            on_disconnect: OnDisconnect::Continue,
            viewer_grace: Duration::from_secs(30),
            temperature: None,
            max_tokens: None,
            context_tokens: 4000,
        }
    }
}

#[async_trait::async_trait]
impl Provider for Model {
    fn stream(&self, prompt: Prompt) -> BoxStream<'static, Piece> {
        let (pieces, receiver) = mpsc::unbounded_channel();
        let _ = self.calls.send(Call { prompt, pieces });
        let next = |mut receiver: mpsc::UnboundedReceiver<Piece>| async {
            let piece = receiver.recv().await?;
            assert_ne!(piece, Piece::Text(BUG.into()), "as the test wants");
            Some((piece, receiver))
        };
        futures::stream::unfold(receiver, next).boxed()
    }

    async fn whole(&self, prompt: Prompt) -> WholeAnswer {
        let (mut stream, mut text) = (self.stream(prompt), String::new());
        while let Some(piece) = stream.next().await {
            match piece {
                Piece::Text(piece) => text.push_str(&piece),
                Piece::End(end) => return WholeAnswer { text, reasoning: String::new(), end },
                Piece::Reasoning(_) | Piece::Waiting { .. } => {}
            }
        }
        let end = CallEnd::new(CallOutcome::Truncated { detail: String::new() });
        WholeAnswer { text, reasoning: String::new(), end }
    }

    fn can_continue(&self, _model: &str) -> bool {
        self.can_continue.load(Ordering::Relaxed)
    }

    fn status(&self) -> ProviderStatus {
        ProviderStatus::default()
    }
}

pub struct World {
    folder: tempfile::TempDir,
    pub log: Arc<TestLog>,
    pub model: Arc<Model>,
    calls: mpsc::UnboundedReceiver<Call>,
    pub agents: Vec<Agent>,
    pub viewers: ViewerCount,
    pub who: Identity,
    rooms: Option<Arc<Rooms>>,
}

pub fn person(user_id: &str) -> Identity {
    Identity { user_id: user_id.into(), is_back_end: false, read: vec![], publish: vec![], expires_at: None }
}

/// What is waited for comes within a generous time, or the test fails.
pub async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it never came")
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Agent)) -> Self {
        let (model, called) = Model::new();
        let mut agent = model.agent();
        change(&mut agent);
        let log = Arc::new(TestLog {
            inner: MemoryLog::new(NamespaceTable::default(), Arc::new(|_| {})),
            disk: watch::Sender::new(Disk::Fine),
            appended: watch::Sender::new(0),
            refused: watch::Sender::new(0),
        });
        let mut world = Self {
            folder: tempfile::tempdir().unwrap(),
            log,
            model,
            calls: called,
            agents: vec![agent],
            viewers: ViewerCount::default(),
            who: person("u1"),
            rooms: None,
        };
        world.start().await;
        world
    }

    pub fn rooms(&self) -> &Rooms {
        self.rooms.as_ref().unwrap()
    }

    pub async fn records(&self) -> Records {
        Records::open(&self.folder.path().join("records.sqlite")).await.unwrap()
    }

    /// Stops everything where it is.
    pub async fn crash(&mut self) {
        drop(self.rooms.take());
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        while self.calls.try_recv().is_ok() {}
    }

    pub async fn start(&mut self) {
        let options = RoomsOptions {
            log: self.log.clone(),
            records: self.records().await,
            agents: Agents::new(self.agents.clone()),
            viewers: self.viewers.clone(),
            owned: OwnedShards::everything(),
            elsewhere: None,
            log_state: Box::new(|_| Ok(())),
        };
        self.rooms = Some(Rooms::start(options).await.unwrap());
    }

    pub async fn restart(&mut self) {
        self.crash().await;
        self.start().await;
    }

    pub fn disk(&self, disk: Disk) {
        self.log.disk.send_replace(disk);
    }

    pub async fn room(&self) -> String {
        let new = NewRoom { is_ar: true, agent_id: Some("anna".into()), ..NewRoom::default() };
        self.rooms().create(&self.who, new).await.unwrap().room.id
    }

    pub async fn say(&self, room: &str, content: &str) -> Result<Accepted, Refusal> {
        self.rooms().send(&self.who, None, room, content.into(), None).await
    }

    pub async fn say_as(&self, room: &str, content: &str, id: &str) -> Result<Accepted, Refusal> {
        self.rooms().send(&self.who, None, room, content.into(), Some(id.into())).await
    }

    /// Says something, and gives its stream and the call that answers it.
    pub async fn asked(&mut self, room: &str, content: &str) -> (String, Call) {
        let accepted = self.say(room, content).await.unwrap();
        (accepted.stream_id.unwrap(), self.call().await)
    }

    /// A whole exchange.
    pub async fn exchange(&mut self, room: &str, content: &str, answer: &str) -> String {
        let (stream, call) = self.asked(room, content).await;
        call.say(answer);
        call.complete();
        self.end_of(room, &stream).await;
        stream
    }

    pub async fn call(&mut self) -> Call {
        soon(self.calls.recv()).await.unwrap()
    }

    pub fn try_call(&mut self) -> Option<Call> {
        self.calls.try_recv().ok()
    }

    pub async fn records_of(&self, room: &str) -> Vec<(RoomEvent, Position)> {
        let limit = ReadLimit { events: 100_000, bytes: 1 << 30 };
        let mut all = Vec::new();
        for namespace in [AR_ROOM, ROOM] {
            let channel = ChannelName::new(namespace, room).unwrap();
            for record in self.log.read(&channel, ReadFrom::Start, limit).await.unwrap() {
                all.push((RoomEvent::decode(&record.json).unwrap().0, record.position));
            }
        }
        all
    }

    pub async fn events(&self, room: &str) -> Vec<RoomEvent> {
        self.records_of(room).await.into_iter().map(|(event, _)| event).collect()
    }

    /// Waits until the room's events are as wanted.
    pub async fn until(&self, room: &str, wanted: impl Fn(&[RoomEvent]) -> bool) -> Vec<RoomEvent> {
        let mut appended = self.log.appended.subscribe();
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

    /// Waits for the stream's end: its outcome and code.
    pub async fn end_of(&self, room: &str, stream: &str) -> (Outcome, Option<String>) {
        let events = self.until(room, |events| events.iter().any(|event| is_end_of(event, stream))).await;
        let end = events.into_iter().find(|event| is_end_of(event, stream)).unwrap();
        let RoomEvent::ArStreamEnd { outcome, error, .. } = end else { unreachable!() };
        (outcome, error.map(|error| error.code))
    }

    pub async fn messages(&self, room: &str) -> Vec<Message> {
        self.rooms().messages(&self.who, true, room, 200, None).await.unwrap().messages
    }

    pub async fn reply(&self, room: &str, stream: &str) -> Message {
        let messages = self.messages(room).await;
        messages.into_iter().find(|message| message.stream_id.as_deref() == Some(stream)).unwrap()
    }

    pub async fn status(&self, stream: &str) -> StreamStatus {
        self.rooms().stream(&self.who, stream).await.unwrap().status
    }
}

pub fn is_end_of(event: &RoomEvent, stream: &str) -> bool {
    matches!(event, RoomEvent::ArStreamEnd { stream_id, .. } if stream_id == stream)
}

/// The raw text that a client has after the events.
pub fn text_of(events: &[RoomEvent], stream: &str) -> String {
    let mut text = String::new();
    for event in events {
        match event {
            RoomEvent::ArStreamChunk { stream_id, chunk, .. } if stream_id == stream => text.push_str(chunk),
            RoomEvent::ArStreamReset { stream_id, .. } if stream_id == stream => text.clear(),
            _ => {}
        }
    }
    text
}

/// The events' types and what tells them apart, for one stream or all.
pub fn short(events: &[RoomEvent]) -> Vec<String> {
    events.iter().map(short_one).collect()
}

fn short_one(event: &RoomEvent) -> String {
    match event {
        RoomEvent::RoomCreated { .. } => "room".into(),
        RoomEvent::RoomDeleted { .. } => "deleted".into(),
        RoomEvent::MessageCreated { message, .. } => format!("said {}", message.content),
        RoomEvent::ArMessageRequest { content, .. } => format!("asked {content}"),
        RoomEvent::StreamQueued { queued, waiting_for: None, .. } => format!("queued {queued}"),
        RoomEvent::StreamQueued { queued, .. } => format!("waits {queued}"),
        RoomEvent::ArStreamStart { .. } => "start".into(),
        RoomEvent::ArStreamChunk { attempt, chunk, chunk_index, is_final, .. } => {
            format!("{attempt}.{chunk_index}{} {chunk}", if *is_final { "!" } else { "" })
        }
        RoomEvent::ArStreamReasoning { attempt, text, .. } => format!("{attempt} thinks {text}"),
        RoomEvent::ArStreamReset { attempt, .. } => format!("reset {attempt}"),
        RoomEvent::ArStreamAttempt { attempt, policy, .. } => format!("attempt {attempt} {policy}"),
        RoomEvent::ArStreamPause { by, .. } => format!("pause {by}"),
        RoomEvent::ArStreamResume { by, .. } => format!("resume {by}"),
        RoomEvent::ArStreamInterrupt { attempt, heard, .. } => {
            format!("interrupt {attempt} {}", heard.map_or(-1, |heard| heard.offset as i64))
        }
        RoomEvent::ArStreamEnd { outcome, total_chunks, .. } => format!("end {outcome:?} {total_chunks}"),
        RoomEvent::OwnerChanged { stream_id, .. } => format!("owner {}", stream_id.is_some()),
    }
}
