//! One WebSocket connection: what the client says, heartbeats, and how it ends. Holds no buffer while idle, and what is
//! awaited only now and then is boxed, so that an idle connection's task stays small.

use super::outlet::SocketOutlet;
use super::requests::Requests;
use super::{Admitted, refuse};
use crate::live::Live;
use antiphon_core::limits::SILENT_CLIENT;
use antiphon_core::{Code, Identity, Refusal, Timestamp};
use antiphon_hub::Outlet;
use antiphon_wire::ServerMessage;
use antiphon_wire::websocket::{FrameReader, Incoming, close, ping, pong};
use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

thread_local! {
    /// One read buffer a thread instead of one a connection: it is only used between two awaits.
    static READ_BUFFER: RefCell<Box<[u8; 16 * 1024]>> = RefCell::new(Box::new([0; 16 * 1024]));
}

/// How a connection ends.
struct Ending {
    code: u16,
    reason: &'static str,
    error: Option<Refusal>,
}

impl Ending {
    fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason, error: None }
    }
}

pub(super) async fn run(live: Live, outlet: Arc<SocketOutlet>, admitted: Admitted, early: &[u8]) {
    let Admitted { identity, first, resume, guard } = admitted;
    let connected = live.hub.connect(&identity.user_id, outlet.clone(), resume.as_deref());
    let connection = match connected {
        Ok(connection) => connection,
        Err(refusal) => return Box::pin(refuse(&live, &outlet, refusal, None)).await,
    };
    outlet.say(&ServerMessage::Connected {
        client_id: connection.client_id().to_owned(),
        session_id: connection.session_id().to_owned(),
        resume_token: connection.resume_token().to_owned(),
        heartbeat_seconds: live.heartbeat.as_secs(),
        message: "Connected to Antiphon".to_owned(),
        timestamp: Timestamp::now(),
    });
    if let Some(request) = first {
        let channel = request.channel.clone();
        if let Err(refusal) = Box::pin(connection.subscribe(request)).await {
            return Box::pin(refuse(&live, &outlet, refusal, Some(&channel))).await;
        }
    }
    let requests = Requests { live: &live, identity: &identity, connection: &connection, outlet: &outlet };
    let ending = listen(&requests, early).await;
    drop(connection);
    if let Some(ending) = ending {
        if let Some(refusal) = ending.error {
            outlet.say(&ServerMessage::error(refusal, None, None));
        }
        Box::pin(outlet.finish(ending.code, ending.reason)).await;
    }
    outlet.gone();
    drop(guard);
}

/// Until the connection ends; none when the client is gone already.
async fn listen(requests: &Requests<'_>, early: &[u8]) -> Option<Ending> {
    let (live, outlet) = (requests.live, requests.outlet);
    let (mut reader, mut incoming) = (FrameReader::default(), Vec::new());
    let mut heard_at = Instant::now();
    let mut next_beat = heard_at + live.heartbeat;
    if !early.is_empty()
        && let Some(ending) = Box::pin(take(requests, reader.push(early, &mut incoming), &mut incoming)).await
    {
        return Some(ending);
    }
    loop {
        let deadline = next_beat.min(heard_at + SILENT_CLIENT).min(expiry(requests.identity));
        tokio::select! {
            readable = outlet.socket.readable() => {
                readable.ok()?;
                let read = READ_BUFFER.with_borrow_mut(|buffer| {
                    let length = outlet.socket.try_read(&mut buffer[..])?;
                    Ok((length, reader.push(&buffer[..length], &mut incoming)))
                });
                match read {
                    Ok((0, _)) => return None,
                    Ok((_, pushed)) => {
                        heard_at = Instant::now();
                        if let Some(ending) = Box::pin(take(requests, pushed, &mut incoming)).await {
                            return Some(ending);
                        }
                    }
                    Err(error) if io::ErrorKind::WouldBlock == io::Error::kind(&error) => {}
                    Err(_) => return None,
                }
            }
            () = tokio::time::sleep_until(deadline) => {
                if let Some(ending) = on_time(requests, heard_at) {
                    return Some(ending);
                }
                next_beat = Instant::now() + live.heartbeat;
            }
            () = outlet.closing.notified() => {
                return outlet.closing_with().map(|(code, reason)| Ending::new(code, reason));
            }
            () = live.goodbye.cancelled() => {
                outlet.say(&live.goodbye_message());
                return Some(Ending::new(close::LEAVING, "leaving"));
            }
        }
    }
}

/// When the token ends, if it does within what a timer can hold.
fn expiry(identity: &Identity) -> Instant {
    let day = Duration::from_secs(24 * 3600);
    let left = identity.expires_at.map(|at| at.millis().saturating_sub(Timestamp::now().millis()));
    Instant::now() + left.map_or(day, Duration::from_millis).min(day)
}

fn on_time(requests: &Requests<'_>, heard_at: Instant) -> Option<Ending> {
    if requests.identity.expires_at.is_some_and(|at| at <= Timestamp::now()) {
        let refusal = Refusal::new(Code::Unauthorized, "the token has ended: connect again with a new one");
        return Some(Ending { error: Some(refusal), ..Ending::new(close::TOKEN_ENDED, "token ended") });
    }
    if heard_at.elapsed() >= SILENT_CLIENT {
        return Some(Ending::new(close::TOO_SLOW, "silent"));
    }
    let timestamp = Timestamp::now();
    requests.outlet.say(&ServerMessage::Heartbeat { timestamp, server_time: timestamp });
    requests.outlet.push(ping().into());
    None
}

/// Takes whole messages in their order; none where the connection goes on.
async fn take(
    requests: &Requests<'_>,
    pushed: Result<(), antiphon_wire::websocket::FrameError>,
    incoming: &mut Vec<Incoming>,
) -> Option<Ending> {
    for message in incoming.drain(..) {
        match message {
            Incoming::Text(text) => requests.answer(&text).await,
            Incoming::Binary => {
                let refusal =
                    Refusal::new(Code::InvalidRequest, "binary frames are not used: send JSON in text frames");
                requests.outlet.say(&ServerMessage::error(refusal, None, None));
            }
            Incoming::Ping(payload) => requests.outlet.push(pong(&payload).into()),
            Incoming::Pong => {}
            Incoming::Close => return Some(Ending::new(close::NORMAL, "")),
        }
    }
    // The capacity of a burst is not kept by an idle connection.
    *incoming = Vec::new();
    let error = pushed.err()?;
    let code = match error.close_code() {
        close::TOO_LARGE => Code::PayloadTooLarge,
        close::NOT_UTF8 => Code::InvalidJson,
        _ => Code::InvalidRequest,
    };
    let refusal = Refusal::new(code, error.to_string());
    Some(Ending { error: Some(refusal), ..Ending::new(error.close_code(), "see the error") })
}
