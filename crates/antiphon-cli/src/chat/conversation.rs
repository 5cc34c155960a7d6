//! One conversation: what is typed goes out once and in order, what happens in the room is shown once and in order,
//! whatever the connection does meanwhile.

use super::command::{self, Command};
use super::console::{Console, Input};
use super::fold::{Fold, Shown};
use super::link::{Happening, Link, Plan, Reread};
use super::protocol::{Body, Frame};
use crate::backoff::Backoff;
use crate::failure::Failure;
use crate::server::{CallError, Server};
use antiphon_core::limits::CHAT_PENDING;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::Instant;

/// A line that the server has not accepted yet.
struct Pending {
    /// `clientMessageId`: sending it again gives the same message.
    id: String,
    content: String,
    /// On the connection that is open now.
    is_sent: bool,
    /// The person knows that it must wait.
    is_told: bool,
}

/// What the loop goes on with.
enum Step {
    Input(Input),
    Link(Happening),
    /// A refused line may be tried again.
    Retry,
}

/// A conversation in one room.
pub(super) struct Conversation {
    server: Server,
    room_id: String,
    fold: Fold,
    link: Link,
    backoff: Backoff,
    /// Only the first is ever under way, which keeps their order.
    pending: VecDeque<Pending>,
    /// Interrupts and the like that wait for a connection.
    controls: VecDeque<Value>,
    /// Streams that answer accepted lines and have not ended.
    open: Vec<String>,
    retry_at: Option<Instant>,
    /// How long the server asked to be left alone.
    asked_pause: Option<Duration>,
    /// Events were missed: the messages must be read before going on.
    must_reread: bool,
    has_been_open: bool,
    is_away: bool,
    has_input_ended: bool,
    has_failed: bool,
    requests: u64,
}

impl Conversation {
    pub(super) fn new(server: Server, room_id: String, fold: Fold) -> Self {
        let mut conversation = Self {
            server,
            room_id,
            fold,
            link: Link::Down,
            backoff: Backoff::default(),
            pending: VecDeque::new(),
            controls: VecDeque::new(),
            open: Vec::new(),
            retry_at: None,
            asked_pause: None,
            must_reread: false,
            has_been_open: false,
            is_away: false,
            has_input_ended: false,
            has_failed: false,
            requests: 0,
        };
        conversation.connect(Duration::ZERO);
        conversation
    }

    /// Until the person leaves or, where the input has an end, the last answer has ended.
    pub(super) async fn run(mut self, console: &mut Console) -> Result<ExitCode, Failure> {
        let result = self.talk(console).await;
        self.link.close().await;
        result
    }

    async fn talk(&mut self, console: &mut Console) -> Result<ExitCode, Failure> {
        loop {
            self.send_next().await;
            if self.has_input_ended && self.pending.is_empty() && self.open.is_empty() {
                return Ok(if self.has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS });
            }
            // A pipe is read no faster than the server takes its lines; a person's keys are always heard.
            let is_listening = !self.has_input_ended && (console.is_terminal() || self.pending.len() < CHAT_PENDING);
            let retry_at = self.retry_at;
            let step = tokio::select! {
                input = console.next(), if is_listening => Step::Input(input?),
                happening = self.link.next() => Step::Link(happening),
                () = wait_until(retry_at) => Step::Retry,
            };
            match step {
                Step::Input(Input::End) if console.is_terminal() => return Ok(ExitCode::SUCCESS),
                Step::Input(Input::End) => self.has_input_ended = true,
                Step::Input(Input::Interrupt) => self.interrupt(console)?,
                Step::Input(Input::Line(line)) if !console.is_terminal() => self.say(line, console)?,
                Step::Input(Input::Line(line)) => {
                    if self.obey(command::parse(&line), console).await? {
                        return Ok(ExitCode::SUCCESS);
                    }
                }
                Step::Link(happening) => self.happened(happening, console)?,
                Step::Retry => self.retry_at = None,
            }
        }
    }

    fn connect(&mut self, at_least: Duration) {
        for pending in &mut self.pending {
            pending.is_sent = false;
        }
        let pause = self.asked_pause.take().unwrap_or_default().max(at_least);
        self.link = Link::connect(Plan {
            server: self.server.clone(),
            room_id: self.room_id.clone(),
            position: self.fold.position().map(str::to_owned),
            reread: self.must_reread.then(|| self.open.clone()),
            pause,
        });
    }

    fn reconnect(&mut self, reason: &str, console: &mut Console) -> Result<(), Failure> {
        if !std::mem::replace(&mut self.is_away, true) {
            console.notice(&format!("{reason}; connecting again …"))?;
        }
        let pause = self.backoff.next_pause();
        self.connect(pause);
        Ok(())
    }

    /// Sends what may be sent now.
    async fn send_next(&mut self) {
        while self.link.is_open() {
            let Some(control) = self.controls.front() else { break };
            if !self.link.send(control).await {
                return;
            }
            self.controls.pop_front();
        }
        if self.retry_at.is_some() || !self.link.is_open() {
            return;
        }
        let Some(next) = self.pending.front_mut().filter(|next| !next.is_sent) else { return };
        let message = json!({"type": "ar-message", "roomId": self.room_id, "content": next.content,
            "clientMessageId": next.id, "requestId": next.id});
        next.is_sent = self.link.send(&message).await;
    }

    fn happened(&mut self, happening: Happening, console: &mut Console) -> Result<(), Failure> {
        match happening {
            Happening::Opened(reread) => self.opened(reread, console),
            Happening::Text(text) => match serde_json::from_str::<Frame>(&text) {
                Ok(frame) => self.heard(frame, console),
                Err(_) => console.notice("the server said something that is not understood"),
            },
            Happening::Lost(reason) => self.reconnect(&reason, console),
            Happening::NotOpened(error) if error.code().starts_with("position_") => self.go_back(console),
            Happening::NotOpened(error) if error.is_passing() && self.has_been_open => {
                self.asked_pause = error.retry_after();
                self.reconnect(&error.to_string(), console)
            }
            Happening::NotOpened(error) => Err(error.into()),
        }
    }

    fn opened(&mut self, reread: Option<Reread>, console: &mut Console) -> Result<(), Failure> {
        self.has_been_open = true;
        if std::mem::take(&mut self.is_away) {
            console.notice("connected again")?;
        }
        let Some(reread) = reread else { return Ok(()) };
        self.must_reread = false;
        let shown = self.fold.reread(reread.page);
        self.show(shown, console)?;
        for (stream, status) in reread.streams {
            if !matches!(status.as_str(), "queued" | "active" | "paused") {
                let shown = self.fold.close(&stream, &status);
                self.show(shown, console)?;
            }
        }
        Ok(())
    }

    /// The position cannot be gone on from: the messages say what there is.
    fn go_back(&mut self, console: &mut Console) -> Result<(), Failure> {
        self.must_reread = true;
        self.reconnect("some events are gone; the messages are read again", console)
    }

    fn heard(&mut self, frame: Frame, console: &mut Console) -> Result<(), Failure> {
        match frame.body {
            Body::Connected { heartbeat_seconds: Some(seconds) } => {
                self.link.expect_heartbeat(Duration::from_secs(seconds));
                Ok(())
            }
            Body::Accepted { request_id: Some(id), message, stream_id, .. } => {
                self.accepted(&id, message.map(|message| message.id), stream_id);
                Ok(())
            }
            Body::Error { code, message, request_id, retry_after_ms } => {
                let message = message.unwrap_or_else(|| "refused".to_owned());
                self.refused(&code, &message, request_id, retry_after_ms.map(Duration::from_millis), console)
            }
            Body::Goodbye { reason, reconnect_after_ms } => {
                self.asked_pause = reconnect_after_ms.map(Duration::from_millis);
                console.notice(&reason.unwrap_or_else(|| "the server is leaving".to_owned()))
            }
            _ => {
                if frame.position.is_some() {
                    self.backoff.reset();
                }
                let shown = self.fold.apply(frame);
                self.show(shown, console)
            }
        }
    }

    fn show(&mut self, shown: Vec<Shown>, console: &mut Console) -> Result<(), Failure> {
        for one in shown {
            console.show(&one)?;
            match one {
                Shown::RoomDeleted => return Err(Failure::new("the room was deleted")),
                Shown::AnswerEnds { outcome, .. } => {
                    self.has_failed |= matches!(outcome.as_str(), "failed" | "truncated");
                }
                Shown::Incomplete => self.go_back(console)?,
                _ => {}
            }
        }
        let fold = &self.fold;
        self.open.retain(|stream| !fold.has_ended(stream));
        Ok(())
    }

    fn accepted(&mut self, id: &str, message_id: Option<String>, stream_id: Option<String>) {
        // The answer to a line that was sent twice comes twice.
        if self.pending.front().is_none_or(|pending| pending.id != id) {
            return;
        }
        self.pending.pop_front();
        if let Some(message_id) = message_id {
            self.fold.skip_message(&message_id);
        }
        // Its end may have been seen already, where it is short or was sent again.
        self.open.extend(stream_id.filter(|stream| !self.fold.has_ended(stream)));
    }

    fn refused(
        &mut self,
        code: &str,
        message: &str,
        request_id: Option<String>,
        after: Option<Duration>,
        console: &mut Console,
    ) -> Result<(), Failure> {
        if code.starts_with("position_") {
            return self.go_back(console);
        }
        let Some(id) = request_id else {
            return match code {
                "unauthorized" | "forbidden" | "room_not_found" => Err(Failure::from(CallError::Refused {
                    status: if code == "unauthorized" { 401 } else { 404 },
                    code: code.to_owned(),
                    message: message.to_owned(),
                    retry_after: None,
                })),
                _ => {
                    self.asked_pause = after.or(self.asked_pause);
                    console.notice(message)
                }
            };
        };
        let Some(next) = self.pending.front_mut().filter(|next| next.id == id) else {
            return console.notice(message);
        };
        if matches!(code, "queue_full" | "rate_limited" | "unavailable") {
            next.is_sent = false;
            self.retry_at = Some(Instant::now() + after.unwrap_or(Duration::from_secs(1)));
            let is_told = std::mem::replace(&mut next.is_told, true);
            return if is_told {
                Ok(())
            } else {
                console.notice(&format!("{message}; it will be sent again by itself"))
            };
        }
        self.has_failed = true;
        self.pending.pop_front();
        console.notice(&format!("not sent: {message}"))
    }

    fn say(&mut self, line: String, console: &mut Console) -> Result<(), Failure> {
        if line.trim().is_empty() {
            return Ok(());
        }
        if self.pending.len() >= CHAT_PENDING {
            return console.notice("too many messages wait to be sent; this one was not taken");
        }
        console.said(&line)?;
        let id = uuid::Uuid::new_v4().to_string();
        self.fold.expect_own(&id);
        self.pending.push_back(Pending { id, content: line, is_sent: false, is_told: false });
        if self.is_away { console.notice("it will be sent once the server is there") } else { Ok(()) }
    }

    fn interrupt(&mut self, console: &mut Console) -> Result<(), Failure> {
        let Some((stream, attempt, shown)) = self.fold.running() else {
            return console.notice("nothing to interrupt");
        };
        let mut fields = json!({"streamId": stream, "roomId": self.room_id, "heard": {"offset": shown}});
        if let Some(attempt) = attempt {
            fields["attempt"] = attempt.into();
        }
        self.control("interrupt-stream", fields, console)
    }

    fn control(&mut self, kind: &str, mut fields: Value, console: &mut Console) -> Result<(), Failure> {
        if self.controls.len() >= CHAT_PENDING {
            return console.notice("too much waits for the connection; this was not taken");
        }
        self.requests += 1;
        fields["type"] = kind.into();
        fields["requestId"] = format!("request-{}", self.requests).into();
        self.controls.push_back(fields);
        Ok(())
    }

    /// True where the person wants to leave.
    async fn obey(&mut self, command: Command, console: &mut Console) -> Result<bool, Failure> {
        let running = self.fold.running().map(|(stream, ..)| stream.to_owned());
        match command {
            Command::Say(line) => self.say(line, console)?,
            Command::Quit => return Ok(true),
            Command::Help => console.notice(command::HELP)?,
            Command::Unknown(reason) => console.notice(&reason)?,
            Command::Retry => self.retry(console).await?,
            Command::Cancel(place) => {
                let queued = self.fold.queued();
                let stream = match place {
                    Some(place) => queued.get(place - 1).map(|stream| (*stream).to_owned()),
                    None => queued.last().map(|stream| (*stream).to_owned()).or(running),
                };
                match stream {
                    Some(stream) => self.control("cancel-stream", json!({"streamId": stream}), console)?,
                    None => console.notice("nothing waits at that place")?,
                }
            }
            Command::Pause | Command::Resume => {
                let kind = if command == Command::Pause { "pause-stream" } else { "resume-stream" };
                match running {
                    Some(stream) => self.control(kind, json!({"streamId": stream}), console)?,
                    None => console.notice("no answer is under way")?,
                }
            }
        }
        Ok(false)
    }

    async fn retry(&mut self, console: &mut Console) -> Result<(), Failure> {
        let Some(stream) = self.fold.last_ended().map(str::to_owned) else {
            return console.notice("there is no answer to ask for again");
        };
        match self.server.post::<Value>(&["api", "streams", &stream, "retry"], "{}".to_owned()).await {
            Ok(_) => Ok(()),
            Err(error) => console.notice(&error.to_string()),
        }
    }
}

async fn wait_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
