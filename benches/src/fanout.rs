//! Fan-out: one channel to many clients, paced and in a burst; many channels with a client each and eight publishers.

use crate::Result;
use crate::clients::Clients;
use crate::process::Started;
use crate::publish::Publisher;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const PUBLISHERS: usize = 8;
const PACED_EVENTS: usize = 400;
const PACE: Duration = Duration::from_millis(20);
const BURST_EVENTS: usize = 500;
const CHANNEL_SECONDS: u64 = 5;

/// What is published.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// 50 events/s on one channel.
    Paced,
    /// 500 events as fast as eight publishers get them acknowledged, on one channel.
    Burst,
    /// As many as eight publishers get acknowledged in five seconds, over a channel a client.
    Channels,
}

struct Figures {
    cpu_micros_per_delivery: f64,
    p50_ms: f64,
    p99_ms: f64,
    publishes_per_second: f64,
    lost: usize,
}

/// The server beside the floor, each figure also as a ratio.
pub fn compare(server: &Started, floor: &Started, clients: usize, load: Load) -> Result<Value> {
    let floor = measure(floor, clients, load)?;
    let server = measure(server, clients, load)?;
    let ratio = |server: f64, floor: f64| (server / floor * 100.0).round() / 100.0;
    let round = |figure: f64| (figure * 100.0).round() / 100.0;
    Ok(json!({
        "clients": clients,
        "cpu per delivery, floor (us)": round(floor.cpu_micros_per_delivery),
        "cpu per delivery, server (us)": round(server.cpu_micros_per_delivery),
        "cpu per delivery, x floor": ratio(server.cpu_micros_per_delivery, floor.cpu_micros_per_delivery),
        "p50, floor (ms)": round(floor.p50_ms),
        "p50, server (ms)": round(server.p50_ms),
        "p99, floor (ms)": round(floor.p99_ms),
        "p99, server (ms)": round(server.p99_ms),
        "p99, x floor": ratio(server.p99_ms, floor.p99_ms),
        "publishes/s, floor": round(floor.publishes_per_second),
        "publishes/s, server": round(server.publishes_per_second),
        "publishes/s, x floor": ratio(server.publishes_per_second, floor.publishes_per_second),
        "events lost by the server": server.lost,
    }))
}

fn measure(process: &Started, count: usize, load: Load) -> Result<Figures> {
    let channel = |at: usize| if load == Load::Channels { at.to_string() } else { "all".to_owned() };
    let mut clients = Clients::connect(process.address, count, channel)?;
    let start = Instant::now();
    // Lets handshakes and subscriptions settle, so that their cost is not counted.
    clients.read_until(usize::MAX, start, Duration::from_millis(500))?;
    let published = AtomicUsize::new(0);
    let before = process.cpu_micros()?;
    let began = Instant::now();
    let seconds = std::thread::scope(|scope| -> Result<f64> {
        let publishing =
            scope.spawn(|| publish(process, count, load, start, &published).map_err(|error| error.to_string()));
        while !publishing.is_finished() {
            clients.read_until(usize::MAX, start, Duration::from_millis(20))?;
        }
        let seconds = publishing.join().map_err(|_| "a publisher panicked")??;
        Ok(seconds)
    })?;
    let published = published.into_inner();
    let expected = if load == Load::Channels { published } else { published * count };
    clients.read_until(expected, start, Duration::from_secs(20))?;
    eprintln!("   {} events published, {} delivered in {:?}", published, clients.events(), began.elapsed());
    Ok(Figures {
        cpu_micros_per_delivery: (process.cpu_micros()? - before) / clients.events().max(1) as f64,
        p50_ms: clients.latency.value_at_quantile(0.5) as f64 / 1_000.0,
        p99_ms: clients.latency.value_at_quantile(0.99) as f64 / 1_000.0,
        publishes_per_second: published as f64 / seconds,
        lost: expected.saturating_sub(clients.events()),
    })
}

/// Publishes the load; returns how long it took in seconds.
fn publish(process: &Started, count: usize, load: Load, start: Instant, published: &AtomicUsize) -> Result<f64> {
    let began = Instant::now();
    if load == Load::Paced {
        let mut publisher = Publisher::connect(process.address)?;
        for at in 0..PACED_EVENTS {
            let due = began + PACE * u32::try_from(at)?;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            publisher.publish("all", start)?;
            published.fetch_add(1, Ordering::Relaxed);
        }
        return Ok(began.elapsed().as_secs_f64());
    }
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| -> Result<()> {
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|_| {
                scope.spawn(|| -> std::result::Result<(), String> {
                    let mut publisher = Publisher::connect(process.address).map_err(|error| error.to_string())?;
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let (channel, is_over) = match load {
                            Load::Channels => ((at % count).to_string(), began.elapsed().as_secs() >= CHANNEL_SECONDS),
                            _ => ("all".to_owned(), at >= BURST_EVENTS),
                        };
                        if is_over {
                            return Ok(());
                        }
                        publisher.publish(&channel, start).map_err(|error| error.to_string())?;
                        published.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for publisher in publishers {
            publisher.join().map_err(|_| "a publisher panicked")??;
        }
        Ok(())
    })?;
    Ok(began.elapsed().as_secs_f64())
}
