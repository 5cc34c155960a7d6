//! The lane of a client that is behind: reads the log at the client's own pace, then joins the live ones again.

use crate::hub::Hub;
use crate::outlet::{CloseReason, Offer};
use crate::subscription::{Subscription, is_last};
use antiphon_core::limits::{CATCH_UP_BYTES, CATCH_UP_EVENTS};
use antiphon_core::{LogError, Position, ReadFrom, ReadLimit, Record};
use antiphon_wire::encode;
use std::sync::Arc;
use std::time::Duration;

/// Runs until the subscription is live, over, or its client gone. Where it is not known that the log still has the cursor's
/// place, it `may_join` only once the log has said so.
pub(crate) async fn run(hub: Arc<Hub>, subscription: Arc<Subscription>, mut cursor: Position, mut may_join: bool) {
    let outlet = subscription.outlet.clone();
    while !subscription.is_over() && outlet.ready().await {
        match subscription.until {
            Some(until) if cursor.number >= until => {
                subscription.announce_caught_up(cursor);
                outlet.close(CloseReason::Done);
                return;
            }
            None if may_join && subscription.feed.join(&subscription, cursor) => return,
            _ => {}
        }
        let records = match next(&hub, &subscription, cursor).await {
            Ok(records) => records,
            Err(LogError::Unavailable { .. } | LogError::NotOwner) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
            Err(error) => return subscription.fail(error.into()),
        };
        may_join = true;
        let Some(last) = records.last().map(|record| record.position) else {
            // The log is behind what the backbone delivered; it will have it in a moment.
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let frames = encode::records(&records, outlet.format(), outlet.audience());
        if frames.is_empty() {
            cursor = last;
            continue;
        }
        match outlet.offer(&frames) {
            Offer::Written | Offer::Backlogged if is_last(&records) => {
                subscription.announce_caught_up(last);
                return subscription.finish();
            }
            Offer::Written | Offer::Backlogged => cursor = last,
            Offer::Refused => {}
            Offer::Closed => return,
        }
    }
}

async fn next(hub: &Hub, subscription: &Subscription, cursor: Position) -> Result<Vec<Record>, LogError> {
    let limit = ReadLimit { events: CATCH_UP_EVENTS, bytes: CATCH_UP_BYTES };
    let mut records = match subscription.feed.recent_after(cursor) {
        Some(records) => records,
        None => hub.log().read(&subscription.feed.channel, ReadFrom::After(cursor), limit).await?,
    };
    if let Some(until) = subscription.until {
        records.retain(|record| record.position.number <= until);
    }
    Ok(records)
}
