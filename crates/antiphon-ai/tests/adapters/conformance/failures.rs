//! Calls that the provider refuses or fails, before or inside a stream.

use super::{Case, Mark, ended, said};
use crate::calls::{call, fault, hasty, prompt, provider, read};
use antiphon_ai::frames::Framing as Frames;
use antiphon_ai::provider::{CallOutcome, FaultKind};
use antiphon_core::limits;
use antiphon_testkit::upstream::{Framing, Reply, Step, Upstream};
use serde_json::json;
use std::time::{Duration, SystemTime};

pub async fn in_band<C: Case>() -> Mark {
    for (frame, kind) in C::errors() {
        let shown = String::from_utf8_lossy(&frame).into_owned();
        let heard = call::<C>(ended::<C>(said::<C>(&["a"]).bytes(frame).bytes(C::text("b")))).await;
        assert_eq!(heard.texts, ["a"], "nothing is read after it: {shown}");
        let fault = fault(heard.end);
        assert_eq!(fault.kind, kind, "{shown}");
        assert!(fault.detail.contains("boom"), "{fault:?}");
        assert!(!fault.message.contains("boom"), "a person gets our words: {fault:?}");
    }
    Mark::Holds
}

pub async fn nonsense<C: Case>() -> Mark {
    let frame = |data: &[u8]| match C::FRAMING {
        Frames::ServerSentEvents => [b"data: ", data, b"\n\n"].concat(),
        Frames::JsonLines => [data, b"\n"].concat(),
    };
    let text = C::text("lost");
    let mut not_utf8 = text.clone();
    let at = text.windows(4).position(|window| window == b"lost").unwrap();
    not_utf8[at] = 0xFF;
    for bytes in [frame(b"nonsense"), frame(b"[1]"), frame(b"{\"a\":"), frame(b"7"), not_utf8] {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let heard = call::<C>(ended::<C>(said::<C>(&["a"]).bytes(bytes))).await;
        assert_eq!(heard.texts, ["a"], "{shown}");
        assert_eq!(fault(heard.end).kind, FaultKind::Error, "{shown}");
    }
    Mark::Holds
}

pub async fn endless_frame<C: Case>() -> Mark {
    let piece = vec![b'x'; 64 * 1024];
    let begun = match C::FRAMING {
        Frames::ServerSentEvents => said::<C>(&["a"]).bytes("data: "),
        Frames::JsonLines => said::<C>(&["a"]).bytes("{\"x\":\""),
    };
    let heard = call::<C>((0..32).fold(begun, |reply, _| reply.bytes(piece.clone())).stall()).await;
    assert_eq!(heard.texts, ["a"]);
    assert!(fault(heard.end).detail.contains(&limits::MAX_PROVIDER_FRAME.to_string()), "before it is whole");
    Mark::Holds
}

pub async fn statuses<C: Case>() -> Mark {
    for (status, kind) in [
        (400, FaultKind::Refused),
        (401, FaultKind::KeyRefused),
        (402, FaultKind::Quota),
        (403, FaultKind::KeyRefused),
        (404, FaultKind::NotFound),
        (408, FaultKind::Timeout),
        (409, FaultKind::Error),
        (422, FaultKind::Refused),
        (429, FaultKind::Busy),
        (500, FaultKind::Error),
        (501, FaultKind::Refused),
        (502, FaultKind::Error),
        (503, FaultKind::Busy),
        (504, FaultKind::Timeout),
        (529, FaultKind::Busy),
    ] {
        let error = json!({"error": {"message": "because sk-very-secret"}});
        let heard = call::<C>(Reply::json(status, &error)).await;
        assert!(heard.texts.is_empty());
        let fault = fault(heard.end);
        assert_eq!(fault.kind, kind, "{status}");
        assert!(fault.detail.contains(&status.to_string()) && fault.detail.contains("because [key]"), "{fault:?}");
    }
    Mark::Holds
}

pub async fn rate_limit<C: Case>() -> Mark {
    let refused = fault(call::<C>(C::busy()).await.end);
    assert_eq!((refused.kind, refused.retry_after), (FaultKind::Busy, Some(Duration::from_secs(3))));
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(20));
    let late = Reply::json_with(503, &[("Retry-After", &date)], &json!({"error": {"message": "overloaded"}}));
    let after = fault(call::<C>(late).await.end).retry_after.unwrap();
    assert!((10..=20).contains(&after.as_secs()), "{after:?}");
    Mark::Holds
}

pub async fn unreachable<C: Case>() -> Mark {
    assert_eq!(fault(call::<C>(Reply::hang_up()).await.end).kind, FaultKind::Unreachable);
    let upstream = Upstream::start([]).await.unwrap();
    upstream.respond_with(|_| Reply::hang_up());
    let gone = provider::<C>(&upstream);
    drop(upstream);
    let end = read(&*gone, prompt()).await.end;
    assert_eq!(fault(end).kind, FaultKind::Unreachable);
    Mark::Holds
}

pub async fn silence<C: Case>() -> Mark {
    assert_eq!(fault(hasty::<C>(Reply::silence()).await.end).kind, FaultKind::Timeout);
    Mark::Holds
}

pub async fn redirect<C: Case>() -> Mark {
    let other = Upstream::start([]).await.unwrap();
    let location = format!("http://{}/elsewhere", other.address());
    let heard = call::<C>(Reply::json_with(307, &[("Location", &location)], &json!({}))).await;
    assert!(!matches!(heard.end.outcome, CallOutcome::Complete));
    assert_eq!(fault(heard.end).kind, FaultKind::Moved);
    assert_eq!(other.connections(), 0, "the key went nowhere else");
    Mark::Holds
}

pub async fn endless_body<C: Case>() -> Mark {
    let piece = vec![b'z'; 64 * 1024];
    let headers = Step::Headers { status: 500, headers: vec![], framing: Framing::Chunked };
    let endless = (0..4).fold(Reply::new([headers]), |reply, _| reply.bytes(piece.clone()));
    let fault = fault(call::<C>(endless.stall()).await.end);
    assert!(fault.detail.len() <= limits::MAX_PROVIDER_DETAIL);
    Mark::Holds
}
