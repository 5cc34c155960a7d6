//! The end of a campaign: everything that was acknowledged and everything that clients saw, held against each other and
//! against a reader that begins anew.

use super::client::whole_events;
use super::load::{Channel, Room};
use super::{Client, Load, Reading, Stage};
use crate::client::{Api, is_logged};
use crate::deployment::Role;
use futures::StreamExt;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long the last answers may take to end, and clients to have all of them.
const SETTLE: Duration = Duration::from_secs(90);
/// The same where a log may be lost: nothing comes of what was lost, however long one waits.
const SETTLE_AFTER_LOSS: Duration = Duration::from_secs(20);
/// How long a reader that begins anew may take.
const READ: Duration = Duration::from_secs(120);
/// Findings that are kept word for word.
const MAX_PROBLEMS: usize = 60;

/// What came out.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Messages and published events that were acknowledged.
    pub acknowledged: u64,
    /// Those that are not there, or not where they were said to be.
    pub lost: u64,
    /// Events that some client was not given.
    pub gaps: u64,
    /// Events that some client was given twice, and acknowledged ones that are there twice.
    pub duplicates: u64,
    /// Events out of order, or different for two clients.
    pub disorder: u64,
    /// Streams that never ended, or more than once.
    pub without_one_end: u64,
    /// How often a client was told that the log is another one.
    pub replaced: u64,
    /// How streams ended.
    pub outcomes: BTreeMap<String, u64>,
    /// What clients were refused, by code.
    pub refused: BTreeMap<String, u64>,
    /// Connections that ended without the client's doing.
    pub dropped: u64,
    /// Findings in words.
    pub problems: Vec<String>,
}

impl Verdict {
    /// Whether every guarantee held.
    pub fn is_clean(&self) -> bool {
        let counts = [self.lost, self.gaps, self.duplicates, self.disorder, self.without_one_end, self.replaced];
        counts == [0; 6] && self.problems.is_empty()
    }

    fn finding(&mut self, words: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(words);
        }
    }

    /// Waits for the last answers, then reads everything anew and compares. The load is stopped before.
    pub async fn of(stage: &Stage, load: &Load) -> Self {
        let mut verdict = Self::default();
        let patience = if stage.deployment.topology().is_durable() { SETTLE } else { SETTLE_AFTER_LOSS };
        verdict.settle(load, patience).await;
        let lives: Vec<Api> =
            stage.with_role(Role::Realtime).into_iter().map(|number| stage.deployment.worker(number)).collect();
        let apis: Vec<Api> =
            stage.with_role(Role::Api).into_iter().map(|number| stage.deployment.worker(number)).collect();
        for (number, room) in load.rooms.iter().enumerate() {
            let clients: Vec<&Client> = room.clients.iter().collect();
            let fresh = verdict.agreement(&lives[number % lives.len()], &clients, patience / 10).await;
            verdict.judge_room(&apis[number % apis.len()], room, &fresh).await;
        }
        for (number, channel) in load.channels.iter().enumerate() {
            let fresh = verdict.agreement(&lives[number % lives.len()], &[&channel.client], patience / 10).await;
            verdict.judge_channel(channel, &fresh);
        }
        for client in load.clients() {
            verdict.take_client(client);
        }
        for problem in load.problems.lock().iter() {
            verdict.finding(format!("a call: {problem}"));
        }
        verdict
    }

    /// Until every client has the end of every acknowledged stream, or it takes too long.
    async fn settle(&mut self, load: &Load, patience: Duration) {
        let began = Instant::now();
        let is_settled = || {
            load.rooms.iter().all(|room| {
                let said = room.said.lock();
                room.clients.iter().all(|client| {
                    let reading = client.reading.lock();
                    said.iter().all(|said| reading.replaced > 0 || reading.has_ended(&said.stream))
                        && reading.streams().values().all(|seen| !seen.ends.is_empty())
                })
            })
        };
        while !is_settled() && began.elapsed() < patience {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        if !is_settled() {
            self.finding(format!("clients do not have every stream's end after {patience:?}"));
        }
    }

    /// A channel read anew, once the clients agree with it; the difference is a finding where they never do.
    async fn agreement(&mut self, live: &Api, clients: &[&Client], patience: Duration) -> Fresh {
        let began = Instant::now();
        loop {
            let fresh = Fresh::read(live, &clients[0].channel).await;
            let differences: Vec<String> = match &fresh {
                Ok(fresh) => {
                    clients.iter().filter_map(|client| fresh.reading.difference(&client.reading.lock())).collect()
                }
                Err(reason) => vec![reason.clone()],
            };
            if let (Ok(fresh), true) = (&fresh, differences.is_empty()) {
                return fresh.clone();
            }
            if began.elapsed() > patience {
                for difference in differences {
                    self.disorder += 1;
                    self.finding(format!("{}:{} read anew: {difference}", clients[0].channel.0, clients[0].channel.1));
                }
                return fresh.unwrap_or_default();
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn judge_room(&mut self, api: &Api, room: &Room, fresh: &Fresh) {
        let said = room.said.lock().clone();
        let messages = match all_messages(api, &room.id).await {
            Ok(messages) => messages,
            Err(reason) => {
                self.lost += said.len() as u64;
                return self.finding(format!("the messages of {}: {reason}", room.id));
            }
        };
        let mut by_content: BTreeMap<&str, u64> = BTreeMap::new();
        for message in messages.iter().filter(|message| message["role"] == "user") {
            *by_content.entry(message["content"].as_str().unwrap_or_default()).or_default() += 1;
        }
        for one in &said {
            self.acknowledged += 1;
            let stored = by_content.get(one.content.as_str()).copied().unwrap_or_default();
            let logged = fresh.said.get(&one.content).copied().unwrap_or_default();
            if stored == 0 || logged == 0 {
                self.lost += 1;
                self.finding(format!("acknowledged and gone ({stored} stored, {logged} in the log): {one:?}"));
            }
            self.duplicates += stored.saturating_sub(1) + logged.saturating_sub(1);
        }
        self.judge_streams(room, fresh, &messages);
    }

    fn judge_streams(&mut self, room: &Room, fresh: &Fresh, messages: &[Value]) {
        let acknowledged = room.said.lock().iter().map(|said| said.stream.clone()).collect::<BTreeSet<String>>();
        let seen = fresh.reading.streams();
        for id in acknowledged.iter().chain(seen.keys().filter(|id| !acknowledged.contains(*id))) {
            let ends = seen.get(id).map(|seen| seen.ends.clone()).unwrap_or_default();
            if ends.len() != 1 {
                self.without_one_end += 1;
                self.finding(format!("stream {id} of {} ends so: {ends:?}", room.id));
            }
            ends.iter().for_each(|end| *self.outcomes.entry(end.clone()).or_default() += 1);
            let reply = messages.iter().find(|message| message["streamId"] == id.as_str() && message["role"] != "user");
            let (Some(reply), Some(seen)) = (reply, seen.get(id)) else { continue };
            let is_whole = reply["status"] != "completed" || reply["content"] == seen.text.as_str();
            if !is_whole {
                self.disorder += 1;
                self.finding(format!("stream {id}: the log has {:?}, the message {reply}", seen.text));
            }
        }
    }

    fn judge_channel(&mut self, channel: &Channel, fresh: &Fresh) {
        for one in channel.published.lock().iter() {
            self.acknowledged += 1;
            match fresh.published.get(&one.number).map(Vec::as_slice) {
                Some([position]) if *position == one.position => {}
                Some([_, _, ..]) => {
                    self.duplicates += 1;
                    self.finding(format!("{}: {one:?} is there twice", channel.id));
                }
                found => {
                    self.lost += 1;
                    self.finding(format!("{}: {one:?} acknowledged, and found at {found:?}", channel.id));
                }
            }
        }
    }

    fn take_client(&mut self, client: &Client) {
        let reading = client.reading.lock();
        self.gaps += reading.gaps;
        self.duplicates += reading.duplicates;
        self.disorder += reading.disorder;
        self.replaced += reading.replaced;
        for problem in &reading.problems {
            self.finding(format!("a client of {}: {problem}", client.channel.1));
        }
        for (code, count) in client.refused.lock().iter() {
            *self.refused.entry(code.clone()).or_default() += count;
        }
        self.dropped += *client.dropped.lock();
    }
}

/// A channel as a reader sees it that begins at its start.
#[derive(Clone, Debug, Default)]
struct Fresh {
    reading: Reading,
    /// How often each content was said.
    said: BTreeMap<String, u64>,
    /// Where each published number is.
    published: BTreeMap<u64, Vec<String>>,
}

impl Fresh {
    async fn read(live: &Api, channel: &(String, String)) -> Result<Self, String> {
        let path = format!("/api/channels/{}/{}/events?position=start&until=end", channel.0, channel.1);
        let request = live.request("GET", &path).timeout(READ);
        let response = request.send().await.map_err(|error| error.to_string())?;
        if response.status() != 200 {
            return Err(format!("{path}: {}", response.status()));
        }
        let (mut body, mut rest, mut fresh) = (response.bytes_stream(), Vec::new(), Self::default());
        while let Some(bytes) = body.next().await {
            rest.extend_from_slice(&bytes.map_err(|error| error.to_string())?);
            whole_events(&mut rest).iter().filter(|event| is_logged(event)).for_each(|event| fresh.take(event));
        }
        Ok(fresh)
    }

    fn take(&mut self, event: &Value) {
        self.reading.take(event);
        if event["type"] == "message-created" {
            let content = event["message"]["content"].as_str().unwrap_or_default();
            *self.said.entry(content.to_owned()).or_default() += 1;
        }
        if let (Some(number), true) = (event["data"].as_u64(), event["type"] == "step") {
            let position = event["position"].as_str().unwrap_or_default();
            self.published.entry(number).or_default().push(position.to_owned());
        }
    }
}

/// All pages of a room's messages, oldest first.
async fn all_messages(api: &Api, room: &str) -> Result<Vec<Value>, String> {
    let mut messages: Vec<Value> = Vec::new();
    loop {
        let before = messages.first().and_then(|message| message["id"].as_str());
        let before = before.map(|id| format!("&before={id}")).unwrap_or_default();
        let path = format!("/api/ar-rooms/{room}/messages?limit=200{before}");
        let answer = api.try_send(api.request("GET", &path)).await.ok_or("no answer")?;
        let mut page = match answer.body["messages"].as_array() {
            Some(page) if answer.status == 200 => page.clone(),
            _ => return Err(format!("{} {}", answer.status, answer.body)),
        };
        if page.is_empty() {
            return Ok(messages);
        }
        page.append(&mut messages);
        messages = page;
    }
}
