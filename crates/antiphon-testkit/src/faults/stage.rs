//! A deployment with a proxy before each engine of each process and before each process, and engines that can be stopped.

use super::{Kafka, Redis};
use crate::deployment::{Deployment, Engines, Place, Plan, Role, Stores, Topology};
use crate::process::free_address;
use crate::proxy::{Link, Proxy};
use crate::upstream::{Reply, Request, Upstream};
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;

/// What a link leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Far {
    /// All brokers.
    Kafka,
    /// Redis.
    Redis,
    /// PostgreSQL.
    Postgres,
    /// From the other processes to this one.
    Process,
}

/// Everything that faults are done to.
pub struct Stage {
    /// The processes.
    pub deployment: Arc<Deployment>,
    /// The brokers, where the topology has them.
    pub kafka: Option<Arc<Mutex<Kafka>>>,
    /// Redis, where the topology has it.
    pub redis: Option<Arc<Mutex<Redis>>>,
    /// The scripted provider.
    pub upstream: Upstream,
    links: Vec<Vec<(Far, Proxy)>>,
}

impl Stage {
    /// Starts a split deployment. `kafka` has a listener for each of its processes; `postgres` is as in [`Engines`].
    ///
    /// # Errors
    /// Where an engine is not there.
    pub async fn start(
        program: &str,
        topology: Topology,
        kafka: Option<&Arc<Mutex<Kafka>>>,
        postgres: &str,
        takeover_seconds: u64,
    ) -> io::Result<Self> {
        let upstream = Upstream::start([]).await?;
        upstream.respond_with(answer);
        let redis = if topology.uses_redis() { Some(Arc::new(Mutex::new(Redis::start()?))) } else { None };
        let kafka = kafka.filter(|_| topology.uses_kafka()).cloned();
        let engines = Engines {
            kafka: kafka.as_ref().map(|kafka| kafka.lock().addresses()).unwrap_or_default(),
            redis: redis.as_ref().map(|redis| format!("redis://{}", redis.lock().address())).unwrap_or_default(),
            postgres: postgres.to_owned(),
        };
        let roles = topology.split();
        let (mut links, mut places) = (Vec::new(), Vec::new());
        for number in 0..roles.len() {
            let (place, proxies) = place(topology, &engines, kafka.as_deref(), number).await?;
            places.push(place);
            links.push(proxies);
        }
        let plan = Plan {
            program,
            topology,
            roles,
            upstream: upstream.address().to_string(),
            max_attempts: 10,
            takeover_seconds,
            // Everything is kept, so that all of it can be read again at the end.
            extra: "[namespaces.ar-room]\nkeep = { events = 0, age = \"0s\", bytes = 0 }\n\
                    [namespaces.jobs]\nkeep = { events = 0, age = \"0s\", bytes = 0 }\n",
        };
        let stores = Stores::make(topology, &engines)?;
        let deployment = tokio::task::block_in_place(|| {
            let deployment = Deployment::start(&plan, stores, &places);
            deployment.settle();
            deployment
        });
        Ok(Self { deployment: Arc::new(deployment), kafka, redis, upstream, links })
    }

    /// The kinds of links that a process has.
    pub fn links(&self, process: usize) -> Vec<Far> {
        let mut kinds: Vec<Far> = self.links[process].iter().map(|(far, _)| *far).collect();
        kinds.dedup();
        kinds
    }

    /// Changes all links of that kind of a process.
    pub fn set(&self, process: usize, far: Far, link: Link) {
        self.links[process].iter().filter(|(kind, _)| *kind == far).for_each(|(_, proxy)| proxy.set(link));
    }

    /// The same for every process.
    pub fn set_all(&self, far: Far, link: Link) {
        (0..self.links.len()).for_each(|process| self.set(process, far, link));
    }

    /// Opens every link.
    pub fn heal(&self) {
        self.links.iter().flatten().for_each(|(_, proxy)| proxy.heal());
    }

    /// The processes with a role.
    pub fn with_role(&self, role: Role) -> Vec<usize> {
        self.deployment.with_role(role)
    }
}

async fn place(
    topology: Topology,
    engines: &Engines,
    kafka: Option<&Mutex<Kafka>>,
    number: usize,
) -> io::Result<(Place, Vec<(Far, Proxy)>)> {
    let mut proxies = Vec::new();
    let mut seen = engines.clone();
    let brokers = kafka.map(|kafka| kafka.lock().proxied(number)).unwrap_or_default();
    seen.kafka = brokers.iter().map(|(listen, _)| listen.clone()).collect::<Vec<_>>().join(",");
    for (listen, target) in brokers {
        proxies.push((Far::Kafka, Proxy::start_on(&listen, &target).await?));
    }
    if let Some(address) = engines.redis.strip_prefix("redis://") {
        let proxy = Proxy::start(address).await?;
        seen.redis = format!("redis://{}", proxy.address());
        proxies.push((Far::Redis, proxy));
    }
    let cluster_listen = free_address();
    let mut cluster_advertise = cluster_listen.clone();
    if topology.is_shared() {
        let proxy = Proxy::start(&engines.postgres_address()).await?;
        seen = seen.with_postgres_at(&proxy);
        proxies.push((Far::Postgres, proxy));
        let proxy = Proxy::start(&cluster_listen).await?;
        cluster_advertise = proxy.address().to_string();
        proxies.push((Far::Process, proxy));
    }
    Ok((Place { engines: seen, cluster_listen, cluster_advertise }, proxies))
}

/// `paced TOKENS RATE …` in the last message is answered so.
fn answer(request: &Request) -> Reply {
    let content = request.messages().pop().unwrap_or_default().1;
    let mut words = content.split(' ').skip(1);
    let mut next = || words.next().and_then(|word| word.parse().ok());
    let tokens = next().unwrap_or(20.0) as usize;
    Reply::openai_paced(tokens, next().unwrap_or(20.0))
}
