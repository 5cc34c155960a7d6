//! Damaged streams: whatever arrives, no reader panics, holds more than its bounds, or says what depends on how the
//! bytes were cut.
//!
//! A second for each reader, or as many as `ANTIPHON_FUZZ_SECONDS` says; `ANTIPHON_FUZZ_SEED` begins at a failed round.

use super::dialect::{Answer, Dialect};
use crate::frames::{FrameDecoder, Framing, LineDecoder, SseDecoder};
use crate::provider::{CallEnd, Piece, Prompt};
use antiphon_core::limits;
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Bytes that mean something to a frame decoder or to JSON.
const TOKENS: [&[u8]; 28] = [
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"data:",
    b"data: ",
    b"event: error\n",
    b"event: x",
    b":",
    b"\xEF\xBB\xBF",
    b"[DONE]",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\xF0\x9F",
    b"\xFF",
    b"null",
    b"true",
    b"-1",
    b"1e999",
    b"99999999999999999999",
    b",",
    b"\0",
];

/// Runs rounds, each from a seed of its own, until the time is over.
fn rounds(mut round: impl FnMut(&mut StdRng)) {
    let variable = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let time = Duration::from_secs(variable("ANTIPHON_FUZZ_SECONDS").unwrap_or(1));
    let first = variable("ANTIPHON_FUZZ_SEED").unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let begun = Instant::now();
    let mut count = 0;
    for seed in first.. {
        let _shown = Shown(seed);
        round(&mut StdRng::seed_from_u64(seed));
        count += 1;
        if begun.elapsed() > time {
            break;
        }
    }
    println!("{count} rounds in {:?}", begun.elapsed());
}

/// Says how to come back to a round that failed.
struct Shown(u64);

impl Drop for Shown {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("ANTIPHON_FUZZ_SEED={}", self.0);
        }
    }
}

/// One or more damages to one of these streams.
fn damaged(random: &mut StdRng, streams: &[&[u8]]) -> Vec<u8> {
    let mut bytes = streams.choose(random).map_or_else(Vec::new, |stream| stream.to_vec());
    for _ in 0..random.random_range(0..6) {
        let at = random.random_range(0..=bytes.len());
        let end = (at + random.random_range(0..40)).min(bytes.len());
        match random.random_range(0..8) {
            0 => drop(bytes.splice(at..at, TOKENS.choose(random).into_iter().flat_map(|token| token.iter().copied()))),
            1 => drop(bytes.splice(at..end, TOKENS.choose(random).into_iter().flat_map(|token| token.iter().copied()))),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let again = bytes[at..end].repeat(random.random_range(1..20));
                bytes.splice(at..at, again);
            }
            4 => bytes[at..end].iter_mut().for_each(|byte| *byte = random.random()),
            5 => bytes.truncate(at),
            6 => {
                let other = streams.choose(random).copied().unwrap_or_default();
                let from = random.random_range(0..=other.len());
                bytes.splice(at.., other[from..].iter().copied());
            }
            _ => bytes = with_another_value(random, &bytes),
        }
    }
    bytes
}

/// The stream with a value somewhere in the JSON of one of its lines replaced by one of another shape.
fn with_another_value(random: &mut StdRng, bytes: &[u8]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let count = lines.len();
    if count == 0 {
        return Vec::new();
    }
    let line = &mut lines[random.random_range(0..count)];
    let Some(start) = line.iter().position(|byte| *byte == b'{') else { return bytes.to_vec() };
    let Ok(mut value) = serde_json::from_slice::<Value>(&line[start..]) else { return bytes.to_vec() };
    replace(random, &mut value);
    line.truncate(start);
    line.extend_from_slice(format!("{value}\n").as_bytes());
    lines.concat()
}

/// Goes down into the value at random and replaces what is there.
fn replace(random: &mut StdRng, value: &mut Value) {
    let below: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        _ => Vec::new(),
    };
    let count = below.len();
    if count > 0 && random.random_ratio(4, 5) {
        let index = random.random_range(0..count);
        if let Some(below) = below.into_iter().nth(index) {
            return replace(random, below);
        }
    }
    let deep = (0..random.random_range(1..200)).fold(json!(null), |inner, _| json!([inner]));
    let odd = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(""),
        json!("error"),
        json!("refusal"),
        json!("SAFETY"),
        json!("é😀\u{0}"),
        json!("<think>"),
        json!("https://example.org/"),
        json!([]),
        json!({}),
        json!([null]),
        json!({"text": 1}),
        json!([{"text": "a"}, 7]),
        deep,
        json!("x".repeat(5000)),
    ];
    *value = odd.choose(random).cloned().unwrap_or_default();
}

/// Where to cut the bytes: nowhere, everywhere, or at random.
fn pieces<'a>(random: &mut StdRng, bytes: &'a [u8]) -> Vec<&'a [u8]> {
    let most = if random.random_ratio(1, 4) { 1 } else { random.random_range(1..200) };
    let mut rest = bytes;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(random.random_range(1..=most.min(rest.len())));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

fn decoder(framing: Framing, limit: usize) -> FrameDecoder {
    match framing {
        Framing::ServerSentEvents => FrameDecoder::ServerSentEvents(SseDecoder::with_limit(limit)),
        Framing::JsonLines => FrameDecoder::JsonLines(LineDecoder::with_limit(limit)),
    }
}

/// Reads frames until the end or the first that `take` wants no more after; false where one was too long.
fn frames(
    framing: Framing,
    limit: usize,
    pieces: &[&[u8]],
    mut take: impl FnMut(crate::frames::Frame<'_>) -> bool,
) -> bool {
    let mut decoder = decoder(framing, limit);
    for piece in pieces {
        decoder.feed(Bytes::copy_from_slice(piece));
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => {
                    assert!(!frame.data.is_empty() && frame.data.len() <= limit);
                    if !take(frame) {
                        return true;
                    }
                }
                Ok(None) => break,
                Err(_) => return false,
            }
        }
        assert!(decoder.held() <= 3 * limit, "{} bytes are held at a limit of {limit}", decoder.held());
    }
    match decoder.finish() {
        Ok(Some(frame)) => {
            take(frame);
            true
        }
        Ok(None) => true,
        Err(_) => false,
    }
}

/// What an adapter makes of a stream: what is spoken, what was thought, and the end.
fn answered<D: Dialect>(prompt: &Prompt, limit: usize, pieces: &[&[u8]]) -> (String, String, Option<CallEnd>) {
    let (mut text, mut reasoning) = (String::new(), String::new());
    let mut answer = D::answer(prompt);
    let mut fault = None;
    let mut is_terminal = false;
    let fits = frames(D::FRAMING, limit, pieces, |frame| {
        let mut said = VecDeque::new();
        let taken = answer.take_frame(frame, &mut said);
        for piece in said {
            match piece {
                Piece::Text(piece) => {
                    assert!(!piece.is_empty());
                    text.push_str(&piece);
                }
                Piece::Reasoning(piece) => {
                    assert!(!piece.is_empty());
                    reasoning.push_str(&piece);
                }
                Piece::Waiting { .. } | Piece::End(_) => panic!("not an adapter's to say: {piece:?}"),
            }
        }
        match taken {
            Ok(terminal) => is_terminal = terminal,
            Err(error) => fault = Some(CallEnd::failed(error)),
        }
        fault.is_none() && !is_terminal
    });
    let end = match fault {
        Some(end) => Some(end),
        None if !fits => None,
        None if is_terminal => Some(answer.complete()),
        None => Some(answer.stopped("over".to_owned())),
    };
    (text, reasoning, end)
}

fn check_adapter<D: Dialect>(streams: &[&[u8]]) {
    let prompt = Prompt { partial: Some("So far \n".into()), ..Prompt::default() };
    for stream in streams {
        let (_, _, end) = answered::<D>(&prompt, limits::MAX_PROVIDER_FRAME, &[stream]);
        assert_eq!(end.map(|end| end.outcome), Some(crate::provider::CallOutcome::Complete), "undamaged it is whole");
    }
    rounds(|random| {
        let bytes = damaged(random, streams);
        let limit = *[64, 512, 4096, limits::MAX_PROVIDER_FRAME].choose(random).unwrap();
        let at_once = answered::<D>(&prompt, limit, &[&bytes]);
        let cut = answered::<D>(&prompt, limit, &pieces(random, &bytes));
        assert_eq!(at_once, cut, "a cut makes no difference");
        let (text, reasoning, end) = at_once;
        assert!(text.len() + reasoning.len() <= bytes.len(), "nothing is said that did not come");
        assert!(end.is_none_or(|end| end.citations.len() <= limits::MAX_CITATIONS));
        for json in bytes.split(|byte| *byte == b'\n') {
            let json = json.strip_prefix(b"data: ").unwrap_or(json);
            let mut said = VecDeque::new();
            let mut answer = D::answer(&prompt);
            if answer.take_whole(json, &mut said).is_ok() {
                answer.complete();
            }
        }
    });
}

fn check_decoder(framing: Framing, streams: &[&[u8]]) {
    rounds(|random| {
        let bytes = damaged(random, streams);
        let limit = random.random_range(1..300);
        let read = |pieces: &[&[u8]]| {
            let mut found = Vec::new();
            let fits = frames(framing, limit, pieces, |frame| {
                found.push((frame.event.to_vec(), frame.data.to_vec()));
                true
            });
            (fits, found)
        };
        assert_eq!(read(&[&bytes]), read(&pieces(random, &bytes)));
    });
}

macro_rules! survives {
    ($($test:ident $dialect:ty: $($stream:literal)+;)*) => {$(
        #[test]
        fn $test() {
            check_adapter::<$dialect>(&[$(include_bytes!(concat!("../../tests/adapters/", $stream))),+]);
        }
    )*};
}

survives! {
    openai crate::openai::ChatCompletions: "openai/stream.txt" "openai/compatible.txt";
    anthropic crate::anthropic::Messages: "anthropic/basic.txt" "anthropic/thinking.txt" "anthropic/web_search.txt";
    gemini crate::gemini::GenerateContent: "gemini/stream.txt";
    ollama crate::ollama::OllamaChat: "ollama/stream.txt";
    perplexity crate::perplexity::Sonar: "perplexity/stream.txt";
}

#[test]
fn server_sent_events() {
    let seeds: [&[u8]; 2] = [b": c\n\ndata: a\ndata: b\n\nevent: e\ndata: c\n\n", b"data: [DONE]\r\n\r\n"];
    check_decoder(Framing::ServerSentEvents, &seeds);
}

#[test]
fn json_lines() {
    check_decoder(Framing::JsonLines, &[b"{\"a\": 1}\n\n  \n[2]\r\n{\"b\": \"\\n\"}"]);
}
