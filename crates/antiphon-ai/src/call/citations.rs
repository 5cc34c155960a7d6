//! The sources that a provider names, within bounds.

use antiphon_core::{Citation, limits};

/// Sources in the order in which they came, each address once.
#[derive(Debug, Default)]
pub(crate) struct Citations(Vec<Citation>);

impl Citations {
    /// Takes one in, unless its address is not one of the web or is past the bounds. An empty title is none; a title
    /// past the bound is cut between two characters. An address that came without its title gets it later.
    pub(crate) fn add(&mut self, url: &str, title: Option<&str>) {
        let url = url.trim();
        let is_web = ["http://", "https://"].iter().any(|scheme| {
            url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)) && url.len() > scheme.len()
        });
        if !is_web || url.len() > limits::MAX_CITATION_BYTES || url.contains(char::is_control) {
            return;
        }
        let title = title.map(str::trim).filter(|title| !title.is_empty()).map(|title| {
            let end = title.floor_char_boundary(limits::MAX_CITATION_BYTES);
            title[..end].to_owned()
        });
        if let Some(known) = self.0.iter_mut().find(|known| known.url == url) {
            known.title = known.title.take().or(title);
        } else if self.0.len() < limits::MAX_CITATIONS {
            self.0.push(Citation { url: url.to_owned(), title });
        }
    }

    /// All that were taken in.
    pub(crate) fn into_vec(self) -> Vec<Citation> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_web_addresses_each_once_within_bounds() {
        let mut citations = Citations::default();
        let long = format!("https://example.org/{}", "x".repeat(limits::MAX_CITATION_BYTES));
        for url in ["", "https://", "javascript:alert(1)", "ftp://x", "/a", "\u{e9}", "https://x/\u{1}y", &long] {
            citations.add(url, Some("No"));
        }
        citations.add(" https://example.org/a ", None);
        citations.add("HTTP://example.org/b", Some("\u{e9}".repeat(limits::MAX_CITATION_BYTES).as_str()));
        citations.add("https://example.org/a", Some(" A "));
        citations.add("https://example.org/a", Some("Another"));
        for number in 0..2 * limits::MAX_CITATIONS {
            citations.add(&format!("https://example.org/{number}"), None);
        }
        let citations = citations.into_vec();
        assert_eq!(citations.len(), limits::MAX_CITATIONS);
        assert_eq!((citations[0].url.as_str(), citations[0].title.as_deref()), ("https://example.org/a", Some("A")));
        assert_eq!(citations[1].title.as_ref().unwrap().len(), limits::MAX_CITATION_BYTES);
    }
}
