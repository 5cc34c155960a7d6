//! The page and the TypeScript packages under it: what npm installs, builds and checks.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::Hasher;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{debian, steps};

/// What the built page is made of, besides the installed packages.
const SOURCES: [&str; 4] = ["packages", "apps", "package-lock.json", "tsconfig.base.json"];
/// Folders that do not change the built page.
const NOT_SOURCES: [&str; 4] = ["node_modules", "dist", "tests", "e2e"];
/// The first version of Node.js that all tools run on.
const NODE: [u32; 2] = [20, 19];
/// Where Debian puts its Chromium, which the browser tests drive unless [`NAMED_CHROMIUM`] names another.
const CHROMIUM: &str = "/usr/bin/chromium";
const NAMED_CHROMIUM: &str = "ANTIPHON_CHROMIUM";

/// Installs the packages that the lock file names, unless they are there.
pub fn install() -> Result<(), String> {
    require_node()?;
    let lock =
        fs::read(steps::root().join("package-lock.json")).map_err(|error| format!("package-lock.json: {error}"))?;
    let stamp = steps::root().join("node_modules/.antiphon-stamp");
    let wanted = digest(&[lock]);
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        println!("    npm packages are there");
        return Ok(());
    }
    run("npm packages", &["ci", "--no-fund", "--no-audit", "--loglevel=error"])?;
    fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))
}

/// Builds the packages and the page where their sources changed.
pub fn build() -> Result<(), String> {
    install()?;
    let built = steps::root().join("apps/studio/dist");
    // Gone when the packages are installed anew: other tools may build another page.
    let stamp = steps::root().join("node_modules/.antiphon-page-stamp");
    let mut contents = Vec::new();
    for source in SOURCES {
        collect(&steps::root().join(source), &mut contents)?;
    }
    let wanted = digest(&contents);
    if built.join("index.html").exists() && fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        println!("    the page is built");
        return Ok(());
    }
    run("page", &["run", "build"])?;
    fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))
}

/// What can be checked without a server: layout, lint, types, and the schema that types were made from.
pub fn check() -> Result<(), String> {
    build()?;
    run("prettier", &["run", "format:check"])?;
    run("eslint", &["run", "lint"])?;
    run("types", &["run", "typecheck"])?;
    run("schema", &["run", "check:schema", "-w", "packages/client"])
}

/// The tests of the packages against a server's binary, then those in the browser; returns what went untested.
pub fn test(binary: &Path) -> Result<Vec<String>, String> {
    build()?;
    steps::run("package tests", npm(&["test"]).env("ANTIPHON_BIN", binary))?;
    if let Err(reason) = ensure_chromium() {
        println!("    NO BROWSER: {reason}");
        return Ok(vec![format!("the page in a browser, as there is no Chromium: {reason}")]);
    }
    let mut browser = npm(&["run", "e2e"]);
    steps::run("browser tests", browser.env("ANTIPHON_BIN", binary))?;
    Ok(Vec::new())
}

fn ensure_chromium() -> Result<(), String> {
    let is_named = std::env::var_os(NAMED_CHROMIUM).is_some();
    if is_named || Path::new(CHROMIUM).exists() { Ok(()) } else { debian::install("chromium") }
}

fn run(step: &str, arguments: &[&str]) -> Result<(), String> {
    steps::run(step, &mut npm(arguments))
}

fn npm(arguments: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.current_dir(steps::root()).args(arguments);
    command
}

fn require_node() -> Result<(), String> {
    let how = format!(
        "the page is built with Node.js {}.{} or later and npm: install them from https://nodejs.org or your distribution",
        NODE[0], NODE[1]
    );
    if !steps::answers("node", &["--version"]) {
        return Err(format!("there is no Node.js; {how}"));
    }
    if !steps::answers("npm", &["--version"]) {
        return Err(format!("there is no npm; {how}"));
    }
    let version = steps::output_of("Node.js", Command::new("node").arg("--version"))?;
    if is_recent(&version) { Ok(()) } else { Err(format!("Node.js is {}; {how}", version.trim())) }
}

/// Reads `v20.19.1`.
fn is_recent(version: &str) -> bool {
    let mut numbers = version.trim().trim_start_matches('v').split('.').map(|number| number.parse().unwrap_or(0));
    [(); 2].map(|()| numbers.next().unwrap_or(0)) >= NODE
}

/// The paths and contents of all source files, in an order that is always the same.
fn collect(path: &Path, contents: &mut Vec<Vec<u8>>) -> Result<(), String> {
    let explained = |error: std::io::Error| format!("{}: {error}", path.display());
    if path.is_file() {
        contents.push(path.to_string_lossy().into_owned().into_bytes());
        contents.push(fs::read(path).map_err(explained)?);
    } else if path.is_dir() {
        let entries = fs::read_dir(path).map_err(explained)?;
        let mut inner: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        inner.retain(|inner| !NOT_SOURCES.iter().any(|name| inner.ends_with(name)));
        inner.sort();
        for inner in inner {
            collect(&inner, contents)?;
        }
    }
    Ok(())
}

fn digest(contents: &[Vec<u8>]) -> String {
    let mut hasher = DefaultHasher::new();
    for content in contents {
        hasher.write_usize(content.len());
        hasher.write(content);
    }
    format!("{:016x}\n", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (version, recent) in
            [("v20.19.0\n", true), ("v20.9.9", false), ("v22.1.0", true), ("v18.20.1", false), ("", false)]
        {
            assert_eq!(is_recent(version), recent, "{version}");
        }
    }

    #[test]
    fn a_digest_follows_names_and_contents_but_not_what_is_built() {
        let folder = std::env::temp_dir().join(format!("xtask-page-{}", std::process::id()));
        fs::create_dir_all(folder.join("dist")).unwrap();
        let look = || {
            let mut contents = Vec::new();
            collect(&folder, &mut contents).unwrap();
            digest(&contents)
        };
        fs::write(folder.join("a.ts"), "1").unwrap();
        let first = look();
        fs::write(folder.join("dist/a.js"), "1").unwrap();
        assert_eq!(look(), first);
        fs::write(folder.join("a.ts"), "2").unwrap();
        let second = look();
        fs::rename(folder.join("a.ts"), folder.join("b.ts")).unwrap();
        let third = look();
        fs::remove_dir_all(&folder).unwrap();
        assert!(first != second && second != third);
    }
}
