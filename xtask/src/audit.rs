//! The dependency audit: licences, forbidden crates, duplicates and sources against `deny.toml`, without
//! a network, and known vulnerabilities against a snapshot. Where `cargo-deny` is installed it runs as well, from the same file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::{advisories, spdx, steps};

/// The only place that a crate may come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What a passed audit has to say.
#[derive(Debug, Default)]
pub struct Report {
    /// How much was looked at.
    pub note: String,
    /// What could not be looked at, and why.
    pub unchecked: Vec<String>,
}

#[derive(Debug)]
struct Crate {
    name: String,
    version: String,
    licence: String,
    /// One of this workspace.
    own: bool,
}

/// Audits all that the workspace builds from on this platform, development dependencies included.
pub fn run() -> Result<Report, String> {
    let root = steps::root();
    let read = |name: &str| std::fs::read_to_string(root.join(name)).map_err(|error| format!("{name}: {error}"));
    let rules = read("deny.toml")?;
    let format = ["--format", "{p}\t{l}", "--prefix", "none", "--edges", "normal,build,dev"];
    let tree = steps::output_of("audit", steps::cargo().args(["tree", "--workspace"]).args(format))?;
    let crates = crates_of(&tree);

    let mut findings = licences(&crates, &entries(&rules, "licenses", "allow"));
    findings.extend(forbidden(&crates, &entries(&rules, "bans", "deny")));
    findings.extend(duplicates(&crates, &entries(&rules, "bans", "skip")));
    let (lock, snapshot) = (read("Cargo.lock")?, read(advisories::SNAPSHOT)?);
    findings.extend(sources(&lock));
    let ignored = entries(&rules, "advisories", "ignore");
    findings.extend(advisories::check(&snapshot, &advisories::locked(&lock), &ignored));
    for finding in &findings {
        println!("    {finding}");
    }
    if !findings.is_empty() {
        return Err(format!("{} findings; the rules are in deny.toml", findings.len()));
    }
    let note = format!("{} crates; advisories as of {}", crates.len(), advisories::date(&snapshot));
    println!("    {note}: nothing against deny.toml");
    Ok(Report { note, unchecked: cargo_deny()? })
}

/// Runs `cargo-deny` where it is installed; returns what therefore went unchecked.
fn cargo_deny() -> Result<Vec<String>, String> {
    if !steps::answers("cargo-deny", &["--version"]) {
        return Ok(vec!["advisories newer than the snapshot, as cargo-deny is not installed".to_owned()]);
    }
    let deny = |checks: &[&str]| {
        let mut command = steps::cargo();
        command.args(["deny", "--offline", "check"]).args(checks);
        steps::run("cargo-deny", &mut command)
    };
    deny(&["licenses", "bans", "sources"])?;
    if !has_advisories() {
        return Ok(vec!["advisories newer than the snapshot, as `cargo deny fetch` was never run".to_owned()]);
    }
    deny(&["advisories"])?;
    Ok(Vec::new())
}

fn has_advisories() -> bool {
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = cargo_home.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
    let databases = home.and_then(|home| std::fs::read_dir(home.join("advisory-dbs")).ok());
    databases.is_some_and(|mut databases| databases.next().is_some())
}

/// Reads `cargo tree`'s lines, `name vVERSION (where)<TAB>LICENCE (*)`, each crate once.
fn crates_of(tree: &str) -> Vec<Crate> {
    let lines: BTreeSet<&str> = tree.lines().map(|line| line.trim_end().trim_end_matches("(*)").trim_end()).collect();
    let mut crates = Vec::new();
    for line in lines {
        let (package, licence) = line.split_once('\t').unwrap_or((line, ""));
        let mut words = package.split(' ');
        let (Some(name), Some(version)) = (words.next(), words.next()) else { continue };
        let own = words.next().is_some_and(|place| place.starts_with("(/"));
        let version = version.trim_start_matches('v').to_owned();
        crates.push(Crate { name: name.to_owned(), version, licence: licence.to_owned(), own });
    }
    crates
}

/// The entries of an array in one section of `deny.toml`, which has one entry to a line: a string, or a
/// table whose `crate` it is.
fn entries(rules: &str, section: &str, key: &str) -> Vec<String> {
    let header = format!("[{section}]");
    let mut lines = rules.lines().map(str::trim).skip_while(|line| *line != header).skip(1);
    let array = lines.by_ref().take_while(|line| !line.starts_with('['));
    let mut array = array.skip_while(|line| !line.starts_with(&format!("{key} = ["))).skip(1);
    let lines = array.by_ref().take_while(|line| !line.starts_with(']')).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split('"').nth(1)).map(str::to_owned).collect()
}

fn licences(crates: &[Crate], allowed: &[String]) -> Vec<String> {
    let refused = crates.iter().filter(|found| !spdx::is_allowed(&found.licence, allowed));
    let licence = |found: &Crate| if found.licence.is_empty() { "none named" } else { &found.licence }.to_owned();
    refused
        .map(|found| format!("{} {}: licence `{}` is not allowed", found.name, found.version, licence(found)))
        .collect()
}

fn forbidden(crates: &[Crate], denied: &[String]) -> Vec<String> {
    let found = crates.iter().filter(|found| denied.contains(&found.name));
    found.map(|found| format!("{} {}: forbidden, see [bans] deny", found.name, found.version)).collect()
}

fn duplicates(crates: &[Crate], known: &[String]) -> Vec<String> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for found in crates.iter().filter(|found| !found.own) {
        versions.entry(&found.name).or_default().insert(&found.version);
    }
    let twice =
        versions.into_iter().filter(|(name, versions)| versions.len() > 1 && !known.contains(&(*name).to_owned()));
    twice
        .map(|(name, versions)| {
            let versions = versions.into_iter().collect::<Vec<_>>().join(", ");
            format!("{name}: built in versions {versions}; settle on one (`cargo tree -i {name}`), or list it in [bans] skip")
        })
        .collect()
}

fn sources(lock: &str) -> Vec<String> {
    let lines = lock.lines().enumerate();
    let named =
        lines.filter_map(|(index, line)| Some((index + 1, line.strip_prefix("source = \"")?.trim_end_matches('"'))));
    named
        .filter(|(_, source)| *source != REGISTRY)
        .map(|(line, source)| format!("Cargo.lock:{line}: `{source}` is not crates.io"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = r#"
[licenses]
# a comment with "quotes"
allow = [
    "MIT",
    # "GPL-3.0" is not in it
    "Apache-2.0 WITH LLVM-exception",
]

[bans]
deny = [
    { crate = "openssl-sys", reason = "rustls is used" },
]
skip = [
    { crate = "rand" },
]
"#;

    const TREE: &str = "antiphon-core v0.1.0 (/src/crates/antiphon-core)\tMIT\n\
        rand v0.8.0\tMIT\nrand v0.9.0\tMIT\nsyn v2.0.0\tMIT OR X\nsyn v2.0.0\tMIT OR X (*)\n\
        syn v3.0.0\tMIT\nopenssl-sys v0.9.0\tGPL-3.0\nserde_derive v1.0.0 (proc-macro)\tMIT (*)\n";

    #[test]
    fn the_rules_are_read_by_section() {
        assert_eq!(entries(RULES, "licenses", "allow"), ["MIT", "Apache-2.0 WITH LLVM-exception"]);
        assert_eq!(entries(RULES, "bans", "deny"), ["openssl-sys"]);
        assert_eq!(entries(RULES, "bans", "skip"), ["rand"]);
        assert!(entries(RULES, "bans", "allow").is_empty());
        assert!(entries(RULES, "sources", "allow").is_empty());
    }

    #[test]
    fn each_kind_of_offence_is_found() {
        let crates = crates_of(TREE);
        assert_eq!(crates.len(), 7);
        assert!(crates.iter().all(|found| found.own == (found.name == "antiphon-core")));
        let licences = licences(&crates, &entries(RULES, "licenses", "allow"));
        assert_eq!(licences, ["openssl-sys 0.9.0: licence `GPL-3.0` is not allowed"]);
        assert_eq!(forbidden(&crates, &entries(RULES, "bans", "deny")).len(), 1);
        let duplicates = duplicates(&crates, &entries(RULES, "bans", "skip"));
        assert_eq!(duplicates.len(), 1);
        assert!(duplicates[0].starts_with("syn: built in versions 2.0.0, 3.0.0"), "{duplicates:?}");
    }

    #[test]
    fn a_crate_from_elsewhere_is_found() {
        let lock = format!("source = \"{REGISTRY}\"\nsource = \"git+https://example.org/x\"\n");
        assert_eq!(sources(&lock), ["Cargo.lock:2: `git+https://example.org/x` is not crates.io"]);
    }
}
