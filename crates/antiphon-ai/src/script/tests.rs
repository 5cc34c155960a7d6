//! What the Guide says, how it paces itself, and that it goes on where it was cut.

use super::*;
use crate::provider::{Turn, TurnRole};
use antiphon_markers::{Vocabulary, parse};
use tokio::time::Instant;

fn asked(question: &str) -> Prompt {
    Prompt {
        system: "Use markers such as [emotion:happy].".into(),
        turns: vec![Turn { role: TurnRole::User, content: question.into() }],
        ..Prompt::default()
    }
}

fn answer(question: &str) -> String {
    answer::compose(&asked(question))
}

#[test]
fn it_says_that_it_is_a_script_whenever_it_is_asked_and_when_it_greets() {
    for question in [
        "Who are you?",
        "what are you",
        "Are you a real AI?",
        "Are you ChatGPT?",
        "are you a model",
        "Is this a bot?",
        "Are you a human?",
        "hello",
        "Hi!",
        "Good morning",
        "what's your name?",
        "what is the meaning of life",
        "",
    ] {
        assert!(answer(question).contains("script"), "{question:?}: {}", answer(question));
    }
}

#[test]
fn it_knows_the_product() {
    for (question, word) in [
        ("What is Antiphon?", "server for live conversations"),
        ("How do I interrupt you?", "interrupt-stream"),
        ("What are markers?", "four kinds"),
        ("How do I connect with a WebSocket?", "/api/tickets"),
        ("and over SSE", "Last-Event-ID"),
        ("How does resume work after a crash?", "position"),
        ("which models are there?", "openai"),
        ("where is the configuration?", "TOML"),
        ("how do I deploy it in production", "data directory"),
        ("who may read a room? is it private?", "API key"),
        ("what commands are there in the terminal", "doctor"),
        ("thanks, how do I interrupt?", "interrupt-stream"),
        ("hello, what are markers?", "four kinds"),
        ("how are you?", "moods"),
        ("thank you", "pleasure"),
        ("bye", "Goodbye"),
        ("help", "count to 100"),
    ] {
        assert!(answer(question).contains(word), "{question:?}: {}", answer(question));
    }
}

#[test]
fn it_reflects_what_it_does_not_know_without_its_brackets() {
    let said = answer("Does [mood:angry] the \n zebra fly {x}?");
    assert!(said.contains("zebra fly"), "{said}");
    assert!(said.contains("(mood:angry) the zebra"), "{said}");
    assert!(said.contains("markers, connecting by WebSocket"), "it lists what it can talk about: {said}");
    assert!(answer(&"zebra ".repeat(10_000)).len() < 2_000);
}

#[test]
fn it_counts_and_tells_stories_long_enough_to_be_interrupted() {
    let counted = answer("Count to 120, please");
    assert!(counted.contains("1, 2, 3,") && counted.contains("119, [gesture:nod]120."), "{counted}");
    assert!(!counted.contains("121"));
    assert!(answer("count to 4000000000").contains("500."));
    assert!(cut(&answer("Tell me a story")).len() > 200);
}

#[test]
fn it_remembers_the_conversation() {
    let mut prompt = asked("My cat is called Ida");
    prompt.turns.push(Turn { role: TurnRole::Assistant, content: "Fine.".into() });
    prompt.turns.push(Turn { role: TurnRole::User, content: "What did I say?".into() });
    assert!(answer::compose(&prompt).contains("My cat is called Ida"));
    assert!(answer("what did I say").contains("first message"));
    assert!(answer("Say: good evening [x]").ends_with("good evening (x)"));
}

#[test]
fn markers_are_of_the_vocabulary_and_left_out_where_nobody_asks_for_them() {
    let vocabulary = Vocabulary::default();
    for text in topics::TOPICS.iter().flat_map(|topic| topic.answers).chain([&topics::FALLBACK, &topics::COUNT]) {
        let parsed = parse(&vocabulary, text);
        assert!(!parsed.markers.is_empty() && parsed.unknown.is_empty(), "{text}");
        assert!(!parsed.text.contains(['[', ']']), "{text}");
    }
    let marked = answer::compose(&Prompt { system: vocabulary.prompt(), ..asked("what are markers") });
    assert!(marked.starts_with("[emotion:happy,gesture:wave]Markers are cues"), "{marked}");
    let plain = answer::compose(&Prompt { system: "You are the Guide.".into(), ..asked("what are markers") });
    assert!(!plain.contains(['[', ']']) && plain.starts_with("Markers are cues"), "{plain}");
}

#[tokio::test]
async fn a_stream_is_the_whole_answer_in_pieces_and_its_end() {
    let script = Script::with_pace(Duration::ZERO);
    let WholeAnswer { text: whole, end, .. } = script.whole(asked("what is antiphon")).await;
    let pieces: Vec<Piece> = script.stream(asked("what is antiphon")).collect().await;
    let text: String =
        pieces.iter().filter_map(|p| if let Piece::Text(t) = p { Some(t.as_str()) } else { None }).collect();
    assert_eq!(text, whole);
    assert_eq!(pieces.last(), Some(&Piece::End(end.clone())));
    assert_eq!(end.finish_reason.as_deref(), Some("stop"));
    assert_eq!(end.usage.unwrap().completion_tokens, pieces.len() as u64 - 1);
    assert!(script.status().simulated);
}

#[tokio::test]
async fn it_continues_after_any_partial_answer() {
    let script = Script::with_pace(Duration::ZERO);
    let whole = script.whole(asked("tell me a story")).await.text;
    for (at, _) in whole.char_indices().step_by(97) {
        let prompt = Prompt { partial: Some(whole[..at].to_owned()), ..asked("tell me a story") };
        assert_eq!(format!("{}{}", &whole[..at], script.whole(prompt).await.text), whole);
    }
}

#[tokio::test]
async fn a_limit_on_tokens_ends_by_length() {
    let prompt = Prompt { max_tokens: Some(3), ..asked("hello") };
    let end = Script::with_pace(Duration::ZERO).whole(prompt).await.end;
    assert_eq!(end.finish_reason.as_deref(), Some("length"));
    assert_eq!(end.usage.unwrap().completion_tokens, 3);
}

#[tokio::test(start_paused = true)]
async fn it_speaks_at_its_pace_and_does_not_catch_up_after_a_pause() {
    let mut stream = Script::default().stream(asked("tell me a story"));
    let begun = Instant::now();
    for _ in 0..180 {
        assert!(matches!(stream.next().await, Some(Piece::Text(_))));
    }
    let rate = 180.0 / begun.elapsed().as_secs_f64();
    assert!((15.0..=20.0).contains(&rate), "{rate} pieces a second");
    tokio::time::advance(Duration::from_secs(60)).await;
    let resumed = Instant::now();
    for _ in 0..10 {
        stream.next().await;
    }
    assert!(resumed.elapsed() >= HUMAN_PACE * 8, "{:?}", resumed.elapsed());
}
