//! A statement and the rows that it gives, in terms that SQLite and PostgreSQL share.

use crate::RecordsError;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use std::borrow::Cow;

/// One SQL text for both databases, and what is put in for `$1`, `$2` and so on.
pub(crate) struct Statement {
    pub(crate) text: Cow<'static, str>,
    pub(crate) arguments: Vec<Argument>,
}

/// What is put into a statement.
pub(crate) enum Argument {
    Text(Option<String>),
    Integer(Option<i64>),
    Boolean(bool),
}

impl Statement {
    /// `text` is never made of what somebody said: that is what arguments are for.
    pub(crate) fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), arguments: Vec::new() }
    }

    pub(crate) fn bind(mut self, argument: impl Into<Argument>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// As PostgreSQL can store it.
    pub(crate) fn without_zeros(mut self) -> Self {
        for argument in &mut self.arguments {
            if let Argument::Text(Some(text)) = argument {
                escape_zeros(text);
            }
        }
        self
    }
}

impl From<&str> for Argument {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for Argument {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<&str>> for Argument {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}

impl From<Option<String>> for Argument {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Argument {
    fn from(number: i64) -> Self {
        Self::Integer(Some(number))
    }
}

impl From<Option<i64>> for Argument {
    fn from(number: Option<i64>) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Argument {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

/// A row of an answer.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// The value of a column; which Rust type it has is inferred.
macro_rules! value {
    ($row:expr, $column:expr) => {
        match $row {
            Row::Sqlite(row) => sqlx::Row::try_get(row, $column)?,
            Row::Postgres(row) => sqlx::Row::try_get(row, $column)?,
        }
    };
}

impl Row {
    pub(crate) fn text(&self, column: &'static str) -> Result<String, RecordsError> {
        self.text_or_null(column)?.ok_or_else(|| RecordsError::Value(format!("{column} is null")))
    }

    pub(crate) fn text_or_null(&self, column: &'static str) -> Result<Option<String>, RecordsError> {
        let text: Option<String> = value!(self, column);
        Ok(match self {
            Self::Sqlite(_) => text,
            Self::Postgres(_) => text.map(unescape_zeros),
        })
    }

    pub(crate) fn integer(&self, column: &'static str) -> Result<i64, RecordsError> {
        Ok(value!(self, column))
    }

    pub(crate) fn integer_or_null(&self, column: &'static str) -> Result<Option<i64>, RecordsError> {
        Ok(value!(self, column))
    }

    pub(crate) fn boolean(&self, column: &'static str) -> Result<bool, RecordsError> {
        Ok(value!(self, column))
    }
}

/// What stands before a digit in place of a character that PostgreSQL's texts cannot hold.
const ESCAPE: char = '\u{1}';

/// PostgreSQL refuses U+0000 in a text, which a model or a person may well write: U+0001 and a digit stand for it.
fn escape_zeros(text: &mut String) {
    if text.contains(['\0', ESCAPE]) {
        *text = text.replace(ESCAPE, "\u{1}1").replace('\0', "\u{1}0");
    }
}

fn unescape_zeros(text: String) -> String {
    if text.contains(ESCAPE) { text.replace("\u{1}0", "\0").replace("\u{1}1", "\u{1}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_postgresql_cannot_hold_comes_back() {
        for text in ["", "plain 😀", "\0", "\u{1}", "\u{1}0", "\u{1}1", "\0\u{1}\0", "\u{1}\u{1}0\0", "1\u{1}\u{1}1"]
        {
            let mut escaped = text.to_owned();
            escape_zeros(&mut escaped);
            assert!(!escaped.contains('\0'));
            assert_eq!(unescape_zeros(escaped), text);
        }
    }
}
