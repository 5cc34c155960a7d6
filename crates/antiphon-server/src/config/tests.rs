//! Configurations that hold, and what is said of those that do not.

use super::*;
use std::io::Write as _;
use std::time::Duration;

fn load(text: &str, variables: &[(&str, &str)], flags: &Flags) -> Result<Settings, String> {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::load(Some(file.path()), variables, flags).map_err(|error| error.to_string())
}

fn of_file(text: &str) -> Result<Settings, String> {
    load(text, &[], &Flags::default())
}

/// Every fixed key, as documented.
const FULL: &str = r#"
[providers.main]
kind = "openai"
base_url = "http://127.0.0.1:9000/v1"
api_key = { env = "OPENAI_API_KEY" }

[agents.anna]
provider = "main"
model = "some-model"
system = "You are Anna."
markers = "prompt"
recovery = "restart"
max_attempts = 3
on_disconnect = "continue"
viewer_grace_seconds = 30

[auth]
jwt_secret = { env = "ANTIPHON_JWT_SECRET" }
api_keys = [{ name = "worker", key = { env = "WORKER_KEY" }, publish = ["job_progress:*"], read = [] }]

[limits]
messages_per_minute = 60
requests_per_minute = 600
connections_per_user = 20
connections_per_address = 100
publishes_per_second = 1000

[log]
engine = "disk"
sync = "always"

[namespaces.metrics]
keep = { events = 10000, age = "24h", bytes = "64MiB" }
ephemeral = false
"#;

#[test]
fn every_fixed_key_is_read_and_the_defaults_are_as_documented() {
    let settings = of_file(FULL).unwrap();
    assert_eq!(settings.limits, LimitsSection::default());
    assert_eq!(settings.log.sync, LogSection::default().sync);
    assert_eq!((settings.topology(), Settings::default().topology()), (Topology::Embedded, Topology::Embedded));
    let keep = settings.namespaces["metrics"].keep;
    assert_eq!((keep.events, keep.age), (Some(10_000), Some(Duration::from_secs(86_400))));
    assert_eq!(keep.bytes.unwrap().0, 64 << 20);
    let anna = &settings.agents["anna"];
    let bare = of_file("[providers.s]\nkind = \"script\"\n[agents.anna]\nprovider = \"s\"").unwrap();
    assert_eq!(
        AgentSection { provider: "s".into(), model: String::new(), system: String::new(), ..anna.clone() },
        bare.agents["anna"]
    );
    assert_eq!(of_file("").unwrap(), Settings::default());
}

#[test]
fn a_print_out_can_be_read_again_and_shows_no_secret() {
    let text =
        format!("{FULL}\n[providers.other]\nkind = \"openai\"\nbase_url = \"http://a/v1\"\napi_key = \"hush-hush\"");
    let settings = of_file(&text).unwrap();
    let printed = settings.to_toml().unwrap();
    assert!(!printed.contains("hush-hush") && !format!("{settings:?}").contains("hush-hush"));
    let refused = of_file(&printed).unwrap_err();
    assert!(refused.contains("providers.other.api_key") && refused.contains("print-out"), "{refused}");
    let again = of_file(&printed.replace("\"[redacted]\"", "\"hush-hush\"")).unwrap();
    assert_eq!(again, settings);
}

#[test]
fn variables_win_over_the_file_and_flags_over_both() {
    let variables = [
        ("ANTIPHON_LIMITS__MESSAGES_PER_MINUTE", "0"),
        ("ANTIPHON_LOG__SYNC", "never"),
        ("ANTIPHON_LISTEN", "127.0.0.1:1"),
        ("ANTIPHON_DATA", "/from/variable"),
        ("ANTIPHON_ROLES", "api, ai,realtime"),
        ("ANTIPHON_AUTH__JWT_SECRET", "12345678901234567890123456789012"),
        ("ANTIPHON_PROVIDERS__MAIN__API_KEY", "{ env = \"OTHER\" }"),
        ("ANTIPHON_SERVER__CORS_ORIGINS", "[\"https://app.example\"]"),
        ("ANTIPHON_JWT_SECRET", "a variable that the file names"),
        ("ANTIPHON_TOKEN", "a client command's"),
        ("HOME", "/root"),
    ];
    let flags = Flags { data: Some("/from/flag".into()), ..Flags::default() };
    let settings = load(FULL, &variables, &flags).unwrap();
    assert_eq!(settings.limits.messages_per_minute, 0);
    assert_eq!(settings.limits.requests_per_minute, 600);
    assert_eq!(settings.log.sync, SyncSetting::Never);
    assert_eq!((settings.listen.as_str(), settings.data.as_path()), ("127.0.0.1:1", Path::new("/from/flag")));
    assert_eq!(settings.roles, ["api", "ai", "realtime"]);
    assert_eq!(settings.auth.jwt_secret, Some(Secret::Text("12345678901234567890123456789012".into())));
    assert_eq!(settings.providers["main"].api_key, Some(Secret::Environment("OTHER".into())));
    assert_eq!(settings.server.cors_origins, ["https://app.example"]);
}

#[test]
fn what_is_wrong_is_named_with_its_place_and_what_was_meant() {
    let agent = |line: &str| format!("[providers.s]\nkind = \"script\"\n[agents.a]\nprovider = \"s\"\n{line}");
    for (text, words) in [
        ("[limits]\n\nmesages_per_minute = 1".to_owned(), &["line 3", "`limits.mesages_per_minute`", "`messages_per_minute`?"][..]),
        ("limit = 1".into(), &["line 1", "`limit`", "`limits`?"]),
        (agent("modle = \"x\""), &["line 5", "agents.a.modle", "`model`?"]),
        (agent("marker_model = \"m\""), &["agents.a", "marker_model", "markers = \"model\""]),
        (agent("markers = \"model\"\nmarker_provider = \"z\""), &["agents.a.marker_provider", "no provider `z`"]),
        (agent("markers = \"promt\""), &["line 5", "agents.a.markers", "`prompt`?"]),
        (agent("max_attempts = 0"), &["max_attempts", "1 to"]),
        (agent("max_attempts = \"three\""), &["line 5", "agents.a.max_attempts"]),
        ("[agents.a]\nmodel = \"m\"".into(), &["`agents.a.provider` is missing"]),
        (agent("").replace("provider = \"s\"", "provider = \"z\""), &["agents.a.provider", "no provider `z`", "has s"]),
        ("[providers.main]\nkind = \"openai\"\nbase_url = \"http://a/v1\"\n[agents.a]\nprovider = \"mian\"\nmodel = \"m\"".into(),
            &["did you mean `main`?"]),
        ("[providers.m]\nkind = \"anthropic\"\nfile = \"x\"".into(), &["providers.m.file", "kind `anthropic` has none"]),
        ("[providers.m]\nkind = \"openai\"".into(), &["providers.m.base_url is missing", "https://api.openai.com/v1"]),
        ("[providers.m]\nkind = \"opneai\"".into(), &["line 2", "`openai`?"]),
        ("[providers.m]\nkind = \"openai\"".into(), &["base_url is missing"]),
        ("[providers.m]\nkind = \"script\"\nfile = \"x\"".into(), &["providers.m.file"]),
        ("[namespaces.Metrics]\nephemeral = true".into(), &["namespaces.Metrics", "a-z"]),
        ("[namespaces.m]\nkeep = { age = \"soon\" }".into(), &["line 2", "namespaces.m.keep.age"]),
        ("[namespaces.m]\nkeep = { bytes = \"64 apples\" }".into(), &["namespaces.m.keep.bytes"]),
        ("[namespaces.ar-room]\nkeep = { age = \"10m\" }".into(), &["namespaces.ar-room.keep.age"]),
        ("[server]\ntrusted_proxies = [\"10.0.0.0/33\"]".into(), &["trusted_proxies", "10.0.0.0/8"]),
        ("[server]\ncors_origins = [\"app.example\"]".into(), &["cors_origins", "https://app.example"]),
        ("listen = \"8787\"".into(), &["listen", "127.0.0.1:8787"]),
        ("[auth]\napi_keys = [{ name = \"w\", key = \"k\", red = [] }]".into(), &["line 2", "auth.api_keys.0.red", "`read`?"]),
        ("[auth]\napi_keys = [{ name = \"w\", key = \"k\", read = [\"a*b\"] }]".into(), &["auth.api_keys.0", "a*b"]),
        ("[auth]\njwt_secret = { env = \"A\", file = \"B\" }".into(), &["auth.jwt_secret", "either"]),
        ("[auth]\njwt_secret = 12345".into(), &["auth.jwt_secret", "quotes"]),
        ("[limits\nx".into(), &["line 1"]),
    ] {
        let said = of_file(&text).unwrap_err();
        for word in words {
            assert!(said.contains(word), "{said:?} lacks {word:?}");
        }
        assert!(!said.contains("12345"), "{said}");
    }
}

#[test]
fn a_wrong_variable_is_named_as_such() {
    let said = load("", &[("ANTIPHON_LIMITS__MESAGES_PER_MINUTE", "1")], &Flags::default()).unwrap_err();
    assert!(said.contains("ANTIPHON_LIMITS__MESAGES_PER_MINUTE") && said.contains("messages_per_minute"), "{said}");
    assert!(!said.contains("line"), "{said}");
}

#[test]
fn a_secret_is_found_where_it_is_said_to_be() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"from-a-file\n").unwrap();
    assert_eq!(Secret::File(file.path().into()).reveal("a").unwrap(), "from-a-file");
    assert_eq!(Secret::Text("x".into()).reveal("a").unwrap(), "x");
    let missing = Secret::Environment("ANTIPHON_NO_SUCH_VARIABLE".into());
    assert_eq!(missing.find("a").unwrap(), None);
    let said = missing.reveal("auth.jwt_secret").unwrap_err().to_string();
    assert!(said.contains("auth.jwt_secret") && said.contains("ANTIPHON_NO_SUCH_VARIABLE"), "{said}");
    assert!(Secret::File("/no/such/file".into()).reveal("a").is_err());
    assert!(Secret::Text(" ".into()).reveal("a").is_err());
}

#[test]
fn the_examples_in_the_docs_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/providers");
    let mut kinds = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let settings = Settings::load(Some(&path), std::iter::empty(), &Flags::default());
        let settings = settings.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(!settings.agents.is_empty(), "{}", path.display());
        kinds.extend(settings.providers.values().map(|provider| format!("{:?}", provider.kind)));
    }
    assert_eq!(kinds.len(), 7, "one of each kind: {kinds:?}");
}

#[test]
fn one_line_names_the_topology_and_the_engine_alone_names_its_simplest() {
    for (text, topology, engine) in [
        ("", Topology::Embedded, Engine::Disk),
        ("[log]\nengine = \"memory\"", Topology::Direct, Engine::Memory),
        ("[log]\nengine = \"kafka\"", Topology::Kafka, Engine::Kafka),
        ("[log]\nengine = \"redis-streams\"", Topology::RedisStreams, Engine::RedisStreams),
        ("topology = \"grpc\"", Topology::Grpc, Engine::Memory),
        ("topology = \"hybrid\"", Topology::Hybrid, Engine::Kafka),
        ("topology = \"kafka-relay\"\n[log]\nengine = \"kafka\"", Topology::KafkaRelay, Engine::Kafka),
    ] {
        let settings = of_file(text).unwrap();
        assert_eq!((settings.topology(), settings.topology().engine()), (topology, engine), "{text}");
        let roles = settings.role_set().unwrap();
        assert_eq!(roles.contains(&Role::Relay), topology == Topology::KafkaRelay, "{text}");
        assert_eq!(of_file(&settings.to_toml().unwrap()).unwrap().topology(), topology);
    }
}

#[test]
fn a_split_that_cannot_work_is_refused_with_its_reason() {
    let shared = "[records]\nurl = { env = \"RECORDS\" }\n";
    let split = |topology: &str, roles: &str, rest: &str| format!("topology = \"{topology}\"\nroles = {roles}\n{rest}");
    let kafka = |line: &str| format!("topology = \"kafka\"\n[kafka]\n{line}");
    for (text, words) in [
        (split("embedded", "[\"api\"]", shared), &["roles", "one process", "kafka-relay"][..]),
        (split("direct", "[\"realtime\"]", shared), &["roles", "one process"]),
        (split("hybrid", "[\"api\"]", ""), &["records.url is missing", "postgres://"]),
        (split("kafka", "[\"relay\"]", shared), &["roles", "`relay`", "only `kafka-relay`"]),
        (split("kafka", "[\"ia\"]", shared), &["roles", "`ia`", "all, api, ai, realtime, relay"]),
        (split("kafka", "[]", shared), &["roles", "at least one"]),
        ("topology = \"kafak\"".into(), &["line 1", "topology", "`kafka`?"]),
        ("topology = \"hybrid\"\n[log]\nengine = \"disk\"".into(), &["log.engine", "`hybrid`", "`kafka`"]),
        (kafka("replication_factor = 0"), &["kafka.replication_factor"]),
        (kafka("keep = \"10m\""), &["kafka.keep", "4200"]),
        (kafka("security = \"sasl-ssl\""), &["kafka.username", "kafka.password"]),
        (kafka("username = \"u\""), &["kafka.security", "sasl-ssl"]),
        (kafka("mechanism = \"scram\""), &["line 3", "kafka.mechanism", "scram-sha-"]),
        ("topology = \"kafka\"\n[cluster]\nshards = 0".into(), &["cluster.shards", "1 to 256"]),
        ("topology = \"kafka\"\n[cluster]\ntakeover_seconds = 90".into(), &["takeover_seconds", "1 to 60"]),
        ("topology = \"kafka\"\n[cluster]\nlisten = \"10.0.0.1:1\"".into(), &["cluster.secret is missing"]),
        ("topology = \"kafka\"\n[cluster]\nlisten = \"0.0.0.0:1\"\nsecret = \"s\"".into(), &["cluster.advertise"]),
        ("topology = \"kafka\"\n[namespaces.m]\nephemeral = true".into(), &["namespaces.m.ephemeral", "grpc"]),
    ] {
        let said = of_file(&text).unwrap_err();
        for word in words {
            assert!(said.contains(word), "{said:?} lacks {word:?}");
        }
    }
    for roles in ["[\"api\"]", "[\"ai\"]", "[\"realtime\"]", "[\"api\", \"realtime\"]"] {
        for topology in ["kafka", "kafka-relay", "redis-streams", "grpc", "hybrid"] {
            of_file(&split(topology, roles, shared)).unwrap();
        }
    }
    of_file(&split("kafka-relay", "[\"relay\"]", shared)).unwrap();
    of_file(&split("kafka", "[\"all\"]", "")).unwrap();
}

#[test]
fn a_table_without_effect_is_named() {
    let unused = |text: &str| of_file(text).unwrap().unused_tables();
    assert_eq!(unused("topology = \"redis-streams\"\n[kafka]\nbrokers = \"k:9092\""), ["kafka"]);
    assert_eq!(unused("[redis]\nprefix = \"a:\"\n[cluster]\nshards = 4"), ["redis", "cluster"]);
    assert_eq!(unused("topology = \"hybrid\"\n[kafka]\nbrokers = \"k:9092\"\n[redis]\nprefix = \"a:\""), [""; 0]);
}
