//! Known vulnerabilities, without a network: a snapshot of the RustSec advisory database
//! (<https://github.com/rustsec/advisory-db>, format in its README), in `xtask/advisories.tsv`.
//!
//! The snapshot knows nothing newer than its date, so `cargo-deny` runs beside it where it is installed.
//! `cargo xtask advisories FOLDER` writes it anew from a clone of the database.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the snapshot is, from the root.
pub const SNAPSHOT: &str = "xtask/advisories.tsv";
/// What stands first in it; the lines after are crate, advisory, versions that are safe.
const HEADER: &str = "# Written by `cargo xtask advisories` from the RustSec advisory database, as of ";

/// A crate's version as found in the lock file.
#[derive(Debug, PartialEq, Eq)]
pub struct Locked<'a> {
    name: &'a str,
    version: &'a str,
}

/// The packages of a `Cargo.lock`.
pub fn locked(lock: &str) -> Vec<Locked<'_>> {
    let packages = lock.split("[[package]]").skip(1);
    packages
        .filter_map(|package| Some(Locked { name: value(package, "name")?, version: value(package, "version")? }))
        .collect()
}

/// The date of a snapshot.
pub fn date(snapshot: &str) -> &str {
    let first = snapshot.lines().next().unwrap_or("");
    first.strip_prefix(HEADER).unwrap_or("an unknown date")
}

/// What the snapshot has against the locked packages, save for the advisories that are ignored.
pub fn check(snapshot: &str, locked: &[Locked<'_>], ignored: &[String]) -> Vec<String> {
    let mut findings = Vec::new();
    for line in snapshot.lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.split('\t');
        let (Some(name), Some(id), Some(safe)) = (fields.next(), fields.next(), fields.next()) else { continue };
        if ignored.iter().any(|ignored| ignored == id) {
            continue;
        }
        for package in locked.iter().filter(|package| package.name == name) {
            if !safe.split(" | ").any(|requirement| meets(package.version, requirement)) {
                let version = package.version;
                let safe = if safe.is_empty() { "no version" } else { safe };
                findings.push(format!("{name} {version}: {id} (https://rustsec.org/advisories/{id}), safe: {safe}"));
            }
        }
    }
    findings
}

/// Writes the snapshot from a clone of the database, dated by the newest advisory in it.
pub fn refresh(clone: &Path, snapshot: &Path) -> Result<(), String> {
    let mut lines = Vec::new();
    let mut newest = String::new();
    for file in advisories(&clone.join("crates"))? {
        let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        if let Some(date) = value(&text, "date").filter(|date| *date > newest.as_str()) {
            newest = date.to_owned();
        }
        lines.extend(summary(&text));
    }
    if lines.is_empty() {
        return Err(format!("{} is not a clone of the advisory database", clone.display()));
    }
    lines.sort();
    println!("{} advisories, the newest of {newest}", lines.len());
    let text = format!("{HEADER}{newest}\n{}\n", lines.join("\n"));
    fs::write(snapshot, text).map_err(|error| format!("{}: {error}", snapshot.display()))
}

fn advisories(crates: &Path) -> Result<Vec<PathBuf>, String> {
    let read = |folder: &Path| {
        let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok::<_, String>(entries.flatten().map(|entry| entry.path()).collect::<Vec<_>>())
    };
    let mut files = Vec::new();
    for folder in read(crates)? {
        files.extend(read(&folder)?.into_iter().filter(|file| file.extension().is_some_and(|kind| kind == "md")));
    }
    Ok(files)
}

/// The snapshot's line for an advisory; none for what was withdrawn, or says only that nobody maintains a crate.
fn summary(advisory: &str) -> Option<String> {
    let informational = value(advisory, "informational");
    if value(advisory, "withdrawn").is_some() || informational.is_some_and(|kind| kind != "unsound") {
        return None;
    }
    let mut safe = strings(advisory, "patched");
    safe.extend(strings(advisory, "unaffected"));
    Some(format!("{}\t{}\t{}", value(advisory, "package")?, value(advisory, "id")?, safe.join(" | ")))
}

/// The string that a line `key = "…"` gives.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let of_line = |line: &'a str| line.strip_prefix(key)?.trim_start().strip_prefix('=')?.split('"').nth(1);
    text.lines().find_map(of_line)
}

/// The strings of an array `key = […]`, on one line or several.
fn strings(text: &str, key: &str) -> Vec<String> {
    let begins = |line: &&str| line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
    let mut lines = text.lines().skip_while(|line| !begins(line));
    let mut found = Vec::new();
    for line in lines.by_ref() {
        found.extend(line.split('"').skip(1).step_by(2).map(str::to_owned));
        if line.trim_end().ends_with(']') {
            break;
        }
    }
    found
}

/// Whether a version meets a requirement such as `>= 1.2.3, < 2`, as Cargo reads it; a pre-release counts
/// as its release.
fn meets(version: &str, requirement: &str) -> bool {
    let version = triple(version);
    requirement.split(',').map(str::trim).filter(|part| !part.is_empty()).all(|part| {
        let number = part.trim_start_matches(['<', '>', '=', '^', '~', ' ']);
        let bound = triple(number);
        match part[..part.len() - number.len()].trim() {
            ">=" => version >= bound,
            ">" => version > bound,
            "<=" => version <= bound,
            "<" => version < bound,
            "=" => version == bound,
            "~" => version >= bound && version < [bound[0], bound[1] + 1, 0],
            _ => version >= bound && version < next_incompatible(bound),
        }
    }) && !requirement.trim().is_empty()
}

const fn next_incompatible([major, minor, patch]: [u64; 3]) -> [u64; 3] {
    match (major, minor) {
        (0, 0) => [0, 0, patch + 1],
        (0, _) => [0, minor + 1, 0],
        _ => [major + 1, 0, 0],
    }
}

fn triple(version: &str) -> [u64; 3] {
    let release = version.split(['-', '+']).next().unwrap_or("");
    let mut numbers = release.split('.').map(|number| number.parse().unwrap_or(0));
    [(); 3].map(|()| numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADVISORY: &str = "```toml\n[advisory]\nid = \"RUSTSEC-2020-0001\"\npackage = \"leaky\"\ndate = \"2020-01-02\"\n\n\
        [versions]\npatched = [\n  \">= 1.2.4\",\n  \"^1.1.9\",\n]\nunaffected = [\"< 1.0.0\"]\n```\n\n# Leaks\n";

    #[test]
    fn an_advisory_becomes_a_line_and_the_line_finds_what_is_affected() {
        let line = summary(ADVISORY).unwrap();
        assert_eq!(line, "leaky\tRUSTSEC-2020-0001\t>= 1.2.4 | ^1.1.9 | < 1.0.0");
        let lock = "[[package]]\nname = \"leaky\"\nversion = \"1.1.2\"\n\n[[package]]\nname = \"leaky\"\nversion = \"1.3.0+x\"\n";
        let snapshot = format!("{HEADER}2020-01-02\n{line}\n");
        assert_eq!(date(&snapshot), "2020-01-02");
        let findings = check(&snapshot, &locked(lock), &[]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].starts_with("leaky 1.1.2: RUSTSEC-2020-0001"), "{findings:?}");
        assert!(check(&snapshot, &locked(lock), &["RUSTSEC-2020-0001".to_owned()]).is_empty());
    }

    #[test]
    fn withdrawn_and_unmaintained_are_left_out() {
        assert_eq!(summary(&ADVISORY.replace("date =", "withdrawn = \"2021-01-01\"\ndate =")), None);
        assert_eq!(summary(&ADVISORY.replace("date =", "informational = \"unmaintained\"\ndate =")), None);
        assert!(summary(&ADVISORY.replace("date =", "informational = \"unsound\"\ndate =")).is_some());
    }

    #[test]
    fn requirements_are_read_as_cargo_does() {
        for (version, requirement, met) in [
            ("1.2.3", ">=1.2, <1.3.0", true),
            ("1.3.0", ">=1.2, <1.3.0", false),
            ("0.2.9", "^0.2.3", true),
            ("0.3.0", "^0.2.3", false),
            ("0.0.4", "^0.0.3", false),
            ("1.4.9", "~1.4.2", true),
            ("1.5.0", "~1.4.2", false),
            ("2.0.0-rc.1", "> 1.9", true),
            ("1.0.0", "= 1.0.0", true),
            ("1.0.0", "", false),
        ] {
            assert_eq!(meets(version, requirement), met, "{version} {requirement}");
        }
    }
}
