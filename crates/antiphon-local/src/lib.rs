//! A language model in the process: any GGUF file of the llama family, on the CPU, through candle.
//!
//! Answers come as pieces in a channel. They are generated on threads of this crate, some at once and the rest in
//! order, so nothing here holds up the caller but [`LocalModel::load`].
//!
//! A process that runs models should have [`THREADS_VARIABLE`] set to 1 before its first thread starts.

mod engine;
mod error;
mod load;
mod metadata;
mod prefixes;
mod prompt;
mod sampler;
mod slots;
mod text;
mod vocabulary;
mod weights;

pub use error::{GenerateError, LocalError};

use antiphon_core::limits::LOCAL_SLOTS;
use engine::Engine;
use slots::{Slots, Work};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc;
use tracing::{info, warn};

/// The environment variable from which candle takes the number of threads that share each product, once per process;
/// all cores without it. They wait for each other busily, hundreds of times for one token. When a core also has other
/// work, such as delivery, that takes many times longer than on one thread, and with 1 each slot uses a core for itself.
pub const THREADS_VARIABLE: &str = "CANDLE_NUM_THREADS";

/// How a model is run.
#[derive(Debug, Clone, Default)]
pub struct LocalOptions {
    /// Answers generated at once, up to [`LOCAL_SLOTS`]; by default what cores and memory bear.
    pub slots: Option<usize>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The instructions before a conversation.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One message of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatTurn {
    /// Who speaks.
    pub role: Role,
    /// What they say. Control tokens written in it are read as plain text.
    pub content: String,
}

/// What to answer, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateRequest {
    /// The conversation, a system message first if there is one, the person's last message last.
    pub messages: Vec<ChatTurn>,
    /// The beginning of the answer, which the model goes on from and does not repeat.
    pub continue_from: Option<String>,
    /// The most tokens to generate. With 0 the prompt is only read, so that what it begins with is kept: do it with the
    /// system message when a model has been loaded, and the first answer comes as soon as the later ones.
    pub max_tokens: usize,
    /// 0 or less takes the likeliest token always; 1 samples by the model's own probabilities.
    pub temperature: f64,
    /// Starts the random numbers: the same seed and request give the same answer.
    pub seed: u64,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The model had said it all.
    Stop,
    /// `max_tokens` or the context is used up.
    Length,
}

/// A part of an answer. [`Piece::End`] and [`Piece::Failed`] are the last; after either the channel closes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Others are answered first; comes again whenever the place changes.
    Waiting {
        /// 1 is next.
        place: usize,
    },
    /// Text, in whole characters, never empty.
    Text(String),
    /// The answer is complete.
    End {
        /// Why.
        finish: Finish,
        /// Tokens of the prompt, including the ones kept from an earlier prompt.
        prompt_tokens: usize,
        /// Tokens generated, without the one that ended the turn.
        completion_tokens: usize,
    },
    /// There is no answer, or no more of it.
    Failed(GenerateError),
}

/// What a model says about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// The file's name, without its folder.
    pub file_name: String,
    /// The file's SHA-256 in hexadecimal; computed in the background after loading.
    pub sha256: Option<String>,
    /// GGUF's `general.architecture`.
    pub architecture: String,
    /// Tokens that prompt and answer may have together.
    pub context_tokens: usize,
    /// Answers generated at once.
    pub slots: usize,
    /// Tokens per second of one answer, as a moving mean; none before the first answer.
    pub tokens_per_second: Option<f64>,
}

/// A loaded model. Clones are the same model.
#[derive(Debug, Clone)]
pub struct LocalModel {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    engine: Arc<Engine>,
    slots: Slots,
    slot_count: usize,
    file_name: String,
    sha256: Arc<OnceLock<String>>,
}

impl LocalModel {
    /// Loads the file at `path`. Blocks while it is read (about a third of a second for 100 MB): call it on a thread
    /// that may wait.
    ///
    /// # Errors
    /// When the file cannot be read, is no GGUF of the llama family, or is not made for conversation.
    pub fn load(path: &Path, options: &LocalOptions) -> Result<Self, LocalError> {
        let file: PathBuf = path.to_owned();
        // On a thread of lower priority, because candle's own threads inherit it from the one that first computes.
        let loading = std::thread::Builder::new().name("local-model-load".into()).spawn(move || {
            slots::lower_priority();
            load::load(&file)
        })?;
        let engine =
            loading.join().map_err(|_| LocalError::Load("its shape makes no sense; it is damaged".to_owned()))??;
        let engine = Arc::new(engine);
        let slot_count = options.slots.unwrap_or_else(|| slots_borne(&engine)).clamp(1, LOCAL_SLOTS);
        let generating = Arc::clone(&engine);
        let work: Arc<Work> = Arc::new(move |request, pieces, tend| generating.generate(request, pieces, tend));
        let slots = Slots::start(slot_count, &work)?;
        info!(slots = slot_count, "the model takes requests");
        let sha256 = Arc::new(OnceLock::new());
        hash_in_background(path.to_owned(), Arc::clone(&sha256))?;
        let shared = Shared { engine, slots, slot_count, file_name: load::file_name(path), sha256 };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Answers a request. The pieces come from the receiver; dropping it cancels the answer before its next token,
    /// and not taking them makes generation wait.
    pub fn generate(&self, request: GenerateRequest) -> mpsc::Receiver<Piece> {
        self.shared.slots.submit(request)
    }

    /// The tokens of the prompt for an answer to `messages`; takes some milliseconds for long ones. Less than
    /// [`Description::context_tokens`] is taken.
    ///
    /// # Errors
    /// When the model's chat template refuses the messages.
    pub fn count_tokens(&self, messages: &[ChatTurn]) -> Result<usize, GenerateError> {
        self.shared.engine.prompt(messages, None).map(|prompt| prompt.tokens.len())
    }

    /// What the model says about itself.
    pub fn describe(&self) -> Description {
        let shape = self.shared.engine.shape();
        Description {
            file_name: self.shared.file_name.clone(),
            sha256: self.shared.sha256.get().cloned(),
            architecture: shape.architecture.clone(),
            context_tokens: shape.context_tokens,
            slots: self.shared.slot_count,
            tokens_per_second: self.shared.engine.tokens_per_second(),
        }
    }
}

/// Answers that this machine bears at once: one for each core, or for two where they share their work, and all their
/// attention caches, grown to the whole context, in half of the free memory. Growing a cache needs its old and its
/// new copy.
fn slots_borne(engine: &Engine) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let alone = std::env::var(THREADS_VARIABLE).is_ok_and(|threads| threads == "1");
    if !alone && cores > 1 {
        warn!("answers slow each other and other work down; start with {THREADS_VARIABLE}=1 in the environment");
    }
    let by_cores = if alone { cores } else { cores / 2 };
    let shape = engine.shape();
    let each = shape.cache_bytes_per_token.saturating_mul(shape.context_tokens).saturating_mul(2).max(1);
    let by_memory = load::available_memory().map_or(1, |bytes| bytes / 2 / each);
    by_cores.min(by_memory)
}

fn hash_in_background(path: PathBuf, sha256: Arc<OnceLock<String>>) -> std::io::Result<()> {
    let hash = move || {
        slots::lower_priority();
        match load::sha256(&path) {
            Ok(hash) => drop(sha256.set(hash)),
            Err(error) => warn!(%error, "the model file's checksum cannot be computed"),
        }
    };
    std::thread::Builder::new().name("local-model-hash".into()).spawn(hash).map(drop)
}
