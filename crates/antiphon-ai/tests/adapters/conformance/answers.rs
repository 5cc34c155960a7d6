//! Answers that arrive whole, however they are sent.

use super::{Case, Mark, body, ended, said, stream, stream_with, told};
use crate::calls::{
    base_url, call, complete, fault, hasty_options, options, prompt, provider, read, truncated, whole as ask,
};
use antiphon_ai::HttpOptions;
use antiphon_ai::provider::FaultKind;
use antiphon_core::{Citation, Usage, limits};
use antiphon_testkit::upstream::{Framing, Reply, Step, Upstream};
use std::time::Duration;

const USAGE: Usage = Usage { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };

pub async fn piece_by_piece<C: Case>() -> Mark {
    let upstream = Upstream::start([said::<C>(&["Hel"]).stall()]).await.unwrap();
    let stalled = HttpOptions { idle_timeout: Duration::from_millis(200), ..options(base_url::<C>(&upstream)) };
    let heard = read(&*C::provider(stalled).unwrap(), prompt()).await;
    assert_eq!(heard.texts, ["Hel"], "a text is given before the next one comes");
    let heard = call::<C>(told::<C>(&["Hel", "lo", " “you”\n"])).await;
    assert_eq!(heard.texts, ["Hel", "lo", " “you”\n"]);
    assert_eq!(heard.reasoning, "");
    complete(&heard.end, C::STOP);
    Mark::Holds
}

/// UTF-8, line ends and JSON cut anywhere; byte by byte; in one piece; with and without chunks.
pub async fn any_cut<C: Case>() -> Mark {
    let body = body::<C>(&["é😀", "\u{1F600}\n\"b\""]);
    let mut replies = vec![
        stream::<C>().byte_by_byte(body.clone(), Duration::ZERO),
        stream_with::<C>(Framing::UntilClose).byte_by_byte(body.clone(), Duration::ZERO),
        stream::<C>().bytes(body.clone()),
    ];
    for size in [2, 3, 5, 7, 64] {
        replies.push(body.chunks(size).fold(stream::<C>(), |reply, piece| reply.bytes(piece)));
    }
    let count = replies.len();
    let upstream = Upstream::start(replies).await.unwrap();
    let provider = provider::<C>(&upstream);
    for _ in 0..count {
        let heard = read(&*provider, prompt()).await;
        assert_eq!(heard.texts, ["é😀", "\u{1F600}\n\"b\""]);
        complete(&heard.end, C::STOP);
    }
    Mark::Holds
}

pub async fn carriage_returns<C: Case>() -> Mark {
    let text = String::from_utf8(body::<C>(&["a", "b"])).unwrap().replace('\n', "\r\n");
    for reply in [stream::<C>().bytes(text.clone()), stream::<C>().byte_by_byte(text.clone(), Duration::ZERO)] {
        let heard = call::<C>(reply).await;
        assert_eq!(heard.texts, ["a", "b"]);
        complete(&heard.end, C::STOP);
    }
    Mark::Holds
}

pub async fn noise<C: Case>() -> Mark {
    let noisy = |reply: Reply| C::noise().into_iter().fold(reply, Reply::bytes);
    let reply = noisy(noisy(noisy(stream::<C>()).bytes(C::begin()).bytes(C::text("a"))).bytes(C::text("b")));
    let heard = call::<C>(ended::<C>(noisy(reply))).await;
    assert_eq!(heard.texts, ["a", "b"]);
    complete(&heard.end, C::STOP);
    Mark::Holds
}

pub async fn large_frames<C: Case>() -> Mark {
    let large = "y".repeat(limits::MAX_PROVIDER_FRAME - 1024);
    let heard = call::<C>(told::<C>(&[&large, "z"])).await;
    assert_eq!(heard.texts.concat().len(), large.len() + 1);
    complete(&heard.end, C::STOP);
    Mark::Holds
}

/// Longer in all than the idle time, but never silent for that long.
pub async fn slow_with_pings<C: Case>() -> Mark {
    let idle = Duration::from_millis(300);
    let noise = C::noise();
    let slow =
        (0..8).fold(said::<C>(&["a"]), |reply, turn| reply.sleep(idle / 6).bytes(noise[turn % noise.len()].clone()));
    let upstream = Upstream::start([ended::<C>(slow)]).await.unwrap();
    let patience = HttpOptions { idle_timeout: idle, ..options(base_url::<C>(&upstream)) };
    let heard = read(&*C::provider(patience).unwrap(), prompt()).await;
    complete(&heard.end, C::STOP);
    Mark::Holds
}

pub async fn nothing_after_the_end<C: Case>() -> Mark {
    let heard = call::<C>(told::<C>(&["a"]).bytes("junk\n\n")).await;
    assert_eq!(heard.texts, ["a"]);
    complete(&heard.end, C::STOP);
    let calls = 8;
    let upstream = Upstream::start((0..calls).map(|_| told::<C>(&["a"]))).await.unwrap();
    let provider = provider::<C>(&upstream);
    for _ in 0..calls {
        complete(&read(&*provider, prompt()).await.end, C::STOP);
    }
    // Not always: on a busy machine the body's end may come later than it is waited for.
    assert!(upstream.connections() < calls, "connections are used again after a complete answer");
    Mark::Holds
}

pub async fn whole<C: Case>() -> Mark {
    let answer = ask::<C>(Reply::json(200, &C::whole("One “two”."))).await;
    assert_eq!((answer.text.as_str(), answer.reasoning.as_str()), ("One “two”.", ""));
    complete(&answer.end, C::STOP);
    assert_eq!(answer.end.usage, Some(USAGE));
    Mark::Holds
}

pub async fn broken_whole<C: Case>() -> Mark {
    let json = vec![("content-type".to_owned(), "application/json".to_owned())];
    let headers = Step::Headers { status: 200, headers: json, framing: Framing::Length(1000) };
    let half = C::whole("One two.").to_string();
    let cut = ask::<C>(Reply::new([headers]).bytes(&half.as_bytes()[..half.len() / 2]).cut()).await;
    truncated(&cut.end);
    assert_eq!(fault(ask::<C>(Reply::error(401, "no")).await.end).kind, FaultKind::KeyRefused);
    assert_eq!(fault(ask::<C>(Reply::hang_up()).await.end).kind, FaultKind::Unreachable);
    for odd in
        [serde_json::json!({"result": "Yes."}), serde_json::json!([1]), serde_json::json!({"error": {"message": "no"}})]
    {
        let answer = ask::<C>(Reply::json(200, &odd)).await;
        assert_eq!((answer.text.as_str(), fault(answer.end).kind), ("", FaultKind::Error), "{odd}");
    }
    let huge = ask::<C>(Reply::json(200, &C::whole(&"x".repeat(limits::MAX_PROVIDER_BODY)))).await;
    assert_eq!((huge.text.as_str(), fault(huge.end).kind), ("", FaultKind::Error));
    let upstream = Upstream::start([Reply::silence()]).await.unwrap();
    let late = C::provider(hasty_options(base_url::<C>(&upstream))).unwrap().whole(prompt()).await;
    assert_eq!(fault(late.end).kind, FaultKind::Timeout);
    Mark::Holds
}

/// Some servers and proxies cannot stream, and answer with the whole object all the same.
pub async fn whole_instead_of_a_stream<C: Case>() -> Mark {
    let heard = call::<C>(Reply::json(200, &C::whole("All at once."))).await;
    assert_eq!(heard.texts.concat(), "All at once.");
    complete(&heard.end, C::STOP);
    Mark::Holds
}

pub async fn usage<C: Case>() -> Mark {
    let heard = call::<C>(told::<C>(&["a", "b", "c"])).await;
    assert_eq!(heard.end.usage, Some(USAGE));
    Mark::Holds
}

pub async fn reasoning<C: Case>() -> Mark {
    let (Some(first), Some(second)) = (C::reasoning("Well, "), C::reasoning("hm.")) else { return Mark::NotOffered };
    let reply = stream::<C>().bytes(C::begin()).bytes(first).bytes(second).bytes(C::text("Yes."));
    let heard = call::<C>(ended::<C>(reply)).await;
    assert_eq!((heard.texts.concat().as_str(), heard.reasoning.as_str()), ("Yes.", "Well, hm."));
    complete(&heard.end, C::STOP);
    Mark::Holds
}

pub async fn citations<C: Case>() -> Mark {
    let site = |url: &str, title: Option<&str>| Citation { url: url.to_owned(), title: title.map(str::to_owned) };
    let given = [
        site("https://example.org/a", Some("A")),
        site("http://example.org/b", Some("B")),
        site("https://example.org/a", Some("A")),
        site("javascript:alert(1)", Some("C")),
    ];
    let Some(frames) = C::citations(&given) else { return Mark::NotOffered };
    let heard = call::<C>(ended::<C>(said::<C>(&["a"]).bytes(frames.clone()).bytes(frames))).await;
    let addresses: Vec<&str> = heard.end.citations.iter().map(|citation| citation.url.as_str()).collect();
    assert_eq!(
        addresses,
        ["https://example.org/a", "http://example.org/b"],
        "each once, in order, none but of the web"
    );
    assert_eq!(heard.texts, ["a"]);
    let many: Vec<Citation> =
        (0..200).map(|number| site(&format!("https://example.org/{number}"), Some("T"))).collect();
    let frames = C::citations(&many).unwrap();
    let heard = call::<C>(ended::<C>(said::<C>(&["a"]).bytes(frames))).await;
    assert_eq!(heard.end.citations.len(), limits::MAX_CITATIONS);
    let long = [
        site(&format!("https://example.org/{}", "x".repeat(limits::MAX_CITATION_BYTES)), Some("T")),
        site("https://example.org/t", Some(&"é".repeat(limits::MAX_CITATION_BYTES))),
    ];
    let heard = call::<C>(ended::<C>(said::<C>(&["a"]).bytes(C::citations(&long).unwrap()))).await;
    assert_eq!(heard.end.citations.len(), 1, "a longer address is left out");
    let title = heard.end.citations[0].title.as_deref().unwrap_or_default();
    assert!(title.len() <= limits::MAX_CITATION_BYTES, "a longer title is cut");
    Mark::Holds
}
