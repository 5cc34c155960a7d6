//! Measures the server beside a bare-write floor in the same run: CPU per delivery, latency, memory, throughput.
//!
//! The floor is one thread that gives each client one `write` of a ready frame. Both are driven by the same load client,
//! which is one thread on `epoll` and cheap enough that the server is the bottleneck.

mod clients;
mod fanout;
mod floor;
mod formats;
mod process;
mod publish;
mod storage;
mod tokens;

use clap::Parser;
use process::{Started, Sync};
use serde_json::{Value, json};
use std::error::Error;
use std::path::PathBuf;

/// Anything that goes wrong ends the run with its text.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The benchmarks by name.
const NAMES: [&str; 7] = ["fanout-paced", "fanout-burst", "channels", "idle", "append", "catch-up", "tokens"];

#[derive(Parser)]
#[command(about = "Measures the server beside a bare-write floor in the same run")]
struct Arguments {
    /// One of fanout-paced, fanout-burst, channels, idle, append, catch-up, tokens; all of them where none is named.
    name: Option<String>,
    /// The server's binary.
    #[arg(long, default_value = "target/release/antiphon")]
    server: PathBuf,
    /// Clients of the fan-out and idle benchmarks, channels of `channels`.
    #[arg(long, default_value_t = 1_000)]
    clients: usize,
    /// Also writes the rows as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Runs as the floor: for this program's own use.
    #[arg(long, hide = true)]
    floor: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.floor {
        return floor::run();
    }
    let names: Vec<&str> = match arguments.name.as_deref() {
        None => NAMES.to_vec(),
        Some(name) if NAMES.contains(&name) => vec![name],
        Some(name) => return Err(format!("no benchmark `{name}`: there are {}", NAMES.join(", ")).into()),
    };
    let mut rows = Vec::new();
    for name in names {
        eprintln!("== {name}");
        let row = measure(name, &arguments)?;
        print_row(name, &row);
        rows.push(json!({ "name": name, "figures": row }));
    }
    if let Some(file) = arguments.json {
        let report = json!({ "machine": process::machine(), "rows": rows });
        std::fs::write(file, serde_json::to_vec_pretty(&report)?)?;
    }
    Ok(())
}

fn measure(name: &str, arguments: &Arguments) -> Result<Value> {
    let server = |sync| Started::server(&arguments.server, sync, None);
    let clients = arguments.clients;
    match name {
        "fanout-paced" => fanout::compare(&server(Sync::Always)?, &Started::floor()?, clients, fanout::Load::Paced),
        "fanout-burst" => fanout::compare(&server(Sync::Always)?, &Started::floor()?, clients, fanout::Load::Burst),
        "channels" => fanout::compare(&server(Sync::Always)?, &Started::floor()?, clients, fanout::Load::Channels),
        "idle" => storage::idle(&server(Sync::Always)?, clients),
        "append" => storage::append(&server(Sync::Always)?),
        "catch-up" => storage::catch_up(&server(Sync::Always)?),
        _ => tokens::compare(&arguments.server),
    }
}

fn print_row(name: &str, row: &Value) {
    println!("{name}");
    for (figure, value) in row.as_object().into_iter().flatten() {
        println!("  {figure:<44} {value}");
    }
}
