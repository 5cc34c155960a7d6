//! What `cargo xtask faults` asks for, and the engines that there are.

use antiphon_testkit::deployment::Topology;
use antiphon_testkit::faults::{Fault, Kafka};
use antiphon_testkit::servers;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;

/// Processes of the largest deployment.
const PROCESSES: usize = 5;
/// Where `cargo xtask servers` and `cargo xtask test` keep Kafka's jars.
const JARS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/servers/kafka/jars");

/// A setting of the command, where it was given.
pub fn setting(name: &str) -> Option<String> {
    std::env::var(format!("ANTIPHON_FAULTS_{name}")).ok().filter(|value| !value.is_empty())
}

/// The names in a setting, with commas between them; the default where there are none.
pub fn list<T>(name: &str, named: impl Fn(&str) -> Option<T>, default: Vec<T>) -> Vec<T> {
    let Some(names) = setting(name) else { return default };
    names.split(',').map(|one| named(one.trim()).unwrap_or_else(|| panic!("{name}: there is no {one}"))).collect()
}

/// The topologies asked for.
pub fn topologies(default: Vec<Topology>) -> Vec<Topology> {
    list("TOPOLOGY", Topology::named, default)
}

/// The faults asked for; none means all.
pub fn only() -> Vec<Fault> {
    list("ONLY", Fault::named, Vec::new())
}

/// The engines of a run: brokers of its own, for whichever topology needs them, and PostgreSQL as the tests are told.
pub struct Servers {
    /// Some where a topology needs them and Kafka's jars are there.
    pub kafka: Option<Arc<Mutex<Kafka>>>,
    /// As the tests are told.
    pub postgres: String,
}

impl Servers {
    /// Starts so many brokers where one of these topologies needs them.
    pub fn start(topologies: &[Topology], brokers: usize) -> Self {
        let jars = std::env::var_os("ANTIPHON_TEST_KAFKA_JARS").map_or_else(|| JARS.into(), PathBuf::from);
        let is_needed = topologies.iter().any(|topology| topology.uses_kafka());
        let kafka = (is_needed && jars.is_dir()).then(|| {
            let kafka = Kafka::start(&jars, brokers, PROCESSES).unwrap_or_else(|error| panic!("Kafka: {error}"));
            Arc::new(Mutex::new(kafka))
        });
        Self { kafka, postgres: servers::postgres().unwrap_or_default() }
    }

    /// Whether a topology can run; says what is missing where it cannot.
    pub fn suffice(&self, topology: Topology) -> bool {
        let mut missing = Vec::new();
        if topology.uses_kafka() && self.kafka.is_none() {
            missing.push("Kafka (its jars, ANTIPHON_TEST_KAFKA_JARS)");
        }
        if topology.uses_redis() && !is_installed("redis-server") {
            missing.push("redis-server");
        }
        if topology.is_shared() && self.postgres.is_empty() {
            missing.push("PostgreSQL (ANTIPHON_TEST_POSTGRES)");
        }
        if !missing.is_empty() {
            println!("NOT TESTED: faults of topology {topology}, without {}", missing.join(", "));
        }
        missing.is_empty()
    }
}

fn is_installed(program: &str) -> bool {
    std::process::Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}
