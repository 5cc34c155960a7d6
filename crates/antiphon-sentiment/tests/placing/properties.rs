//! Random answers.

use super::{inserted, placed};
use antiphon_markers::{Vocabulary, parse};
use proptest::prelude::*;

const FRAGMENTS: [&str; 46] = [
    "I love it",
    "what a terrible loss",
    "sorry",
    "wow",
    "great",
    "hate",
    "the train",
    "Hmm",
    " ",
    " ",
    " ",
    " ",
    "\n",
    "\n\n",
    ". ",
    "! ",
    "? ",
    ", ",
    ": ",
    "…",
    "。",
    "😀",
    "é",
    "`",
    "``",
    "```",
    "```rust\n",
    "~~~",
    "`a, b. c`",
    "[link, text. here](",
    "https://example.org/a,b.c",
    ")",
    "[",
    "]",
    "(",
    "<a href=\"x, y\">",
    "- ",
    "1. ",
    "[x] ",
    "    ",
    "[emotion:sad]",
    "[Tone: calm, emotion: happy]",
    "[gesture:wave]",
    "[emo",
    "\\",
    "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee",
];

fn answer() -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        12 => prop::sample::select(FRAGMENTS.as_slice()).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(fragment, 0..40).prop_map(|fragments| fragments.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn cuts_change_nothing_and_nothing_but_markers_is_added(input in answer(), lengths in prop::collection::vec(1..9_usize, 1..5)) {
        let vocabulary = Vocabulary::default();
        let output = placed(&input, &[], vocabulary.clone());
        prop_assert_eq!(&placed(&input, &lengths, vocabulary.clone()), &output);
        let (before, after) = (parse(&vocabulary, &input), parse(&vocabulary, &output));
        prop_assert_eq!(before.text, after.text);
        prop_assert_eq!(before.unknown.len(), after.unknown.len());
        for (at, _) in inserted(&input, &output) {
            let glued = input[..at].chars().next_back().is_some_and(|c| !c.is_whitespace() && !"。！？".contains(c));
            prop_assert!(!glued, "inside a word, {} of {:?}", at, input);
            let fence = input[at..].split_whitespace().next().is_some_and(|token| token.starts_with("```"));
            prop_assert!(!fence, "before a fence, {} of {:?}", at, input);
        }
    }

    #[test]
    fn nothing_is_put_into_code_or_links(
        prose in prop::collection::vec("(I love it|terrible loss|wow|great)(, |\\. |! |\n\n)", 1..6),
        inside in prop::collection::vec("(I love it|terrible loss|wow|great)(, |\\. |! )", 1..12),
        form in 0..6_usize,
    ) {
        let (prose, inside) = (prose.concat(), inside.concat());
        let (open, close) = [
            ("\n```text\n", "\n```\n"), ("\n~~~\n", "\n~~~\n"), (" `", "` "), (" [", "](https://example.org) "),
            (" [text](<", ">) "), (" ``x ", " `` "),
        ][form];
        let input = format!("{prose}{open}{inside}{close}{prose}");
        let start = prose.len() + open.trim_start_matches(' ').len() + 1;
        let range = start..prose.len() + open.len() + inside.len();
        for (at, marker) in inserted(&input, &placed(&input, &[3], Vocabulary::default())) {
            prop_assert!(!range.contains(&at), "{} at {} of {:?}", marker, at, input);
        }
    }

    #[test]
    fn a_kind_that_the_model_has_marked_is_never_added(
        before in answer(), after in answer(), emotion in any::<bool>(),
    ) {
        let kind = if emotion { "emotion:" } else { "tone:" };
        let prefix = format!("{before}\n\n[{kind}happy]");
        let input = format!("{prefix}{after}");
        let output = placed(&input, &[], Vocabulary::default());
        for (at, marker) in inserted(&input, &output) {
            prop_assert!(at < prefix.len() || !marker.contains(kind), "{} at {} of {:?}", marker, at, input);
        }
    }

    #[test]
    fn takes_any_text(input in any::<String>()) {
        let output = placed(&input, &[2, 1], Vocabulary::default());
        inserted(&input, &output);
    }
}
