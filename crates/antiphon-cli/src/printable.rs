//! What a terminal may be sent of a text that somebody else wrote: no control characters, which could move its cursor,
//! change its title or type for the person (ECMA-48).

use std::borrow::Cow;

/// The text without control characters other than line feeds; a tab becomes a space.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let is_control = |character: char| character.is_control() && character != '\n';
    if !text.contains(is_control) {
        return Cow::Borrowed(text);
    }
    let replaced = text.chars().filter(|character| *character == '\t' || !is_control(*character));
    Cow::Owned(replaced.map(|character| if character == '\t' { ' ' } else { character }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_taken_apart() {
        assert_eq!(printable("a\u{1b}[2Jb\u{9b}c\td\ne"), "a[2Jbc d\ne");
        assert!(matches!(printable("ünïcode"), Cow::Borrowed(_)));
    }
}
