//! Runs against scripted providers.

use super::*;
use crate::agent::{MarkerSource, OnDisconnect, Recovery};
use crate::provider::{FaultKind, Provider, ProviderFault, ProviderStatus};
use antiphon_core::limits::MAX_RETRY_AFTER;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::time::Duration;

/// Gives one scripted call after the other and keeps the prompts.
#[derive(Default)]
struct Scripted {
    calls: Mutex<VecDeque<Vec<Piece>>>,
    prompts: Mutex<Vec<Prompt>>,
    wholes: Mutex<u32>,
    can_continue: bool,
}

#[async_trait::async_trait]
impl Provider for Scripted {
    fn stream(&self, prompt: Prompt) -> BoxStream<'static, Piece> {
        self.prompts.lock().push(prompt);
        futures::stream::iter(self.calls.lock().pop_front().unwrap_or_default()).boxed()
    }

    async fn whole(&self, prompt: Prompt) -> WholeAnswer {
        *self.wholes.lock() += 1;
        let mut stream = self.stream(prompt);
        let mut text = String::new();
        loop {
            match stream.next().await {
                Some(Piece::Text(piece)) => text.push_str(&piece),
                Some(Piece::End(end)) => return WholeAnswer { text, reasoning: String::new(), end },
                _ => {}
            }
        }
    }

    fn can_continue(&self, _model: &str) -> bool {
        self.can_continue
    }

    fn status(&self) -> ProviderStatus {
        ProviderStatus::default()
    }
}

fn text(text: &str) -> Piece {
    Piece::Text(text.into())
}

fn end(outcome: CallOutcome) -> Piece {
    Piece::End(CallEnd { finish_reason: Some("stop".into()), ..CallEnd::new(outcome) })
}

fn complete() -> Piece {
    end(CallOutcome::Complete)
}

fn failed(retryable: bool, retry_after: Option<Duration>) -> Piece {
    let kind = if retryable { FaultKind::Error } else { FaultKind::Unusable };
    end(CallOutcome::Failed(ProviderFault { retry_after, ..kind.fault("429") }))
}

fn ask(calls: Vec<Vec<Piece>>, recovery: Recovery, can_continue: bool) -> (Ask, Arc<Scripted>) {
    let provider = Arc::new(Scripted { calls: Mutex::new(calls.into()), can_continue, ..Scripted::default() });
    let agent = Agent {
        id: "anna".into(),
        name: "Anna".into(),
        provider: provider.clone(),
        model: "m".into(),
        system: String::new(),
        markers: MarkerSource::Prompt,
        recovery,
        max_attempts: 3,
        on_disconnect: OnDisconnect::Continue,
        viewer_grace: Duration::ZERO,
        temperature: None,
        max_tokens: None,
        context_tokens: 1000,
    };
    let ask = Ask {
        stream_id: "s".into(),
        message_id: "m".into(),
        agent,
        prompt: Prompt::default(),
        vocabulary: Some(Arc::default()),
    };
    (ask, provider)
}

/// Runs to the end, appending after every piece, as an idle log would let it; gives a short form of what was said.
async fn said_by(mut run: Run) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let said = run.take();
        if said.is_empty() {
            run.advance().await;
            continue;
        }
        run.appended();
        for said in said {
            let is_end = matches!(said.event, RoomEvent::ArStreamEnd { .. });
            all.push(short(&said.event));
            if is_end {
                assert!(run.is_over() && run.take().is_empty());
                return all;
            }
        }
    }
}

fn short(event: &RoomEvent) -> String {
    match event {
        RoomEvent::ArStreamChunk { attempt, chunk, text, markers, chunk_index, is_final, .. } => {
            let marks: Vec<String> = markers.iter().map(|m| format!("{}@{}", m.value, m.offset)).collect();
            let last = if *is_final { "!" } else { "" };
            let spoken = if chunk == text { String::new() } else { format!(" {marks:?}") };
            format!("{attempt}.{chunk_index}{last} {chunk}{spoken}")
        }
        RoomEvent::ArStreamReset { attempt, .. } => format!("reset {attempt}"),
        RoomEvent::ArStreamAttempt { attempt, policy, .. } => format!("attempt {attempt} {policy}"),
        RoomEvent::StreamQueued { queued, waiting_for, .. } => format!("queued {queued} {waiting_for:?}"),
        RoomEvent::ArStreamEnd { outcome, total_chunks, error, .. } => {
            let code = error.as_ref().map_or("", |fault| fault.code.as_str());
            format!("end {outcome:?} {total_chunks} {code}")
        }
        other => format!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_lone_piece_goes_out_alone_and_the_end_with_an_empty_final_chunk() {
    let pieces = vec![Piece::Waiting { place: 2 }, text("[emotion:hap"), text("py]Hi"), text(" you [1"), complete()];
    let (ask, _) = ask(vec![pieces], Recovery::Restart, false);
    let expected = ["queued 2 Some(\"model\")", "1.0 [emotion:happy]Hi [\"happy@0\"]", "1.1  you [1"];
    let all = said_by(Run::begin(ask)).await;
    assert_eq!(all[..3], expected);
    assert_eq!(all[3..], ["1.2! ", "end Completed 3 "]);
}

#[tokio::test(start_paused = true)]
async fn what_arrives_during_an_append_goes_out_as_one_chunk_and_the_last_is_final() {
    let (ask, _) = ask(vec![vec![text("a"), text("b"), text("[e"), complete()]], Recovery::Restart, false);
    let mut run = Run::begin(ask);
    while !run.is_over() {
        run.advance().await;
    }
    let all: Vec<String> = run.take().iter().map(|said| short(&said.event)).collect();
    assert_eq!(all, ["1.0! ab[e", "end Completed 1 "]);
}

#[tokio::test(start_paused = true)]
async fn restart_begins_again_and_attempts_run_out() {
    let cut = vec![text("one"), end(CallOutcome::Truncated { detail: "cut".into() })];
    let (ask, _) = ask(vec![cut.clone(), vec![text("two")], cut], Recovery::Restart, false);
    let all = said_by(Run::begin(ask)).await;
    let expected = ["1.0 one", "reset 2", "2.0 two", "reset 3", "3.0 one", "end Truncated 1 truncated"];
    assert_eq!(all, expected);
}

#[tokio::test(start_paused = true)]
async fn continue_gives_the_partial_and_keeps_counting() {
    let (asked, provider) =
        ask(vec![vec![text("one [emo")], vec![text("tion:sad]two"), complete()]], Recovery::Continue, true);
    let all = said_by(Run::begin(asked)).await;
    let expected = ["1.0 one ", "attempt 2 continue", "2.1 [emotion:sad]two [\"sad@4\"]", "2.2! ", "end Completed 3 "];
    assert_eq!(all, expected);
    assert_eq!(provider.prompts.lock()[1].partial.as_deref(), Some("one [emo"));

    let (asked, _) = ask(vec![vec![text("one")], vec![complete()]], Recovery::Continue, false);
    let mut run = Run::begin(asked);
    let mut reasons = Vec::new();
    while !run.is_over() {
        run.advance().await;
        for said in run.take() {
            if let RoomEvent::ArStreamReset { reason, .. } = said.event {
                reasons.push(reason);
            }
        }
        run.appended();
    }
    assert!(reasons[0].contains("cannot go on"), "{reasons:?}");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_refuses_to_go_on_is_asked_anew_and_not_to_go_on_again() {
    let cut = || vec![text("one"), end(CallOutcome::Truncated { detail: "cut".into() })];
    let refused = vec![end(CallOutcome::Failed(FaultKind::Refused.fault("prefill is not supported")))];
    let (asked, provider) = ask(vec![cut(), refused.clone(), vec![text("two"), complete()]], Recovery::Continue, true);
    let all = said_by(Run::begin(asked)).await;
    assert_eq!(all, ["1.0 one", "attempt 2 continue", "reset 3", "3.0 two", "3.1! ", "end Completed 2 "]);
    assert_eq!(provider.prompts.lock()[2].partial, None);
    let (asked, _) = ask(vec![refused], Recovery::Continue, true);
    assert_eq!(said_by(Run::begin(asked)).await, ["end Failed 0 provider_refused"], "the question itself is refused");
}

#[tokio::test(start_paused = true)]
async fn what_the_model_thinks_is_said_apart_and_is_void_with_the_rest() {
    let thought = |text: &str| Piece::Reasoning(text.into());
    let cut = vec![thought("h"), thought("m"), end(CallOutcome::Truncated { detail: "cut".into() })];
    let (asked, _) = ask(vec![cut, vec![thought("so"), text("two"), complete()]], Recovery::Restart, false);
    let mut run = Run::begin(asked);
    let mut all = Vec::new();
    while !run.is_over() {
        run.advance().await;
        all.extend(run.take().into_iter().map(|said| said.event));
        run.appended();
    }
    let thoughts: Vec<_> = all
        .iter()
        .filter_map(|event| match event {
            RoomEvent::ArStreamReasoning { attempt, text, .. } => Some((*attempt, text.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(thoughts, [(1, "h"), (1, "m"), (2, "so")]);
    assert!(matches!(all.last(), Some(RoomEvent::ArStreamEnd { total_chunks: 2, .. })), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_never_stops_thinking_is_stopped() {
    let thoughts = vec![Piece::Reasoning("x".repeat(64 * 1024)); 1 + MAX_REASONING_READ / (64 * 1024)];
    let (asked, _) = ask(vec![thoughts], Recovery::Restart, false);
    let mut run = Run::begin(asked);
    let (mut kept, mut last) = (0, None);
    while !run.is_over() || last.is_none() {
        if !run.is_over() {
            run.advance().await;
        }
        for said in run.take() {
            match said.event {
                RoomEvent::ArStreamReasoning { text, .. } => kept += text.len(),
                other => last = Some(short(&other)),
            }
        }
        run.appended();
    }
    assert_eq!(kept, MAX_REASONING_BYTES);
    assert_eq!(last.as_deref(), Some("end Failed 0 too_long"));
}

#[tokio::test(start_paused = true)]
async fn finish_asks_for_the_whole_answer() {
    let (ask, provider) =
        ask(vec![vec![text("one")], vec![text("all [pose:idle]of it"), complete()]], Recovery::Finish, false);
    let all = said_by(Run::begin(ask)).await;
    let expected =
        ["1.0 one", "reset 2", "attempt 2 finish", "2.0! all [pose:idle]of it [\"idle@4\"]", "end Completed 1 "];
    assert_eq!(all, expected);
    assert_eq!(*provider.wholes.lock(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_no_retry_helps_ends_at_once_and_others_wait_as_the_provider_asks() {
    let (asked, _) = ask(vec![vec![failed(false, None)]], Recovery::Restart, false);
    assert_eq!(said_by(Run::begin(asked)).await, ["end Failed 0 provider_error"]);
    let (asked, _) = ask(vec![vec![text("x"), failed(true, None)]], Recovery::Fail, false);
    assert_eq!(said_by(Run::begin(asked)).await, ["1.0 x", "end Failed 1 provider_error"]);

    for (asked_for, waited) in [(Duration::from_secs(7), 7), (Duration::from_secs(900), MAX_RETRY_AFTER.as_secs())] {
        let (asked, _) = ask(vec![vec![failed(true, Some(asked_for))], vec![complete()]], Recovery::Restart, false);
        let start = TimerInstant::now();
        assert_eq!(said_by(Run::begin(asked)).await, ["reset 2", "2.0! ", "end Completed 1 "]);
        assert_eq!(start.elapsed().as_secs(), waited);
    }
}

#[tokio::test(start_paused = true)]
async fn no_further_call_starts_before_the_log_has_its_announcement() {
    let (ask, provider) = ask(vec![vec![text("one")], vec![complete()]], Recovery::Restart, false);
    let mut run = Run::begin(ask);
    while !run.take().iter().any(|said| matches!(said.event, RoomEvent::ArStreamReset { .. })) {
        run.advance().await;
    }
    let waited = tokio::time::timeout(Duration::from_secs(60), run.advance()).await;
    assert!(waited.is_err());
    assert_eq!(provider.prompts.lock().len(), 1);
    run.appended();
    run.advance().await;
    assert_eq!(provider.prompts.lock().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_crashed_stream_goes_on_as_a_further_attempt_until_they_run_out() {
    let progress =
        |attempt| Progress { attempt, moved_attempts: 0, has_moved: false, chunks: 2, content: "ab".into(), spoken: 2 };
    let (asked, provider) = ask(vec![vec![text("[tone:calm]c"), complete()]], Recovery::Continue, true);
    let all = said_by(Run::resume(asked.clone(), progress(2))).await;
    assert_eq!(all, ["attempt 3 continue", "3.2 [tone:calm]c [\"calm@2\"]", "3.3! ", "end Completed 4 "]);
    assert_eq!(provider.prompts.lock()[0].partial.as_deref(), Some("ab"));
    assert_eq!(said_by(Run::resume(asked.clone(), progress(3))).await, ["end Failed 2 crashed"]);
    // Those that a move ended do not count, however many there are; where nothing is asked twice it is no crash either.
    let moved = |attempt, moved_attempts| Progress { moved_attempts, has_moved: true, ..progress(attempt) };
    for (attempt, moved_attempts) in [(3, 1), (9, 7)] {
        let all = said_by(Run::resume(asked.clone(), moved(attempt, moved_attempts))).await;
        assert_eq!(all[0], format!("attempt {} continue", attempt + 1));
    }
    let mut asked = asked;
    asked.agent.recovery = Recovery::Fail;
    assert_eq!(said_by(Run::resume(asked, moved(1, 1))).await, ["end Truncated 2 truncated"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_bounded_and_comes_in_chunks_that_fit() {
    let (ask, _) = ask(vec![vec![text(&"ü".repeat(MAX_ANSWER_BYTES)), complete()]], Recovery::Restart, false);
    let mut run = Run::begin(ask);
    run.advance().await;
    assert!(tokio::time::timeout(Duration::from_secs(1), run.advance()).await.is_err(), "it is read no further");
    let (mut bytes, mut appends) = (0, 0);
    let last = loop {
        let said = run.take();
        appends += 1;
        for said in &said {
            if let RoomEvent::ArStreamChunk { chunk, .. } = &said.event {
                assert!(chunk.len() <= MAX_CHUNK_BYTES);
                bytes += chunk.len();
            }
        }
        match said.last() {
            Some(Said { event: RoomEvent::ArStreamEnd { .. }, .. }) => break short(&said[said.len() - 1].event),
            _ => assert!(!said.is_empty()),
        }
    };
    assert_eq!(bytes, MAX_ANSWER_BYTES);
    assert!(appends > MAX_ANSWER_BYTES / MAX_GATHERED_BYTES - 2);
    assert!(last.starts_with("end Truncated") && last.ends_with("too_long"), "{last}");
}

#[tokio::test(start_paused = true)]
async fn a_stopped_run_says_nothing_more() {
    let (ask, _) = ask(vec![vec![text("one"), text("two"), complete()]], Recovery::Restart, false);
    let mut run = Run::begin(ask);
    run.advance().await;
    run.stop();
    assert!(run.is_over() && run.take().is_empty());
    assert!(tokio::time::timeout(Duration::from_secs(60), run.advance()).await.is_err());
}
