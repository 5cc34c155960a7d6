//! What a person sees is the answer, once, in order, whatever happens on the way.

use super::*;
use serde_json::{Value, json};

fn frame(value: Value) -> Frame {
    serde_json::from_value(value).unwrap()
}

fn chunk(position: u32, attempt: u32, index: u64, count: u64, text: &str) -> Frame {
    frame(json!({"type": "ar-stream-chunk", "streamId": "s", "messageId": "m", "attempt": attempt, "chunk": text,
        "text": text, "markers": [], "chunkIndex": index, "chunkCount": count, "isFinal": false,
        "position": format!("p{position:04}"), "roomId": "r", "timestamp": "t", "newField": 1}))
}

fn event(position: u32, kind: &str, fields: Value) -> Frame {
    let mut value = fields;
    value["type"] = kind.into();
    value["position"] = format!("p{position:04}").into();
    frame(value)
}

fn start(position: u32) -> Frame {
    event(position, "ar-stream-start", json!({"streamId": "s", "messageId": "m", "agentId": "a", "userId": "u"}))
}

fn end(position: u32, outcome: &str, total: u64) -> Frame {
    event(
        position,
        "ar-stream-end",
        json!({"streamId": "s", "messageId": "m", "outcome": outcome, "totalChunks": total}),
    )
}

fn ends(outcome: &str) -> Shown {
    Shown::AnswerEnds { outcome: outcome.to_owned(), reason: None }
}

fn spoken(text: &str) -> Shown {
    Shown::Spoken(text.to_owned())
}

fn cue(value: &str, is_known: bool) -> Shown {
    Shown::Cue { value: value.to_owned(), is_known }
}

fn page(position: u32, status: &str, text: &str) -> MessagePage {
    let message = json!({"id": "m", "arRoomId": "r", "senderId": "a", "role": "assistant", "content": text, "text": text,
        "markers": [], "status": status, "streamId": "s", "createdAt": "t"});
    serde_json::from_value(json!({"messages": [message], "position": format!("p{position:04}")})).unwrap()
}

fn text(shown: &[Shown]) -> String {
    shown.iter().filter_map(|one| if let Shown::Spoken(text) = one { Some(text.as_str()) } else { None }).collect()
}

#[test]
fn cues_stand_at_their_place_in_utf16_units() {
    let mut fold = Fold::default();
    fold.apply(start(1));
    fold.apply(chunk(2, 1, 0, 1, "a😀"));
    let piece = json!({"streamId": "s", "attempt": 1, "text": "ü!", "chunkIndex": 1, "chunkCount": 1,
        "markers": [{"kind": "emotion", "value": "happy", "offset": 4}, {"kind": "gesture", "value": "wave", "offset": 5}],
        "unknownMarkers": [{"kind": "emotion", "value": "odd", "offset": 3}]});
    let shown = fold.apply(event(3, "ar-stream-chunk", piece));
    let expected = [cue("odd", false), spoken("ü"), cue("happy", true), spoken("!"), cue("wave", true)];
    assert_eq!(shown, expected);
    assert_eq!(fold.running(), Some(("s", Some(1), 5)));
}

#[test]
fn duplicates_and_merged_chunks_come_out_once() {
    let mut fold = Fold::default();
    let mut shown = fold.apply(start(1));
    for piece in [
        chunk(2, 1, 0, 1, "a"),
        chunk(2, 1, 0, 1, "a"),
        chunk(5, 1, 1, 3, "bcd"),
        chunk(4, 1, 3, 1, "d"),
        // The same chunks under a later position, as from a log that was written again.
        chunk(6, 1, 2, 2, "cd"),
        chunk(7, 1, 4, 1, "e"),
    ] {
        shown.extend(fold.apply(piece));
    }
    shown.extend(fold.apply(end(8, "completed", 5)));
    shown.extend(fold.apply(end(9, "completed", 5)));
    assert_eq!(text(&shown), "abcde");
    assert_eq!(shown.iter().filter(|one| matches!(one, Shown::AnswerEnds { .. })).count(), 1);
    assert_eq!(fold.position(), Some("p0009"));
    assert!(fold.has_ended("s"));
    assert!(fold.running().is_none());
}

#[test]
fn a_reset_drops_the_text_and_an_attempt_keeps_it() {
    let mut fold = Fold::default();
    fold.apply(start(1));
    fold.apply(chunk(2, 1, 0, 1, "old"));
    let shown = fold.apply(event(3, "ar-stream-reset", json!({"streamId": "s", "attempt": 2, "reason": "it stalled"})));
    assert_eq!(shown, [Shown::StartsAgain("it stalled".to_owned())]);
    assert_eq!(fold.apply(chunk(4, 1, 1, 1, "late piece of the first")), []);
    assert_eq!(fold.apply(chunk(5, 2, 0, 1, "new")), [spoken("new")]);
    assert_eq!(fold.running(), Some(("s", Some(2), 3)));
    fold.apply(event(
        6,
        "ar-stream-attempt",
        json!({"streamId": "s", "attempt": 3, "reason": "cut", "policy": "continue"}),
    ));
    assert_eq!(fold.apply(chunk(7, 3, 1, 1, "er")), [spoken("er")]);
    assert_eq!(fold.running(), Some(("s", Some(3), 5)));
}

#[test]
fn a_hole_is_mended_from_the_messages() {
    let mut fold = Fold::default();
    fold.apply(start(1));
    fold.apply(chunk(2, 1, 0, 1, "one "));
    assert_eq!(fold.apply(chunk(4, 1, 2, 1, "three ")), [Shown::Incomplete]);
    assert_eq!(fold.reread(page(4, "streaming", "one two three ")), [spoken("two three ")]);
    assert_eq!(fold.position(), Some("p0004"));
    // Its count is not known any more; it goes on with whatever follows.
    assert_eq!(fold.apply(chunk(5, 1, 3, 1, "four")), [spoken("four")]);
    assert_eq!(fold.apply(chunk(7, 1, 5, 1, "six")), [Shown::Incomplete]);
}

#[test]
fn an_end_that_counts_more_than_came_is_a_hole() {
    let mut fold = Fold::default();
    fold.apply(start(1));
    fold.apply(chunk(2, 1, 0, 1, "one "));
    assert_eq!(fold.apply(end(4, "completed", 2)), [Shown::Incomplete]);
    assert_eq!(fold.reread(page(4, "completed", "one two")), [spoken("two"), ends("completed")]);
    assert_eq!(fold.reread(page(4, "completed", "one two")), []);
}

#[test]
fn what_was_missed_altogether_is_shown_from_the_messages_once() {
    let mut fold = Fold::default();
    fold.apply(start(1));
    fold.apply(chunk(2, 1, 0, 1, "the first attempt"));
    let shown = fold.reread(page(9, "completed", "the second"));
    let again = Shown::StartsAgain("it changed while this was away".to_owned());
    assert_eq!(shown, [again, spoken("the second"), ends("completed")]);
    let mut other = Fold::default();
    assert_eq!(other.reread(page(9, "completed", "x")), [Shown::AnswerBegins, spoken("x"), ends("completed")]);
    assert_eq!(other.apply(chunk(8, 1, 0, 1, "x")), []);
    assert_eq!(other.apply(chunk(10, 1, 0, 1, "x")), []);
}

#[test]
fn an_answer_that_was_reset_while_away_starts_again() {
    let mut fold = Fold::default();
    fold.apply(start(1));
    fold.apply(chunk(2, 1, 0, 1, "gone"));
    assert_eq!(
        fold.reread(page(5, "streaming", "")),
        [Shown::StartsAgain("it changed while this was away".to_owned())]
    );
    assert_eq!(fold.apply(chunk(6, 2, 0, 1, "here")), [spoken("here")]);
}

#[test]
fn an_interrupted_answer_that_was_shown_further_than_heard_is_not_shown_again() {
    let mut fold = Fold::default();
    fold.apply(start(1));
    fold.apply(chunk(2, 1, 0, 1, "all of this"));
    assert_eq!(fold.reread(page(5, "interrupted", "all of")), [ends("interrupted")]);
}

#[test]
fn an_interrupt_comes_before_the_end_or_after_it() {
    let mut fold = Fold::default();
    let interrupt = |position| {
        event(position, "ar-stream-interrupt", json!({"streamId": "s", "attempt": 1, "heard": {"offset": 1}}))
    };
    fold.apply(start(1));
    fold.apply(chunk(2, 1, 0, 1, "ab"));
    assert_eq!(fold.apply(interrupt(3)), []);
    assert_eq!(fold.apply(end(4, "interrupted", 1)), [ends("interrupted")]);
    assert_eq!(fold.apply(chunk(5, 1, 1, 1, "late")), []);
    assert_eq!(fold.apply(interrupt(6)).len(), 1);
}

#[test]
fn queue_places_are_told_as_they_change() {
    let mut fold = Fold::default();
    let queued = |position, stream: &str, queued: usize| {
        event(position, "stream-queued", json!({"streamId": stream, "queued": queued}))
    };
    let notice = |text: &str| vec![Shown::Notice(text.to_owned())];
    assert_eq!(fold.apply(queued(1, "s", 0)), []);
    fold.apply(start(2));
    assert_eq!(fold.apply(queued(3, "t", 1)), notice("1 ahead"));
    assert_eq!(fold.apply(queued(4, "v", 2)), notice("2 ahead"));
    assert_eq!(fold.queued(), ["t", "v"]);
    let withdrawn = event(5, "ar-stream-end", json!({"streamId": "t", "outcome": "cancelled", "totalChunks": 0}));
    assert_eq!(fold.apply(withdrawn), notice("withdrawn from the queue"));
    assert_eq!(fold.apply(queued(6, "v", 1)), notice("1 ahead"));
    assert_eq!(fold.queued(), ["v"]);
}

#[test]
fn own_messages_are_not_shown_again_and_others_are() {
    let mut fold = Fold::default();
    fold.expect_own("c1");
    let created = |position, id: &str, client: Value| {
        let message = json!({"id": id, "role": "user", "text": "hi", "status": "completed"});
        event(position, "message-created", json!({"message": message, "clientMessageId": client}))
    };
    assert_eq!(fold.apply(created(1, "m1", "c1".into())), []);
    assert_eq!(fold.apply(created(2, "m2", Value::Null)), [Shown::Person("hi".to_owned())]);
    assert_eq!(fold.apply(created(3, "m2", Value::Null)), []);
}

#[test]
fn notices_move_the_position_forward_only() {
    let mut fold = Fold::after(Some("p0005".to_owned()));
    let notice = |kind: &str, position: &str| {
        frame(json!({"type": kind, "position": position, "channel": {"type": "ar-room", "id": "r"}}))
    };
    fold.apply(notice("subscribed", "p0004"));
    assert_eq!(fold.position(), Some("p0005"));
    fold.apply(notice("caught-up", "p0007"));
    assert_eq!(fold.position(), Some("p0007"));
    assert_eq!(fold.apply(frame(json!({"type": "presence", "members": []}))), []);
    assert_eq!(fold.apply(frame(json!({"type": "something-new", "position": "p0009"}))), []);
    assert_eq!(fold.position(), Some("p0009"));
}

#[test]
fn the_sources_of_an_answer_follow_its_end() {
    let mut fold = Fold::default();
    fold.apply(start(1));
    let fields = json!({"streamId": "s", "messageId": "m", "outcome": "completed", "totalChunks": 0, "citations": [
        {"url": "https://example.org/a", "title": "A"}, {"url": "https://example.org/b"}]});
    let shown = fold.apply(event(2, "ar-stream-end", fields));
    let notice = |text: &str| Shown::Notice(text.to_owned());
    assert_eq!(shown, [ends("completed"), notice("[1] A, https://example.org/a"), notice("[2] https://example.org/b")]);
}
