//! The workload: so many answers at once at a pace, each watched by one client, every other one over SSE.

use super::clock::Clock;
use super::deployment::Deployment;
use super::viewer::{Seen, Transport, Viewer};
use crate::failure::Failure;
use std::time::Duration;

/// An answer in which nothing comes for so long is given up.
const SILENCE: Duration = Duration::from_secs(15);
/// Between two questions.
const BETWEEN_ASKS: Duration = Duration::from_millis(10);
/// Rooms that are made at once.
const AT_ONCE: usize = 16;

/// Microseconds from the model to a client.
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies(Vec<u64>);

impl Latencies {
    pub(super) fn extend(&mut self, more: impl IntoIterator<Item = u64>) {
        self.0.extend(more);
    }

    /// Milliseconds that so large a part of all stayed within; none where there is nothing.
    pub(super) fn millis(&mut self, part: f64) -> Option<f64> {
        self.0.sort_unstable();
        let last = self.0.len().checked_sub(1)?;
        let at = (last as f64 * part).round() as usize;
        self.0.get(at).map(|micros| *micros as f64 / 1_000.0)
    }
}

/// What one transport's clients saw.
#[derive(Clone, Debug, Default)]
pub(super) struct OfTransport {
    pub(super) first: Latencies,
    pub(super) token: Latencies,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    pub(super) websocket: OfTransport,
    pub(super) sse: OfTransport,
    /// Tokens that reached a client.
    pub(super) deliveries: usize,
    /// CPU of the deployment's processes, in microseconds.
    pub(super) cpu_micros: u64,
    /// Answers whose end did not come.
    pub(super) unended: usize,
}

/// Runs one answer in each of `rooms` rooms, watched by one client each.
pub(super) async fn run(deployment: &Deployment, clock: Clock, rooms: usize) -> Result<Outcome, Failure> {
    let fronts = deployment.fronts();
    let made = make_rooms(deployment, &fronts, rooms).await?;
    let mut watching = Vec::with_capacity(rooms);
    for (at, room) in made.iter().enumerate() {
        let (mut viewer, transport) = connect(deployment, &fronts, room, at).await?;
        watching.push((transport, tokio::spawn(async move { viewer.watch(&clock, SILENCE).await })));
    }
    let cpu_before = deployment.cpu_micros();
    let asks = made.iter().enumerate().map(|(at, room)| {
        let front = &fronts[at % fronts.len()];
        async move {
            // One after the other, as people are: all at once would measure how long so many questions take.
            tokio::time::sleep(BETWEEN_ASKS.saturating_mul(u32::try_from(at).unwrap_or(u32::MAX))).await;
            deployment.ask(front, room, "ask").await
        }
    });
    for asked in futures::future::join_all(asks).await {
        asked?;
    }
    let mut outcome = Outcome::default();
    for (transport, watching) in watching {
        let seen = watching.await.map_err(|error| Failure::new(error.to_string()))?;
        outcome.take(transport, seen);
    }
    outcome.cpu_micros = deployment.cpu_micros().saturating_sub(cpu_before);
    Ok(outcome)
}

/// Connects the client of so many, each pair of one over WebSocket and one over SSE to the next front.
pub(super) async fn connect(
    deployment: &Deployment,
    fronts: &[String],
    room: &str,
    at: usize,
) -> Result<(Viewer, Transport), Failure> {
    let transport = if at.is_multiple_of(2) { Transport::WebSocket } else { Transport::Sse };
    let front = fronts.get(at / 2 % fronts.len().max(1)).map(String::as_str).unwrap_or_default();
    let viewer = Viewer::connect(front, room, transport, &deployment.token).await;
    let viewer = viewer.map_err(|error| Failure::new(format!("a client cannot connect: {error}")))?;
    Ok((viewer, transport))
}

/// Rooms, made by way of all fronts.
pub(super) async fn make_rooms(
    deployment: &Deployment,
    fronts: &[String],
    rooms: usize,
) -> Result<Vec<String>, Failure> {
    let mut made = Vec::with_capacity(rooms);
    while made.len() < rooms {
        let some = (made.len()..rooms).take(AT_ONCE).map(|at| deployment.room(&fronts[at % fronts.len()]));
        for room in futures::future::join_all(some).await {
            made.push(room?);
        }
    }
    Ok(made)
}

impl Outcome {
    fn take(&mut self, transport: Transport, seen: Seen) {
        let of = match transport {
            Transport::WebSocket => &mut self.websocket,
            Transport::Sse => &mut self.sse,
        };
        self.deliveries += usize::from(seen.first.is_some()) + seen.others.len();
        self.unended += usize::from(!seen.has_ended);
        of.first.extend(seen.first);
        of.token.extend(seen.others);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_taken_of_all() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.millis(0.5), None);
        latencies.extend((1..=100).rev().map(|at| at * 1_000));
        assert_eq!((latencies.millis(0.0), latencies.millis(1.0)), (Some(1.0), Some(100.0)));
        assert_eq!(latencies.millis(0.99), Some(99.0));
    }
}
