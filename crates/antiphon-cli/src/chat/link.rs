//! The connection to a room's WebSocket, made again whenever it is lost.

use super::protocol::{MessagePage, StreamView};
use crate::server::{CallError, Server, Socket};
use antiphon_core::limits::{CALL_TIMEOUT, SILENT_CLIENT};
use futures::future::BoxFuture;
use futures::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

/// What to connect to, and how.
pub(super) struct Plan {
    pub(super) server: Server,
    pub(super) room_id: String,
    /// Where to go on.
    pub(super) position: Option<String>,
    /// Read the messages first, and go on from there: with the streams whose end may have been missed.
    pub(super) reread: Option<Vec<String>>,
    pub(super) pause: Duration,
}

/// What was read before the connection was made.
pub(super) struct Reread {
    pub(super) page: MessagePage,
    /// Streams with their present status.
    pub(super) streams: Vec<(String, String)>,
}

/// A link that was just made.
pub(super) struct Opened {
    socket: Socket,
    reread: Option<Reread>,
}

/// What happens on a link.
pub(super) enum Happening {
    /// It is open.
    Opened(Option<Reread>),
    /// The server said this.
    Text(String),
    /// It is gone.
    Lost(String),
    /// It could not be made.
    NotOpened(CallError),
}

/// The link as it stands.
pub(super) enum Link {
    Connecting(BoxFuture<'static, Result<Box<Opened>, CallError>>),
    Open(Box<OpenSocket>),
    /// Lost or refused; whoever owns it decides what follows.
    Down,
}

/// An open link.
pub(super) struct OpenSocket {
    socket: Socket,
    silence: Duration,
    last_heard: Instant,
}

impl Link {
    pub(super) fn connect(plan: Plan) -> Self {
        Self::Connecting(Box::pin(open(plan)))
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// The server says something this often; silence of 2.5 times that is an end.
    pub(super) fn expect_heartbeat(&mut self, every: Duration) {
        if let Self::Open(open) = self {
            open.silence = every.mul_f64(2.5).clamp(Duration::from_secs(2), 2 * SILENT_CLIENT);
        }
    }

    /// The next thing that happens. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Happening {
        match self {
            Self::Connecting(connecting) => match connecting.await {
                Ok(opened) => {
                    let Opened { socket, reread } = *opened;
                    let open = OpenSocket { socket, silence: SILENT_CLIENT, last_heard: Instant::now() };
                    *self = Self::Open(Box::new(open));
                    Happening::Opened(reread)
                }
                Err(error) => {
                    *self = Self::Down;
                    Happening::NotOpened(error)
                }
            },
            Self::Open(open) => match open.next().await {
                Ok(text) => Happening::Text(text),
                Err(reason) => {
                    *self = Self::Down;
                    Happening::Lost(reason)
                }
            },
            Self::Down => std::future::pending().await,
        }
    }

    /// Sends a message. False where the link is not open or breaks; the next happening says so.
    pub(super) async fn send(&mut self, message: &serde_json::Value) -> bool {
        let Self::Open(open) = self else { return false };
        let sent = tokio::time::timeout(CALL_TIMEOUT, open.socket.send(Message::text(message.to_string()))).await;
        if matches!(sent, Ok(Ok(()))) {
            return true;
        }
        // Reading finds the same fault at once.
        open.silence = Duration::ZERO;
        false
    }

    /// Says goodbye where that is possible at once.
    pub(super) async fn close(&mut self) {
        if let Self::Open(open) = self {
            let _ = tokio::time::timeout(Duration::from_millis(200), open.socket.close(None)).await;
        }
    }
}

impl OpenSocket {
    async fn next(&mut self) -> Result<String, String> {
        loop {
            let deadline = self.last_heard + self.silence;
            let message = match tokio::time::timeout_at(deadline, self.socket.next()).await {
                Err(_) => return Err("the server has gone silent".to_owned()),
                Ok(None) => return Err("the connection was lost".to_owned()),
                Ok(Some(Err(_))) => return Err("the connection broke".to_owned()),
                Ok(Some(Ok(message))) => message,
            };
            self.last_heard = Instant::now();
            match message {
                Message::Text(text) => return Ok(text.as_str().to_owned()),
                Message::Close(frame) => {
                    let reason = frame.map(|frame| frame.reason.as_str().to_owned()).unwrap_or_default();
                    let what = "the server closed the connection";
                    return Err(if reason.is_empty() { what.to_owned() } else { format!("{what}: {reason}") });
                }
                // A ping is answered by the library as reading goes on.
                _ => {}
            }
        }
    }
}

async fn open(plan: Plan) -> Result<Box<Opened>, CallError> {
    tokio::time::sleep(plan.pause).await;
    let Plan { server, room_id, mut position, .. } = plan;
    let mut reread = None;
    if let Some(open_streams) = plan.reread {
        let page: MessagePage = server.get(&["api", "ar-rooms", &room_id, "messages"], &[]).await?;
        position = Some(page.position.clone());
        let streams = statuses(&server, open_streams, &page).await?;
        reread = Some(Reread { page, streams });
    }
    let query: Vec<(&str, &str)> = position.as_deref().map(|position| ("position", position)).into_iter().collect();
    let socket = server.socket(&["ws", "ar-rooms", &room_id], &query).await?;
    Ok(Box::new(Opened { socket, reread }))
}

/// The statuses of those streams that the messages do not tell of.
async fn statuses(
    server: &Server,
    streams: Vec<String>,
    page: &MessagePage,
) -> Result<Vec<(String, String)>, CallError> {
    let mut statuses = Vec::new();
    for id in streams {
        if page.messages.iter().any(|message| message.role != "user" && message.stream_id.as_ref() == Some(&id)) {
            continue;
        }
        match server.get::<StreamView>(&["api", "streams", &id], &[]).await {
            Ok(view) => statuses.push((id, view.status)),
            Err(CallError::Refused { status: 404, .. }) => statuses.push((id, "failed".to_owned())),
            Err(error) => return Err(error),
        }
    }
    Ok(statuses)
}
