//! `cargo xtask demo`: from a clone to a server to talk to, without a question.

use std::io::BufRead;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::{model, page, steps};

/// The hidden command that [`run`] starts beside the server.
pub const ANNOUNCE: &str = "announce";
/// What it is told about the page.
const WITH_PAGE: &str = "page";
const WITHOUT_PAGE: &str = "no-page";

/// What `demo` was asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    listen: String,
    data: PathBuf,
    with_model: bool,
    /// Handed to `antiphon serve` as they are.
    rest: Vec<String>,
}

impl Options {
    /// Reads the command line; the error says which part of it is not understood.
    pub fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self {
            listen: "127.0.0.1:8787".to_owned(),
            data: steps::root().join("antiphon-data"),
            with_model: true,
            rest: Vec::new(),
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let (flag, inline) = match argument.split_once('=') {
                Some((flag, value)) => (flag, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            let mut value = || {
                let given = inline.clone().or_else(|| arguments.next().cloned());
                given.ok_or_else(|| format!("`{flag}` needs a value"))
            };
            match flag {
                "--listen" => options.listen = value()?,
                "--data" => options.data = value()?.into(),
                "--no-model" if inline.is_none() => options.with_model = false,
                "--" => options.rest = arguments.by_ref().cloned().collect(),
                _ => return Err(format!("`demo` knows --listen, --data, --no-model and --, not `{argument}`")),
            }
        }
        Ok(options)
    }
}

/// Sets up, builds, and becomes the server: signals and the exit code are the server's own.
pub fn run(options: &Options) -> Result<(), String> {
    println!("[1/4] the small model's weights");
    let weights = obtain_weights(options.with_model);

    println!("[2/4] the page");
    let has_page = match page::build() {
        Ok(()) => true,
        Err(reason) => {
            println!("    NO PAGE: {reason}");
            println!("    going on without it; `chat` talks in the terminal");
            false
        }
    };

    println!("[3/4] build (the first one takes some minutes, later ones seconds)");
    let mut cargo = steps::cargo();
    cargo.args(["build", "--profile", "demo", "-p", "antiphon-server", "--bin", "antiphon"]);
    if weights.is_none() {
        cargo.arg("--no-default-features");
    }
    steps::run("build", &mut cargo)?;

    println!("[4/4] start, data in {}", options.data.display());
    let binary = steps::target_directory().join("demo/antiphon");
    let agent = if weights.is_some() { "anna" } else { "guide" };
    let announcer = start_announcer(&binary, agent, has_page)?;
    let mut server = Command::new(&binary);
    server.args(["serve", "--demo", "--listen", &options.listen, "--data"]).arg(&options.data).args(&options.rest);
    if let Some(weights) = weights {
        server.env("ANTIPHON_DEMO__MODEL", weights);
    }
    let error = server.stdout(announcer).exec();
    Err(format!("{}: {error}", binary.display()))
}

fn obtain_weights(wanted: bool) -> Option<PathBuf> {
    if !wanted {
        println!("    left out as asked; `guide`, a script and not a model, will answer");
        return None;
    }
    match model::fetch() {
        Ok(weights) => Some(weights),
        Err(reason) => {
            println!("    NO MODEL: {reason}");
            println!("    going on without it; `guide`, a script and not a model, will answer");
            None
        }
    }
}

/// Starts this program again to read the server's standard output, which is where the address comes from.
/// It is not the server's parent but its child, and in a process group of its own, so that a signal meant
/// for the server reaches the server and nothing else; it ends when the server's output does.
fn start_announcer(binary: &std::path::Path, agent: &str, has_page: bool) -> Result<Stdio, String> {
    let this = std::env::current_exe().map_err(|error| format!("this program's own path: {error}"))?;
    let mut announcer = Command::new(this);
    let page = if has_page { WITH_PAGE } else { WITHOUT_PAGE };
    announcer.arg(ANNOUNCE).arg(binary).arg(agent).arg(page).stdin(Stdio::piped()).process_group(0);
    let mut child = announcer.spawn().map_err(|error| format!("starting the announcer: {error}"))?;
    child.stdin.take().map(Stdio::from).ok_or_else(|| "the announcer has no input".to_owned())
}

/// Passes the server's standard output on, and after its `ready` line says how to talk to it.
pub fn announce(arguments: &[String]) -> Result<(), String> {
    let [binary, agent, page] = arguments else {
        return Err(format!("`{ANNOUNCE}` is started by `demo`, not by hand"));
    };
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| format!("reading the server's output: {error}"))?;
        println!("{line}");
        if let Some(url) = line.strip_prefix("ready ") {
            println!("{}", instructions(url.trim(), binary, agent, page == WITH_PAGE));
        }
    }
    Ok(())
}

fn instructions(url: &str, binary: &str, agent: &str, has_page: bool) -> String {
    let page = if has_page { format!("Talk to it in a browser:\n  {url}\n\nOr") } else { "Talk to it".to_owned() };
    format!(
        r#"
Antiphon is running at {url}. Ctrl-C stops it; nothing said is lost.

{page}, in another terminal:
  {binary} chat --url {url}

Or with curl, as a guest:
  token=$(curl -s -X POST {url}/api/guest | grep -o '"token":"[^"]*' | cut -d'"' -f4)
  room=$(curl -s {url}/api/ar-rooms -H "authorization: Bearer $token" -H 'content-type: application/json' -d '{{"agentId":"{agent}"}}' | grep -o '"id":"[^"]*' | head -1 | cut -d'"' -f4)
  curl -s "{url}/api/ar-rooms/$room/messages?wait=true" -H "authorization: Bearer $token" -H 'content-type: application/json' -d '{{"content":"Hello! Who are you?"}}'
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, String> {
        Options::parse(&arguments.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn flags_are_read_in_both_spellings() {
        let options =
            parse(&["--listen", "127.0.0.1:0", "--data=/tmp/x", "--no-model", "--", "--roles", "all"]).unwrap();
        assert_eq!(options.listen, "127.0.0.1:0");
        assert_eq!(options.data, PathBuf::from("/tmp/x"));
        assert!(!options.with_model);
        assert_eq!(options.rest, ["--roles", "all"]);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert!(parse(&["--port", "1"]).unwrap_err().contains("`--port`"));
        assert!(parse(&["--no-model=yes"]).unwrap_err().contains("`--no-model=yes`"));
        assert_eq!(parse(&["--listen"]).unwrap_err(), "`--listen` needs a value");
    }

    #[test]
    fn instructions_name_the_address_the_binary_and_who_answers() {
        let text = instructions("http://127.0.0.1:9", "/opt/antiphon", "guide", true);
        assert!(text.contains("in a browser:\n  http://127.0.0.1:9\n"), "{text}");
        assert!(!instructions("http://127.0.0.1:9", "/opt/antiphon", "guide", false).contains("browser"));
        assert!(text.contains("/opt/antiphon chat --url http://127.0.0.1:9\n"), "{text}");
        assert!(text.contains(r#"'{"agentId":"guide"}'"#), "{text}");
    }
}
