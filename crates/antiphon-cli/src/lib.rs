//! The commands of `antiphon` that are a client of some server: talk, watch, publish, mint a token, find what is wrong.
//!
//! They use what every program may use, HTTP, WebSocket and server-sent events, and nothing of the server's code.

mod backoff;
mod bench;
mod chat;
mod doctor;
mod failure;
#[cfg(test)]
mod fake_server;
mod input_lines;
mod printable;
mod publish;
mod server;
mod settings;
mod sse;
mod tail;
mod token;

pub use bench::{BenchArguments, Leftover, Removal};
pub use chat::ChatArguments;
pub use doctor::{DoctorArguments, EngineFinding, EngineReport, Engines};
pub use publish::PublishArguments;
pub use server::ServerArguments;
pub use tail::TailArguments;
pub use token::TokenArguments;

use failure::Failure;
use std::process::ExitCode;

/// A command that talks to a server, or prepares or checks one.
#[derive(Debug, clap::Subcommand)]
pub enum ClientCommand {
    /// Talk to an agent, live, in the terminal
    Chat(ChatArguments),
    /// Print a channel's events as they happen
    Tail(TailArguments),
    /// Publish events from standard input, one JSON object a line
    Publish(PublishArguments),
    /// Mint a token for a user
    Token(TokenArguments),
    /// Check ports, disk, provider keys and reachability, and say how to mend what is wrong
    Doctor(DoctorArguments),
    /// Measure on this machine
    Bench(BenchArguments),
}

/// Runs a command to its end. `engines` is how the doctor looks at those that a configuration names, `removal` how the
/// benchmark removes what it made in Kafka and Redis. What goes wrong is said on standard error; the exit code is 0 only
/// where all went well.
pub async fn run(command: ClientCommand, engines: Engines, removal: Removal) -> ExitCode {
    // A second call finds it installed, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let result = match command {
        ClientCommand::Chat(arguments) => chat::run(arguments).await,
        ClientCommand::Tail(arguments) => tail::run(arguments).await,
        ClientCommand::Publish(arguments) => publish::run(arguments).await,
        ClientCommand::Token(arguments) => token::run(arguments),
        ClientCommand::Doctor(arguments) => doctor::run(arguments, &engines).await,
        ClientCommand::Bench(arguments) => bench::run(arguments, removal).await,
    };
    match result {
        Ok(code) => code,
        // Whoever read the output has seen enough, as in `antiphon tail … | head`.
        Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Err(Failure::Told { message, fix }) => {
            eprintln!("antiphon: {}", printable::printable(&message));
            if let Some(fix) = fix {
                eprintln!("  → {fix}");
            }
            ExitCode::FAILURE
        }
    }
}
