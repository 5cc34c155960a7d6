//! `antiphon bench topologies`: one workload through each topology on this machine, measured.

mod child;
mod clock;
mod deployment;
mod engines;
mod load;
mod provider;
mod survival;
mod table;
mod topology;
mod viewer;

use crate::failure::Failure;
use child::Capped;
use clap::ValueEnum;
use clock::Clock;
use deployment::Deployment;
use engines::{Engine, Kind};
use load::Outcome;
use provider::{Pace, Provider};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use topology::{Part, Topology};

/// The share of one core that each realtime process gets while one is compared with three, so that they do not take
/// turns at the same cores.
const SHARE: f64 = 0.15;
/// Rooms and clients of each while throughput is measured.
const FLOOD: (usize, usize) = (12, 8);
/// Tokens of each answer of the flood.
const FLOOD_TOKENS: usize = 1_500;

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
Only what was started here is killed to see what survives. Everything runs on one machine, so the figures compare \
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
    deliveries_per_second: f64,
    /// CPU of the deployment and of the engines that were started here, for one token to one client.
    cpu_micros_per_delivery: f64,
    survives: BTreeMap<String, Value>,
    /// Deliveries a second with one realtime process and with three; none where there is only one process.
    scaling: Option<(f64, f64)>,
}

pub(crate) async fn run(arguments: BenchArguments) -> Result<ExitCode, Failure> {
    let What::Topologies(arguments) = arguments.what;
    if arguments.streams == 0 || arguments.rate <= 0.0 || arguments.seconds <= 0.0 {
        return Err(Failure::new("--streams, --rate and --seconds are above 0"));
    }
    let folder = tempfile::tempdir().map_err(|error| Failure::new(format!("no temporary folder: {error}")))?;
    let wanted =
        if arguments.topology.is_empty() { Topology::value_variants().to_vec() } else { arguments.topology.clone() };
    let mut bench =
        Bench { arguments, folder: folder.path().to_owned(), engines: Vec::new(), missing: BTreeMap::new() };
    let (mut rows, mut skipped) = (Vec::new(), Vec::new());
    for topology in wanted {
        if let Some(reason) = bench.open_engines(topology).await {
            say(&format!("{}: not measured: {reason}", topology.name()));
            skipped.push((topology, reason));
            continue;
        }
        rows.push(bench.measure(topology).await?);
    }
    let text = table::markdown(&mut rows, &skipped, &bench.arguments);
    write!(std::io::stdout(), "{text}").map_err(|error| Failure::from_output(&error))?;
    if let Some(path) = &bench.arguments.json {
        let figures = table::json(&mut rows).to_string();
        std::fs::write(path, figures).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    }
    Ok(if skipped.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Bench {
    arguments: TopologiesArguments,
    folder: PathBuf,
    engines: Vec<Engine>,
    /// Engines that cannot be had, and why.
    missing: BTreeMap<Kind, String>,
}

impl Bench {
    /// Opens what the topology needs and is not open yet; why that cannot be.
    async fn open_engines(&mut self, topology: Topology) -> Option<String> {
        for kind in topology.engines() {
            if self.engines.iter().all(|engine| engine.kind != *kind) && !self.missing.contains_key(kind) {
                match Engine::open(*kind, &self.arguments, &self.folder).await {
                    Ok(engine) => {
                        say(&format!("{} at {}", kind.name(), without_password(&engine.address)));
                        self.engines.push(engine);
                    }
                    Err(failure) => drop(self.missing.insert(*kind, failure.to_string())),
                }
            }
        }
        topology.engines().iter().find_map(|kind| self.missing.get(kind).cloned())
    }

    async fn measure(&mut self, topology: Topology) -> Result<Row, Failure> {
        let clock = Clock::start();
        let (streams, rate) = (self.arguments.streams, self.arguments.rate);
        let tokens = (rate * self.arguments.seconds).round() as usize;
        say(&format!("{}: {streams} answers at {rate} tokens/s", topology.name()));
        let paced = Pace { tokens, per_second: Some(rate) };
        let provider = start_provider(clock, paced).await?;
        let parts = topology.parts(1, 1);
        let deployment = Deployment::start(topology, &parts, &self.engines, provider.address, &self.folder).await?;
        // The first answers open connections and fill caches; a young Kafka also compiles what it runs.
        load::run(&deployment, clock, streams, 1).await?;
        let before = self.engine_cpu(topology);
        let outcome = load::run(&deployment, clock, streams, 1).await?;
        let cpu = outcome.cpu_micros + self.engine_cpu(topology).saturating_sub(before);
        drop((deployment, provider));
        let survives = self.survival(topology, clock).await?;
        let (deliveries_per_second, scaling) = self.throughput(topology, clock).await?;
        Ok(Row {
            topology,
            processes: parts.len(),
            cpu_micros_per_delivery: cpu as f64 / outcome.deliveries.max(1) as f64,
            paced: outcome,
            deliveries_per_second,
            survives,
            scaling,
        })
    }

    async fn survival(&mut self, topology: Topology, clock: Clock) -> Result<BTreeMap<String, Value>, Failure> {
        say(&format!("{}: kill -9 of each part", topology.name()));
        let pace = Pace { tokens: survival::TOKENS, per_second: Some(survival::RATE) };
        let provider = start_provider(clock, pace).await?;
        let parts = topology.parts(2, 2);
        let mut deployment = Deployment::start(topology, &parts, &self.engines, provider.address, &self.folder).await?;
        survival::of_each_part(&mut deployment, &mut self.engines, clock).await
    }

    /// Deliveries a second as fast as it goes; and with one and three realtime processes of an equal share of a core.
    async fn throughput(&self, topology: Topology, clock: Clock) -> Result<(f64, Option<(f64, f64)>), Failure> {
        say(&format!("{}: as fast as it goes", topology.name()));
        let provider = start_provider(clock, Pace { tokens: FLOOD_TOKENS, per_second: None }).await?;
        let free = self.flood(topology, clock, &provider, 1, None).await?;
        if topology.is_whole() {
            return Ok((free, None));
        }
        let one = self.flood(topology, clock, &provider, 1, Some(SHARE)).await?;
        let three = self.flood(topology, clock, &provider, 3, Some(SHARE)).await?;
        Ok((free, Some((one, three))))
    }

    async fn flood(
        &self,
        topology: Topology,
        clock: Clock,
        provider: &Provider,
        fronts: usize,
        share: Option<f64>,
    ) -> Result<f64, Failure> {
        let parts = topology.parts(1, fronts);
        let deployment = Deployment::start(topology, &parts, &self.engines, provider.address, &self.folder).await?;
        let is_front = |part: Part| part == Part::Front;
        let fronts = deployment.processes.iter().filter(|process| is_front(process.part));
        let capped: Vec<Capped> = match share {
            Some(share) => fronts.map(|process| Capped::new(&process.running, share)).collect(),
            None => Vec::new(),
        };
        let outcome = load::run(&deployment, clock, FLOOD.0, FLOOD.1).await?;
        drop(capped);
        Ok(outcome.deliveries_per_second())
    }

    fn engine_cpu(&self, topology: Topology) -> u64 {
        let used = self.engines.iter().filter(|engine| topology.engines().contains(&engine.kind));
        used.map(Engine::cpu_micros).sum()
    }
}

async fn start_provider(clock: Clock, pace: Pace) -> Result<Provider, Failure> {
    Provider::start(clock, pace).await.map_err(|error| Failure::new(format!("the simulated model: {error}")))
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

/// What the figures were measured on.
fn machine() -> Value {
    let cpu = std::fs::read_to_string(Path::new("/proc/cpuinfo")).unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let memory = std::fs::read_to_string(Path::new("/proc/meminfo")).unwrap_or_default();
    let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
    let kib = memory.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0);
    serde_json::json!({
        "cpu": model.trim_start_matches(['\t', ':', ' ']),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "memoryGiB": kib / (1 << 20),
        "version": env!("CARGO_PKG_VERSION"),
    })
}
