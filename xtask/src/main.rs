//! `cargo xtask …`: everything there is to do in this repository, one command each.
//!
//! No dependencies on purpose: this is the first thing that a newcomer's machine compiles.

use std::process::ExitCode;

mod advisories;
mod audit;
mod checksum;
mod debian;
mod demo;
mod engines;
mod faults;
mod model;
mod page;
mod servers;
mod spdx;
mod steps;
mod tidy;
mod verify;

const USAGE: &str = "\
cargo xtask COMMAND

  build                 the release binary, target/release/antiphon, page and model included
  demo                  set up, build and start a server to talk to; asks nothing, can be repeated
      --listen ADDR:PORT  where it listens (default 127.0.0.1:8787; port 0 picks one)
      --data DIR          where it keeps its log (default antiphon-data)
      --no-model          without the in-process model: no download, a shorter build
      -- ARGS…            handed to `antiphon serve` as they are
  test [--only STEP]    all that a change must pass, or one step of it
  servers [--brokers N] Kafka, Redis and PostgreSQL for tests run by hand, installed where missing; stays until Ctrl-C
  bench [NAME] [--json FILE]
                        build in release and measure; all benchmarks, or the one named
  verify openai|ollama  an adapter against a real server of its wire format, built from source at the first time
  verify mock           all adapters against a published mock server, from npm
  faults                long campaigns of faults on real processes and engines; prints its seed
      --topology LIST     which, with commas between (default: the durable ones)
      --minutes M         for each of them (default 5)
      --seed N            draws the same faults again
      --brokers 1|3       of Kafka (default 1)
      --only LIST         only these faults, such as `owner killed,network cut`
      --scenario NAME     redis-stopped: hybrid with Redis away for ten seconds, and each token's latency
      --json FILE         the table's numbers
  tidy                  the structural checks alone
  advisories FOLDER     take over the known vulnerabilities from a clone of RustSec's advisory-db
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((command, rest)) => dispatch(command, rest),
        None => Err(format!("no command given\n\n{USAGE}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("xtask: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: &str, rest: &[String]) -> Result<(), String> {
    match command {
        "build" => takes_nothing(command, rest).and_then(|()| build()),
        "demo" => demo::run(&demo::Options::parse(rest)?),
        demo::ANNOUNCE => demo::announce(rest),
        "test" => verify::run(verify::parse(rest)?),
        "servers" => servers::stay(rest),
        servers::SUPERVISE => servers::supervise(rest),
        "bench" => bench(rest),
        "verify" => engines::verify(rest),
        "faults" => faults::run(&faults::Options::parse(rest)?),
        "tidy" => takes_nothing(command, rest).and_then(|()| tidy::run(&steps::root())),
        "advisories" => refresh_advisories(rest),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        _ => Err(format!("`{command}` is not a command\n\n{USAGE}")),
    }
}

fn takes_nothing(command: &str, rest: &[String]) -> Result<(), String> {
    match rest.first() {
        None => Ok(()),
        Some(argument) => Err(format!("`{command}` takes no argument, `{argument}` was given")),
    }
}

fn refresh_advisories(rest: &[String]) -> Result<(), String> {
    let [clone] = rest else { return Err("`advisories` takes one folder".to_owned()) };
    advisories::refresh(clone.as_ref(), &steps::root().join(advisories::SNAPSHOT))
}

fn build() -> Result<(), String> {
    page::build()?;
    build_binary()
}

fn build_binary() -> Result<(), String> {
    let arguments = ["build", "--release", "-p", "antiphon-server", "--bin", "antiphon"];
    steps::run("release build", steps::cargo().args(arguments))?;
    println!("built {}", steps::target_directory().join("release/antiphon").display());
    Ok(())
}

fn bench(rest: &[String]) -> Result<(), String> {
    build_binary()?;
    let release = steps::target_directory().join("release");
    steps::run("load client build", steps::cargo().args(["build", "--release", "-p", "antiphon-bench"]))?;
    let mut load_client = std::process::Command::new(release.join("antiphon-bench"));
    // The name, where there is one, comes first: `bench fan-out --json results.json`.
    load_client.args(rest).arg("--server").arg(release.join("antiphon"));
    steps::run("benchmarks", &mut load_client)
}
