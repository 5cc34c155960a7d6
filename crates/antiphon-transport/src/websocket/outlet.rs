//! The way out to one WebSocket client: frames go straight to the socket; what does not fit waits here, bounded.

use crate::live::LiveGauges;
use antiphon_core::limits::OUTBOX_FRAMES;
use antiphon_hub::{CloseReason, Offer, Outlet};
use antiphon_wire::websocket::{close, close_frame};
use antiphon_wire::{Audience, Format, ServerMessage, encode};
use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// How long a closing client may take to read what waits and to close its side.
const LINGER: Duration = Duration::from_secs(2);

/// One client's socket and what waits for it.
pub(super) struct SocketOutlet {
    pub(super) socket: TcpStream,
    audience: Audience,
    gauges: Arc<LiveGauges>,
    backlog: Mutex<VecDeque<Bytes>>,
    is_gone: AtomicBool,
    drained: Notify,
    /// Tells the connection to end, with the close code.
    pub(super) closing: Notify,
    close_code: Mutex<Option<(u16, &'static str)>>,
    this: Weak<Self>,
}

impl SocketOutlet {
    pub(super) fn new(socket: TcpStream, audience: Audience, gauges: Arc<LiveGauges>) -> Arc<Self> {
        Arc::new_cyclic(|this: &Weak<Self>| Self {
            socket,
            audience,
            gauges,
            backlog: Mutex::default(),
            is_gone: AtomicBool::new(false),
            drained: Notify::new(),
            closing: Notify::new(),
            close_code: Mutex::default(),
            this: this.clone(),
        })
    }

    pub(super) fn say(&self, message: &ServerMessage) {
        self.push(encode::notice(message, Format::WebSocket));
    }

    pub(super) fn closing_with(&self) -> Option<(u16, &'static str)> {
        *self.close_code.lock()
    }

    fn end_with(&self, code: u16, reason: &'static str) {
        self.close_code.lock().get_or_insert((code, reason));
        self.closing.notify_one();
    }

    /// Nothing can be sent any more.
    pub(super) fn gone(&self) {
        self.is_gone.store(true, Ordering::Release);
        self.backlog.lock().clear();
        self.drained.notify_waiters();
        self.closing.notify_one();
    }

    fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire)
    }

    /// Writes what the socket takes; false when the client is gone. Only under the backlog's lock.
    fn write(&self, frames: &mut Bytes) -> bool {
        while !frames.is_empty() {
            match self.socket.try_write(frames) {
                Ok(0) => return false,
                Ok(written) => frames.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
        true
    }

    /// Writes or keeps. Only with an empty or already flushed backlog's lock held by the caller.
    fn write_or_keep(&self, backlog: &mut VecDeque<Bytes>, mut frames: Bytes) -> Offer {
        if !backlog.is_empty() {
            backlog.push_back(frames);
            return Offer::Backlogged;
        }
        if !self.write(&mut frames) {
            self.is_gone.store(true, Ordering::Release);
            self.closing.notify_one();
            return Offer::Closed;
        }
        if frames.is_empty() {
            return Offer::Written;
        }
        backlog.push_back(frames);
        if let Some(outlet) = self.this.upgrade() {
            tokio::spawn(outlet.flush());
        }
        Offer::Backlogged
    }

    /// Lives only while something waits for the socket.
    async fn flush(self: Arc<Self>) {
        loop {
            if self.socket.writable().await.is_err() || self.is_gone() {
                return self.gone();
            }
            let mut backlog = self.backlog.lock();
            while let Some(frames) = backlog.front_mut() {
                if !self.write(frames) {
                    drop(backlog);
                    return self.gone();
                }
                if !frames.is_empty() {
                    break;
                }
                backlog.pop_front();
            }
            if backlog.is_empty() {
                // An idle client holds no buffer.
                *backlog = VecDeque::new();
                drop(backlog);
                return self.drained.notify_waiters();
            }
        }
    }

    /// Sends the close frame after what waits, lets the client read it, and ends the connection.
    pub(super) async fn finish(&self, code: u16, reason: &str) {
        self.push(close_frame(code, reason).into());
        let ending = async {
            if self.ready().await {
                let _ = socket2::SockRef::from(&self.socket).shutdown(Shutdown::Write);
                self.discard_input().await;
            }
        };
        let _ = tokio::time::timeout(LINGER, ending).await;
        let _ = socket2::SockRef::from(&self.socket).shutdown(Shutdown::Both);
        self.gone();
    }

    /// Reads until the client closes: a socket closed with unread input would reset the connection, and the client would
    /// lose the reason.
    async fn discard_input(&self) {
        let mut buffer = [0_u8; 512];
        while self.socket.readable().await.is_ok() {
            match self.socket.try_read(&mut buffer) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

#[async_trait::async_trait]
impl Outlet for SocketOutlet {
    fn format(&self) -> Format {
        Format::WebSocket
    }

    fn audience(&self) -> Audience {
        self.audience
    }

    fn offer(&self, frames: &Bytes) -> Offer {
        if self.is_gone() {
            return Offer::Closed;
        }
        let mut backlog = self.backlog.lock();
        if !backlog.is_empty() {
            return Offer::Refused;
        }
        self.gauges.websocket_events.fetch_add(1, Ordering::Relaxed);
        self.write_or_keep(&mut backlog, frames.clone())
    }

    fn push(&self, notice: Bytes) {
        if self.is_gone() {
            return;
        }
        let mut backlog = self.backlog.lock();
        if backlog.len() >= OUTBOX_FRAMES {
            drop(backlog);
            self.end_with(close::TOO_SLOW, "too slow");
            return;
        }
        self.write_or_keep(&mut backlog, notice);
    }

    async fn ready(&self) -> bool {
        loop {
            let drained = self.drained.notified();
            tokio::pin!(drained);
            // Registered before the check, so that no wake-up is missed.
            drained.as_mut().enable();
            if self.is_gone() {
                return false;
            }
            if self.backlog.lock().is_empty() {
                return true;
            }
            drained.await;
        }
    }

    fn subscription_ended(&self) {}

    fn close(&self, reason: CloseReason) {
        match reason {
            CloseReason::Done => self.end_with(close::NORMAL, "done"),
            CloseReason::TakenOver => self.end_with(close::TAKEN_OVER, "another connection took the session over"),
        }
    }
}
