//! Going on in a text that is there: a last message of the assistant's, which the model continues.
//!
//! Public source: Anthropic's guide "Prefill Claude's response", and its migration guide: with the 4.6 models and all
//! later ones a last message of the assistant's is an error (status 400).

/// The first version, major and minor, that refuses it.
const REFUSED_FROM: (u32, u32) = (4, 6);

/// Whether the model continues a last message of the assistant's, by its name: `claude-3-5-haiku-20241022`,
/// `claude-opus-4-20250514`, `claude-sonnet-4-5`, `anthropic.claude-3-haiku-20240307-v1:0`. Models whose name tells no
/// version came later than 4.6, and others than Claude promise nothing.
pub(super) fn is_taken_by(model: &str) -> bool {
    version(model).is_some_and(|version| version < REFUSED_FROM)
}

/// The first one or two numbers after `claude`; dates are longer than versions.
fn version(model: &str) -> Option<(u32, u32)> {
    let model = model.to_ascii_lowercase();
    let (_, name) = model.split_once("claude")?;
    let mut numbers = name.split(['-', '.', '_', '@', ':']).skip_while(|word| number(word).is_none()).map_while(number);
    Some((numbers.next()?, numbers.next().unwrap_or(0)))
}

fn number(word: &str) -> Option<u32> {
    if word.len() > 2 { None } else { word.parse().ok() }
}

/// What is sent of the text: the API refuses one that ends in white space.
pub(super) fn sent(partial: &str) -> &str {
    partial.trim_end()
}

/// Joins the continuation to the whole text: white space at the text's end was not sent, so that the model may say it
/// again, and then it is left out once.
#[derive(Debug, Default)]
pub(super) struct Seam {
    /// What the text ends in and was not repeated yet.
    left: String,
}

impl Seam {
    pub(super) fn after(partial: &str) -> Self {
        Self { left: partial[sent(partial).len()..].to_owned() }
    }

    /// The part of the next piece of the continuation that is new.
    pub(super) fn join<'a>(&mut self, piece: &'a str) -> &'a str {
        let mut rest = piece;
        while let (Some(expected), Some(found)) = (self.left.chars().next(), rest.chars().next()) {
            if expected != found {
                self.left.clear();
                break;
            }
            self.left.drain(..expected.len_utf8());
            rest = &rest[found.len_utf8()..];
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_before_4_6_continue_and_later_ones_do_not() {
        for model in [
            "claude-2.1",
            "claude-3-haiku-20240307",
            "claude-3-5-sonnet-latest",
            "claude-3-7-sonnet-20250219",
            "claude-opus-4-20250514",
            "claude-opus-4-1-20250805",
            "claude-sonnet-4-5",
            "claude-sonnet-4-5-20250929",
            "claude-haiku-4-5@20251001",
            "anthropic.claude-3-haiku-20240307-v1:0",
            "anthropic/claude-sonnet-4.5",
        ] {
            assert!(is_taken_by(model), "{model}");
        }
        for model in [
            "claude-opus-4-6",
            "claude-sonnet-4-6",
            "anthropic/claude-opus-4.6",
            "claude-opus-4-7",
            "claude-opus-4-10",
            "claude-sonnet-5",
            "claude-opus-5-20270101",
            "claude-mythos-preview",
            "claude",
            "m-1",
            "",
        ] {
            assert!(!is_taken_by(model), "{model}");
        }
    }

    #[test]
    fn white_space_at_the_seam_comes_once() {
        for (partial, pieces, whole) in [
            ("Well, ", vec![" then"], "Well, then"),
            ("Well, ", vec!["then"], "Well, then"),
            ("Well,", vec![" then"], "Well, then"),
            ("One.\n\n", vec!["\n", "\nTwo."], "One.\n\nTwo."),
            ("One.\n\n", vec!["\nTwo.\n"], "One.\n\nTwo.\n"),
            ("One. ", vec!["\n\nTwo."], "One. \n\nTwo."),
            ("One. ", vec!["  ", "two"], "One.  two"),
            ("é\u{3000}", vec!["\u{3000}ü"], "é\u{3000}ü"),
            (" ", vec![" a"], " a"),
        ] {
            let mut seam = Seam::after(partial);
            let more: String = pieces.iter().map(|piece| seam.join(piece)).collect();
            assert_eq!(format!("{partial}{more}"), whole);
        }
    }
}
