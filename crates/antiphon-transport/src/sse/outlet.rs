//! The way out to one SSE client: a bounded queue that the response's body empties.

use crate::live::LiveGauges;
use antiphon_core::limits::{OUTBOX_BYTES, OUTBOX_FRAMES};
use antiphon_hub::{CloseReason, Offer, Outlet};
use antiphon_wire::{Audience, Format};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::Notify;

/// What waits for the response's body.
#[derive(Default)]
struct Queue {
    frames: VecDeque<Bytes>,
    bytes: usize,
    is_closed: bool,
}

/// One client's queue.
pub(super) struct QueueOutlet {
    format: Format,
    audience: Audience,
    gauges: Arc<LiveGauges>,
    queue: Mutex<Queue>,
    filled: Notify,
    drained: Notify,
}

impl QueueOutlet {
    pub(super) fn new(format: Format, audience: Audience, gauges: Arc<LiveGauges>) -> Self {
        Self { format, audience, gauges, queue: Mutex::default(), filled: Notify::new(), drained: Notify::new() }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.queue.lock().is_closed
    }

    /// The next frames; none once the outlet is closed and empty.
    pub(super) async fn take(&self) -> Option<Bytes> {
        loop {
            let filled = self.filled.notified();
            {
                let mut queue = self.queue.lock();
                if let Some(frames) = queue.frames.pop_front() {
                    queue.bytes -= frames.len();
                    if queue.bytes <= OUTBOX_BYTES / 2 {
                        self.drained.notify_waiters();
                    }
                    return Some(frames);
                }
                if queue.is_closed {
                    return None;
                }
            }
            filled.await;
        }
    }

    fn end(&self) {
        self.queue.lock().is_closed = true;
        self.filled.notify_one();
        self.drained.notify_waiters();
    }
}

#[async_trait::async_trait]
impl Outlet for QueueOutlet {
    fn format(&self) -> Format {
        self.format
    }

    fn audience(&self) -> Audience {
        self.audience
    }

    fn offer(&self, frames: &Bytes) -> Offer {
        let mut queue = self.queue.lock();
        if queue.is_closed {
            return Offer::Closed;
        }
        if queue.bytes >= OUTBOX_BYTES {
            return Offer::Refused;
        }
        queue.bytes += frames.len();
        queue.frames.push_back(frames.clone());
        let is_full = queue.bytes >= OUTBOX_BYTES;
        drop(queue);
        self.filled.notify_one();
        self.gauges.sse_events.fetch_add(1, Ordering::Relaxed);
        if is_full { Offer::Backlogged } else { Offer::Written }
    }

    fn push(&self, notice: Bytes) {
        let mut queue = self.queue.lock();
        if queue.frames.len() >= 2 * OUTBOX_FRAMES {
            queue.is_closed = true;
        } else if !queue.is_closed {
            queue.bytes += notice.len();
            queue.frames.push_back(notice);
        }
        drop(queue);
        self.filled.notify_one();
    }

    async fn ready(&self) -> bool {
        loop {
            let drained = self.drained.notified();
            tokio::pin!(drained);
            drained.as_mut().enable();
            {
                let queue = self.queue.lock();
                if queue.is_closed {
                    return false;
                }
                if queue.bytes < OUTBOX_BYTES {
                    return true;
                }
            }
            drained.await;
        }
    }

    fn subscription_ended(&self) {
        self.end();
    }

    fn close(&self, _reason: CloseReason) {
        self.end();
    }
}
