//! `antiphon publish`: JSON lines from standard input into a channel, each exactly once.
//!
//! One call is under way at a time, which keeps the order. What arrives meanwhile goes into the next one, so that a lone
//! line is sent at once and a flood in large arrays, without a timer.

use crate::backoff::Backoff;
use crate::failure::Failure;
use crate::input_lines::{InputLine, standard_input};
use crate::server::{CallError, Server, ServerArguments};
use antiphon_core::ChannelName;
use antiphon_core::limits::{
    INPUT_LINES, MAX_BODY_BYTES, MAX_CLIENT_ID_LENGTH, MAX_EVENT_TYPE_LENGTH, PUBLISH_BATCH_BYTES,
    PUBLISH_BATCH_EVENTS, PUBLISH_PATIENCE,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::io::Write;
use std::process::ExitCode;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// What `antiphon publish` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each line is a JSON object {\"type\": …, \"data\": …, \"eventId\": …}. Without an eventId one is made, so that trying \
again after a lost connection doubles nothing. A malformed line is named on standard error and not sent; the others \
are, and the exit code is 1.

Examples:
  my-job | antiphon publish job_progress:job_123 --api-key KEY
  echo '{\"type\":\"done\",\"data\":{}}' | antiphon publish job_progress:job_123
  antiphon tail a:b --from start --until-end --json | antiphon publish a:copy")]
pub struct PublishArguments {
    /// The channel, as namespace:id
    pub channel: String,
    /// The server and who calls
    #[command(flatten)]
    pub server: ServerArguments,
}

pub(crate) async fn run(arguments: PublishArguments) -> Result<ExitCode, Failure> {
    let channel = ChannelName::parse(&arguments.channel)
        .map_err(|refusal| Failure::new(refusal.message).fix("for example: antiphon publish job_progress:job_123"))?;
    let publisher = Publisher::new(Server::new(&arguments.server)?, channel);
    publisher.run(standard_input(MAX_BODY_BYTES, INPUT_LINES), &mut std::io::stdout()).await
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(rename = "eventId")]
    event_id: Option<String>,
}

#[derive(Serialize)]
struct Outgoing<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(rename = "eventId")]
    event_id: &'a str,
}

#[derive(Deserialize)]
struct Published {
    position: String,
}

/// One event on its way.
struct Item {
    line: u64,
    json: String,
}

/// What the server said to an array.
enum Answer {
    Taken(String),
    /// Something in it is wrong.
    Refused(CallError),
}

struct Publisher {
    server: Server,
    channel: ChannelName,
    published: u64,
    refused: u64,
    last_position: Option<String>,
}

impl Publisher {
    fn new(server: Server, channel: ChannelName) -> Self {
        Self { server, channel, published: 0, refused: 0, last_position: None }
    }

    async fn run(mut self, mut input: mpsc::Receiver<InputLine>, output: &mut impl Write) -> Result<ExitCode, Failure> {
        let result = self.publish_all(&mut input).await;
        let position = self.last_position.as_deref().unwrap_or("-");
        let plural = if self.published == 1 { "" } else { "s" };
        writeln!(output, "published {} event{plural}, last position {position}", self.published)
            .map_err(|error| Failure::from_output(&error))?;
        result?;
        Ok(if self.refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn publish_all(&mut self, input: &mut mpsc::Receiver<InputLine>) -> Result<(), Failure> {
        let mut left_over = None;
        loop {
            let mut batch: Vec<Item> = Vec::new();
            let mut bytes = 0;
            if let Some(item) = left_over.take() {
                push(&mut batch, &mut bytes, item);
            }
            while batch.len() < PUBLISH_BATCH_EVENTS {
                let line = if batch.is_empty() { input.recv().await } else { input.try_recv().ok() };
                let Some(line) = line else { break };
                let Some(item) = self.read(line) else { continue };
                if !batch.is_empty() && bytes + item.json.len() > PUBLISH_BATCH_BYTES {
                    left_over = Some(item);
                    break;
                }
                push(&mut batch, &mut bytes, item);
            }
            if batch.is_empty() {
                return Ok(());
            }
            self.send(batch).await?;
        }
    }

    /// A line as an event; none for an empty line or a malformed one, which is named.
    fn read(&mut self, line: InputLine) -> Option<Item> {
        let parsed = match line.text {
            Ok(text) if text.trim().is_empty() => return None,
            Ok(text) => parse(&text),
            Err(reason) => Err(reason),
        };
        match parsed {
            Ok(json) => Some(Item { line: line.number, json }),
            Err(reason) => {
                self.refuse(line.number, &reason);
                None
            }
        }
    }

    fn refuse(&mut self, line: u64, reason: &str) {
        self.refused += 1;
        eprintln!("antiphon: line {line} was not sent: {reason}");
    }

    /// Sends an array; one that the server refuses is halved until the event that is wrong stands alone.
    async fn send(&mut self, batch: Vec<Item>) -> Result<(), Failure> {
        let mut waiting = vec![batch];
        while let Some(mut batch) = waiting.pop() {
            match self.deliver(&batch).await? {
                Answer::Taken(position) => {
                    self.published += batch.len() as u64;
                    self.last_position = Some(position);
                }
                Answer::Refused(_) if batch.len() > 1 => {
                    let second = batch.split_off(batch.len() / 2);
                    waiting.push(second);
                    waiting.push(batch);
                }
                Answer::Refused(error) => {
                    for item in &batch {
                        self.refuse(item.line, &error.to_string());
                    }
                }
            }
        }
        Ok(())
    }

    /// Tries until the server has taken or refused the array. Trying again doubles nothing: every event has its id.
    async fn deliver(&self, batch: &[Item]) -> Result<Answer, Failure> {
        let path = ["api", "channels", self.channel.namespace(), self.channel.id(), "events"];
        let events: Vec<&str> = batch.iter().map(|item| item.json.as_str()).collect();
        let body = format!("[{}]", events.join(","));
        let started = Instant::now();
        let mut backoff = Backoff::default();
        let mut may_have_arrived = self.published > 0;
        loop {
            let error = match self.server.post::<Published>(&path, body.clone()).await {
                Ok(published) => return Ok(Answer::Taken(published.position)),
                Err(error) => error,
            };
            may_have_arrived |= !matches!(error, CallError::Unreachable(_));
            if !error.is_passing() || !may_have_arrived || started.elapsed() > PUBLISH_PATIENCE {
                return match &error {
                    CallError::Refused { status: 400 | 409 | 413 | 422, .. } => Ok(Answer::Refused(error)),
                    _ => Err(self.stopped(batch, error)),
                };
            }
            let named = if let CallError::Refused { retry_after, .. } = &error { *retry_after } else { None };
            let pause = named.unwrap_or_default().max(backoff.next_pause());
            if pause.as_millis() > 1_000 {
                eprintln!("antiphon: {error}; trying again in {:.1} s", pause.as_secs_f64());
            }
            tokio::time::sleep(pause).await;
        }
    }

    fn stopped(&self, batch: &[Item], error: CallError) -> Failure {
        let line = batch.first().map_or(0, |item| item.line);
        let Failure::Told { message, fix } = Failure::from(error) else { return Failure::OutputClosed };
        Failure::Told { message: format!("nothing from line {line} on was published: {message}"), fix }
    }
}

fn push(batch: &mut Vec<Item>, bytes: &mut usize, item: Item) {
    *bytes += item.json.len() + 1;
    batch.push(item);
}

/// A line as it is sent, or why it cannot be.
fn parse(text: &str) -> Result<String, String> {
    let line: Line<'_> = serde_json::from_str(text).map_err(|error| {
        let what = if error.is_data() { "not an event" } else { "not JSON" };
        format!("{what}: {error}; an event is {{\"type\": …, \"data\": …}}")
    })?;
    if line.kind.is_empty() || line.kind.chars().count() > MAX_EVENT_TYPE_LENGTH {
        return Err(format!("`type` has 1 to {MAX_EVENT_TYPE_LENGTH} characters"));
    }
    if line.event_id.as_ref().is_some_and(|id| id.is_empty() || id.chars().count() > MAX_CLIENT_ID_LENGTH) {
        return Err(format!("`eventId` has 1 to {MAX_CLIENT_ID_LENGTH} characters"));
    }
    let event_id = line.event_id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let outgoing = Outgoing { kind: &line.kind, data: line.data, event_id: &event_id };
    let json = serde_json::to_string(&outgoing).map_err(|error| error.to_string())?;
    // Two more bytes make it an array.
    if json.len() + 2 > MAX_BODY_BYTES { Err(format!("longer than {MAX_BODY_BYTES} bytes")) } else { Ok(json) }
}

#[cfg(test)]
mod tests;
