//! `antiphon doctor`: looks at what a server needs, and says for each thing that is wrong how to mend it.

mod data_folder;
mod engines;
mod finding;
mod first_token;
mod listener;
mod providers;
mod remote;
mod unreachable;
mod weights;

pub use engines::{EngineFinding, EngineReport, Engines};

use crate::failure::Failure;
use crate::printable::printable;
use crate::settings::Settings;
use antiphon_core::limits::MIN_JWT_SECRET_BYTES;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// What `antiphon doctor` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Looks at the port (free, or who answers there), the data directory (writable, free space, the time that a sync takes), \
the secrets of the configuration, Kafka, Redis and PostgreSQL where the topology has them (reachable, credentials, \
version, settings, clocks), its providers (key missing or refused, wrong address, unreachable and why, quota, \
rate limit) and the model of each agent, and at the server where one runs. ✓ is well, ! is worth knowing, ✗ does not \
work; the exit code is 1 where there is a ✗. No secret is shown.

Providers are asked only what is free: lists of models, and calls that are refused for what they lack. With --call each \
agent's model is given one tiny prompt, as the server would give it, which tells the first-token time, and also an \
empty account, which lists of models do not. A provider without an api_key, such as an Ollama of one's own, charges \
nobody and is always called; it may have to load the model first.

Examples:
  antiphon doctor
  antiphon doctor --config antiphon.toml
  antiphon doctor --config antiphon.toml --call
  antiphon doctor --url https://antiphon.example.org")]
pub struct DoctorArguments {
    /// The server's configuration file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data directory; default: the configuration's, or ./antiphon-data
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The server's address; default: where the configuration listens, or http://127.0.0.1:8787
    #[arg(long, env = "ANTIPHON_URL", value_name = "URL")]
    pub url: Option<String>,
    /// Make one tiny call for each agent and tell its first-token time; costs some tokens where a provider charges
    #[arg(long)]
    pub call: bool,
}

pub(crate) async fn run(arguments: DoctorArguments, engines: &Engines) -> Result<ExitCode, Failure> {
    let mut report = Report::new(std::io::stdout());
    examine(&arguments, &mut report).await?;
    if let Some(config) = arguments.config {
        match engines(config).await {
            Ok(found) => engines::tell(found, &mut report)?,
            Err(reason) => report.bad(&format!("engines: not looked at: {reason}"), "")?,
        }
    }
    let (bad, warnings) = (report.bad, report.warnings);
    report.line("", &format!("\n{bad} to mend, {warnings} to know"))?;
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn examine<W: Write>(arguments: &DoctorArguments, report: &mut Report<W>) -> Result<(), Failure> {
    let settings = match arguments.config.as_deref().map(Settings::load).transpose() {
        Ok(settings) => settings,
        Err(Failure::Told { message, fix }) => {
            report.bad(&format!("configuration: {message}"), &fix.unwrap_or_else(|| "check --config".to_owned()))?;
            None
        }
        Err(failure) => return Err(failure),
    };
    let is_configured = settings.is_some();
    let settings = settings.unwrap_or_default();
    let listen = settings.listen().unwrap_or_else(|| "127.0.0.1:8787".to_owned());
    let url = arguments.url.clone().unwrap_or_else(|| format!("http://{listen}"));
    listener::check(&url, report).await?;
    data_folder::check(&arguments.data.clone().unwrap_or_else(|| settings.data()), report)?;
    check_token_secret(&settings, report)?;
    if is_configured {
        providers::check(&settings, arguments.call, report).await?;
    } else if arguments.config.is_none() {
        report.warn("providers: not looked at, as no --config was given", "antiphon doctor --config FILE")?;
    }
    Ok(())
}

fn check_token_secret<W: Write>(settings: &Settings, report: &mut Report<W>) -> Result<(), Failure> {
    match settings.jwt_secret() {
        None => Ok(()),
        Some(Err(reason)) => report.bad("auth.jwt_secret: it cannot be had", &reason),
        // The server takes it, and warns too.
        Some(Ok(secret)) if secret.len() < MIN_JWT_SECRET_BYTES => report.warn(
            &format!("auth.jwt_secret: shorter than {MIN_JWT_SECRET_BYTES} bytes, so that it can be guessed"),
            "make one with `openssl rand -base64 48`",
        ),
        Some(Ok(_)) => report.good("auth.jwt_secret: there, and long enough"),
    }
}

/// The findings, told as they come.
struct Report<W> {
    output: W,
    bad: usize,
    warnings: usize,
}

impl<W: Write> Report<W> {
    fn new(output: W) -> Self {
        Self { output, bad: 0, warnings: 0 }
    }

    fn good(&mut self, what: &str) -> Result<(), Failure> {
        self.line("✓ ", what)
    }

    fn warn(&mut self, what: &str, fix: &str) -> Result<(), Failure> {
        self.warnings += 1;
        self.line("! ", what)?;
        self.advise(fix)
    }

    fn bad(&mut self, what: &str, fix: &str) -> Result<(), Failure> {
        self.bad += 1;
        self.line("✗ ", what)?;
        self.advise(fix)
    }

    fn advise(&mut self, fix: &str) -> Result<(), Failure> {
        if fix.is_empty() { Ok(()) } else { self.line("    → ", fix) }
    }

    fn line(&mut self, mark: &str, text: &str) -> Result<(), Failure> {
        let written = writeln!(self.output, "{mark}{}", printable(text)).and_then(|()| self.output.flush());
        written.map_err(|error| Failure::from_output(&error))
    }
}

#[cfg(test)]
mod tests;
