//! The writer of one channel: encodes what is pending once and gives the same bytes to every client that is caught up.

use crate::catch_up;
use crate::feed::{Feed, Joined, Turn};
use crate::hub::Hub;
use crate::outlet::{Offer, Outlet};
use crate::subscription;
use antiphon_core::limits::{CATCH_UP_BYTES, CATCH_UP_EVENTS, CLIENTS_PER_TURN};
use antiphon_core::{LogError, Position, Record};
use antiphon_wire::{Audience, Format, ServerMessage, encode};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One client in this many has its socket latency measured.
const MEASURE_EVERY: usize = 16;
/// How soon the log is asked again for what it did not have.
const REPAIR_AGAIN: Duration = Duration::from_millis(20);

pub(crate) async fn run(hub: Arc<Hub>, feed: Arc<Feed>) {
    let mut live: Vec<Joined> = Vec::new();
    loop {
        match feed.claim(&mut live) {
            Turn::Deliver { after, records } => deliver(&hub, &mut live, after, &records).await,
            Turn::Repair { after } => repair(&hub, &feed, &mut live, after).await,
            Turn::Presence(message) => tell(&live, &message),
            Turn::Sweep => live.retain(|joined| !joined.subscription.is_over()),
            Turn::Rest => feed.wake.notified().await,
            Turn::Stop => return,
        }
    }
}

/// The batch in each wire format that a live client takes.
struct Encoded<'a> {
    records: &'a [Record],
    formats: Vec<((Format, Audience), Bytes)>,
}

impl Encoded<'_> {
    fn for_outlet(&mut self, outlet: &dyn Outlet) -> Bytes {
        let wanted = (outlet.format(), outlet.audience());
        if let Some((_, bytes)) = self.formats.iter().find(|(format, _)| *format == wanted) {
            return bytes.clone();
        }
        let bytes = encode::records(self.records, wanted.0, wanted.1);
        self.formats.push((wanted, bytes.clone()));
        bytes
    }
}

async fn deliver(hub: &Arc<Hub>, live: &mut Vec<Joined>, after: Position, records: &[Record]) {
    let began = Instant::now();
    if let Some(logged_at) = records.first().and_then(|record| record.logged_at) {
        hub.hops().log_to_hub.record(began.saturating_duration_since(logged_at));
    }
    let Some(last) = records.last().map(|record| record.position) else { return };
    let mut encoded = Encoded { records, formats: Vec::with_capacity(2) };
    let (mut at, mut visited) = (0, 0_usize);
    while let Some(joined) = live.get(at) {
        let next = if joined.subscription.is_over() { Next::Gone } else { offer(joined, &mut encoded, after, last) };
        if visited.is_multiple_of(MEASURE_EVERY) {
            hub.hops().hub_to_socket.record(began.elapsed());
        }
        match next {
            Next::Live => at += 1,
            Next::Gone => drop(live.swap_remove(at)),
            Next::Behind(cursor) => {
                let joined = live.swap_remove(at);
                tokio::spawn(catch_up::run(hub.clone(), joined.subscription, cursor, true));
            }
        }
        visited += 1;
        if visited.is_multiple_of(CLIENTS_PER_TURN) {
            tokio::task::yield_now().await;
        }
    }
    hub.count_delivered(visited);
}

enum Next {
    Live,
    Gone,
    Behind(Position),
}

fn offer(joined: &Joined, encoded: &mut Encoded<'_>, after: Position, last: Position) -> Next {
    let outlet = joined.subscription.outlet.as_ref();
    if joined.has.number >= last.number {
        return Next::Live;
    }
    // A client that read ahead in the log gets only what it does not have yet.
    let ahead = usize::try_from(joined.has.number.saturating_sub(after.number)).unwrap_or(usize::MAX);
    let (frames, before) = match encoded.records.get(..ahead) {
        Some([.., newest]) => {
            (encode::records(&encoded.records[ahead..], outlet.format(), outlet.audience()), newest.position)
        }
        _ => (encoded.for_outlet(outlet), after),
    };
    if frames.is_empty() {
        return Next::Live;
    }
    let is_over = subscription::is_last(encoded.records);
    match outlet.offer(&frames) {
        Offer::Written | Offer::Backlogged if is_over => {
            joined.subscription.finish();
            Next::Gone
        }
        Offer::Written => Next::Live,
        Offer::Backlogged => Next::Behind(last),
        Offer::Refused => Next::Behind(before),
        Offer::Closed => Next::Gone,
    }
}

/// Closes a gap from the log, in place. Where the missing events are gone, the live clients go to their own lanes and
/// learn it there.
async fn repair(hub: &Arc<Hub>, feed: &Arc<Feed>, live: &mut Vec<Joined>, after: Position) {
    match hub.read_missing(&feed.channel, after).await {
        Ok(records) if !records.is_empty() => {
            let bytes: usize = records.iter().map(|record| record.json.len()).sum();
            if records.len() >= CATCH_UP_EVENTS || bytes >= CATCH_UP_BYTES {
                // The log has more, and it may be that no delivery says so.
                feed.look();
            }
            feed.repair(records);
        }
        // A gap that the log cannot close yet, or nothing was missing.
        Ok(_) => tokio::time::sleep(REPAIR_AGAIN).await,
        Err(LogError::Unavailable { .. } | LogError::NotOwner) => {
            feed.look();
            tokio::time::sleep(REPAIR_AGAIN).await;
        }
        Err(_) => match hub.log().bounds(&feed.channel).await {
            Ok(bounds) => {
                feed.reopen(bounds.end, live);
                for Joined { subscription, has } in live.drain(..) {
                    let cursor = if has.number > after.number { has } else { after };
                    tokio::spawn(catch_up::run(hub.clone(), subscription, cursor, false));
                }
            }
            Err(_) => {
                feed.look();
                tokio::time::sleep(REPAIR_AGAIN).await;
            }
        },
    }
}

fn tell(live: &[Joined], message: &ServerMessage) {
    for joined in live.iter().filter(|joined| !joined.subscription.is_over()) {
        joined.subscription.notify(message);
    }
}
