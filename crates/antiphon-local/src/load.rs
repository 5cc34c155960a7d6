//! A GGUF file to a model in memory.

use crate::engine::Engine;
use crate::error::LocalError;
use crate::metadata::{self, Shape};
use crate::prompt::Template;
use crate::vocabulary::Vocabulary;
use crate::weights;
use candle_core::quantized::gguf_file::Content;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Instant;
use tracing::{info, warn};

/// Loading is logged each time that this part of the file has been read.
const PROGRESS_PERCENT: u64 = 25;

/// Logs how much of the file has been read.
#[derive(Debug)]
struct Progress {
    file: File,
    size: u64,
    read: u64,
    logged_percent: u64,
}

impl Read for Progress {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read = self.read.saturating_add(count as u64);
        let percent = self.read.saturating_mul(100).checked_div(self.size).unwrap_or(100).min(100);
        if percent >= self.logged_percent + PROGRESS_PERCENT {
            self.logged_percent = percent;
            info!(percent, "reading the model");
        }
        Ok(count)
    }
}

impl Seek for Progress {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Reads the whole model. Takes a third of a second for 100 MB, and a core; panics on some damaged files.
pub(crate) fn load(path: &Path) -> Result<Engine, LocalError> {
    let started = Instant::now();
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    info!(file = %file_name(path), bytes = size, "loading the model");
    let mut reader = BufReader::new(Progress { file, size, read: 0, logged_percent: 0 });
    let mut content = Content::read(&mut reader)?;
    let shape = Shape::read(&content)?;
    let vocabulary = Vocabulary::read(&mut content)?;
    let template = Template::read(metadata::text(&content, "tokenizer.chat_template"), &vocabulary)?;
    if content.tensor_infos.contains_key("rope_freqs.weight") {
        warn!("the model stretches its positions (rope_freqs), which is ignored: it may be weaker than elsewhere");
    }
    let weights = weights::read(content, &mut reader)?;
    let engine = Engine::new(weights, vocabulary, template, shape);
    engine.warm_up().map_err(|error| LocalError::Load(error.to_string()))?;
    let milliseconds = started.elapsed().as_millis();
    info!(milliseconds, context_tokens = engine.shape().context_tokens, "the model is ready");
    Ok(engine)
}

/// The file's name without its folder.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The file's SHA-256 in hexadecimal.
pub(crate) fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    io::copy(&mut file, &mut hash)?;
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Memory that the system could give out now, in bytes; known on Linux only.
pub(crate) fn available_memory() -> Option<usize> {
    let report = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = report.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: usize = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}
