//! What every backbone must do: hand the records of followed channels to the receiver.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

use antiphon_core::{Backbone, ChannelName, Delivery, EventKind, Position, Record};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a delivery may take on a backbone that goes through another process.
const DELIVERY: Duration = Duration::from_secs(10);

/// Runs the whole suite against a backbone; `make` gives one that nobody has attached to.
pub async fn run_all<Make>(make: Make)
where
    Make: Fn() -> Arc<dyn Backbone>,
{
    only_followed_channels_are_delivered(make()).await;
    order_is_kept(make()).await;
    a_receiver_may_follow_and_unfollow(make()).await;
    let unattached = make();
    unattached.follow(&channel("a"));
    unattached.deliver(&[record("a", 1)]);
}

fn channel(id: &str) -> ChannelName {
    ChannelName::new("jobs", id).expect("a channel's name")
}

fn record(id: &str, number: u64) -> Record {
    let channel = channel(id);
    let position = Position { epoch: 1, address: number, number, ..Position::before_first(&channel, 1) };
    let json = Bytes::from_static(b"{\"type\":\"test\"}");
    Record { channel, position, kind: EventKind::Plain, json, provider_at: None, logged_at: None }
}

type Delivered = Arc<Mutex<Vec<(String, u64)>>>;

fn attach(backbone: &dyn Backbone) -> Delivered {
    let delivered = Delivered::default();
    let sink = delivered.clone();
    backbone.attach(Arc::new(move |delivery: Delivery<'_>| {
        let Delivery::Records(records) = delivery else { return };
        assert!(!records.is_empty(), "a delivery of nothing");
        let one = |record: &Record| (record.channel.id().to_owned(), record.position.number);
        sink.lock().extend(records.iter().map(one));
    }));
    delivered
}

async fn expect(delivered: &Delivered, expected: &[(&str, u64)]) {
    let expected: Vec<(String, u64)> = expected.iter().map(|(id, number)| ((*id).to_owned(), *number)).collect();
    let since = Instant::now();
    while delivered.lock().len() < expected.len() && since.elapsed() < DELIVERY {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(*delivered.lock(), expected);
}

async fn only_followed_channels_are_delivered(backbone: Arc<dyn Backbone>) {
    let delivered = attach(&*backbone);
    backbone.deliver(&[record("a", 1)]);
    backbone.follow(&channel("a"));
    backbone.follow(&channel("c"));
    backbone.deliver(&[record("b", 1), record("a", 2), record("b", 2), record("a", 3), record("c", 1), record("b", 3)]);
    expect(&delivered, &[("a", 2), ("a", 3), ("c", 1)]).await;
    backbone.unfollow(&channel("a"));
    backbone.unfollow(&channel("never-followed"));
    backbone.deliver(&[record("a", 4), record("c", 2)]);
    expect(&delivered, &[("a", 2), ("a", 3), ("c", 1), ("c", 2)]).await;
    backbone.follow(&channel("a"));
    backbone.follow(&channel("a"));
    backbone.deliver(&[record("a", 5)]);
    expect(&delivered, &[("a", 2), ("a", 3), ("c", 1), ("c", 2), ("a", 5)]).await;
    backbone.deliver(&[]);
}

async fn order_is_kept(backbone: Arc<dyn Backbone>) {
    let delivered = attach(&*backbone);
    backbone.follow(&channel("a"));
    let mut expected = Vec::new();
    for first in (1..=1_000).step_by(4) {
        let records: Vec<Record> =
            (first..first + 4).flat_map(|number| [record("a", number), record("b", number)]).collect();
        backbone.deliver(&records);
        expected.extend((first..first + 4).map(|number| ("a", number)));
    }
    expect(&delivered, &expected).await;
}

async fn a_receiver_may_follow_and_unfollow(backbone: Arc<dyn Backbone>) {
    let delivered = Delivered::default();
    let (sink, own) = (delivered.clone(), Arc::downgrade(&backbone));
    backbone.attach(Arc::new(move |delivery: Delivery<'_>| {
        let Delivery::Records(records) = delivery else { return };
        for record in records {
            sink.lock().push((record.channel.id().to_owned(), record.position.number));
            if let (Some(backbone), "a") = (own.upgrade(), record.channel.id()) {
                backbone.follow(&channel("b"));
                backbone.unfollow(&channel("a"));
            }
        }
    }));
    backbone.follow(&channel("a"));
    backbone.deliver(&[record("a", 1)]);
    expect(&delivered, &[("a", 1)]).await;
    backbone.deliver(&[record("a", 2), record("b", 1)]);
    expect(&delivered, &[("a", 1), ("b", 1)]).await;
}
