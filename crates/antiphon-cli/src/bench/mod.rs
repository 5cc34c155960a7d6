//! `antiphon bench topologies`: one workload through each topology on this machine, measured.

mod child;
mod clock;
mod deployment;
mod engines;
mod fan_out;
mod load;
mod machine;
mod measuring;
mod provider;
mod stopping;
mod survival;
mod table;
mod topology;
mod traces;
mod viewer;

pub use traces::{Leftover, Removal};

use crate::failure::Failure;
use clap::ValueEnum;
use load::Outcome;
use machine::Machine;
use measuring::Bench;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use stopping::Stopping;
use survival::Told;
use topology::Topology;

/// What `antiphon bench` is given.
#[derive(Debug, clap::Args)]
pub struct BenchArguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Compare the seven topologies on this machine: latency, throughput, what survives kill -9, scaling
    Topologies(TopologiesArguments),
}

/// What `antiphon bench topologies` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each topology is started as several processes on this machine, together with a simulated model that streams tokens at a \
fixed pace. Kafka, Redis and PostgreSQL are the ones that you name, or are started for the measurement and go with it: \
`redis-server` from the path, PostgreSQL from where Debian puts it, Kafka from --kafka-home with the `java` on the path. \
Only what was started here is killed to see what survives. \
Topics, keys and databases that are made in those that you name are removed at the end, also after Ctrl-C. Everything runs on one machine, so the figures compare \
topologies; they are not what a cluster would do.

Examples:
  antiphon bench topologies --topology embedded,direct
  antiphon bench topologies --kafka-home /opt/kafka --json figures.json
  antiphon bench topologies --kafka 127.0.0.1:9092 --redis redis://127.0.0.1 --postgres postgres://me@127.0.0.1/postgres")]
pub(crate) struct TopologiesArguments {
    /// Only these
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LIST")]
    topology: Vec<Topology>,
    /// Answers at once
    #[arg(long, default_value_t = 200, value_name = "N")]
    streams: usize,
    /// Tokens a second of each
    #[arg(long, default_value_t = 50.0, value_name = "N")]
    rate: f64,
    /// How long each answer takes, in seconds
    #[arg(long, default_value_t = 8.0, value_name = "SECONDS")]
    seconds: f64,
    /// A Kafka that runs
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// A Redis that runs
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// A PostgreSQL that runs, as somebody who may make databases
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// An unpacked Kafka, to start one
    #[arg(long, env = "KAFKA_HOME", value_name = "DIR")]
    kafka_home: Option<PathBuf>,
    /// Write the figures to a file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// One row of the comparison.
struct Row {
    topology: Topology,
    processes: usize,
    paced: Outcome,
    /// Of one realtime process, to many clients of few rooms.
    deliveries_per_second: f64,
    /// CPU of the deployment and of the engines that were started here, for one token to one client.
    cpu_micros_per_delivery: f64,
    survives: BTreeMap<String, Told>,
    /// Deliveries a second with one realtime process and with three; none where there is only one process.
    scaling: Option<(f64, f64)>,
}

pub(crate) async fn run(arguments: BenchArguments, removal: Removal) -> Result<ExitCode, Failure> {
    let What::Topologies(arguments) = arguments.what;
    if arguments.streams == 0 || arguments.rate <= 0.0 || arguments.seconds <= 0.0 {
        return Err(Failure::new("--streams, --rate and --seconds are above 0"));
    }
    arguments.json.as_deref().map_or(Ok(()), check_writable)?;
    let mut stopping = Stopping::new()?;
    let folder = tempfile::tempdir().map_err(|error| Failure::new(format!("no temporary folder: {error}")))?;
    let wanted =
        if arguments.topology.is_empty() { Topology::value_variants().to_vec() } else { arguments.topology.clone() };
    say("the machine itself");
    let machine = Machine::look(machine::LOOK).await;
    let mut bench = Bench::new(arguments, folder.path(), removal);
    let is_stopped = tokio::select! {
        () = bench.measure_all(wanted) => false,
        () = stopping.told() => true,
    };
    if is_stopped {
        say("told to end: removing what was made; once more to leave it");
    }
    let removed = tokio::select! {
        removed = bench.clear() => removed,
        () = stopping.told() => Err(Failure::new("told to end again: what was made was not all removed")),
    };
    if !bench.rows.is_empty() {
        tell(&mut bench, &machine)?;
    }
    removed?;
    if is_stopped {
        return Err(Failure::new("told to end before all was measured"));
    }
    Ok(if bench.skipped.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(bench: &mut Bench, machine: &Machine) -> Result<(), Failure> {
    let text = table::markdown(machine, &mut bench.rows, &bench.skipped, &bench.arguments);
    if let Some(path) = &bench.arguments.json {
        let figures = table::json(machine, &mut bench.rows).to_string();
        std::fs::write(path, figures).map_err(|error| cannot_write(path, &error))?;
    }
    write!(std::io::stdout(), "{text}").map_err(|error| Failure::from_output(&error))
}

/// Before minutes are spent on what could not be kept. Leaves nothing that was not there.
fn check_writable(path: &Path) -> Result<(), Failure> {
    let is_new = !path.exists();
    let opened = std::fs::OpenOptions::new().append(true).create(true).open(path);
    drop(opened.map_err(|error| cannot_write(path, &error))?);
    if is_new {
        std::fs::remove_file(path).map_err(|error| cannot_write(path, &error))?;
    }
    Ok(())
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("--json {}: it cannot be written: {error}", path.display()))
        .fix("name a file in a folder that is there")
}

/// Progress, beside the table.
fn say(what: &str) {
    eprintln!("· {what}");
}

fn without_password(address: &str) -> String {
    match url::Url::parse(address) {
        Ok(mut url) if url.password().is_some() => {
            // An address with a host has room for a password.
            let _ = url.set_password(Some("…"));
            url.into()
        }
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_is_refused_before_anything_is_measured() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none/figures.json");
        assert!(check_writable(&missing).unwrap_err().sentence().contains("figures.json"));
        let fine = folder.path().join("figures.json");
        check_writable(&fine).unwrap();
        assert!(!fine.exists());
        std::fs::write(&fine, "earlier").unwrap();
        check_writable(&fine).unwrap();
        assert_eq!(std::fs::read_to_string(&fine).unwrap(), "earlier");
    }
}
