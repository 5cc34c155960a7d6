//! Finds the answer to a prompt: by what the last message is about, else by saying so.

use super::topics::{COUNT, FALLBACK, TOPICS, Topic};
use crate::provider::{Prompt, TurnRole};

/// The part of a question that is looked at, in characters: nobody asks in more.
const MAX_QUESTION: usize = 2_000;
/// The part of a question or an earlier message that is said back, in characters.
const MAX_QUOTE: usize = 80;
/// The highest number that is counted to: a minute and a half of talk.
const MAX_COUNT: u32 = 500;
/// Counted to when no number is named.
const DEFAULT_COUNT: u32 = 50;

/// The whole answer to a prompt, with markers if the system part asks for them. The same prompt, the same answer.
pub(super) fn compose(prompt: &Prompt) -> String {
    let question = prompt.turns.last().map(|turn| turn.content.as_str()).unwrap_or_default();
    let answer = answer_to(question, prompt);
    // The vocabulary's first kind is named by every system part that asks for markers.
    if prompt.system.contains("emotion") { answer } else { without_markers(&answer) }
}

fn answer_to(question: &str, prompt: &Prompt) -> String {
    let words = normal(question);
    if let Some(text) = words.strip_prefix(" count ") {
        return count_to(text);
    }
    if [" what did i say ", " my last message ", " do you remember "].iter().any(|phrase| words.contains(phrase)) {
        return recall(prompt);
    }
    let said = ["say", "repeat after me", "repeat"];
    if let Some(rest) = said.iter().find_map(|word| strip_word(question, word)) {
        return format!("[emotion:happy,gesture:nod]{}", quote(rest));
    }
    match best(&words) {
        Some(topic) => {
            // Asked twice, it may say it in other words; which depends on the conversation's length alone.
            let turn = prompt.turns.len() / 2;
            topic.answers.get(turn % topic.answers.len().max(1)).copied().unwrap_or_default().to_owned()
        }
        None => FALLBACK.replace("{question}", &quote(question)).replace("{topics}", &names()),
    }
}

/// The topic with the most matching letters; the earlier one of two equals.
fn best(words: &str) -> Option<&'static Topic> {
    let score = |topic: &Topic| {
        topic.keywords.iter().filter(|word| words.contains(&format!(" {word} "))).map(|word| word.len()).sum::<usize>()
    };
    let best = TOPICS.iter().rev().max_by_key(|topic| score(topic))?;
    (score(best) > 0).then_some(best)
}

fn names() -> String {
    let names: Vec<&str> = TOPICS.iter().map(|topic| topic.name).filter(|name| !name.is_empty()).collect();
    names.join(", ")
}

/// Lower case, words only, one space around each.
fn normal(question: &str) -> String {
    let question: String =
        question.chars().take(MAX_QUESTION).collect::<String>().to_lowercase().replace(['\'', '’'], "");
    let words: Vec<&str> = question.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    format!(" {} ", words.join(" "))
}

/// What follows a word at the question's beginning, whatever its case.
fn strip_word<'a>(question: &'a str, word: &str) -> Option<&'a str> {
    let question = question.trim_start();
    let beginning = question.get(..word.len())?;
    let after = question.get(word.len()..)?;
    let rest = after.trim_start_matches([' ', ':']);
    (beginning.eq_ignore_ascii_case(word) && !rest.is_empty() && rest.len() < after.len()).then_some(rest)
}

/// A bounded part of someone's words, on one line and with its brackets rounded: nothing in it is a marker.
fn quote(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut quote: String = line
        .chars()
        .take(MAX_QUOTE)
        .map(|c| match c {
            '[' => '(',
            ']' => ')',
            '{' | '}' => ' ',
            other => other,
        })
        .collect();
    if line.chars().nth(MAX_QUOTE).is_some() {
        quote.push('…');
    }
    quote
}

fn count_to(text: &str) -> String {
    let named = text.split(' ').find_map(|word| word.parse::<u32>().ok());
    let last = named.unwrap_or(DEFAULT_COUNT).clamp(1, MAX_COUNT);
    let numbers: Vec<String> = (1..=last)
        .map(|number| match number % 10 {
            0 => format!("[gesture:nod]{number}"),
            _ => number.to_string(),
        })
        .collect();
    COUNT.replace("{numbers}", &numbers.join(", "))
}

fn recall(prompt: &Prompt) -> String {
    let said = prompt.turns.iter().rev().skip(1).find(|turn| turn.role == TurnRole::User);
    match said {
        Some(turn) => format!(
            "[emotion:thoughtful,pose:thinking]Before this you said: “{}”. [emotion:calm,gesture:nod]I know it because \
             the room's history is part of every prompt, and of an answer that was interrupted only what was heard.",
            quote(&turn.content)
        ),
        None => "[emotion:calm,gesture:shrug]This is the first message of yours that I was given.".to_owned(),
    }
}

/// The answer with every marker cut out. Scripted texts and quotes hold no other brackets.
fn without_markers(answer: &str) -> String {
    answer
        .split('[')
        .enumerate()
        .map(|(i, part)| if i == 0 { part } else { part.split_once(']').map_or("", |p| p.1) })
        .collect()
}
