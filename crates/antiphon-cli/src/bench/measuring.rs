//! The measurements of one topology after the other, each on deployments of its own.

use super::clock::Clock;
use super::deployment::Deployment;
use super::engines::{Engine, Kind};
use super::fan_out;
use super::load;
use super::provider::{Pace, Provider};
use super::survival::{self, Told};
use super::topology::Topology;
use super::traces::{Removal, Traces};
use super::{Row, TopologiesArguments, say, without_password};
use crate::failure::Failure;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Runs after which a Kafka that was just started compiles hardly anything any more.
const KAFKA_WARM_UPS: usize = 3;

/// A measurement, as far as it came.
pub(super) struct Bench {
    pub(super) arguments: TopologiesArguments,
    pub(super) rows: Vec<Row>,
    /// What was not measured, and why.
    pub(super) skipped: Vec<(Topology, String)>,
    folder: PathBuf,
    engines: Vec<Engine>,
    /// Engines that cannot be had, and why.
    missing: BTreeMap<Kind, String>,
    traces: Traces,
}

impl Bench {
    pub(super) fn new(arguments: TopologiesArguments, folder: &Path, removal: Removal) -> Self {
        Self {
            arguments,
            rows: Vec::new(),
            skipped: Vec::new(),
            folder: folder.to_owned(),
            engines: Vec::new(),
            missing: BTreeMap::new(),
            traces: Traces::new(removal),
        }
    }

    /// Measures all of them; one that cannot be is left out.
    pub(super) async fn measure_all(&mut self, topologies: Vec<Topology>) {
        for topology in topologies {
            let measured = match self.open_engines(topology).await {
                Ok(()) => self.measure(topology).await,
                Err(failure) => Err(failure),
            };
            match measured {
                Ok(row) => self.rows.push(row),
                Err(failure) => {
                    let reason = failure.sentence();
                    say(&format!("{}: not measured: {reason}", topology.name()));
                    self.skipped.push((topology, reason));
                }
            }
        }
    }

    /// Removes all that was made in engines that are not ours.
    pub(super) async fn clear(&mut self) -> Result<(), Failure> {
        self.traces.clear().await
    }

    /// Opens what the topology needs and is not open yet.
    async fn open_engines(&mut self, topology: Topology) -> Result<(), Failure> {
        for kind in topology.engines() {
            if let Some(engine) = self.engines.iter_mut().find(|engine| engine.kind == *kind) {
                engine.revive().await?;
            } else if !self.missing.contains_key(kind) {
                match Engine::open(*kind, &self.arguments, &self.folder).await {
                    Ok(engine) => {
                        say(&format!("{} at {}", kind.name(), without_password(&engine.address)));
                        self.engines.push(engine);
                    }
                    Err(failure) => drop(self.missing.insert(*kind, failure.sentence())),
                }
            }
        }
        let missing = topology.engines().iter().find_map(|kind| self.missing.get(kind));
        missing.map_or(Ok(()), |reason| Err(Failure::new(reason)))
    }

    async fn measure(&mut self, topology: Topology) -> Result<Row, Failure> {
        let clock = Clock::start();
        let (streams, rate) = (self.arguments.streams, self.arguments.rate);
        let tokens = (rate * self.arguments.seconds).round() as usize;
        say(&format!("{}: {streams} answers at {rate} tokens/s", topology.name()));
        let provider = start_provider(clock, Pace { tokens, per_second: rate }).await?;
        let deployment = self.deploy(topology, 1, 1, &provider).await?;
        // The first answers open connections and fill caches; a young Kafka also compiles what it runs.
        let warm_ups = if topology.engines().contains(&Kind::Kafka) { KAFKA_WARM_UPS } else { 1 };
        for _ in 0..warm_ups {
            load::run(&deployment, clock, streams).await?;
        }
        let before = self.engine_cpu(topology);
        let outcome = load::run(&deployment, clock, streams).await?;
        let cpu = outcome.cpu_micros + self.engine_cpu(topology).saturating_sub(before);
        let processes = deployment.processes.len();
        drop((deployment, provider));
        self.tidy().await;
        let survives = self.survival(topology, clock).await?;
        let (deliveries_per_second, scaling) = self.throughput(topology, clock).await?;
        Ok(Row {
            topology,
            processes,
            cpu_micros_per_delivery: cpu as f64 / outcome.deliveries.max(1) as f64,
            paced: outcome,
            deliveries_per_second,
            survives,
            scaling,
        })
    }

    async fn survival(&mut self, topology: Topology, clock: Clock) -> Result<BTreeMap<String, Told>, Failure> {
        say(&format!("{}: kill -9 of each part", topology.name()));
        let pace = Pace { tokens: survival::TOKENS, per_second: survival::RATE };
        let provider = start_provider(clock, pace).await?;
        let mut deployment = self.deploy(topology, 2, 2, &provider).await?;
        let survives = survival::of_each_part(&mut deployment, &mut self.engines, clock).await;
        drop(deployment);
        self.tidy().await;
        survives
    }

    /// Deliveries a second to many clients; and with one and three realtime processes of an equal share of a core.
    async fn throughput(&mut self, topology: Topology, clock: Clock) -> Result<(f64, Option<(f64, f64)>), Failure> {
        say(&format!("{}: many clients", topology.name()));
        let provider = start_provider(clock, fan_out::pace()).await?;
        let free = self.fan_out(topology, &provider, 1, None).await?;
        if topology.is_whole() {
            return Ok((free, None));
        }
        say(&format!("{}: one and three realtime processes", topology.name()));
        let one = self.fan_out(topology, &provider, 1, Some(fan_out::SHARE)).await?;
        let three = self.fan_out(topology, &provider, 3, Some(fan_out::SHARE)).await?;
        Ok((free, Some((one, three))))
    }

    async fn fan_out(
        &mut self,
        topology: Topology,
        provider: &Provider,
        fronts: usize,
        share: Option<f64>,
    ) -> Result<f64, Failure> {
        let deployment = self.deploy(topology, 1, fronts, provider).await?;
        let delivered = fan_out::run(&deployment, share).await;
        drop(deployment);
        self.tidy().await;
        delivered
    }

    async fn deploy(
        &mut self,
        topology: Topology,
        ai: usize,
        fronts: usize,
        provider: &Provider,
    ) -> Result<Deployment, Failure> {
        let parts = topology.parts(ai, fronts);
        let Self { engines, folder, traces, .. } = self;
        Deployment::start(topology, &parts, engines, provider.address, folder, traces).await
    }

    /// Removes what a deployment left. What cannot be removed now is tried again at the end, and told there.
    async fn tidy(&mut self) {
        drop(self.traces.clear().await);
    }

    fn engine_cpu(&self, topology: Topology) -> u64 {
        let used = self.engines.iter().filter(|engine| topology.engines().contains(&engine.kind));
        used.map(Engine::cpu_micros).sum()
    }
}

async fn start_provider(clock: Clock, pace: Pace) -> Result<Provider, Failure> {
    Provider::start(clock, pace).await.map_err(|error| Failure::new(format!("the simulated model: {error}")))
}
