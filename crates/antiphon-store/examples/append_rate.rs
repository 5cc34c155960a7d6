//! How many durable appends a second: `append_rate [publishers] [channels] [seconds] [bytes] [never]`.
//!
//! Each publisher waits for its acknowledgement before it appends again, to the next channel. Prints the rate, the
//! latencies and the CPU time of the process per append.

use antiphon_core::{ChannelName, Event, EventKind, Log};
use antiphon_store::{EmbeddedLog, EmbeddedOptions, NamespaceTable, Sync};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    // User and system time, in hundredths of a second on Linux.
    Duration::from_millis(10 * (ticks(11) + ticks(12)))
}

fn argument(at: usize, default: usize) -> usize {
    std::env::args().nth(at).and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (publishers, channels, seconds, size) = (argument(1, 8), argument(2, 1_000), argument(3, 5), argument(4, 256));
    let sync = if std::env::args().any(|word| word == "never") { Sync::Never } else { Sync::Always };
    let folder = std::env::temp_dir().join(format!("append-rate-{}", std::process::id()));
    let told = Arc::new(AtomicUsize::new(0));
    let on_commit = {
        let told = told.clone();
        Arc::new(move |records: &[antiphon_core::Record]| {
            told.fetch_add(records.len(), Ordering::Relaxed);
        })
    };
    let log = EmbeddedLog::open(&folder, EmbeddedOptions { sync, namespaces: NamespaceTable::default(), on_commit })?;
    let names = (0..channels).map(|number| ChannelName::new("bench", &number.to_string()));
    let names: Arc<Vec<ChannelName>> = Arc::new(names.collect::<Result<_, _>>()?);
    let json = Bytes::from(format!("{{\"x\":\"{}\"}}", "x".repeat(size.saturating_sub(8))));
    let (start, cpu) = (Instant::now(), cpu_time());
    let publish = |publisher: usize| {
        let (log, names, json) = (log.clone(), names.clone(), json.clone());
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            let mut channel = publisher;
            while start.elapsed() < Duration::from_secs(seconds as u64) {
                let event = Event { kind: EventKind::Plain, json: json.clone(), event_id: None, provider_at: None };
                let sent = Instant::now();
                log.append(&names[channel % names.len()], vec![event]).await?;
                latencies.push(sent.elapsed());
                channel += 7;
            }
            Ok::<_, antiphon_core::LogError>(latencies)
        })
    };
    let tasks: Vec<_> = (0..publishers).map(publish).collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    let (took, used) = (start.elapsed(), cpu_time() - cpu);
    latencies.sort();
    let at = |share: f64| latencies.get((latencies.len() as f64 * share) as usize).copied().unwrap_or_default();
    println!(
        "{} appends, {:.0}/s, p50 {:?}, p99 {:?}, CPU {:.1} us each, {} told",
        latencies.len(),
        latencies.len() as f64 / took.as_secs_f64(),
        at(0.5),
        at(0.99),
        used.as_secs_f64() * 1e6 / latencies.len() as f64,
        told.load(Ordering::Relaxed)
    );
    log.close().await?;
    drop(log);
    let again = Instant::now();
    let options = EmbeddedOptions { sync, namespaces: NamespaceTable::default(), on_commit: Arc::new(|_| {}) };
    let log = EmbeddedLog::open(&folder, options)?;
    println!("opened again in {:?}", again.elapsed());
    drop(log);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
