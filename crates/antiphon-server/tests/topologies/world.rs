//! A deployment whose processes ask a scripted provider, and callers of any of its processes.

use antiphon_testkit::client::{Api, SseClient, WebSocketClient, is_event};
use antiphon_testkit::deployment::{Deployment, Engines, Place, Plan, Role, Stores, Topology};
use antiphon_testkit::upstream::{Exchange, Reply, Request, Upstream};
use serde_json::Value;
use std::time::Duration;

/// `cluster.takeover_seconds`: as soon must another process go on.
pub const TAKEOVER: Duration = Duration::from_secs(2);

pub struct World {
    pub deployment: Deployment,
    pub upstream: Upstream,
}

impl World {
    /// Two processes of each role, or the one that the topology has; none where an engine is missing.
    pub async fn start(topology: Topology) -> Option<Self> {
        let Some(engines) = Engines::given(topology) else {
            println!("NOT TESTED: topology {topology}");
            return None;
        };
        let upstream = Upstream::start([]).await.unwrap();
        upstream.respond_with(answer);
        let plan = Plan {
            program: env!("CARGO_BIN_EXE_antiphon"),
            topology,
            roles: topology.split(),
            upstream: upstream.address().to_string(),
            max_attempts: 5,
            takeover_seconds: TAKEOVER.as_secs(),
            extra: "",
        };
        let places: Vec<Place> = plan.roles.iter().map(|_| Place::beside(&engines)).collect();
        let stores = Stores::make(topology, &engines).unwrap();
        let deployment = tokio::task::block_in_place(|| Deployment::start(&plan, stores, &places));
        tokio::task::block_in_place(|| deployment.settle());
        Some(Self { deployment, upstream })
    }

    /// Starts a process again, and waits until its share of the rooms is back.
    pub fn bring_back(&self, process: usize) {
        tokio::task::block_in_place(|| {
            self.deployment.process(process).restart();
            self.deployment.settle();
        });
    }

    pub fn topology(&self) -> Topology {
        self.deployment.topology()
    }

    /// The user `ann` at one of the processes that serve HTTP calls; the same where there is only one.
    pub fn api(&self, number: usize) -> Api {
        self.at(Role::Api, number)
    }

    /// The user `ann` at one of the processes that serve WebSocket and server-sent events.
    pub fn live(&self, number: usize) -> Api {
        self.at(Role::Realtime, number)
    }

    fn at(&self, role: Role, number: usize) -> Api {
        let processes = self.deployment.with_role(role);
        self.deployment.user("ann", processes[number % processes.len()])
    }

    /// The number of the process that asked the provider last with these words in its last message, once it has.
    pub async fn owner_of(&self, content: &str) -> usize {
        let exchange = self.exchange(content).await.1;
        Deployment::asker(&exchange.request.path).unwrap()
    }

    /// The last exchange with these words, and its index, once it has come.
    pub async fn exchange(&self, content: &str) -> (usize, Exchange) {
        for _ in 0..3_000 {
            let exchanges = self.upstream.exchanges();
            let found = exchanges.iter().rposition(|exchange| asked(&exchange.request) == content);
            if let Some(index) = found {
                return (index, exchanges[index].clone());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the provider was never asked: {content}");
    }
}

fn asked(request: &Request) -> String {
    request.messages().pop().unwrap_or_default().1
}

/// `paced TOKENS RATE …` is answered so, `held …` waits for a release after its first words, and anything else is echoed.
pub fn answer(request: &Request) -> Reply {
    let content = asked(request);
    let mut words = content.split(' ');
    match (words.next(), words.next(), words.next()) {
        (Some("paced"), Some(tokens), Some(rate)) => {
            Reply::openai_paced(tokens.parse().unwrap(), rate.parse().unwrap())
        }
        (Some("held"), _, _) => {
            Reply::stream().role().token("first ").stall().token("done").finish("stop").usage(7, 3).done_marker()
        }
        _ => Reply::echo(request),
    }
}

/// The next event of that type and stream.
pub async fn event(client: &mut WebSocketClient, kind: &str, stream: &str) -> Value {
    client.until(kind, |event| event["type"] == kind && event["streamId"] == stream).await
}

/// Until that stream's terminal event has come; it may have come already.
pub async fn ended(client: &mut WebSocketClient, stream: &str) {
    if !client.events().any(|seen| is_event(seen, "ar-stream-end", stream)) {
        event(client, "ar-stream-end", stream).await;
    }
}

/// All that is kept of a room, read anew from that process.
pub async fn kept(live: &Api, room: &str) -> Vec<Value> {
    let path = format!("/api/ar-rooms/{room}/events?until=end&position=start");
    let mut sse = SseClient::connect(live, &path).await;
    sse.rest().await;
    sse.events().cloned().collect()
}
