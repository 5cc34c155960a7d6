//! The documents that lead through the code name paths; each of them exists, or the document has gone stale.

use super::{File, Finding};

const DOCUMENTS: [&str; 3] = ["ARCHITECTURE.md", "CONTRIBUTING.md", "STYLE.md"];
/// What a path in this repository begins with. What begins otherwise (`/health`, `text/plain`) is no path.
const FIRST_PARTS: [&str; 9] = ["crates", "xtask", "benches", "packages", "apps", "deploy", "docs", ".ci", ".cargo"];

/// Checks the paths in backticks.
pub fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !files.iter().any(|file| file.path == DOCUMENTS[0]) {
        let reason = "is missing; it is the map of the code".to_owned();
        findings.push(Finding { file: DOCUMENTS[0].to_owned(), line: 0, reason });
    }
    for document in files.iter().filter(|file| DOCUMENTS.contains(&file.path.as_str())) {
        for (index, line) in document.text.lines().enumerate() {
            let missing = spans(line).filter(|span| is_path(span) && !exists(span, files));
            findings.extend(
                missing.map(|span| document.finding(index + 1, format!("names `{span}`, which does not exist"))),
            );
        }
    }
    findings
}

/// What stands in backticks in a line: every second piece between them.
fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn is_path(span: &str) -> bool {
    if span.contains([' ', '<', '{', '*', '…', '"', '(']) {
        return false;
    }
    match span.split_once('/') {
        Some((first, _)) => FIRST_PARTS.contains(&first),
        None => span.len() > 3 && (span.ends_with(".rs") || span.ends_with(".md")),
    }
}

/// A bare file name may be that of any file; a path is one from the root, of a file or a folder.
fn exists(span: &str, files: &[File]) -> bool {
    let path = span.split([':', '#']).next().unwrap_or("").trim_end_matches('/');
    files.iter().any(|file| {
        file.path == path
            || file.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
            || (!path.contains('/') && file.path.rsplit('/').next() == Some(path))
    })
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[test]
    fn paths_that_are_gone_are_found_with_their_line() {
        let files = [
            file(
                "ARCHITECTURE.md",
                "See `crates/a/src/` and `outbox.rs`.\n`crates/b/src/x.rs`, `gone.rs`, `docs/x.md:4`\n",
            ),
            file("crates/a/src/outbox.rs", ""),
            file("docs/x.md", ""),
        ];
        let found: Vec<String> = check(&files).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "ARCHITECTURE.md:2: names `crates/b/src/x.rs`, which does not exist",
                "ARCHITECTURE.md:2: names `gone.rs`, which does not exist"
            ]
        );
    }

    #[test]
    fn what_is_no_path_is_left_alone() {
        let text = "`GET /health`, `text/event-stream`, `namespace:id`, `crates/*`, `cargo xtask test`, `.rs`";
        assert!(check(&[file("ARCHITECTURE.md", text)]).is_empty());
        assert_eq!(check(&[]).len(), 1);
    }
}
