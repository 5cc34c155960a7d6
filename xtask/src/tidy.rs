//! `cargo xtask tidy`: what keeps the code easy to find one's way in, as tests. Each rule says why it is there.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

mod code;
mod edges;
mod named_paths;
mod names;
mod source;

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 6] = ["target", ".git", "node_modules", "antiphon-data", "dist", "corpus"];

/// A broken rule and the place.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    file: String,
    /// From 1; 0 where it is the file as a whole.
    line: usize,
    reason: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, reason } = self;
        if *line == 0 { write!(out, "{file}: {reason}") } else { write!(out, "{file}:{line}: {reason}") }
    }
}

/// A file of the repository.
#[derive(Debug)]
struct File {
    /// Relative to the root, with `/` between its parts.
    path: String,
    /// Empty for what is not text.
    text: String,
}

impl File {
    fn extension(&self) -> &str {
        Path::new(&self.path).extension().and_then(|extension| extension.to_str()).unwrap_or("")
    }

    fn finding(&self, line: usize, reason: impl Into<String>) -> Finding {
        Finding { file: self.path.clone(), line, reason: reason.into() }
    }
}

/// Checks the repository at `root`; findings go to standard output.
pub fn run(root: &Path) -> Result<(), String> {
    let files = read_tree(root)?;
    let findings = check(&files);
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("    {} files are tidy", files.len());
        return Ok(());
    }
    Err(format!("{} findings; STYLE.md has the rules", findings.len()))
}

fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = edges::check(files);
    findings.extend(names::check(files));
    findings.extend(named_paths::check(files));
    findings.extend(files.iter().flat_map(source::check));
    findings.extend(source::unreachable(files));
    findings.sort();
    findings
}

/// Every file of the repository, in the order of their paths.
fn read_tree(root: &Path) -> Result<Vec<File>, String> {
    let mut folders = vec![root.to_path_buf()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for entry in entries {
            let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() && !path.is_symlink() {
                if !SKIPPED.contains(&name.as_ref()) {
                    folders.push(path);
                }
            } else if path.is_file() {
                files.push(read_file(root, &path)?);
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

fn read_file(root: &Path, path: &PathBuf) -> Result<File, String> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let relative = path.strip_prefix(root).unwrap_or(path);
    let path = relative.to_string_lossy().replace('\\', "/");
    Ok(File { path, text: String::from_utf8(bytes).unwrap_or_default() })
}

#[cfg(test)]
fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_come_with_their_place_in_order() {
        let files = [
            file("crates/antiphon-core/src/lib.rs", "//! Core.\nfn f() { dbg!(1); }\n"),
            file("crates/antiphon-core/src/a/mod.rs", "fn g() {}\n"),
        ];
        let findings: Vec<String> = check(&files).iter().map(ToString::to_string).collect();
        let places: Vec<&str> = findings.iter().filter_map(|finding| finding.split(": ").next()).collect();
        assert_eq!(
            places,
            [
                "ARCHITECTURE.md",
                "crates/antiphon-core/src/a/mod.rs",
                "crates/antiphon-core/src/a/mod.rs:1",
                "crates/antiphon-core/src/lib.rs:2"
            ]
        );
    }
}
