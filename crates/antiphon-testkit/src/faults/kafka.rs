//! Kafka for one campaign: brokers of its own, each with a listener for every process behind that process's own proxy,
//! stopped and started as the campaign says.

use crate::process::free_address;
use std::fs::File;
use std::io;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a broker may take to listen, on a busy machine.
const START: Duration = Duration::from_secs(60);
/// How long a terminated broker may take to leave.
const STOP: Duration = Duration::from_secs(30);
/// Any identifier will do (16 bytes in URL-safe base 64).
const CLUSTER_ID: &str = "AAAAAAAAAAAAAAAAAAAAAQ";

/// Running brokers, each also a controller (KRaft). Dropping them kills them and removes what they stored.
pub struct Kafka {
    jars: PathBuf,
    folder: tempfile::TempDir,
    brokers: Vec<Broker>,
}

struct Broker {
    internal: String,
    controller: String,
    /// For each process: where the broker listens, and what it tells that process.
    proxied: Vec<(String, String)>,
    child: Option<Child>,
}

impl Kafka {
    /// Starts so many brokers (1 or 3) with a listener for each of so many processes; `jars` is a folder with Kafka's jars.
    ///
    /// # Errors
    /// Where Java is not there, or a broker does not come up: with the path of its output.
    pub fn start(jars: &Path, brokers: usize, processes: usize) -> io::Result<Self> {
        let pair = |_| (free_address(), free_address());
        let broker = |_| Broker {
            internal: free_address(),
            controller: free_address(),
            proxied: (0..processes).map(pair).collect(),
            child: None,
        };
        let brokers = (0..brokers).map(broker).collect();
        let mut kafka = Self { jars: jars.into(), folder: tempfile::tempdir()?, brokers };
        std::thread::scope(|scope| {
            let format = |number| {
                let kafka = &kafka;
                scope.spawn(move || kafka.format(number))
            };
            let formatting: Vec<_> = (0..kafka.brokers.len()).map(format).collect();
            formatting.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
        })?;
        for number in 0..kafka.brokers.len() {
            kafka.spawn(number)?;
        }
        for number in 0..kafka.brokers.len() {
            kafka.wait(number)?;
        }
        Ok(kafka)
    }

    /// How many there are, those that are down included.
    pub fn size(&self) -> usize {
        self.brokers.len()
    }

    /// `HOST:PORT` of the brokers with nothing between.
    pub fn addresses(&self) -> String {
        self.brokers.iter().map(|broker| broker.internal.clone()).collect::<Vec<_>>().join(",")
    }

    /// For a process: where its proxies have to listen, and what they pass on to, one for each broker.
    pub fn proxied(&self, process: usize) -> Vec<(String, String)> {
        let of_process = |broker: &Broker| {
            let (listen, advertised) = broker.proxied[process].clone();
            (advertised, listen)
        };
        self.brokers.iter().map(of_process).collect()
    }

    /// `kill -9`, or as an operator stops it.
    pub fn stop(&mut self, number: usize, kindly: bool) {
        let Some(mut child) = self.brokers[number].child.take() else { return };
        if kindly {
            signal(&child, "-TERM");
            let began = Instant::now();
            while began.elapsed() < STOP && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        let _ = (child.kill(), child.wait());
    }

    /// Starts it again on what it has stored, and waits until it listens.
    ///
    /// # Errors
    /// Where it does not come up.
    pub fn restart(&mut self, number: usize) -> io::Result<()> {
        self.stop(number, false);
        self.spawn(number)?;
        self.wait(number)
    }

    /// Suspends a broker (SIGSTOP).
    pub fn pause(&self, number: usize) {
        self.brokers[number].child.iter().for_each(|child| signal(child, "-STOP"));
    }

    /// Lets it go on.
    pub fn wake(&self, number: usize) {
        self.brokers[number].child.iter().for_each(|child| signal(child, "-CONT"));
    }

    fn properties(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("broker-{number}.properties"))
    }

    fn java(&self) -> Command {
        let mut command = Command::new("java");
        command.args(["-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        command.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn");
        command.arg("-cp").arg(self.jars.join("*")).stdin(Stdio::null());
        command
    }

    /// Writes a broker's settings and makes its folder (<https://kafka.apache.org/documentation/#kraft>).
    fn format(&self, number: usize) -> io::Result<()> {
        std::fs::write(self.properties(number), self.settings(number))?;
        let mut command = self.java();
        command.args(["kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config"]);
        let output = command.arg(self.properties(number)).output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(io::Error::other(format!("Kafka's storage: {}", String::from_utf8_lossy(&output.stderr))))
    }

    fn settings(&self, number: usize) -> String {
        let broker = &self.brokers[number];
        let (mut listeners, mut advertised) = (format!("INTERNAL://{}", broker.internal), String::new());
        let mut protocols = "INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned();
        advertised += &listeners;
        for (process, (listen, told)) in broker.proxied.iter().enumerate() {
            listeners += &format!(",P{process}://{listen}");
            advertised += &format!(",P{process}://{told}");
            protocols += &format!(",P{process}:PLAINTEXT");
        }
        let voter = |(number, broker): (usize, &Broker)| format!("{}@{}", number + 1, broker.controller);
        let voters: Vec<String> = self.brokers.iter().enumerate().map(voter).collect();
        let copies = self.brokers.len();
        format!(
            "process.roles=broker,controller\nnode.id={}\ncontroller.quorum.voters={}\n\
             listeners={listeners},CONTROLLER://{}\nadvertised.listeners={advertised}\n\
             listener.security.protocol.map={protocols}\n\
             inter.broker.listener.name=INTERNAL\ncontroller.listener.names=CONTROLLER\n\
             log.dirs={}\nauto.create.topics.enable=false\nunclean.leader.election.enable=false\n\
             default.replication.factor={copies}\nmin.insync.replicas={}\n\
             offsets.topic.replication.factor={copies}\noffsets.topic.num.partitions=1\n\
             broker.heartbeat.interval.ms=500\nbroker.session.timeout.ms=3000\nreplica.lag.time.max.ms=3000\n\
             group.initial.rebalance.delay.ms=0\nlog.segment.bytes=67108864\n",
            number + 1,
            voters.join(","),
            broker.controller,
            self.folder.path().join(format!("broker-{number}")).display(),
            copies.div_ceil(2),
        )
    }

    fn spawn(&mut self, number: usize) -> io::Result<()> {
        let log = File::options().create(true).append(true).open(self.log(number))?;
        let mut command = self.java();
        command.arg("kafka.Kafka").arg(self.properties(number));
        command.stdout(log.try_clone()?).stderr(log);
        self.brokers[number].child = Some(command.spawn()?);
        Ok(())
    }

    fn log(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("broker-{number}.log"))
    }

    fn wait(&mut self, number: usize) -> io::Result<()> {
        let began = Instant::now();
        while TcpStream::connect(&self.brokers[number].internal).is_err() {
            let has_left = matches!(self.brokers[number].child.as_mut().map(Child::try_wait), Some(Ok(Some(_))));
            if has_left || began.elapsed() > START {
                let said = std::fs::read_to_string(self.log(number)).unwrap_or_default();
                return Err(io::Error::other(format!("broker {number} does not come up: {said}")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        for number in 0..self.brokers.len() {
            self.stop(number, false);
        }
    }
}

pub(super) fn signal(child: &Child, signal: &str) {
    let _ = Command::new("kill").args([signal, &child.id().to_string()]).status();
}
