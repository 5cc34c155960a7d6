//! Answers as they come out.

use super::{inserted, placed, whole};
use antiphon_markers::{MarkerKind, Vocabulary};

#[test]
fn a_marker_stands_before_the_phrase_it_describes_and_only_where_the_mood_changes() {
    let answer =
        "Hello, and welcome back! I'm so sorry to hear that. The file is gone. It was two days old. It was large.";
    let expected = "[emotion:happy,tone:friendly]Hello, and welcome back! [emotion:sad,tone:concerned]I'm so sorry to \
hear that. The file is gone. [emotion:neutral,tone:neutral]It was two days old. It was large.";
    assert_eq!(whole(answer), expected);
}

#[test]
fn a_new_paragraph_ends_a_mood_with_its_first_neutral_phrase() {
    let answer = "What a brilliant idea!\n\nThe train leaves at nine.";
    let expected = "[emotion:excited,tone:excited]What a brilliant idea!\n\n[emotion:neutral,tone:neutral]The train \
leaves at nine.";
    assert_eq!(whole(answer), expected);
}

#[test]
fn list_marks_and_headings_stay_at_the_start_of_their_lines() {
    let answer = "# Great news\n\n1. I love it!\n- [x] What an awful loss.\n";
    for (at, _) in inserted(answer, &whole(answer)) {
        assert!(["Great", "I love", "What"].iter().any(|start| answer[at..].starts_with(start)), "{at}");
    }
    assert!(whole(answer).contains("# [emotion:") && whole(answer).contains("1. [emotion:"), "{}", whole(answer));
}

#[test]
fn code_is_left_alone() {
    let answer =
        "Great, run this!\n\n```text\nI love this! It is wonderful. I hate it, it is terrible.\n```\n\nSad, so sad.";
    let places: Vec<_> = inserted(answer, &whole(answer)).into_iter().map(|(at, _)| at).collect();
    assert_eq!(places, [0, answer.find("Sad").unwrap()]);
    assert_eq!(whole("```sorry"), "```sorry");
    let answer = "It is `a terrible, horrible. awful! bad thing` here.";
    assert_eq!(inserted(answer, &whole(answer)), [(0, "[emotion:neutral,tone:neutral]".to_owned())]);
}

#[test]
fn kinds_that_the_model_marks_itself_are_left_to_it() {
    let answer = "I love it! [emotion:sad]This is terrible. [gesture:wave]What a wonderful, amazing day!";
    let output = whole(answer);
    assert!(output.starts_with("[emotion:excited,tone:excited]I love it! ") || output.starts_with("[emotion:happy"));
    let later: Vec<_> = inserted(answer, &output).into_iter().skip(1).collect();
    assert!(!later.is_empty() && later.iter().all(|(_, marker)| marker.starts_with("[tone:")), "{output}");
}

#[test]
fn only_values_of_the_vocabulary_are_written_and_the_nearest_one_where_one_lacks() {
    let vocabulary = Vocabulary::new([(MarkerKind::Emotion, "happy"), (MarkerKind::Gesture, "wave")]).unwrap();
    assert_eq!(placed("What a brilliant idea!", &[], vocabulary), "[emotion:happy]What a brilliant idea!");
    let vocabulary = Vocabulary::new([(MarkerKind::Gesture, "wave")]).unwrap();
    assert_eq!(placed("What a brilliant idea!", &[], vocabulary), "What a brilliant idea!");
}

#[test]
fn an_answer_in_another_language_gets_no_feelings() {
    let answer = "Die Antwort ist einfach. Die Katze und die Maus sind in der Küche.";
    assert_eq!(whole(answer), format!("[emotion:neutral,tone:neutral]{answer}"));
}
