//! `cargo xtask faults`: long campaigns of faults on real processes and engines, and single scenarios, by a printed seed.

use std::process::Command;

use crate::{servers, steps};

/// What the program of the campaigns reads its settings from.
const PREFIX: &str = "ANTIPHON_FAULTS_";
/// The only scenario so far.
const SCENARIO: &str = "redis-stopped";

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Names of settings and their values.
    settings: Vec<(&'static str, String)>,
    scenario: Option<String>,
}

impl Options {
    /// Reads the words after the command.
    pub fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let (flag, value) = match word.split_once('=') {
                Some((flag, value)) => (flag, value.to_owned()),
                None => (word.as_str(), words.next().cloned().ok_or_else(|| format!("`{word}` takes a value"))?),
            };
            let name = match flag {
                "--topology" => "TOPOLOGY",
                "--minutes" => "MINUTES",
                "--seed" => "SEED",
                "--brokers" => "BROKERS",
                "--only" => "ONLY",
                "--json" => "JSON",
                "--scenario" if value == SCENARIO => {
                    options.scenario = Some(value);
                    continue;
                }
                "--scenario" => return Err(format!("`{value}` is not a scenario; there is {SCENARIO}")),
                _ => return Err(format!("`faults` does not know `{flag}`")),
            };
            check(name, &value)?;
            options.settings.push((name, value));
        }
        Ok(options)
    }
}

fn check(name: &str, value: &str) -> Result<(), String> {
    let is_right = match name {
        "MINUTES" => value.parse::<f64>().is_ok_and(|minutes| minutes > 0.0),
        "SEED" => value.parse::<u64>().is_ok(),
        "BROKERS" => ["1", "3"].contains(&value),
        _ => !value.is_empty(),
    };
    if is_right { Ok(()) } else { Err(format!("`{value}` will not do for --{}", name.to_lowercase())) }
}

/// Builds the binary and runs the campaign, or the scenario.
pub fn run(options: &Options) -> Result<(), String> {
    let servers = servers::start_needed()?;
    for what in &servers.missing {
        println!("    NOT THERE: {what}");
    }
    let test = if options.scenario.is_some() { "redis_stopped" } else { "campaign" };
    let mut command = steps::cargo();
    command.args(["test", "-p", "antiphon-server", "--test", "faults", "--", "--nocapture", test]);
    command.envs(servers.variables.iter().map(|(name, value)| (name, value)));
    set(&mut command, "RUN", options.scenario.as_deref().unwrap_or("campaign"))?;
    for (name, value) in &options.settings {
        set(&mut command, name, value)?;
    }
    steps::run("faults", &mut command)
}

fn set(command: &mut Command, name: &str, value: &str) -> Result<(), String> {
    // The program runs in a folder of its own, so that a file's name has to be whole.
    let value = if name == "JSON" {
        let path = std::path::absolute(value).map_err(|error| format!("{value}: {error}"))?;
        path.display().to_string()
    } else {
        value.to_owned()
    };
    command.env(format!("{PREFIX}{name}"), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Options, String> {
        Options::parse(&words.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn settings_are_read_in_both_ways_of_writing() {
        let options = parse(&["--minutes", "0.5", "--seed=7", "--brokers", "3"]).unwrap();
        let wanted =
            [("MINUTES", "0.5"), ("SEED", "7"), ("BROKERS", "3")].map(|(name, value)| (name, value.to_owned()));
        assert_eq!(options.settings, wanted);
        assert_eq!(parse(&["--scenario", SCENARIO]).unwrap().scenario.as_deref(), Some(SCENARIO));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for words in [&["--minutes", "0"][..], &["--seed", "x"], &["--brokers", "2"], &["--minutes"], &["--scenario=a"]]
        {
            assert!(parse(words).is_err(), "{words:?}");
        }
        assert!(parse(&["--fast", "1"]).unwrap_err().contains("--fast"));
    }
}
