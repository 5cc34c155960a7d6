//! What is wrong with a configuration, where, and what was probably meant.

use super::environment;
use figment::error::{Error, Kind};
use std::fmt::Write;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// A configuration that cannot be used: sentences for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    /// From a sentence.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// Says which key of which source is wrong, each problem on a line.
pub(super) fn explain(error: Error, file: Option<(&Path, &str)>) -> ConfigError {
    let sentences: Vec<String> = error.into_iter().map(|error| sentence(&error, file)).collect();
    ConfigError(sentences.join("\n"))
}

fn sentence(error: &Error, file: Option<(&Path, &str)>) -> String {
    let mut path = error.path.clone();
    let what = match &error.kind {
        Kind::UnknownField(field, expected) => {
            if path.last() != Some(field) {
                path.push(field.clone());
            }
            let mut what = format!("unknown key `{}`", path.join("."));
            push_suggestion(&mut what, field, expected);
            what
        }
        Kind::UnknownVariant(value, expected) => {
            let mut what = format!("`{}` cannot be `{value}`", path.join("."));
            push_suggestion(&mut what, value, expected);
            what
        }
        Kind::MissingField(field) => {
            path.push(field.to_string());
            format!("`{}` is missing", path.join("."))
        }
        Kind::Message(message) if path.is_empty() => message.trim().to_owned(),
        Kind::Message(message) => format!("`{}`: {}", path.join("."), message.trim()),
        other => format!("`{}`: {other}", path.join(".")),
    };
    let is_missing = matches!(error.kind, Kind::MissingField(_));
    if is_missing {
        path.pop();
    }
    let is_variable = error.metadata.as_ref().is_some_and(|metadata| metadata.name == environment::NAME);
    if is_variable {
        return format!("the variable ANTIPHON_{}: {what}", path.join("__").to_ascii_uppercase());
    }
    match file {
        None => what,
        Some((file, text)) => match line_of(text, &path) {
            Some(line) => format!("{}, line {line}: {what}", file.display()),
            None => format!("{}: {what}", file.display()),
        },
    }
}

fn push_suggestion(what: &mut String, wrong: &str, known: &[&str]) {
    // Writing into a string cannot fail.
    let _ = match closest(wrong, known.iter().copied()) {
        Some(close) => write!(what, "; did you mean `{close}`?"),
        None => write!(what, "; known are {}", known.join(", ")),
    };
}

/// The known name that was probably meant.
pub(super) fn closest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (strsim::jaro_winkler(wrong, known), known))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known)
}

/// The line of a key, from 1.
fn line_of(text: &str, path: &[String]) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut place = None;
    let mut levels = path.iter().peekable();
    while let Some(level) = levels.next() {
        let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref().as_ref() == level.as_str()) else { break };
        place = Some(key.span().start);
        let mut value = value.get_ref();
        while let (DeValue::Array(array), Some(index)) = (value, levels.peek().and_then(|next| next.parse().ok())) {
            let index: usize = index;
            levels.next();
            let Some(entry) = array.get(index) else { break };
            place = Some(entry.span().start);
            value = entry.get_ref();
        }
        match value {
            DeValue::Table(nested) => table = nested,
            _ => break,
        }
    }
    Some(text.get(..place?)?.matches('\n').count() + 1)
}
