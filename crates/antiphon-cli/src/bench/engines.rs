//! Kafka, Redis and PostgreSQL: the ones that were named, or ones that are started for the measurement and go with it.

use super::TopologiesArguments;
use super::child::{Running, free_port, listening};
use crate::failure::Failure;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A system outside of Antiphon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Kafka,
    Redis,
    Postgres,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Redis => "redis",
            Self::Postgres => "postgres",
        }
    }
}

/// One engine: where it is, and its process where it is ours.
pub(super) struct Engine {
    pub(super) kind: Kind,
    /// `HOST:PORT` for Kafka, a URL for the others.
    pub(super) address: String,
    process: Option<Running>,
    folder: PathBuf,
    port: u16,
    kafka_home: Option<PathBuf>,
}

impl Engine {
    /// Uses what the arguments name, else starts one.
    pub(super) async fn open(kind: Kind, arguments: &TopologiesArguments, folder: &Path) -> Result<Self, Failure> {
        let given = match kind {
            Kind::Kafka => &arguments.kafka,
            Kind::Redis => &arguments.redis,
            Kind::Postgres => &arguments.postgres,
        };
        let folder = folder.join(kind.name());
        let mut engine = Self {
            kind,
            address: given.clone().unwrap_or_default(),
            process: None,
            folder,
            port: 0,
            kafka_home: arguments.kafka_home.clone(),
        };
        if given.is_none() {
            engine.port = free_port()?;
            engine.address = match kind {
                Kind::Kafka => format!("127.0.0.1:{}", engine.port),
                Kind::Redis => format!("redis://127.0.0.1:{}", engine.port),
                Kind::Postgres => format!("postgres://postgres@127.0.0.1:{}/postgres", engine.port),
            };
            make(&engine.folder)?;
            engine.prepare()?;
            engine.start().await?;
        }
        Ok(engine)
    }

    /// Whether it may be killed: only what was started here.
    pub(super) fn is_ours(&self) -> bool {
        self.port != 0
    }

    pub(super) fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again where it is ours and was left killed.
    pub(super) async fn revive(&mut self) -> Result<(), Failure> {
        if self.is_ours() && self.process.is_none() { self.start().await } else { Ok(()) }
    }

    pub(super) fn cpu_micros(&self) -> u64 {
        self.process.as_ref().map_or(0, Running::cpu_micros)
    }

    /// Starts it on its data, again or for the first time.
    pub(super) async fn start(&mut self) -> Result<(), Failure> {
        let log = self.folder.join("log");
        // What was killed leaves a file that says it runs.
        let _ = std::fs::remove_file(self.folder.join("data/postmaster.pid"));
        self.process = Some(Running::start(self.command()?, &log)?);
        listening(self.port, self.kind.name(), &log).await?;
        // A listener comes before the readiness of all three.
        tokio::time::sleep(Duration::from_millis(500)).await;
        Ok(())
    }

    fn prepare(&self) -> Result<(), Failure> {
        match self.kind {
            Kind::Redis => Ok(()),
            Kind::Kafka => {
                let properties = self.folder.join("server.properties");
                write(&properties, &kafka_properties(self.port, free_port()?, &self.folder.join("data")))?;
                let mut format = self.java("kafka.tools.StorageTool")?;
                format.args(["format", "--standalone", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c"]).arg(&properties);
                finish(format, "Kafka's folder cannot be prepared")
            }
            Kind::Postgres => {
                let data = self.folder.join("data");
                own_by_postgres(&self.folder)?;
                let mut command = as_postgres(&postgres_program("initdb")?);
                command.args(["-U", "postgres", "-A", "trust", "-N", "-D"]).arg(data);
                finish(command, "PostgreSQL's folder cannot be prepared")
            }
        }
    }

    fn command(&self) -> Result<Command, Failure> {
        let port = self.port.to_string();
        match self.kind {
            Kind::Redis => {
                let mut command = Command::new("redis-server");
                command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--dir"]).arg(&self.folder);
                command.args(["--appendonly", "yes", "--appendfsync", "everysec"]);
                // It comes at each doubling of the file, and would fall into the few seconds that are measured.
                command.args(["--auto-aof-rewrite-percentage", "0"]);
                Ok(command)
            }
            Kind::Kafka => {
                let mut command = self.java("kafka.Kafka")?;
                command.arg(self.folder.join("server.properties"));
                Ok(command)
            }
            Kind::Postgres => {
                let mut command = as_postgres(&postgres_program("postgres")?);
                command.args(["-h", "127.0.0.1", "-p", &port, "-k", "", "-c", "logging_collector=off", "-D"]);
                command.arg(self.folder.join("data"));
                Ok(command)
            }
        }
    }

    fn java(&self, class: &str) -> Result<Command, Failure> {
        let home = self.kafka_home.as_deref().ok_or_else(|| {
            Failure::new("there is no Kafka: none was named, and none can be started").fix(
                "--kafka HOST:PORT for one that runs, or --kafka-home DIR for an unpacked one (its `libs` folder holds the jars)",
            )
        })?;
        let libs = if home.join("libs").is_dir() { home.join("libs") } else { home.to_owned() };
        let mut command = Command::new("java");
        command.args(["-Xms256m", "-Xmx512m", "-XX:+UseG1GC", "-cp"]).arg(libs.join("*")).arg(class);
        Ok(command)
    }
}

fn kafka_properties(port: u16, controller: u16, data: &Path) -> String {
    format!(
        "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         controller.listener.names=CONTROLLER\nlog.dirs={}\nauto.create.topics.enable=false\n\
         offsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\nnum.network.threads=2\nnum.io.threads=4\n",
        data.display()
    )
}

/// PostgreSQL's own programs are often not on the path.
fn postgres_program(name: &str) -> Result<PathBuf, Failure> {
    let on_path =
        std::env::var_os("PATH").into_iter().flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let installed = versions.map(|version| version.path().join("bin"));
    let mut found: Vec<PathBuf> =
        installed.chain(on_path).map(|folder| folder.join(name)).filter(|program| program.is_file()).collect();
    found.sort();
    found.pop().ok_or_else(|| {
        Failure::new(format!("there is no PostgreSQL: none was named, and `{name}` is not installed"))
            .fix("--postgres URL for one that runs, or install it (Debian: postgresql)")
    })
}

/// PostgreSQL refuses to run as root.
fn as_postgres(program: &Path) -> Command {
    if !rustix::process::getuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]).arg(program);
    command
}

fn own_by_postgres(folder: &Path) -> Result<(), Failure> {
    if !rustix::process::getuid().is_root() {
        return Ok(());
    }
    let mut command = Command::new("chown");
    command.arg("postgres").arg(folder);
    finish(command, "there is no user `postgres` to run PostgreSQL as")
}

fn finish(mut command: Command, what: &str) -> Result<(), Failure> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| Failure::new(format!("{what}: {name}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("{what}: {}", said.trim().lines().last().unwrap_or_default())))
}

fn make(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| Failure::new(format!("{}: {error}", folder.display())))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}
