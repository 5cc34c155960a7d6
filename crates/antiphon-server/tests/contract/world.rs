//! A server, the scripted upstream that its agents call, and callers.

use antiphon_testkit::client::{Api, Credential, WebSocketClient, mint};
use antiphon_testkit::process::ServerProcess;
use antiphon_testkit::upstream::{Reply, Upstream};
use serde_json::{Value, json};

pub const SECRET: &str = "a-secret-for-tests-0123456789012345";
const KEY: &str = "a-key-for-tests-0123456789";

/// No limits on rates: a test that is about them sets its own.
pub const NO_LIMITS: &str = "[limits]\nmessages_per_minute = 0\nrequests_per_minute = 0\nconnections_per_user = 0\n\
                             connections_per_address = 0\npublishes_per_second = 0\n";

/// An agent for each recovery policy, named after it. `restart` is the usual one.
const POLICIES: [&str; 4] = ["restart", "continue", "finish", "fail"];

pub struct World {
    pub server: ServerProcess,
    pub upstream: Upstream,
    /// The user `ann`.
    pub ann: Api,
    /// A back end that may read and publish everything.
    pub worker: Api,
}

impl World {
    /// With no limits and three attempts.
    pub async fn start() -> Self {
        Self::with(NO_LIMITS, 3).await
    }

    /// With this added to the configuration, and this many attempts for each agent.
    pub async fn with(extra: &str, max_attempts: u32) -> Self {
        let upstream = Upstream::start([]).await.unwrap();
        let server = ServerProcess::start(
            env!("CARGO_BIN_EXE_antiphon"),
            &(config(&upstream.base_url(), max_attempts) + extra),
            &[],
        );
        let ann = Api::new(&server.url(), Credential::Token(mint(SECRET, "ann", 3_600)));
        let worker = ann.with(Credential::Key(KEY.to_owned()));
        Self { server, upstream, ann, worker }
    }

    /// Another user.
    pub fn user(&self, name: &str) -> Api {
        self.ann.with(Credential::Token(mint(SECRET, name, 3_600)))
    }
}

fn config(base_url: &str, max_attempts: u32) -> String {
    let mut config = format!(
        "[auth]\njwt_secret = \"{SECRET}\"\n\
         api_keys = [{{ name = \"worker\", key = \"{KEY}\", publish = [\"*\"], read = [\"*\"] }}]\n[providers.main]\nkind = \"openai\"\nbase_url = \"{base_url}\"\napi_key = \"sk-never-to-be-seen\"\n"
    );
    for policy in POLICIES {
        config += &format!(
            "[agents.{policy}]\nprovider = \"main\"\nmodel = \"m\"\nsystem = \"You are a test.\"\n\
             recovery = \"{policy}\"\nmax_attempts = {max_attempts}\n"
        );
    }
    config
}

/// A streamed answer that stops after these tokens until [`Upstream::release`], and then goes on with the others.
pub fn held(before: &[&str], after: &[&str]) -> Reply {
    Reply::stream().role().tokens(before).stall().tokens(after).finish("stop").usage(7, 3).done_marker()
}

/// The next event of that type and stream.
pub async fn event(client: &mut WebSocketClient, kind: &str, stream: &str) -> Value {
    client.until(kind, |event| event["type"] == kind && event["streamId"] == stream).await
}

/// Waits for a stream's chunks to come to this text.
pub async fn text(client: &mut WebSocketClient, stream: &str, wanted: &str) {
    let so_far = |client: &WebSocketClient| {
        let chunks = client.events().filter(|event| event["type"] == "ar-stream-chunk" && event["streamId"] == stream);
        chunks.map(|event| event["text"].as_str().unwrap()).collect::<String>()
    };
    while so_far(client) != wanted {
        event(client, "ar-stream-chunk", stream).await;
    }
}

/// `{offset}` as `heard`.
pub fn heard(offset: u64) -> Value {
    json!({ "heard": { "offset": offset } })
}
