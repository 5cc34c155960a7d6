//! The way out to one client, as a transport provides it.

use antiphon_wire::{Audience, Format};
use bytes::Bytes;

/// What became of offered frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Taken, and the outlet can take more.
    Written,
    /// Taken, but part of it waits: offer nothing more before the outlet is ready.
    Backlogged,
    /// Not taken: earlier frames still wait.
    Refused,
    /// The client is gone.
    Closed,
}

/// Why an outlet is closed from this side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// All that was asked for has been sent.
    Done,
    /// Its session was taken over by another connection.
    TakenOver,
}

/// One client's way out: at most one event batch and a bounded number of notices wait in it.
#[async_trait::async_trait]
pub trait Outlet: Send + Sync + 'static {
    /// The wire format that it takes.
    fn format(&self) -> Format;

    /// Who reads.
    fn audience(&self) -> Audience;

    /// Offers whole frames; all or none of them are taken. Never blocks.
    fn offer(&self, frames: &Bytes) -> Offer;

    /// Takes a notice even while earlier frames wait. Over the bound the client is closed as too slow.
    fn push(&self, notice: Bytes);

    /// Waits until nothing waits in the outlet; false when the client is gone.
    async fn ready(&self) -> bool;

    /// A subscription ended by the hub, after its error was pushed or the last of its channel was taken.
    fn subscription_ended(&self);

    /// Ends the client after what waits has been sent.
    fn close(&self, reason: CloseReason);
}
