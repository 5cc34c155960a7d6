//! Streams that end otherwise than by their terminal marker, and calls that are stopped.

use super::{Case, Mark, ended, said, stream, stream_with, told};
use crate::calls::{SHORT, call, complete, declined, hasty, prompt, provider, read, truncated};
use antiphon_ai::provider::{CallOutcome, Piece, Prompt};
use antiphon_testkit::upstream::{Framing, Reply, Upstream};
use futures::StreamExt;
use std::time::{Duration, Instant};

/// A connection is seen to be closed within this; it takes less than a millisecond where the machine is free.
const AT_ONCE: Duration = Duration::from_millis(500);

pub async fn reason<C: Case>() -> Mark {
    complete(&call::<C>(told::<C>(&["a"])).await.end, C::STOP);
    Mark::Holds
}

pub async fn empty_reason<C: Case>() -> Mark {
    let (Some(first), Some(second)) = (C::empty_reason("a"), C::empty_reason("b")) else { return Mark::NotOffered };
    let begun = || stream::<C>().bytes(C::begin()).bytes(first.clone()).bytes(second.clone());
    let heard = call::<C>(ended::<C>(begun())).await;
    assert_eq!(heard.texts, ["a", "b"]);
    complete(&heard.end, C::STOP);
    truncated(&call::<C>(begun()).await.end);
    Mark::Holds
}

/// Where the reason has come, the text is whole; where it has not, it may not be.
pub async fn cut_after_the_reason<C: Case>() -> Mark {
    let frames = C::end();
    let mut finished = 0;
    for count in 0..=frames.len() {
        for how in [Reply::cut, Reply::reset, |reply| reply] {
            let reply = frames[..count].iter().fold(said::<C>(&["a"]), |reply, frame| reply.bytes(frame.clone()));
            let heard = call::<C>(how(reply.sleep(Duration::from_millis(5)))).await;
            assert_eq!(heard.texts, ["a"]);
            if heard.end.finish_reason.is_some() {
                complete(&heard.end, C::STOP);
                finished += 1;
            } else {
                assert_ne!(heard.end.outcome, CallOutcome::Complete, "cut after {count} of the last frames");
            }
        }
    }
    assert!(finished >= 3, "at least all of the frames make an end");
    Mark::Holds
}

pub async fn cut<C: Case>() -> Mark {
    let begun = || said::<C>(&["a"]);
    let frame = C::text("lost");
    let half = &frame[..frame.len() / 2];
    for (what, reply) in [
        ("clean end", begun()),
        ("clean end inside a frame", begun().bytes(half)),
        ("FIN", begun().cut()),
        ("FIN inside a frame", begun().bytes(half).cut()),
        ("FIN inside a character", begun().bytes(half).bytes(b"\xF0\x9F".as_slice()).cut()),
        ("end by closing", stream_with::<C>(Framing::UntilClose).bytes(C::begin()).bytes(C::text("a"))),
        (
            "end by closing inside a frame",
            stream_with::<C>(Framing::UntilClose).bytes(C::begin()).bytes(C::text("a")).bytes(half),
        ),
    ] {
        let heard = call::<C>(reply).await;
        assert_eq!(heard.texts, ["a"], "{what}");
        truncated(&heard.end);
        assert_eq!(heard.end.finish_reason, None, "{what}");
    }
    for reply in [stream::<C>(), stream::<C>().cut(), stream::<C>().bytes(C::begin())] {
        let heard = call::<C>(reply).await;
        assert!(heard.texts.is_empty());
        truncated(&heard.end);
    }
    Mark::Holds
}

/// Wherever the bytes stop before the reason, the answer is not passed off as whole, and no text is invented.
pub async fn cut_after_each_frame<C: Case>() -> Mark {
    let body: Vec<u8> = [C::begin(), C::text("one "), C::text("two ")].concat();
    let replies = (0..body.len()).step_by(9).map(|at| stream::<C>().bytes(&body[..at]).cut());
    let upstream = Upstream::start(replies).await.unwrap();
    let provider = provider::<C>(&upstream);
    for _ in (0..body.len()).step_by(9) {
        let heard = read(&*provider, prompt()).await;
        truncated(&heard.end);
        assert!("one two ".starts_with(&heard.texts.concat()));
    }
    Mark::Holds
}

pub async fn stall<C: Case>() -> Mark {
    let heard = hasty::<C>(said::<C>(&["a"]).stall()).await;
    assert_eq!(heard.texts, ["a"]);
    assert!(truncated(&heard.end).contains("nothing came"));
    Mark::Holds
}

pub async fn stall_after_the_reason<C: Case>() -> Mark {
    let heard = hasty::<C>(told::<C>(&["a"]).stall()).await;
    assert_eq!(heard.texts, ["a"]);
    complete(&heard.end, C::STOP);
    Mark::Holds
}

pub async fn reset<C: Case>() -> Mark {
    let frame = C::text("lost");
    for reply in [said::<C>(&["a"]).sleep(SHORT), said::<C>(&["a"]).bytes(&frame[..frame.len() / 2]).sleep(SHORT)] {
        let heard = call::<C>(reply.reset()).await;
        assert_eq!(heard.texts, ["a"]);
        truncated(&heard.end);
    }
    Mark::Holds
}

/// Drops what is under way and says how long the upstream took to see it.
async fn close(upstream: &Upstream, call: impl Send) -> Duration {
    let dropped = Instant::now();
    drop(call);
    upstream.closed_at(0).await.unwrap().saturating_duration_since(dropped)
}

pub async fn cancel<C: Case>() -> Mark {
    let upstream = Upstream::start([said::<C>(&["a"]).stall()]).await.unwrap();
    let mut stream = provider::<C>(&upstream).stream(prompt());
    assert_eq!(stream.next().await, Some(Piece::Text("a".into())));
    assert!(close(&upstream, stream).await < AT_ONCE);
    let pouring =
        (0..2000).fold(said::<C>(&["a"]), |reply, _| reply.bytes(C::text("b")).sleep(Duration::from_millis(1)));
    let upstream = Upstream::start([pouring]).await.unwrap();
    let mut stream = provider::<C>(&upstream).stream(prompt());
    for _ in 0..10 {
        assert!(matches!(stream.next().await, Some(Piece::Text(_))));
    }
    assert!(close(&upstream, stream).await < AT_ONCE);
    assert!(upstream.exchanges()[0].replied_at.is_none(), "while text pours in unread");
    Mark::Holds
}

pub async fn cancel_before_the_headers<C: Case>() -> Mark {
    let upstream = Upstream::start([Reply::silence()]).await.unwrap();
    let mut stream = provider::<C>(&upstream).stream(prompt());
    let (waited, _) = tokio::join!(tokio::time::timeout(SHORT, stream.next()), upstream.request(0));
    assert!(waited.is_err());
    assert!(close(&upstream, stream).await < AT_ONCE);
    let upstream = Upstream::start([]).await.unwrap();
    drop(provider::<C>(&upstream).stream(prompt()));
    assert_eq!(upstream.connections(), 0, "a call that is never read asks nobody");
    Mark::Holds
}

pub async fn cancel_whole<C: Case>() -> Mark {
    let upstream = Upstream::start([Reply::silence()]).await.unwrap();
    let provider = provider::<C>(&upstream);
    assert!(tokio::time::timeout(SHORT * 4, provider.whole(prompt())).await.is_err());
    upstream.closed_at(0).await.unwrap();
    Mark::Holds
}

pub async fn refusals<C: Case>() -> Mark {
    let refusals = C::refusals();
    if refusals.is_empty() {
        return Mark::NotOffered;
    }
    for frames in refusals {
        let heard = call::<C>(stream::<C>().bytes(C::begin()).bytes(frames)).await;
        let message = declined(&heard.end);
        assert!(message.ends_with('.') && !message.contains("127.0.0.1"), "{message}");
    }
    Mark::Holds
}

/// The text so far goes out with the request, where the provider goes on in it.
pub async fn continuation<C: Case>() -> Mark {
    let upstream = Upstream::start([told::<C>(&["more"])]).await.unwrap();
    let provider = provider::<C>(&upstream);
    let Some(continuation) = C::continuation() else {
        assert!(!provider.can_continue("m-1"));
        return Mark::NotOffered;
    };
    assert!(provider.can_continue(continuation.model));
    let continued = Prompt { model: continuation.model.into(), partial: Some("So far".into()), ..prompt() };
    let heard = read(&*provider, continued).await;
    assert_eq!(heard.texts, ["more"]);
    complete(&heard.end, C::STOP);
    let request = upstream.request(0).await.unwrap();
    assert_eq!((continuation.partial)(&request.body).as_deref(), Some("So far"));
    Mark::Holds
}
