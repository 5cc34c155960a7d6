//! Licence expressions: whether what a crate offers is among what is allowed.
//!
//! The grammar is that of the SPDX specification, annex "SPDX license expressions"
//! (<https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions/>), plus the `/` that old crates write for `OR`.

/// Whether the expression can be met with licences from `allowed` alone. An exception is part of its
/// licence: `Apache-2.0 WITH LLVM-exception` must be allowed by that whole name. An expression that
/// cannot be read is not allowed.
pub fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut parser = Parser { words: spaced.split_whitespace().collect(), next: 0, allowed };
    let met = parser.any_of();
    met == Some(true) && parser.next == parser.words.len()
}

struct Parser<'a> {
    words: Vec<&'a str>,
    next: usize,
    allowed: &'a [String],
}

impl Parser<'_> {
    fn take(&mut self, word: &str) -> bool {
        let found = self.words.get(self.next).is_some_and(|next| *next == word);
        self.next += usize::from(found);
        found
    }

    /// `OR` binds loosest. `None` is an expression that cannot be read.
    fn any_of(&mut self) -> Option<bool> {
        let mut met = self.all_of()?;
        while self.take("OR") {
            met |= self.all_of()?;
        }
        Some(met)
    }

    fn all_of(&mut self) -> Option<bool> {
        let mut met = self.one()?;
        while self.take("AND") {
            met &= self.one()?;
        }
        Some(met)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let met = self.any_of()?;
            return self.take(")").then_some(met);
        }
        let name = *self.words.get(self.next).filter(|word| !matches!(**word, "OR" | "AND" | "WITH" | ")"))?;
        self.next += 1;
        if !self.take("WITH") {
            return Some(self.allowed.iter().any(|allowed| allowed == name));
        }
        let exception = *self.words.get(self.next)?;
        self.next += 1;
        let whole = format!("{name} WITH {exception}");
        Some(self.allowed.contains(&whole))
    }
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn expressions_are_met_as_spdx_says() {
        let allowed = ["MIT".to_owned(), "Apache-2.0".to_owned(), "ISC".to_owned()];
        for good in [
            "MIT",
            "GPL-2.0-only OR MIT",
            "MIT/Apache-2.0",
            "Apache-2.0 / MIT",
            "Apache-2.0 AND ISC",
            "(MIT OR GPL-3.0) AND ISC",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
            "GPL-3.0 AND MIT OR ISC",
        ] {
            assert!(is_allowed(good, &allowed), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "MIT AND (GPL-3.0 OR MPL-2.0)",
            "Apache-2.0 WITH LLVM-exception",
            "MIT MIT",
            "(MIT",
            "MIT OR",
        ] {
            assert!(!is_allowed(bad, &allowed), "{bad}");
        }
    }
}
