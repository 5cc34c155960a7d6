//! Stop stops: a dropped call closes its connection, whatever it was doing.

use super::*;
use std::time::Instant;

/// Drops the stream and says how long the upstream took to see it.
async fn close(upstream: &Upstream, index: usize, stream: impl Send) -> Duration {
    let dropped = Instant::now();
    drop(stream);
    upstream.closed_at(index).await.unwrap().saturating_duration_since(dropped)
}

#[tokio::test]
async fn a_dropped_stream_closes_its_connection_at_once() {
    let mut times = Vec::new();
    for _ in 0..20 {
        let upstream = Upstream::start([Reply::stream().token("a").stall()]).await.unwrap();
        let mut stream = provider(&upstream).stream(prompt());
        assert_eq!(stream.next().await, Some(Piece::Text("a".into())));
        times.push(close(&upstream, 0, stream).await);
    }
    times.sort();
    // The median, so that a busy machine does not fail it: it takes tens of microseconds.
    assert!(times[times.len() / 2] < Duration::from_millis(20), "{times:?}");
}

#[tokio::test]
async fn also_while_it_waits_for_the_headers() {
    let upstream = Upstream::start([Reply::silence()]).await.unwrap();
    let mut stream = provider(&upstream).stream(prompt());
    let (waited, _) = tokio::join!(tokio::time::timeout(SHORT, stream.next()), upstream.request(0));
    assert!(waited.is_err());
    assert!(close(&upstream, 0, stream).await < Duration::from_millis(200));
}

#[tokio::test]
async fn also_while_text_pours_in_unread() {
    let upstream = Upstream::start([Reply::openai_paced(1_000_000, 20_000.0)]).await.unwrap();
    let mut stream = provider(&upstream).stream(prompt());
    for _ in 0..50 {
        assert!(matches!(stream.next().await, Some(Piece::Text(_))));
    }
    assert!(close(&upstream, 0, stream).await < Duration::from_millis(200));
    assert!(upstream.exchanges()[0].replied_at.is_none());
}

#[tokio::test]
async fn also_for_a_whole_answer() {
    let upstream = Upstream::start([Reply::silence()]).await.unwrap();
    let provider = provider(&upstream);
    let whole = provider.whole(prompt());
    assert!(tokio::time::timeout(SHORT, whole).await.is_err());
    upstream.closed_at(0).await.unwrap();
}

#[tokio::test]
async fn a_call_that_is_never_read_asks_nobody() {
    let upstream = Upstream::start([]).await.unwrap();
    drop(provider(&upstream).stream(prompt()));
    assert_eq!(upstream.connections(), 0);
}
