//! Apache Kafka in KRaft mode, from its published jars, on a Java from Debian.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::certificates::Certificates;
use super::process::{Plan, Server, tethered};
use super::supervise::Planned;
use super::{Kind, base, jars};
use crate::debian;

/// The first Java that Kafka 4 runs on.
const JAVA: u32 = 17;
/// Debian's package of a Java without windows, and where it is even if another is first in the path.
const PACKAGE: &str = "default-jre-headless";
const INSTALLED: &str = "/usr/lib/jvm/default-java/bin/java";
/// Any sixteen bytes in base64 would do.
const CLUSTER: &str = "QW50aXBob25UZXN0LTAwMQ";
/// Further ways to each broker, each under an address that is somebody else's to listen on: as Kafka's clients connect to
/// the addresses that brokers name, this is how one puts a proxy between.
const LINKS: usize = 4;
/// Tells tests these ways: `advertised=listening` of each broker with commas between, the ways with semicolons between.
const LINKS_VARIABLE: &str = "ANTIPHON_TEST_KAFKA_LINKS";

/// Installs Java where there is none, and fetches the jars where they are not there.
pub fn install() -> Result<(), String> {
    if java().is_none() {
        debian::install(PACKAGE)?;
        java().ok_or_else(|| format!("Debian's {PACKAGE} left no Java {JAVA} or later"))?;
    }
    jars::fetch(&folder())
}

fn folder() -> PathBuf {
    base().join("kafka/jars")
}

fn java() -> Option<PathBuf> {
    let is_recent = |java: &PathBuf| {
        let output = Command::new(java).arg("--version").output();
        output.is_ok_and(|output| output.status.success() && version(&String::from_utf8_lossy(&output.stdout)) >= JAVA)
    };
    let home = std::env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin/java"));
    home.into_iter().chain(["java".into(), INSTALLED.into()]).find(is_recent)
}

/// Reads `openjdk 17.0.15 2025-04-15`.
fn version(said: &str) -> u32 {
    let number = said.split_whitespace().nth(1).and_then(|version| version.split(['.', '-', '+']).next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Tells tests where clients with TLS and a password connect to.
const SECURED_VARIABLE: &str = "ANTIPHON_TEST_KAFKA_TLS";
/// Tells tests whose password: `USER:PASSWORD`. The user may do nothing that nobody has allowed; clients without TLS may do
/// everything.
const CREDENTIALS_VARIABLE: &str = "ANTIPHON_TEST_KAFKA_CREDENTIALS";
const USER: &str = "antiphon";
const PASSWORD: &str = "s3cret-of-tests";

/// The ports of one broker.
struct Ports {
    clients: u16,
    /// For clients with TLS and a password.
    secured: u16,
    controller: u16,
    /// Advertised, listening.
    links: Vec<(u16, u16)>,
}

impl Ports {
    fn of_next(planned: &mut Planned) -> Result<Self, String> {
        let mut links = Vec::new();
        for _ in 0..LINKS {
            links.push((planned.port()?, planned.port()?));
        }
        Ok(Self { clients: planned.port()?, secured: planned.port()?, controller: planned.port()?, links })
    }
}

/// How many ports so many brokers take.
pub fn ports(brokers: u16) -> usize {
    usize::from(brokers) * (3 + 2 * LINKS)
}

/// So many brokers, each of them a controller too.
pub fn plan(
    planned: &mut Planned,
    folder: &Path,
    brokers: u16,
    certificates: Option<&Certificates>,
) -> Result<(), String> {
    let java = java().ok_or("Java is gone")?;
    let class_path = jars::class_path(&self::folder())?;
    let ports = (0..brokers).map(|_| Ports::of_next(planned)).collect::<Result<Vec<_>, _>>()?;
    for (at, own) in ports.iter().enumerate() {
        let number = at + 1;
        let folder = folder.join(format!("kafka-{number}"));
        let explained = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::create_dir_all(&folder).map_err(explained)?;
        let file = folder.join("server.properties");
        let store = folder.join("keystore.pem");
        if let Some(certificates) = certificates {
            fs::write(&store, key_store(certificates)?).map_err(explained)?;
        }
        let store = certificates.map(|_| store.as_path());
        fs::write(&file, properties(number, own, &ports, &folder, store)).map_err(explained)?;
        let mut first = program(&java, &class_path, "kafka.tools.StorageTool");
        first.args(["format", "--cluster-id", CLUSTER, "--config"]).arg(&file);
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            first.args(["--add-scram", &format!("{mechanism}=[name={USER},password={PASSWORD}]")]);
        }
        let mut command = program(&java, &class_path, "kafka.Kafka");
        command.arg(&file);
        let name = if brokers == 1 { "Kafka".to_owned() } else { format!("Kafka {number}") };
        let ready = "Kafka Server started";
        planned.servers.push(Server::new(Plan { name, folder, first: Some(first), command, ready, signal: None }));
    }
    let addresses = |port: fn(&Ports) -> u16| {
        ports.iter().map(|ports| format!("127.0.0.1:{}", port(ports))).collect::<Vec<_>>().join(",")
    };
    planned.variables.push((Kind::Kafka.variable().to_owned(), addresses(|ports| ports.clients)));
    planned.variables.push((LINKS_VARIABLE.to_owned(), links(&ports)));
    if certificates.is_some() {
        planned.variables.push((SECURED_VARIABLE.to_owned(), addresses(|ports| ports.secured)));
        planned.variables.push((CREDENTIALS_VARIABLE.to_owned(), format!("{USER}:{PASSWORD}")));
    }
    Ok(())
}

/// What Kafka takes from one file: a key, and its certificate.
fn key_store(certificates: &Certificates) -> Result<String, String> {
    let [certificate, key] = certificates.of_server();
    let read = |file: &Path| fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()));
    Ok(read(&key)? + &read(&certificate)?)
}

fn links(ports: &[Ports]) -> String {
    let of_all = |link: usize| {
        let of_each = ports.iter().filter_map(|ports| ports.links.get(link));
        of_each.map(|(advertised, listening)| format!("{advertised}={listening}")).collect::<Vec<_>>().join(",")
    };
    (0..LINKS).map(of_all).collect::<Vec<_>>().join(";")
}

fn program(java: &Path, class_path: &OsString, class: &str) -> Command {
    let mut command = tethered(java, "KILL", &[]);
    command.env("CLASSPATH", class_path).args(["-Xms256m", "-Xmx512m"]);
    command.arg("-Dorg.slf4j.simpleLogger.showDateTime=true").arg(class);
    command
}

fn properties(number: usize, own: &Ports, all: &[Ports], folder: &Path, store: Option<&Path>) -> String {
    let mut listeners = format!("PLAINTEXT://127.0.0.1:{},CONTROLLER://127.0.0.1:{}", own.clients, own.controller);
    let mut advertised = format!("PLAINTEXT://127.0.0.1:{}", own.clients);
    let mut protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned();
    let mut threads = String::new();
    for (link, (outside, inside)) in own.links.iter().enumerate() {
        let _ = write!(listeners, ",LINK{link}://127.0.0.1:{inside}");
        let _ = write!(advertised, ",LINK{link}://127.0.0.1:{outside}");
        let _ = write!(protocols, ",LINK{link}:PLAINTEXT");
        let _ = writeln!(threads, "listener.name.link{link}.num.network.threads=1");
    }
    if let Some(store) = store {
        let _ = write!(listeners, ",SECURED://127.0.0.1:{}", own.secured);
        let _ = write!(advertised, ",SECURED://127.0.0.1:{}", own.secured);
        protocols.push_str(",SECURED:SASL_SSL");
        threads.push_str(&secured(store));
    }
    let voters = all.iter().enumerate().map(|(at, ports)| format!("{}@127.0.0.1:{}", at + 1, ports.controller));
    let voters = voters.collect::<Vec<_>>().join(",");
    let replicas = all.len().min(3);
    let in_sync = if replicas == 3 { 2 } else { 1 };
    format!(
        "\
process.roles=broker,controller
node.id={number}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners={listeners}
advertised.listeners={advertised}
listener.security.protocol.map={protocols}
{threads}log.dirs={data}
auto.create.topics.enable=false
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=1
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={in_sync}
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
",
        data = folder.join("data").display(),
    )
}

/// The listener with TLS and passwords, and rights: those who come without either, brokers among them, have all.
fn secured(store: &Path) -> String {
    let of = "listener.name.secured";
    let login = "org.apache.kafka.common.security";
    format!(
        "\
{of}.num.network.threads=1
{of}.ssl.keystore.type=PEM
{of}.ssl.keystore.location={store}
{of}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
{of}.plain.sasl.jaas.config={login}.plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\";
{of}.scram-sha-256.sasl.jaas.config={login}.scram.ScramLoginModule required;
{of}.scram-sha-512.sasl.jaas.config={login}.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
",
        store = store.display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_a_java_is_read() {
        for (said, read) in [
            ("openjdk 17.0.15 2025-04-15\nOpenJDK Runtime", 17),
            ("java 21 2023-09-19 LTS", 21),
            ("openjdk 25-ea 2025-09-16", 25),
            ("", 0),
            ("Unrecognized option: --version", 0),
        ] {
            assert_eq!(version(said), read, "{said}");
        }
    }

    fn of(brokers: u16) -> String {
        let ports: Vec<Ports> = (0..brokers)
            .map(|at| Ports {
                clients: 20_000 + at,
                secured: 24_000 + at,
                controller: 21_000 + at,
                links: vec![(22_000 + at, 23_000 + at)],
            })
            .collect();
        properties(ports.len(), ports.last().unwrap(), &ports, Path::new("/folder"), None)
    }

    #[test]
    fn one_broker_needs_nobody_else() {
        let text = of(1);
        for line in [
            "node.id=1",
            "controller.quorum.voters=1@127.0.0.1:21000",
            "listeners=PLAINTEXT://127.0.0.1:20000,CONTROLLER://127.0.0.1:21000,LINK0://127.0.0.1:23000",
            "advertised.listeners=PLAINTEXT://127.0.0.1:20000,LINK0://127.0.0.1:22000",
            "auto.create.topics.enable=false",
            "default.replication.factor=1",
            "min.insync.replicas=1",
            "log.dirs=/folder/data",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }

    #[test]
    fn ways_are_told_by_way_and_then_by_broker() {
        let ports = [10, 20].map(|at| Ports {
            clients: 1,
            secured: 3,
            controller: 2,
            links: vec![(at, at + 1), (at + 2, at + 3)],
        });
        assert_eq!(links(&ports), "10=11,20=21;12=13,22=23;;");
    }

    #[test]
    fn three_brokers_keep_three_copies_and_acknowledge_with_two() {
        let text = of(3);
        for line in [
            "node.id=3",
            "controller.quorum.voters=1@127.0.0.1:21000,2@127.0.0.1:21001,3@127.0.0.1:21002",
            "default.replication.factor=3",
            "min.insync.replicas=2",
            "offsets.topic.replication.factor=3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!(of(2).contains("min.insync.replicas=1") && of(5).contains("default.replication.factor=3"));
    }
}
