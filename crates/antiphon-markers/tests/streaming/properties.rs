//! The invariants over generated answers that are mostly markers and things like them.

use proptest::prelude::*;

use crate::invariants::check;

/// What answers are made of where it matters.
pub const FRAGMENTS: [&str; 40] = [
    "[",
    "]",
    ",",
    ":",
    " ",
    "[[",
    "]]",
    "\r\n",
    "emotion",
    "gesture:",
    "pose",
    "tone: ",
    "e",
    "emo",
    "happy",
    "wave",
    "[emotion:happy]",
    "[gesture:wave",
    "[emotion:happy,gesture:wave]",
    "[Tone: Calm, pose:idle]",
    "[pose:handstand]",
    "[1]",
    "[text](url)",
    "a[i]",
    "[mood:x]",
    "[emotion:",
    "[emotion:happy,",
    "[tone:calm, ",
    "_-9",
    "[ pose:idle]",
    "Hello ",
    "😀",
    "e\u{301}",
    "\u{10FFFF}",
    "[emotion:😀]",
    "[po\u{17f}e:idle]",
    "ß",
    "日本",
    "\0",
    "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggghhhhhhhhhh",
];

fn answer() -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        8 => prop::sample::select(FRAGMENTS.as_slice()).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(fragment, 0..24).prop_map(|fragments| fragments.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn holds_for_every_answer_and_every_way_to_cut_it(input in answer(), lengths in prop::collection::vec(1..12_usize, 1..6)) {
        check(&input, &lengths);
    }

    #[test]
    fn holds_around_the_longest_marker(length in 100..140_usize, entries in 1..4_usize, tail in "[a\\],😀 ]{0,4}") {
        let mut input = String::from("[pose:idle,") + &"tone:calm,".repeat(entries - 1) + "emotion:";
        let fill = length.saturating_sub(input.len() + 1);
        input = input + &"x".repeat(fill) + "]" + &tail;
        check(&input, &[1]);
    }

    #[test]
    fn holds_for_any_text(input in any::<String>()) {
        check(&input, &[3, 1]);
    }
}
