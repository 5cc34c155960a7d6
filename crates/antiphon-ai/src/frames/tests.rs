//! Frames come out the same however the bytes are cut, and never take more than their bound.

use super::*;
use bytes::Bytes;
use proptest::prelude::*;

type Owned = (String, String);

/// Feeds the pieces; gives all frames, and whether the bound was hit.
fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limit: usize) -> (Vec<Owned>, bool) {
    let mut decoder = SseDecoder::with_limit(limit);
    let mut frames = Vec::new();
    let own = |frame: Frame<'_>| {
        assert!(!frame.data.is_empty() && frame.data.len() <= limit);
        (String::from_utf8_lossy(frame.event).into_owned(), String::from_utf8_lossy(frame.data).into_owned())
    };
    for piece in pieces {
        decoder.feed(Bytes::copy_from_slice(piece));
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(own(frame)),
                Ok(None) => break,
                Err(_) => return (frames, true),
            }
        }
    }
    match decoder.finish() {
        Ok(frame) => frames.extend(frame.map(own)),
        Err(_) => return (frames, true),
    }
    (frames, false)
}

fn whole(text: &str) -> Vec<Owned> {
    decode([text.as_bytes()], 1 << 16).0
}

fn data(frames: &[Owned]) -> Vec<&str> {
    frames.iter().map(|(_, data)| data.as_str()).collect()
}

#[test]
fn fields_follow_the_standard() {
    assert_eq!(data(&whole("data: a\n\ndata:b\n\ndata:  c\n\n")), ["a", "b", " c"]);
    assert_eq!(data(&whole("data: a\ndata: b\n\n")), ["a\nb"]);
    assert_eq!(data(&whole("data\ndata: b\n\n")), ["\nb"]);
    assert_eq!(data(&whole(": comment\n\n:\n\nid: 1\nretry: 5\ndata: a\n\n")), ["a"]);
    assert_eq!(data(&whole("dataset: x\nDATA: y\n\n")), [""; 0]);
    assert_eq!(whole("event: error\ndata: x\n\ndata: y\n\n"), [("error".into(), "x".into()), ("".into(), "y".into())]);
    assert_eq!(whole("event: ping\n\ndata: y\n\n"), [("".into(), "y".into())], "an event without data is dropped");
    assert_eq!(data(&whole("data:\n\ndata: a\n\n")), ["a"], "empty data says nothing");
}

#[test]
fn every_line_end_counts() {
    for end in ["\n", "\r", "\r\n"] {
        let text = format!("data: a{end}data: b{end}{end}data: c{end}{end}");
        assert_eq!(data(&whole(&text)), ["a\nb", "c"], "{end:?}");
    }
}

#[test]
fn a_byte_order_mark_is_skipped_once() {
    assert_eq!(data(&whole("\u{feff}data: a\n\n")), ["a"]);
    assert_eq!(data(&whole("data: a\n\n\u{feff}data: b\n\n")), ["a"]);
}

#[test]
fn the_last_blank_line_may_be_missing() {
    for end in ["", "\n", "\r", "\r\n"] {
        assert_eq!(data(&whole(&format!("data: a\n\ndata: [DONE]{end}"))), ["a", "[DONE]"], "{end:?}");
    }
}

#[test]
fn any_two_cuts_give_the_same_frames() {
    let text = "\u{feff}data: é😀\r\n\r\n: c\r\nevent: e\rdata: 1\ndata: 2\r\n\r\ndata: [DONE]";
    let bytes = text.as_bytes();
    let expected = whole(text);
    assert_eq!(data(&expected), ["é😀", "1\n2", "[DONE]"]);
    for first in 0..=bytes.len() {
        for second in first..=bytes.len() {
            let pieces = [&bytes[..first], &bytes[first..second], &bytes[second..]];
            assert_eq!(decode(pieces, 1 << 16).0, expected, "cut at {first} and {second}");
        }
    }
}

#[test]
fn a_frame_past_the_bound_is_an_error_however_it_is_made() {
    let line = format!("data: {}", "x".repeat(100));
    assert!(decode([line.as_bytes()], 100).1, "one line");
    assert!(decode(line.as_bytes().chunks(1), 100).1, "one line, byte by byte");
    let many = "data: 123456789\n".repeat(11);
    assert!(decode([many.as_bytes()], 100).1, "many lines");
    let fits = format!("data: {}\n\n", "x".repeat(94)).repeat(3);
    assert_eq!(decode(fits.as_bytes().chunks(7), 100).0.len(), 3);
    let comments = ": keep-alive\n\n".repeat(1000);
    assert!(!decode([comments.as_bytes()], 100).1, "comments do not add up");
}

/// Bytes that are likely to matter to the decoder.
fn stream_bytes() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        3 => Just(b"data:".to_vec()), 1 => Just(b"data".to_vec()), 1 => Just(b"event: e".to_vec()),
        3 => Just(b"\n".to_vec()), 2 => Just(b"\r".to_vec()), 2 => Just(b"\r\n".to_vec()), 2 => Just(b"\n\n".to_vec()),
        1 => Just(b" ".to_vec()), 1 => Just(b":".to_vec()), 1 => Just("é😀".as_bytes().to_vec()),
        1 => Just(b"\xEF\xBB\xBF".to_vec()), 2 => prop::collection::vec(any::<u8>(), 0..12),
    ];
    prop::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    /// proptest prints its seed and the shrunk input on failure.
    #[test]
    fn any_cut_of_any_bytes_gives_the_same_frames(
        bytes in stream_bytes(),
        cuts in prop::collection::vec(0usize..600, 0..20),
        limit in prop_oneof![Just(16usize), Just(64), Just(4096)],
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        prop_assert_eq!(decode(pieces, limit), decode([&bytes[..]], limit));
        prop_assert_eq!(decode(bytes.chunks(1), limit), decode([&bytes[..]], limit));
    }
}
