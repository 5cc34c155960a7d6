//! Telling Rust code from what is written in it: comments, strings, character literals.

/// A source text twice, both with the line breaks and length of the original: once with only its code
/// left, once with only its comments; all else is blanks.
#[derive(Debug)]
pub struct Separated {
    pub code: String,
    pub comments: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// Separates a Rust source. Where the text is not Rust the outcome is meaningless, but there is one.
pub fn separate(text: &str) -> Separated {
    let characters: Vec<char> = text.chars().collect();
    let mut separated = Separated { code: String::with_capacity(text.len()), comments: String::new() };
    let mut at = 0;
    while at < characters.len() {
        let rest = &characters[at..];
        let (kind, length) = token(rest, at.checked_sub(1).map(|before| characters[before]));
        for &character in &rest[..length] {
            let blank = if character == '\n' { '\n' } else { ' ' };
            separated.code.push(if kind == Kind::Code { character } else { blank });
            separated.comments.push(if kind == Kind::Comment { character } else { blank });
        }
        at += length;
    }
    separated
}

/// What starts here and how many characters it is long, at least one; `before` is the character before it.
fn token(rest: &[char], before: Option<char>) -> (Kind, usize) {
    let next = |offset: usize| rest.get(offset).copied().unwrap_or('\0');
    match (next(0), next(1)) {
        ('/', '/') => (Kind::Comment, rest.iter().position(|character| *character == '\n').unwrap_or(rest.len())),
        ('/', '*') => (Kind::Comment, block_comment(rest)),
        ('"', _) => (Kind::Literal, quoted(rest, '"')),
        ('r', '"' | '#')
            if !before.is_some_and(|before| before.is_alphanumeric() && before != 'b' || before == '_') =>
        {
            raw_string(rest).map_or((Kind::Code, 1), |length| (Kind::Literal, length))
        }
        ('\'', '\\') => (Kind::Literal, quoted(rest, '\'')),
        // `'a'` is a character, `'a` a lifetime.
        ('\'', _) if next(2) == '\'' => (Kind::Literal, 3),
        _ => (Kind::Code, 1),
    }
}

fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match (rest[at], rest.get(at + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                at += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            character if character == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a raw string, or nothing where this is a raw name such as `r#type`.
fn raw_string(rest: &[char]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|character| **character == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return None;
    }
    let body = 2 + hashes;
    let ends =
        |at: &usize| rest[*at] == '"' && rest[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
    Some((body..rest.len()).find(ends).map_or(rest.len(), |at| at + 1 + hashes))
}

/// Where a word stands in code, as byte offsets: not within a longer name.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let of_a_name = |character: Option<char>| character.is_some_and(|found| found.is_alphanumeric() || found == '_');
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        !of_a_name(code[..at].chars().next_back()) && !of_a_name(code[at + word.len()..].chars().next())
    })
}

/// The line, from 1, of a byte offset.
pub fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_comments_are_not_code() {
        let source = "let a = \"fn { \\\" }\"; // fn two {\nlet b = r#\"{\"{\"#; /* { /* { */ } */ let c = '{';\nlet d = b'\\'';";
        let separated = separate(source);
        assert!(!separated.code.contains(['{', '}']), "{}", separated.code);
        assert_eq!(separated.code.lines().count(), 3);
        assert_eq!(separated.code.len(), source.len());
        assert!(separated.comments.contains("// fn two {") && !separated.comments.contains("let"));
        assert!(separated.code.trim_end().ends_with(';'));
    }

    #[test]
    fn lifetimes_and_raw_names_are_code() {
        let source = "fn f<'a>(x: &'a str, r#type: u8) -> &'static str { x }";
        assert_eq!(separate(source).code, source);
    }

    #[test]
    fn unclosed_things_end_with_the_file() {
        for source in ["\"abc", "/* abc", "r#\"abc\"", "'\\", "\"\\"] {
            assert_eq!(separate(source).code.trim(), "", "{source}");
        }
    }

    #[test]
    fn words_are_whole() {
        assert_eq!(words("fn afn fn_ (fn)", "fn").collect::<Vec<_>>(), [0, 12]);
        assert_eq!(line_of("a\nb\nc", 4), 3);
    }
}
