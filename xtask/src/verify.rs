//! `cargo xtask test`: every check that a change must pass, timed, stopping at the first that fails.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{audit, model, page, steps, tidy};

/// Tells the tests where the model's weights are, or `none`: then those that need them say so and pass.
const TEST_MODEL: &str = "ANTIPHON_TEST_MODEL";

/// One check; the order is that in which they run, the quick ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The model's weights are fetched.
    Weights,
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

const STEPS: [Step; 8] =
    [Step::Weights, Step::Format, Step::Tidy, Step::Audit, Step::Page, Step::Clippy, Step::Test, Step::Browser];

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::Weights => "weights",
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
    for step in STEPS.into_iter().filter(|step| only.is_none_or(|only| only == *step)) {
        if failure.is_some() {
            rows.push(row(step, "not run", None, ""));
            continue;
        }
        println!("\n[{}]", step.name());
        let started = Instant::now();
        match perform(step) {
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

fn perform(step: Step) -> Result<Passed, String> {
    match step {
        Step::Weights => Ok(weights()),
        Step::Format => {
            steps::run("formatting", steps::cargo().args(["fmt", "--all", "--check"])).map(|()| Passed::default())
        }
        Step::Tidy => tidy::run(&steps::root()).map(|()| Passed::default()),
        Step::Audit => audit::run().map(|report| Passed { note: report.note, untested: report.unchecked }),
        Step::Page => page::check().map(|()| Passed::default()),
        Step::Clippy => clippy(),
        Step::Test => tests(),
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

fn clippy() -> Result<Passed, String> {
    let all = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    steps::run("clippy", steps::cargo().args(all))?;
    // The server without the model in it, as `demo --no-model` builds it.
    let small = ["clippy", "-p", "antiphon-server", "--no-default-features", "--all-targets", "--", "-D", "warnings"];
    steps::run("clippy without the model", steps::cargo().args(small)).map(|()| Passed::default())
}

fn tests() -> Result<Passed, String> {
    let weights = model::path();
    let mut cargo = steps::cargo();
    cargo.args(["test", "--workspace"]);
    if weights.exists() {
        cargo.env(TEST_MODEL, weights);
    } else {
        cargo.env(TEST_MODEL, "none");
    }
    let tally = run_counting(&mut cargo)?;
    let note = format!("{} passed, {} failed, {} ignored", tally.passed, tally.failed, tally.ignored);
    Ok(Passed { note, untested: Vec::new() })
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
            parse(&["--only", "lint"]).unwrap_err().contains("weights, fmt, tidy, audit, page, clippy, test, browser")
        );
        assert!(parse(&["--fast"]).is_err());
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
