//! `cargo xtask test`: every check that a change must pass, timed, stopping at the first that fails.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::servers::{self, Servers};
use crate::{audit, model, page, steps, tidy};

/// Tells the tests where the model's weights are, or `none`: then those that need them say so and pass.
const TEST_MODEL: &str = "ANTIPHON_TEST_MODEL";
/// Tells the tests the file to name in what they leave out, a line each.
const TEST_SKIPPED: &str = "ANTIPHON_TEST_SKIPPED";
/// Set where nothing may go untested because something could not be had.
const CI: &str = "CI";

/// One check; the order is that in which they run, the quick ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The model's weights are fetched.
    Weights,
    /// The servers that the tests need are installed and started.
    Servers,
    /// Formatting.
    Format,
    /// The structural checks.
    Tidy,
    /// Licences, sources, duplicates, advisories.
    Audit,
    /// The page and the TypeScript packages: built, and checked without a server.
    Page,
    /// Clippy with warnings denied.
    Clippy,
    /// All tests in Rust.
    Test,
    /// The tests of the packages and of the page in a browser, against the binary that the tests built.
    Browser,
}

const STEPS: [Step; 9] = [
    Step::Weights,
    Step::Servers,
    Step::Format,
    Step::Tidy,
    Step::Audit,
    Step::Page,
    Step::Clippy,
    Step::Test,
    Step::Browser,
];

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::Weights => "weights",
            Self::Servers => "servers",
            Self::Format => "fmt",
            Self::Tidy => "tidy",
            Self::Audit => "audit",
            Self::Page => "page",
            Self::Clippy => "clippy",
            Self::Test => "test",
            Self::Browser => "browser",
        }
    }
}

/// What a step that passed has to say for the summary, beyond that it passed.
#[derive(Debug, Default)]
struct Passed {
    note: String,
    /// What was not looked at, and why.
    untested: Vec<String>,
}

/// Reads `--only STEP`; nothing means all steps.
pub fn parse(arguments: &[String]) -> Result<Option<Step>, String> {
    let name = match arguments {
        [] => return Ok(None),
        [flag, name] if flag == "--only" => name.as_str(),
        [flag] => flag.strip_prefix("--only=").ok_or_else(|| format!("`test` knows --only STEP, not `{flag}`"))?,
        _ => return Err("`test` takes nothing but --only STEP".to_owned()),
    };
    let names = STEPS.map(Step::name).join(", ");
    let step = STEPS.into_iter().find(|step| step.name() == name);
    step.map(Some).ok_or_else(|| format!("`{name}` is not a step; there are {names}"))
}

/// Runs all steps, or the one asked for.
pub fn run(only: Option<Step>) -> Result<(), String> {
    let mut rows = Vec::new();
    let mut untested = Vec::new();
    let mut failure = None;
    let mut servers = None;
    for step in STEPS.into_iter().filter(|step| only.is_none_or(|only| only == *step)) {
        if failure.is_some() {
            rows.push(row(step, "not run", None, ""));
            continue;
        }
        println!("\n[{}]", step.name());
        let started = Instant::now();
        match perform(step, &mut servers) {
            Ok(passed) => {
                rows.push(row(step, "ok", Some(started.elapsed()), &passed.note));
                untested.extend(passed.untested);
            }
            Err(reason) => {
                rows.push(row(step, "FAILED", Some(started.elapsed()), ""));
                failure = Some(format!("{}: {reason}", step.name()));
            }
        }
    }
    println!("\nsummary\n{}", rows.join("\n"));
    for what in untested {
        println!("  NOT TESTED: {what}");
    }
    failure.map_or(Ok(()), Err)
}

fn row(step: Step, result: &str, taken: Option<Duration>, note: &str) -> String {
    let seconds = taken.map_or_else(String::new, |taken| format!("{:.1} s", taken.as_secs_f64()));
    format!("  {:<8} {result:<8} {seconds:>8}  {note}", step.name()).trim_end().to_owned()
}

/// The servers are there from their own step, or the tests where that was left out, to the end of the tests.
fn perform(step: Step, servers: &mut Option<Servers>) -> Result<Passed, String> {
    match step {
        Step::Weights => Ok(weights()),
        Step::Servers => {
            let started = start_servers()?;
            // Which are missing is listed by the step that runs the tests.
            let note = if started.missing.is_empty() { started.note.as_str() } else { "NOT ALL TO BE HAD" };
            let passed = Passed { note: note.to_owned(), untested: Vec::new() };
            *servers = Some(started);
            Ok(passed)
        }
        Step::Format => {
            steps::run("formatting", steps::cargo().args(["fmt", "--all", "--check"])).map(|()| Passed::default())
        }
        Step::Tidy => tidy::run(&steps::root()).map(|()| Passed::default()),
        Step::Audit => audit::run().map(|report| Passed { note: report.note, untested: report.unchecked }),
        Step::Page => page::check().map(|()| Passed::default()),
        Step::Clippy => clippy(),
        Step::Test => tests(&servers.take().map_or_else(start_servers, Ok)?),
        Step::Browser => browser(),
    }
}

fn weights() -> Passed {
    match model::fetch() {
        Ok(_) => Passed::default(),
        Err(reason) => {
            println!("    NO WEIGHTS: {reason}");
            let lost = format!("the in-process model, as its weights could not be had: {reason}");
            Passed { note: "not to be had".to_owned(), untested: vec![lost] }
        }
    }
}

fn start_servers() -> Result<Servers, String> {
    let started = servers::start_needed()?;
    let in_ci = std::env::var_os(CI).is_some_and(|value| !value.is_empty());
    if in_ci && !started.missing.is_empty() {
        return Err(format!("in CI nothing is left out: {}", started.missing.join("; ")));
    }
    Ok(started)
}

fn clippy() -> Result<Passed, String> {
    let all = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    steps::run("clippy", steps::cargo().args(all))?;
    // The server without the model in it, as `demo --no-model` builds it.
    let small = ["clippy", "-p", "antiphon-server", "--no-default-features", "--all-targets", "--", "-D", "warnings"];
    steps::run("clippy without the model", steps::cargo().args(small)).map(|()| Passed::default())
}

fn tests(servers: &Servers) -> Result<Passed, String> {
    let weights = model::path();
    let mut cargo = steps::cargo();
    cargo.args(["test", "--workspace"]);
    if weights.exists() {
        cargo.env(TEST_MODEL, weights);
    } else {
        cargo.env(TEST_MODEL, "none");
    }
    cargo.envs(servers.variables.iter().map(|(name, value)| (name, value)));
    let skipped = steps::target_directory().join("skipped-tests");
    fs::write(&skipped, "").map_err(|error| format!("{}: {error}", skipped.display()))?;
    cargo.env(TEST_SKIPPED, &skipped);
    let tally = run_counting(&mut cargo)?;
    let left_out = fs::read_to_string(&skipped).map_err(|error| format!("{}: {error}", skipped.display()))?;
    let note = format!("{} passed, {} failed, {} ignored", tally.passed, tally.failed, tally.ignored);
    let untested = servers.missing.iter().cloned().chain(left_out_by(&left_out)).collect();
    Ok(Passed { note, untested })
}

/// What the tests wrote of what they leave out; several processes may have left the same out.
fn left_out_by(lines: &str) -> BTreeSet<String> {
    lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn browser() -> Result<Passed, String> {
    // Before the binary, which carries it.
    page::build()?;
    // As `tests` builds it, so that nothing is built twice for another set of features.
    steps::run("debug build", steps::cargo().args(["test", "--workspace", "--no-run", "--quiet"]))?;
    let untested = page::test(&steps::target_directory().join("debug/antiphon"))?;
    Ok(Passed { untested, ..Passed::default() })
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Tally {
    /// Adds one of libtest's closing lines, `test result: ok. 3 passed; 0 failed; 0 ignored; …`.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
            return;
        };
        for count in counts.split("; ") {
            match count.split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse().unwrap_or(0),
                Some((number, "ignored")) => self.ignored += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
}

/// Runs the tests with their output passed on as it comes, and adds up what each test binary reports.
fn run_counting(command: &mut Command) -> Result<Tally, String> {
    println!("==> tests: cargo test --workspace");
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| format!("cargo test: {error}"))?;
    let mut tally = Tally::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line.map_err(|error| format!("reading the tests' output: {error}"))?;
            let line = String::from_utf8_lossy(&line);
            tally.add(&line);
            // Nobody reading any more is no reason to stop testing.
            let _ = writeln!(std::io::stdout(), "{line}");
        }
    }
    let status = child.wait().map_err(|error| format!("cargo test: {error}"))?;
    if status.success() { Ok(tally) } else { Err(format!("cargo test --workspace failed ({status})")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_takes_a_step_that_exists() {
        let parse = |words: &[&str]| parse(&words.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(parse(&[]).unwrap(), None);
        assert_eq!(parse(&["--only", "tidy"]).unwrap(), Some(Step::Tidy));
        assert_eq!(parse(&["--only=fmt"]).unwrap(), Some(Step::Format));
        assert!(
            parse(&["--only", "lint"])
                .unwrap_err()
                .contains("weights, servers, fmt, tidy, audit, page, clippy, test, browser")
        );
        assert!(parse(&["--fast"]).is_err());
    }

    #[test]
    fn what_tests_left_out_is_named_once_each() {
        let lines =
            "crates/b/tests/b.rs:9: no Redis\ncrates/a/tests/a.rs:3: no Kafka\n\ncrates/b/tests/b.rs:9: no Redis\n";
        let named: Vec<String> = left_out_by(lines).into_iter().collect();
        assert_eq!(named, ["crates/a/tests/a.rs:3: no Kafka", "crates/b/tests/b.rs:9: no Redis"]);
    }

    #[test]
    fn closing_lines_add_up() {
        let mut tally = Tally::default();
        tally.add("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s");
        tally.add("test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s");
        tally.add("test tests::a_test ... ok");
        assert_eq!(tally, Tally { passed: 7, failed: 2, ignored: 1 });
    }
}
