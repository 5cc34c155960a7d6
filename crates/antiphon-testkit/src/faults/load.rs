//! The load: people who say something and wait for the answer, now and then interrupt it, and back ends that publish. What
//! is sent is sent again under the same id until it is acknowledged.

use super::{Client, Silence, Stage, Transport};
use crate::client::{Answer, Api};
use crate::deployment::Role;
use parking_lot::Mutex;
use rand::Rng;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// How long a call may take before it is made again.
const CALL: Duration = Duration::from_secs(15);
/// How long a person waits for an answer before saying something else.
const ANSWER: Duration = Duration::from_secs(60);
/// How long a person waits before asking whether the answer is still to come.
const LOOK: Duration = Duration::from_secs(5);
/// Findings that are kept word for word.
const MAX_PROBLEMS: usize = 20;

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Rooms with one answer under way in each.
    pub rooms: usize,
    /// Tokens of an answer.
    pub tokens: usize,
    /// Tokens a second.
    pub rate: f64,
    /// Channels that back ends publish to.
    pub channels: usize,
    /// Whether answers are interrupted now and then.
    pub interrupts: bool,
    /// How clients connect; two for each room, one for each channel.
    pub transport: Transport,
    /// Whether each token's latency is kept.
    pub keeps_latencies: bool,
}

/// A message that was acknowledged.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its text, which no other message has.
    pub content: String,
    /// The stream that answers it.
    pub stream: String,
}

/// A published event that was acknowledged.
#[derive(Clone, Debug)]
pub struct Published {
    /// Its number, which is its `data` too.
    pub number: u64,
    /// Where it was said to be.
    pub position: String,
}

/// One room, who talks in it and who watches it.
pub struct Room {
    /// Its id.
    pub id: String,
    /// What was acknowledged.
    pub said: Arc<Mutex<Vec<Said>>>,
    /// What its person is at, and since when.
    pub doing: Arc<Mutex<(String, Instant)>>,
    /// Two clients.
    pub clients: Vec<Client>,
}

/// One channel and who publishes to it.
pub struct Channel {
    /// Its id, in the namespace `jobs`.
    pub id: String,
    /// What was acknowledged.
    pub published: Arc<Mutex<Vec<Published>>>,
    /// One client.
    pub client: Client,
}

/// All of it, under way until it is stopped.
pub struct Load {
    /// The rooms.
    pub rooms: Vec<Room>,
    /// The channels.
    pub channels: Vec<Channel>,
    /// Answers to calls that no fault explains.
    pub problems: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

/// What a room's person needs of it.
struct Talk {
    id: String,
    said: Arc<Mutex<Vec<Said>>>,
    doing: Arc<Mutex<(String, Instant)>>,
    /// The first client's.
    reading: Arc<Mutex<super::Reading>>,
}

impl Talk {
    fn of(room: &Room) -> Self {
        let Room { id, said, doing, clients } = room;
        Self { id: id.clone(), said: said.clone(), doing: doing.clone(), reading: clients[0].reading.clone() }
    }
}

/// What each writer needs.
#[derive(Clone)]
struct Writer {
    apis: Vec<Api>,
    size: Size,
    problems: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
}

impl Load {
    /// Makes the rooms and begins. All of a room's calls are a back end's, which reads and publishes everything.
    pub async fn start(stage: &Stage, size: Size) -> Self {
        let callers = |role| stage.with_role(role).into_iter().map(|number| stage.deployment.worker(number)).collect();
        let (apis, lives): (Vec<Api>, Vec<Api>) = (callers(Role::Api), callers(Role::Realtime));
        let (problems, stop) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
        let writer = Writer { apis: apis.clone(), size, problems: problems.clone(), stop: stop.clone() };
        let follow = |namespace: &str, id: &str| {
            Client::start(lives.clone(), namespace, id, size.transport, Silence::new(size.keeps_latencies))
        };
        let (mut rooms, mut channels, mut tasks) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..size.rooms {
            let id = apis[number % apis.len()].room("anna").await;
            let doing = Arc::new(Mutex::new((String::new(), Instant::now())));
            let clients = vec![follow("ar-room", &id), follow("ar-room", &id)];
            let room = Room { said: Arc::default(), doing, clients, id };
            tasks.push(tokio::spawn(writer.clone().talk(number, Talk::of(&room))));
            rooms.push(room);
        }
        for number in 0..size.channels {
            let id = format!("job-{number}");
            let channel = Channel { published: Arc::default(), client: follow("jobs", &id), id };
            tasks.push(tokio::spawn(writer.clone().publish(channel.id.clone(), channel.published.clone())));
            channels.push(channel);
        }
        Self { rooms, channels, problems, stop, tasks }
    }

    /// Nothing new is said from now on; waits for what is being said to be acknowledged.
    pub async fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks.drain(..) {
            let _ = tokio::time::timeout(ANSWER * 2, task).await;
        }
    }

    /// All clients.
    pub fn clients(&self) -> impl Iterator<Item = &Client> {
        self.rooms.iter().flat_map(|room| &room.clients).chain(self.channels.iter().map(|channel| &channel.client))
    }

    /// Those that watch rooms.
    pub fn watchers(&self) -> impl Iterator<Item = &Client> {
        self.rooms.iter().flat_map(|room| &room.clients)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Writer {
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Makes a call at one process after the other until it is taken; none where it is refused for good.
    async fn until_taken(&self, path: &str, body: &Value, taken: u16) -> Option<Value> {
        let mut turn = rand::rng().random_range(0..self.apis.len());
        let began = Instant::now();
        loop {
            let api = &self.apis[turn % self.apis.len()];
            turn += 1;
            let call = api.request("POST", path).timeout(CALL).json(body);
            match api.try_send(call).await {
                Some(Answer { status, body, .. }) if status == taken => return Some(body),
                Some(Answer { status: 429 | 503, .. }) | None => {}
                Some(answer) => {
                    self.problem(format!("{path}: {} {}", answer.status, answer.body));
                    return None;
                }
            }
            if self.is_over() && began.elapsed() > ANSWER {
                return None;
            }
            let pause = rand::rng().random_range(50..200);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    fn problem(&self, words: String) {
        let mut problems = self.problems.lock();
        if problems.len() < MAX_PROBLEMS {
            problems.push(words);
        }
    }

    async fn talk(self, room: usize, talk: Talk) {
        let Size { tokens, rate, interrupts, .. } = self.size;
        let Talk { id, said, doing, reading } = talk;
        let at = |what: String| *doing.lock() = (what, Instant::now());
        let path = format!("/api/ar-rooms/{id}/messages");
        for number in 0.. {
            let content = format!("paced {tokens} {rate} room-{room} message-{number}");
            let body = json!({ "content": content, "clientMessageId": format!("m{number}") });
            // In another log nothing says how this stream ended. The message may be in the one that is replaced meanwhile.
            let replaced = reading.lock().replaced;
            at(format!("says message-{number}"));
            let accepted = self.until_taken(&path, &body, 202).await;
            let stream = accepted.as_ref().and_then(|accepted| accepted["streamId"].as_str()).unwrap_or_default();
            if !stream.is_empty() {
                said.lock().push(Said { content, stream: stream.to_owned() });
            }
            if interrupts && rand::rng().random_bool(0.15) {
                self.interrupt(stream).await;
            }
            at(format!("waits for {stream}"));
            let is_patient = rand::rng().random_bool(0.8);
            let is_awaited = || {
                let reading = reading.lock();
                !reading.has_ended(stream) && reading.replaced == replaced
            };
            if is_patient {
                let is_past = |answer: &Answer| {
                    let is_open = ["queued", "active", "paused"].iter().any(|open| answer.body["status"] == *open);
                    // Only where the log was lost before can the end be in one that is gone.
                    answer.status == 404 || (answer.status == 200 && !is_open && reading.lock().replaced > 0)
                };
                self.wait(stream, is_awaited, is_past).await;
            }
            if self.is_over() {
                return;
            }
        }
    }

    /// Until the answer is no longer awaited. One that is long in coming is asked for: where a log can be lost, it may have
    /// been lost with the owner that took the message.
    async fn wait(&self, stream: &str, is_awaited: impl Fn() -> bool, is_past: impl Fn(&Answer) -> bool) {
        let (began, mut looked) = (Instant::now(), Instant::now());
        while is_awaited() && began.elapsed() < ANSWER && !self.is_over() {
            tokio::time::sleep(Duration::from_millis(30)).await;
            if looked.elapsed() < LOOK {
                continue;
            }
            looked = Instant::now();
            let api = &self.apis[rand::rng().random_range(0..self.apis.len())];
            let call = api.request("GET", &format!("/api/streams/{stream}")).timeout(CALL);
            if api.try_send(call).await.is_some_and(|answer| is_past(&answer)) {
                return;
            }
        }
    }

    /// After a moment, at any process. Where it is not taken, the answer goes on.
    async fn interrupt(&self, stream: &str) {
        let moment = rand::rng().random_range(100..1_500);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        let api = &self.apis[rand::rng().random_range(0..self.apis.len())];
        let path = format!("/api/streams/{stream}/interrupt");
        let call = api.request("POST", &path).timeout(CALL).json(&json!({ "heard": { "offset": 5 } }));
        match api.try_send(call).await {
            Some(Answer { status: 202 | 409 | 429 | 503, .. }) | None => {}
            Some(answer) => self.problem(format!("{path}: {} {}", answer.status, answer.body)),
        }
    }

    async fn publish(self, id: String, published: Arc<Mutex<Vec<Published>>>) {
        let path = format!("/api/channels/jobs/{id}/events");
        let mut number = 0;
        while !self.is_over() {
            let event = json!({ "type": "step", "data": number, "eventId": format!("e{number}") });
            if let Some(answer) = self.until_taken(&path, &event, 200).await {
                let position = answer["position"].as_str().unwrap_or_default().to_owned();
                published.lock().push(Published { number, position });
            }
            number += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
