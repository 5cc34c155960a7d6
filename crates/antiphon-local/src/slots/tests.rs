//! Tests of the slots with scripted work instead of a model.

use super::*;
use crate::{ChatTurn, Finish, Role};
use std::sync::mpsc as std_mpsc;

fn request(content: &str) -> GenerateRequest {
    let messages = vec![ChatTurn { role: Role::User, content: content.to_owned() }];
    GenerateRequest { messages, continue_from: None, max_tokens: 1, temperature: 0.0, seed: 0 }
}

fn content(request: &GenerateRequest) -> &str {
    request.messages.first().map_or("", |turn| turn.content.as_str())
}

const END: Piece = Piece::End { finish: Finish::Stop, prompt_tokens: 1, completion_tokens: 1 };

/// The next piece that is no place in the queue: a slot that has just ended an answer still counts as working.
fn next_piece(pieces: &mut mpsc::Receiver<Piece>) -> Option<Piece> {
    loop {
        match pieces.blocking_recv() {
            Some(Piece::Waiting { .. }) => {}
            other => return other,
        }
    }
}

/// One slot whose answers begin by saying so and end when they are let go on.
struct Gated {
    slots: Slots,
    begun: std_mpsc::Receiver<String>,
    go_on: std_mpsc::Sender<()>,
}

fn gated() -> Gated {
    let (begin, begun) = std_mpsc::channel();
    let (go_on, wait) = std_mpsc::channel();
    let wait = Mutex::new(wait);
    let work = move |request: &GenerateRequest, pieces: &mpsc::Sender<Piece>, tend: &dyn Fn()| {
        begin.send(content(request).to_owned()).unwrap();
        wait.lock().recv().unwrap();
        tend();
        pieces.blocking_send(END).map_err(|_| Stop::Cancelled)
    };
    let work: Arc<Work> = Arc::new(work);
    Gated { slots: Slots::start(1, &work).unwrap(), begun, go_on }
}

#[test]
fn answers_wait_in_order_and_hear_their_place_whenever_it_changes() {
    let gated = gated();
    let mut first = gated.slots.submit(request("first"));
    assert_eq!(gated.begun.recv().unwrap(), "first");
    let mut second = gated.slots.submit(request("second"));
    let mut third = gated.slots.submit(request("third"));
    let mut fourth = gated.slots.submit(request("fourth"));
    assert_eq!(second.blocking_recv(), Some(Piece::Waiting { place: 1 }));
    assert_eq!(third.blocking_recv(), Some(Piece::Waiting { place: 2 }));
    assert_eq!(fourth.blocking_recv(), Some(Piece::Waiting { place: 3 }));
    drop(second);
    gated.go_on.send(()).unwrap();
    assert_eq!(first.blocking_recv(), Some(END));
    assert_eq!(gated.begun.recv().unwrap(), "third");
    assert_eq!(third.blocking_recv(), Some(Piece::Waiting { place: 1 }));
    assert_eq!(fourth.blocking_recv(), Some(Piece::Waiting { place: 2 }));
    assert_eq!(fourth.blocking_recv(), Some(Piece::Waiting { place: 1 }));
    gated.go_on.send(()).unwrap();
    assert_eq!(third.blocking_recv(), Some(END));
    gated.go_on.send(()).unwrap();
    assert_eq!(fourth.blocking_recv(), Some(END));
    assert_eq!(fourth.blocking_recv(), None);
}

#[test]
fn a_full_queue_refuses_and_cancelled_answers_make_room() {
    let gated = gated();
    let _running = gated.slots.submit(request("running"));
    gated.begun.recv().unwrap();
    let mut waiting: Vec<_> = (0..LOCAL_QUEUE).map(|_| gated.slots.submit(request("waiting"))).collect();
    let mut refused = gated.slots.submit(request("refused"));
    let full = GenerateError::QueueFull { waiting: LOCAL_QUEUE };
    assert_eq!(refused.blocking_recv(), Some(Piece::Failed(full)));
    assert_eq!(refused.blocking_recv(), None);
    waiting.pop();
    let mut taken = gated.slots.submit(request("taken"));
    assert_eq!(taken.blocking_recv(), Some(Piece::Waiting { place: LOCAL_QUEUE }));
    drop((waiting, taken));
    gated.go_on.send(()).unwrap();
}

#[test]
fn a_panic_fails_one_answer_and_the_slot_goes_on() {
    let work = |request: &GenerateRequest, pieces: &mpsc::Sender<Piece>, _: &dyn Fn()| {
        assert_ne!(content(request), "panic", "as asked");
        pieces.blocking_send(END).map_err(|_| Stop::Cancelled)
    };
    let work: Arc<Work> = Arc::new(work);
    let slots = Slots::start(1, &work).unwrap();
    let mut failed = slots.submit(request("panic"));
    assert_eq!(failed.blocking_recv(), Some(Piece::Failed(GenerateError::Internal)));
    let mut next = slots.submit(request("hello"));
    assert_eq!(next_piece(&mut next), Some(END));
}

#[test]
fn closed_slots_finish_what_they_were_given() {
    let gated = gated();
    let mut first = gated.slots.submit(request("first"));
    let mut second = gated.slots.submit(request("second"));
    gated.begun.recv().unwrap();
    drop(gated.slots);
    gated.go_on.send(()).unwrap();
    gated.go_on.send(()).unwrap();
    assert_eq!(first.blocking_recv(), Some(END));
    assert_eq!(next_piece(&mut second), Some(END));
}
