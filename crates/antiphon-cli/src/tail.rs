//! `antiphon tail`: a channel's events as lines, resumed by itself.

use crate::backoff::Backoff;
use crate::failure::Failure;
use crate::printable::printable;
use crate::server::{CallError, Server, ServerArguments};
use crate::sse::{SseEvent, SseParser};
use antiphon_core::limits::SILENT_CLIENT;
use antiphon_core::{AR_ROOM, ChannelName, ROOM};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

/// What `antiphon tail` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The connection is made again whenever it is lost, from the last event that was printed: none is missed, none is \
printed twice.

Examples:
  antiphon tail job_progress:job_123                   from now on
  antiphon tail metrics:cpu --from start --until-end   all that is kept
  antiphon tail ar-room:room-… --json | jq .type")]
pub struct TailArguments {
    /// The channel, as namespace:id
    pub channel: String,
    /// Where to start: `start` for all that is kept, or an event's position; default: from now on
    #[arg(long, value_name = "start|POSITION")]
    pub from: Option<String>,
    /// Stop at what is the channel's end when the command starts
    #[arg(long)]
    pub until_end: bool,
    /// Print each event's JSON as it came
    #[arg(long)]
    pub json: bool,
    /// The server and who calls
    #[command(flatten)]
    pub server: ServerArguments,
}

pub(crate) async fn run(arguments: TailArguments) -> Result<ExitCode, Failure> {
    let server = Server::new(&arguments.server)?;
    let mut output = std::io::stdout();
    let for_terminal = output.is_terminal();
    Tail::new(server, &arguments, for_terminal)?.run(&mut output).await
}

/// How one connection ended.
enum Ended {
    /// Where `--until-end` wanted to.
    AtEnd,
    /// Before; to be made again, after the pause that the server named if it did.
    Early { reason: String, pause: Option<Duration> },
    /// The server refused.
    Refused(CallError),
}

struct Tail {
    server: Server,
    channel: ChannelName,
    until_end: bool,
    as_json: bool,
    for_terminal: bool,
    /// Where the next connection starts; none = now.
    from: Option<String>,
    /// The last printed event's: nothing up to it is printed again.
    last: Option<String>,
    /// A connection has worked, so that one that fails is tried again.
    has_worked: bool,
    backoff: Backoff,
}

impl Tail {
    fn new(server: Server, arguments: &TailArguments, for_terminal: bool) -> Result<Self, Failure> {
        let channel = ChannelName::parse(&arguments.channel)
            .map_err(|refusal| Failure::new(refusal.message).fix("for example: antiphon tail job_progress:job_123"))?;
        Ok(Self {
            server,
            channel,
            until_end: arguments.until_end,
            as_json: arguments.json,
            for_terminal,
            from: arguments.from.clone(),
            last: None,
            has_worked: false,
            backoff: Backoff::default(),
        })
    }

    async fn run(mut self, output: &mut impl Write) -> Result<ExitCode, Failure> {
        loop {
            let (reason, pause) = match self.follow(output).await? {
                Ended::AtEnd => return Ok(ExitCode::SUCCESS),
                Ended::Early { reason, pause } => (reason, pause),
                Ended::Refused(error) => {
                    let pause = error.retry_after();
                    (self.after_refusal(error)?, pause)
                }
            };
            let pause = pause.unwrap_or_default().max(self.backoff.next_pause());
            eprintln!("antiphon: {}; connecting again", printable(&reason));
            tokio::time::sleep(pause).await;
        }
    }

    /// Says why the connection is made again, or that it is not.
    fn after_refusal(&mut self, error: CallError) -> Result<String, Failure> {
        if !self.has_worked {
            let failure = Failure::from(error.clone());
            return Err(if error.code().starts_with("position_") { failure.fix("try --from start") } else { failure });
        }
        match error.code() {
            "position_expired" => {
                self.from = Some("start".to_owned());
                Ok("some events are gone before they could be read; going on with what is kept".to_owned())
            }
            "position_foreign" | "position_future" => {
                self.from = Some("start".to_owned());
                self.last = None;
                Ok("the channel's log was replaced; starting again with all that it keeps".to_owned())
            }
            _ if error.is_passing() => Ok(error.to_string()),
            _ => Err(error.into()),
        }
    }

    /// One connection, from its start to its end.
    async fn follow(&mut self, output: &mut impl Write) -> Result<Ended, Failure> {
        let path = match self.channel.namespace() {
            AR_ROOM => ["api", "ar-rooms", self.channel.id(), "events"].to_vec(),
            ROOM => ["api", "rooms", self.channel.id(), "events"].to_vec(),
            namespace => ["api", "channels", namespace, self.channel.id(), "events"].to_vec(),
        };
        let mut query: Vec<(&str, &str)> = Vec::new();
        query.extend(self.from.as_deref().map(|position| ("position", position)));
        if self.until_end {
            query.push(("until", "end"));
        }
        let mut response = match self.server.events(&path, &query).await {
            Ok(response) => response,
            Err(error) => return Ok(Ended::Refused(error)),
        };
        self.has_worked = true;
        let mut parser = SseParser::default();
        loop {
            let piece = match tokio::time::timeout(SILENT_CLIENT, response.chunk()).await {
                Ok(Ok(Some(piece))) => piece,
                Ok(Ok(None)) if self.until_end => return Ok(Ended::AtEnd),
                Ok(Ok(None) | Err(_)) => return Ok(early("the connection was lost")),
                Err(_) => return Ok(early("the server has gone silent")),
            };
            let Ok(events) = parser.push(&piece) else {
                return Err(Failure::new("the server sent an event that is larger than any may be"));
            };
            for event in events {
                if let Some(ended) = self.take(&event, output)? {
                    return Ok(ended);
                }
            }
            output.flush().map_err(|error| Failure::from_output(&error))?;
        }
    }

    /// Prints an event, or heeds a notice: what has no `id` is in no log.
    fn take(&mut self, event: &SseEvent, output: &mut impl Write) -> Result<Option<Ended>, Failure> {
        let Some(position) = &event.id else { return Ok(self.heed(&event.data)) };
        // Positions of one channel sort byte by byte.
        if self.last.as_ref().is_some_and(|last| position <= last) {
            return Ok(None);
        }
        self.backoff.reset();
        let line = if self.as_json { event.data.clone() } else { readable(&event.data) };
        let line = if self.for_terminal { printable(&line).into_owned() } else { line };
        writeln!(output, "{line}").map_err(|error| Failure::from_output(&error))?;
        self.last = Some(position.clone());
        self.from = Some(position.clone());
        Ok(None)
    }

    fn heed(&mut self, data: &str) -> Option<Ended> {
        let notice: Notice = serde_json::from_str(data).ok()?;
        match notice.kind.as_str() {
            // Without it, "from now on" would mean a later now after a lost connection.
            "subscribed" if self.from.is_none() => self.from = notice.position,
            "caught-up" => {
                if let Some(position) = notice.position {
                    self.from = Some(position);
                }
            }
            "goodbye" => {
                let pause = notice.reconnect_after_ms.map(Duration::from_millis);
                return Some(Ended::Early { reason: "the server is leaving".to_owned(), pause });
            }
            "error" | "refused" => {
                let code = notice.code.unwrap_or_else(|| "internal".to_owned());
                let status = antiphon_core::Code::ALL.iter().find(|known| known.as_str() == code);
                return Some(Ended::Refused(CallError::Refused {
                    status: status.map_or(500, |known| known.status()),
                    code,
                    message: notice.message.unwrap_or_else(|| "the server ended the stream".to_owned()),
                    retry_after: notice.retry_after_ms.map(Duration::from_millis),
                }));
            }
            _ => {}
        }
        None
    }
}

fn early(reason: &str) -> Ended {
    Ended::Early { reason: reason.to_owned(), pause: None }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notice {
    #[serde(rename = "type")]
    kind: String,
    position: Option<String>,
    code: Option<String>,
    message: Option<String>,
    reconnect_after_ms: Option<u64>,
    retry_after_ms: Option<u64>,
}

/// What a published event brings, byte by byte.
#[derive(Deserialize)]
struct Published<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// Time, type and the rest. What is not understood stays as it is.
fn readable(json: &str) -> String {
    let Ok(mut fields) = serde_json::from_str::<Map<String, Value>>(json) else { return json.to_owned() };
    let mut text = |name: &str| match fields.remove(name) {
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
        None => "-".to_owned(),
    };
    let (timestamp, kind) = (text("timestamp"), text("type"));
    for known in ["position", "roomId", "channel"] {
        fields.remove(known);
    }
    let data = serde_json::from_str::<Published<'_>>(json).ok().and_then(|published| published.data);
    let rest = data.map_or_else(|| Value::Object(fields).to_string(), |data| data.get().to_owned());
    format!("{timestamp}  {kind}  {rest}")
}

#[cfg(test)]
mod tests;
