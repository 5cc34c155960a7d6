//! Reasoning inside an answer's text: many servers pass on what open models write, which begins with
//! `<think>…</think>` (DeepSeek-R1's and Qwen3's chat templates; Perplexity's `sonar-reasoning-pro`).
//!
//! Only the very beginning of an answer is looked at, so that a text about such tags keeps them. A template that writes
//! the opening tag into the prompt leaves nothing to tell reasoning from text by; such a server has to split them
//! itself (vLLM's `--reasoning-parser`, llama.cpp's `--reasoning-format`).

use crate::provider::Piece;
use std::collections::VecDeque;

const OPENING: &str = "<think>";
const CLOSING: &str = "</think>";
/// White space before the opening tag that is waited out, in bytes: models write a line end or two.
const MAX_LEADING_SPACE: usize = 16;

/// Tells the text of one answer from the reasoning before it, however it is cut.
#[derive(Debug, Default)]
pub(crate) struct ThinkTags {
    state: State,
    /// What may be a part of a tag: white space and the beginning of the opening one, or the beginning of the closing
    /// one.
    held: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// No text has come that says whether the answer begins with reasoning.
    #[default]
    Beginning,
    Reasoning,
    /// The reasoning is over, the white space after it perhaps not.
    Between,
    Text,
}

impl ThinkTags {
    /// Takes the next piece of the content in.
    pub(crate) fn take(&mut self, content: String, said: &mut VecDeque<Piece>) {
        if self.state == State::Text {
            if !content.is_empty() {
                said.push_back(Piece::Text(content));
            }
            return;
        }
        let mut rest = std::mem::take(&mut self.held);
        rest.push_str(&content);
        if self.state == State::Beginning {
            let space = rest.len() - rest.trim_start().len();
            let begun = &rest[space..];
            let is_near = space <= MAX_LEADING_SPACE;
            if let Some(reasoning) = begun.strip_prefix(OPENING).filter(|_| is_near) {
                rest = reasoning.to_owned();
                self.state = State::Reasoning;
            } else if OPENING.starts_with(begun) && is_near {
                self.held = rest;
                return;
            } else {
                self.state = State::Text;
                said.push_back(Piece::Text(rest));
                return;
            }
        }
        if self.state == State::Reasoning {
            rest = self.reason(rest, said);
        }
        if self.state == State::Between {
            let text = rest.trim_start();
            if !text.is_empty() {
                self.state = State::Text;
                said.push_back(Piece::Text(text.to_owned()));
            }
        }
    }

    /// Gives out what was held back: the content is over.
    pub(crate) fn finish(&mut self, said: &mut VecDeque<Piece>) {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() {
            return;
        }
        said.push_back(if self.state == State::Reasoning { Piece::Reasoning(held) } else { Piece::Text(held) });
    }

    /// Gives out reasoning up to the closing tag, or up to what may be its beginning; returns what follows the tag.
    fn reason(&mut self, rest: String, said: &mut VecDeque<Piece>) -> String {
        let (reasoning, after) = match rest.split_once(CLOSING) {
            Some((reasoning, after)) => {
                self.state = State::Between;
                (reasoning, after.to_owned())
            }
            None => {
                let (reasoning, held) = rest.split_at(rest.len() - closing_begun(&rest));
                self.held = held.to_owned();
                (reasoning, String::new())
            }
        };
        if !reasoning.is_empty() {
            said.push_back(Piece::Reasoning(reasoning.to_owned()));
        }
        after
    }
}

/// How many bytes at the end may be the beginning of the closing tag.
fn closing_begun(text: &str) -> usize {
    (1..CLOSING.len()).rev().find(|length| text.ends_with(&CLOSING[..*length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Text and reasoning of an answer whose content comes in these pieces.
    fn split<'a>(pieces: impl IntoIterator<Item = &'a str>) -> (String, String) {
        let (mut tags, mut said) = (ThinkTags::default(), VecDeque::new());
        let held_back = OPENING.len().max(CLOSING.len()) + MAX_LEADING_SPACE;
        for piece in pieces {
            tags.take(piece.to_owned(), &mut said);
            assert!(tags.held.len() < held_back, "{:?}", tags.held);
        }
        tags.finish(&mut said);
        let (mut text, mut reasoning) = (String::new(), String::new());
        for piece in said {
            match piece {
                Piece::Text(piece) if !piece.is_empty() => text.push_str(&piece),
                Piece::Reasoning(piece) if !piece.is_empty() => {
                    assert!(text.is_empty(), "reasoning comes first");
                    reasoning.push_str(&piece);
                }
                other => panic!("unexpected {other:?}"),
            }
        }
        (text, reasoning)
    }

    #[test]
    fn only_a_beginning_in_tags_is_reasoning() {
        for (content, text, reasoning) in [
            ("Hello.", "Hello.", ""),
            ("<think>Hm.</think>Hello.", "Hello.", "Hm."),
            ("\n <think>\nHm < 3.\n</think>\n\nHello.\n", "Hello.\n", "\nHm < 3.\n"),
            ("<think></think>\n\nHello.", "Hello.", ""),
            ("<think>Hm.", "", "Hm."),
            ("<think>Hm.</thi", "", "Hm.</thi"),
            ("<think>Hm.</think>\n", "", "Hm."),
            ("<think>a</think>b<think>c</think>", "b<think>c</think>", "a"),
            ("Tags: <think>x</think>", "Tags: <think>x</think>", ""),
            ("<thinking>x", "<thinking>x", ""),
            ("<th", "<th", ""),
            (" \n", " \n", ""),
            ("", "", ""),
        ] {
            assert_eq!(split([content]), (text.to_owned(), reasoning.to_owned()), "{content:?}");
            let characters: Vec<String> = content.chars().map(String::from).collect();
            let apart = split(characters.iter().map(String::as_str));
            assert_eq!(apart, (text.to_owned(), reasoning.to_owned()), "{content:?} character by character");
        }
        let far = format!("{}<think>x</think>", " ".repeat(100));
        assert_eq!(split([far.as_str()]).0, far, "a tag after much white space is text");
    }

    #[test]
    fn text_waits_for_nothing() {
        let (mut tags, mut said) = (ThinkTags::default(), VecDeque::new());
        tags.take("H".to_owned(), &mut said);
        tags.take(" <".to_owned(), &mut said);
        assert_eq!(said, [Piece::Text("H".to_owned()), Piece::Text(" <".to_owned())]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

        #[test]
        fn any_cut_gives_the_same(
            parts in prop::collection::vec(
                prop_oneof![
                    3 => Just("<think>"), 3 => Just("</think>"), 2 => Just("</thi"), 1 => Just("<"), 2 => Just(" \n"),
                    2 => Just("é😀"), 2 => Just("Hm."), 1 => Just("nk>"),
                ],
                0..12,
            ),
            cuts in prop::collection::vec(0usize..120, 0..8),
        ) {
            let content = parts.concat();
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| content.is_char_boundary(*cut)).collect();
            cuts.extend([0, content.len()]);
            cuts.sort_unstable();
            let whole = split([content.as_str()]);
            prop_assert_eq!(&split(cuts.windows(2).map(|pair| &content[pair[0]..pair[1]])), &whole);
            let characters: Vec<String> = content.chars().map(String::from).collect();
            prop_assert_eq!(&split(characters.iter().map(String::as_str)), &whole);
        }
    }
}
