//! Several real processes of one deployment: a topology, its roles on processes of their own, and a topic, a prefix and
//! a database that nobody else uses.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod config;
mod stores;
mod topology;

pub use config::{KEY, SECRET};
pub(crate) use stores::redis_command;
pub use stores::{Engines, Stores};
pub use topology::{Role, Topology};

use crate::client::{Api, Credential, mint};
use crate::process::{ServerProcess, free_address};
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long owners may take to share alike.
const SETTLE: Duration = Duration::from_secs(30);

/// What is started.
pub struct Plan<'a> {
    /// The program, as `CARGO_BIN_EXE_antiphon` names it.
    pub program: &'a str,
    /// Which log and which live path.
    pub topology: Topology,
    /// The duties of each process, such as those of [`Topology::split`].
    pub roles: Vec<Vec<Role>>,
    /// Where a scripted provider listens: `HOST:PORT`. Process `i` asks it below `/pI/v1`, so that a request's path says
    /// who asks.
    pub upstream: String,
    /// How often an answer may be begun.
    pub max_attempts: u32,
    /// `cluster.takeover_seconds`
    pub takeover_seconds: u64,
    /// Added to every process's configuration (TOML tables).
    pub extra: &'a str,
}

/// Where one process finds what it speaks to.
#[derive(Clone, Debug)]
pub struct Place {
    /// The engines.
    pub engines: Engines,
    /// Where it listens for other processes.
    pub cluster_listen: String,
    /// What the others are told.
    pub cluster_advertise: String,
}

impl Place {
    /// With these engines, on a free port that the others reach without anything between.
    pub fn beside(engines: &Engines) -> Self {
        let address = free_address();
        Self { engines: engines.clone(), cluster_listen: address.clone(), cluster_advertise: address }
    }
}

/// The processes, each of which may be down. Dropping it kills them and drops what they stored.
pub struct Deployment {
    topology: Topology,
    roles: Vec<Vec<Role>>,
    processes: Vec<Arc<Mutex<ServerProcess>>>,
    callers: Vec<Api>,
    stores: Stores,
}

impl Deployment {
    /// Starts all processes at once, each where its place says, and waits until they are ready.
    pub fn start(plan: &Plan<'_>, stores: Stores, places: &[Place]) -> Self {
        let configs: Vec<String> =
            places.iter().enumerate().map(|(number, place)| config::of(plan, &stores, number, place)).collect();
        let started: Vec<ServerProcess> = std::thread::scope(|scope| {
            let start = |config: String| scope.spawn(move || ServerProcess::start(plan.program, &config, &[]));
            let threads: Vec<_> = configs.into_iter().map(start).collect();
            threads.into_iter().map(|thread| thread.join().expect("it starts")).collect()
        });
        let callers = started.iter().map(|process| Api::new(&process.url(), Credential::Key(KEY.into()))).collect();
        let processes = started.into_iter().map(|process| Arc::new(Mutex::new(process))).collect();
        Self { topology: plan.topology, roles: plan.roles.clone(), processes, callers, stores }
    }

    /// Which one it is.
    pub fn topology(&self) -> Topology {
        self.topology
    }

    /// How many processes it has, those that are down included.
    pub fn size(&self) -> usize {
        self.processes.len()
    }

    /// The processes with a role.
    pub fn with_role(&self, role: Role) -> Vec<usize> {
        (0..self.size()).filter(|number| self.roles[*number].contains(&role)).collect()
    }

    /// A process.
    pub fn process(&self, number: usize) -> MutexGuard<'_, ServerProcess> {
        self.processes[number].lock()
    }

    /// The same for a thread of its own: starting and ending takes its time.
    pub fn shared_process(&self, number: usize) -> Arc<Mutex<ServerProcess>> {
        self.processes[number].clone()
    }

    /// Waits until the processes that run rooms, all of which are up, have as many shards each: until then some move.
    pub fn settle(&self) {
        let owners = self.with_role(Role::Ai).len();
        let began = Instant::now();
        let is_settled = |shares: &[usize]| match self.topology {
            // A window in memory stays with its owner, however many that then has.
            Topology::Grpc => shares.iter().sum::<usize>() == config::SHARDS,
            _ => *shares == vec![config::SHARDS / owners; owners],
        };
        while self.topology.is_shared() && !is_settled(&self.stores.shards_of_owners()) {
            assert!(began.elapsed() < SETTLE, "the owners never share alike: {:?}", self.stores.shards_of_owners());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A back end that may read and publish everything, as a caller of a process.
    pub fn worker(&self, number: usize) -> Api {
        self.callers[number].clone()
    }

    /// A user as a caller of a process.
    pub fn user(&self, name: &str, number: usize) -> Api {
        self.callers[number].with(Credential::Token(mint(SECRET, name, 36_000)))
    }

    /// The process that an exchange of the scripted provider came from, by its path.
    pub fn asker(path: &str) -> Option<usize> {
        path.strip_prefix("/p")?.split('/').next()?.parse().ok()
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        for process in &self.processes {
            process.lock().kill9();
        }
        if std::thread::panicking() {
            for (number, process) in self.processes.iter().enumerate() {
                eprintln!("process {number} {:?} said:\n{}", self.roles[number], process.lock().stderr());
            }
        }
        self.stores.drop_all();
    }
}
