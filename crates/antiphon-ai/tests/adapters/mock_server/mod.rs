//! All adapters against a server of their formats that somebody else wrote: aimock (github.com/CopilotKit/aimock, MIT
//! licence), which comes from the npm registry and needs Node.js alone. It does not notice who leaves; the scripted upstream and the real engines do.
//!
//! `ANTIPHON_TEST_AIMOCK` names the folder that it was installed into, such as `target/aimock` after
//! `npm install --prefix target/aimock --no-save @copilotkit/aimock@1.43.0`; without it these say that they were not run.

use crate::anthropic::Messages;
use crate::calls::{complete, declined, fault, options, prompt, read, truncated};
use crate::conformance::Case;
use crate::gemini::GenerateContent;
use crate::ollama::Ollama;
use crate::openai::ChatCompletions;
use crate::perplexity::Perplexity;
use antiphon_ai::provider::{FaultKind, Prompt, Provider, Turn, TurnRole};
use antiphon_core::Usage;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

const HELLO: &str = "Hello! [emotion:happy] Ça va, 世界? 😀\nA second line.";

/// A running server; it ends with its value.
struct MockServer {
    address: String,
    _process: Child,
    _output: Lines<BufReader<ChildStdout>>,
}

impl MockServer {
    /// Starts one, where it is installed.
    async fn start() -> Option<Self> {
        let Some(folder) = std::env::var_os("ANTIPHON_TEST_AIMOCK") else {
            eprintln!("NOT RUN: no mock server; ANTIPHON_TEST_AIMOCK says where aimock is installed");
            return None;
        };
        // Tests run in their crate's folder, people and scripts in the workspace's.
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(PathBuf::from(folder));
        let mut process = Command::new("node")
            .arg(folder.join("node_modules/@copilotkit/aimock/dist/cli.js"))
            .args(["--port", "0", "--strict", "--fixtures"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/adapters/mock_server/fixtures.json"))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node starts");
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        let listening = async {
            loop {
                let line = output.next_line().await.unwrap().expect("aimock listens");
                if let Some((_, address)) = line.split_once("listening on ") {
                    return address.trim().to_owned();
                }
            }
        };
        let address = tokio::time::timeout(Duration::from_secs(30), listening).await.expect("aimock listens");
        Some(Self { address, _process: process, _output: output })
    }

    /// The adapter of a wire format, set up for it. Perplexity's is chat completions, which stand under `/v1` here.
    fn provider<C: Case>(&self) -> Box<dyn Provider> {
        let path = if C::NAME == "perplexity" { "/v1" } else { C::BASE_PATH };
        C::provider(options(format!("{}{path}", self.address))).unwrap()
    }
}

fn asked(question: &str) -> Prompt {
    let turns = vec![Turn { role: TurnRole::User, content: question.into() }];
    Prompt { model: "claude-sonnet-4-5".into(), turns, ..prompt() }
}

async fn answers<C: Case>(server: &MockServer) {
    let provider = server.provider::<C>();
    // aimock counts nothing for Ollama, and tells its thoughts by a name that Ollama has never had for them.
    let is_told = C::NAME != "ollama";
    let [prompt_tokens, completion_tokens, total_tokens] = if is_told { [7, 3, 10] } else { [0, 0, 0] };
    let usage = Some(Usage { prompt_tokens, completion_tokens, total_tokens });
    let heard = read(&*provider, asked("Say hello")).await;
    assert_eq!(heard.texts.concat(), HELLO);
    assert!(heard.texts.len() > 5, "it streams: {:?}", heard.texts);
    complete(&heard.end, C::STOP);
    // Perplexity streams its count unasked, aimock as OpenAI does: only where asked.
    assert_eq!(heard.end.usage, usage.filter(|_| C::NAME != "perplexity"));
    let answer = provider.whole(asked("Say hello")).await;
    assert_eq!((answer.text.as_str(), answer.end.usage), (HELLO, usage));
    complete(&answer.end, C::STOP);
    if is_told {
        let heard = read(&*provider, asked("Think first")).await;
        assert_eq!((heard.texts.concat().as_str(), heard.reasoning.as_str()), ("It is 42.", "Six times seven."));
        complete(&heard.end, C::STOP);
    }
}

async fn failures<C: Case>(server: &MockServer) {
    let provider = server.provider::<C>();
    let heard = read(&*provider, asked("Be cut off")).await;
    truncated(&heard.end);
    assert!("This text is never told to its end".starts_with(&heard.texts.concat()), "{:?}", heard.texts);
    let busy = fault(read(&*provider, asked("Be too busy")).await.end);
    assert_eq!((busy.kind, busy.retry_after), (FaultKind::Busy, Some(Duration::from_secs(7))));
    assert_eq!(fault(read(&*provider, asked("Refuse the key")).await.end).kind, FaultKind::KeyRefused);
    assert_eq!(fault(provider.whole(asked("Refuse the key")).await.end).kind, FaultKind::KeyRefused);
    assert_eq!(fault(read(&*provider, asked("Fail")).await.end).kind, FaultKind::Error);
}

async fn check<C: Case>(server: &MockServer) {
    answers::<C>(server).await;
    failures::<C>(server).await;
    println!("{}: answers and failures against aimock", C::NAME);
}

#[tokio::test]
async fn every_adapter_understands_it_and_is_understood() {
    let Some(server) = MockServer::start().await else { return };
    check::<ChatCompletions>(&server).await;
    check::<Messages>(&server).await;
    check::<GenerateContent>(&server).await;
    check::<Ollama>(&server).await;
    check::<Perplexity>(&server).await;
    let filtered = |provider: Box<dyn Provider>| async move { read(&*provider, asked("Filter it")).await };
    assert!(!declined(&filtered(server.provider::<ChatCompletions>()).await.end).is_empty());
    assert!(!declined(&filtered(server.provider::<GenerateContent>()).await.end).is_empty());
}
