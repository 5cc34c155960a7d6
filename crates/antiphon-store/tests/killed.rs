//! A process that appends is killed at random moments: what it had acknowledged is there, once, in order.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use antiphon_core::{ChannelName, Event, EventKind, Log, NamespaceSettings, ReadFrom, ReadLimit, Retention};
use antiphon_store::{EmbeddedLog, EmbeddedOptions, NamespaceTable, Sync};
use bytes::Bytes;
use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const FOLDER: &str = "ANTIPHON_TEST_KILLED_FOLDER";
const ROUNDS: usize = 20;
const KEPT: u64 = 60;
const CHANNELS: [&str; 3] = ["jobs:a", "jobs:b", "short:c"];

fn open(folder: &Path) -> Arc<EmbeddedLog> {
    let namespace = |name: &str, events| {
        let keep = Retention { events, age: None, bytes: None };
        (name.to_owned(), NamespaceSettings { keep, ephemeral: false })
    };
    let namespaces = NamespaceTable::new(HashMap::from([namespace("jobs", None), namespace("short", Some(KEPT))]));
    EmbeddedLog::open(folder, EmbeddedOptions { sync: Sync::Always, namespaces, on_commit: Arc::new(|_| {}) }).unwrap()
}

fn event(name: &str, bytes: usize) -> Event {
    let json = Bytes::from(format!("{{\"name\":\"{name}\",\"x\":\"{}\"}}", "x".repeat(bytes)));
    Event { kind: EventKind::Plain, json, event_id: Some(name.to_owned()), provider_at: None }
}

/// Not a test of its own: what the killed process runs. Says each acknowledged event on a line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_until_it_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let log = open(Path::new(&folder));
    let append = |task: usize| {
        let log = log.clone();
        tokio::spawn(async move {
            for count in 0.. {
                let channel = CHANNELS[(task + count) % CHANNELS.len()];
                let name = |part: usize| format!("{}.{task}.{count}.{part}", std::process::id());
                let bytes = rand::rng().random_range(0..20_000);
                let events = (0..count % 3 + 1).map(|part| event(&name(part), bytes)).collect();
                let positions = log.append(&ChannelName::parse(channel).unwrap(), events).await.unwrap();
                let mut lines = String::new();
                for (part, position) in positions.iter().enumerate() {
                    lines += &format!("acknowledged {channel} {position} {}\n", name(part));
                }
                std::io::stdout().write_all(lines.as_bytes()).unwrap();
            }
        })
    };
    let tasks: Vec<_> = (0..6).map(append).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Events by channel: position and name of each.
type Acknowledged = BTreeMap<String, Vec<(antiphon_core::Position, String)>>;

/// Runs the process above and kills it; adds what it had acknowledged.
fn run_and_kill(folder: &Path, after: Duration, acknowledged: &mut Acknowledged) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "appends_until_it_is_killed", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        let (mut lines, mut line) = (Vec::new(), String::new());
        // A line that the kill cut off does not count.
        while output.read_line(&mut line).is_ok_and(|length| length > 0) && line.ends_with('\n') {
            lines.push(std::mem::take(&mut line));
        }
        lines
    });
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    for line in reader.join().unwrap() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if let ["acknowledged", channel, position, name] = fields[..] {
            let position = antiphon_core::Position::parse(position).unwrap();
            acknowledged.entry(channel.to_owned()).or_default().push((position, name.to_owned()));
        }
    }
}

async fn check(folder: &Path, acknowledged: &Acknowledged) {
    let log = open(folder);
    for (channel, events) in acknowledged {
        let channel = ChannelName::parse(channel).unwrap();
        let limit = ReadLimit { events: usize::MAX, bytes: usize::MAX };
        let bounds = log.bounds(&channel).await.unwrap();
        let records = log.read(&channel, ReadFrom::Start, limit).await.unwrap();
        let numbers: Vec<u64> = records.iter().map(|record| record.position.number).collect();
        assert_eq!(numbers, (bounds.start.number + 1..=bounds.end.number).collect::<Vec<_>>(), "{channel} is dense");
        let found: HashMap<_, String> = records
            .iter()
            .map(|record| {
                let value: serde_json::Value = serde_json::from_slice(&record.json).unwrap();
                (record.position, value["name"].as_str().unwrap().to_owned())
            })
            .collect();
        assert_eq!(found.values().collect::<HashSet<_>>().len(), records.len(), "{channel} has no event twice");
        let is_trimmed = channel.namespace() == "short" && bounds.end.number > KEPT;
        assert!(bounds.start.number == 0 || is_trimmed, "{channel} keeps from {}", bounds.start.number);
        for (position, name) in events.iter().filter(|(position, _)| position.number > bounds.start.number) {
            assert_eq!(found.get(position), Some(name), "an acknowledged event of {channel}");
        }
        let last = events.iter().map(|(position, _)| *position).max().unwrap();
        log.read(&channel, ReadFrom::After(last), limit).await.unwrap();
        // Known by its id even after the kill.
        let name = &events.iter().find(|(position, _)| *position == last).unwrap().1;
        let Some(kept) = records.iter().find(|record| record.position == last) else { continue };
        let again = Event { json: kept.json.clone(), ..event(name, 1) };
        assert_eq!(log.append(&channel, vec![again]).await.unwrap(), [last]);
    }
    log.enforce_retention_now().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_to_a_kill() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| rand::rng().next_u64());
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Acknowledged::new();
    for round in 0..ROUNDS {
        // Some kills land during start and recovery.
        let after = Duration::from_millis(if round % 4 == 3 {
            random.random_range(0..60)
        } else {
            random.random_range(60..400)
        });
        run_and_kill(folder.path(), after, &mut acknowledged);
        check(folder.path(), &acknowledged).await;
    }
    let events: usize = acknowledged.values().map(Vec::len).sum();
    println!("{events} events were acknowledged in {ROUNDS} rounds");
    assert!(events > 100, "the killed process hardly did anything: {events} events");
}
