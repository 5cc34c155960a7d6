//! The `antiphon` program: the server, and the commands that talk to one.

mod agents;
mod config;
mod demo;
mod doctor;
mod identity;
mod leftovers;
#[cfg(feature = "local")]
mod local_model;
mod logging;
mod page;
mod serve;
mod stats;
mod storage;

use antiphon_cli::ClientCommand;
use clap::{Args, Parser, Subcommand};
use config::{Flags, Settings};
use serve::ServeError;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// An event is some twenty small allocations, made in one thread and freed in another, which the system's allocator takes
/// a tenth of our time for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Carries AI answers live from models to people: durable, resumable, interruptible.
#[derive(Parser)]
#[command(name = "antiphon", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve(ServeArguments),
    #[command(flatten)]
    Client(ClientCommand),
}

/// Settings come from the file, then from `ANTIPHON_…` variables (`__` between levels, as in
/// `ANTIPHON_LIMITS__MESSAGES_PER_MINUTE=0`), then from these flags. Logs go to standard error. Once it serves, it prints
/// `ready http://ADDRESS:PORT` on standard output. SIGTERM and Ctrl-C let running answers finish for a while; a second
/// one does not.
#[derive(Args)]
struct ServeArguments {
    /// The configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:8787]; port 0 picks a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// The data directory [default: ./antiphon-data].
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
    /// The duties of this process, with commas between them: api (HTTP calls), ai (owns rooms and answers in them),
    /// realtime (WebSocket and SSE), relay (follows Kafka for others, in kafka-relay), all [default: all]. Fewer than all
    /// need a topology that processes share.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    roles: Option<Vec<String>>,
    /// Let guests in, add the API key `demo` with every right and the agents `guide` and `anna`; on this machine only.
    #[arg(long)]
    demo: bool,
    /// With --demo: yes, listen beyond this machine, although anybody who reaches the server may use it.
    #[arg(long, requires = "demo")]
    demo_beyond_loopback: bool,
    /// Print the whole configuration without its secrets, and end.
    #[arg(long)]
    print_config: bool,
}

fn main() -> ExitCode {
    #[cfg(feature = "local")]
    let () = local_model::use_one_thread_a_product();
    match Cli::parse().command {
        Command::Serve(arguments) => match run_server(&arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                // The log's own lines may be filtered; this sentence is for whoever started the server.
                let _ = writeln!(std::io::stderr(), "antiphon: {error}");
                ExitCode::from(if matches!(error, ServeError::Config(_)) { 2 } else { 1 })
            }
        },
        Command::Client(command) => match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => {
                runtime.block_on(antiphon_cli::run(command, Box::new(doctor::engines), Box::new(leftovers::remove)))
            }
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "antiphon: the runtime cannot be started: {error}");
                ExitCode::FAILURE
            }
        },
    }
}

fn run_server(arguments: &ServeArguments) -> Result<(), ServeError> {
    let flags =
        Flags { listen: arguments.listen.clone(), data: arguments.data.clone(), roles: arguments.roles.clone() };
    // A variable that is not UTF-8 is none of the server's.
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let settings = Settings::load(arguments.config.as_deref(), variables, &flags)?;
    if arguments.print_config {
        let text = settings.to_toml()?;
        let _ = std::io::stdout().write_all(text.as_bytes());
        return Ok(());
    }
    if arguments.demo {
        demo::check_loopback(&settings, arguments.demo_beyond_loopback)?;
    }
    let lines = logging::start(&settings.log_output)?;
    for table in settings.unused_tables() {
        tracing::warn!("[{table}] is not used: topology `{}` does without it", settings.topology());
    }
    // An error only says that the process has chosen its cryptography already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| ServeError::Start(format!("the runtime cannot be started: {error}")))?;
    let served = runtime.block_on(serve::serve(settings, arguments.demo));
    runtime.shutdown_timeout(Duration::from_secs(1));
    lines.flush();
    served
}
