//! One model: from a request to the pieces of its answer.

use crate::error::{GenerateError, reason};
use crate::metadata::Shape;
use crate::prefixes::Prefixes;
use crate::prompt::{Prompt, Template};
use crate::sampler::Sampler;
use crate::slots::Stop;
use crate::text::TextAssembler;
use crate::vocabulary::Vocabulary;
use crate::{ChatTurn, Finish, GenerateRequest, Piece};
use antiphon_core::limits::LOCAL_PROMPT_CHUNK;
use candle_core::{Device, Tensor};
use candle_transformers::models::quantized_llama::ModelWeights;
use parking_lot::Mutex;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tracing::error;

/// Answers shorter than this say little about the speed.
const MEASURED_TOKENS: usize = 8;
/// How much the latest answer counts in the moving speed.
const LATEST_WEIGHT: f64 = 0.3;

/// A loaded model.
#[derive(Debug)]
pub(crate) struct Engine {
    /// Without an attention cache; a clone shares the weights.
    weights: ModelWeights,
    vocabulary: Vocabulary,
    template: Template,
    shape: Shape,
    prefixes: Mutex<Prefixes<ModelWeights>>,
    tokens_per_second: Mutex<Option<f64>>,
}

/// A model that has read some tokens.
struct Reading {
    weights: ModelWeights,
    read: usize,
    logits: Option<Tensor>,
}

impl Reading {
    /// Reads `tokens`, at once.
    fn read(&mut self, tokens: &[u32]) -> Result<(), Stop> {
        let input = Tensor::new(tokens, &Device::Cpu).and_then(|tokens| tokens.unsqueeze(0)).map_err(failed)?;
        let logits = self.weights.forward(&input, self.read).and_then(|logits| logits.squeeze(0)).map_err(failed)?;
        self.logits = Some(logits);
        self.read += tokens.len();
        Ok(())
    }
}

fn failed(error: candle_core::Error) -> Stop {
    error!(reason = reason(&error), "the in-process model failed");
    Stop::Failed(GenerateError::Internal)
}

impl Engine {
    pub(crate) fn new(weights: ModelWeights, vocabulary: Vocabulary, template: Template, shape: Shape) -> Self {
        let prefixes = Mutex::new(Prefixes::new(shape.cache_bytes_per_token));
        Self { weights, vocabulary, template, shape, prefixes, tokens_per_second: Mutex::new(None) }
    }

    pub(crate) fn shape(&self) -> &Shape {
        &self.shape
    }

    pub(crate) fn tokens_per_second(&self) -> Option<f64> {
        *self.tokens_per_second.lock()
    }

    pub(crate) fn prompt(&self, messages: &[ChatTurn], continue_from: Option<&str>) -> Result<Prompt, GenerateError> {
        self.template.prompt(&self.vocabulary, messages, continue_from)
    }

    /// Computes a token, which makes candle lay out the weights for it, so that the first answer need not wait.
    pub(crate) fn warm_up(&self) -> Result<(), GenerateError> {
        let mut reading = Reading { weights: self.weights.clone(), read: 0, logits: None };
        reading.read(&[0; 4]).map_err(|_| GenerateError::Internal)
    }

    /// Answers `request`. Between two tokens it calls `tend`, and looks whether `pieces` are still wanted.
    pub(crate) fn generate(
        &self,
        request: &GenerateRequest,
        pieces: &mpsc::Sender<Piece>,
        tend: &dyn Fn(),
    ) -> Result<(), Stop> {
        let prompt = self.prompt(&request.messages, request.continue_from.as_deref()).map_err(Stop::Failed)?;
        let (prompt_tokens, context_tokens) = (prompt.tokens.len(), self.shape.context_tokens);
        if prompt_tokens >= context_tokens {
            return Err(Stop::Failed(GenerateError::PromptTooLong { prompt_tokens, context_tokens }));
        }
        let mut reading = self.read_prompt(&prompt, pieces, tend)?;
        let most = request.max_tokens.min(context_tokens - prompt_tokens);
        let mut sampler = Sampler::new(request.seed, request.temperature);
        let mut text = TextAssembler::default();
        let mut strip_space = self.vocabulary.has_leading_space() && request.continue_from.is_none();
        let mut completion_tokens = 0;
        let started = Instant::now();
        let finish = loop {
            if completion_tokens == most {
                break Finish::Length;
            }
            let Some(logits) = &reading.logits else { return Err(Stop::Failed(GenerateError::Internal)) };
            let token = sampler.next(logits).map_err(failed)?;
            if self.vocabulary.is_end(token) {
                break Finish::Stop;
            }
            completion_tokens += 1;
            let mut bytes = self.vocabulary.bytes(token);
            if strip_space && !bytes.is_empty() {
                bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
                strip_space = false;
            }
            send(pieces, text.push(bytes))?;
            tend();
            if completion_tokens < most {
                reading.read(&[token])?;
            }
        };
        self.measure(completion_tokens, started.elapsed());
        send(pieces, text.finish())?;
        let end = Piece::End { finish, prompt_tokens, completion_tokens };
        pieces.blocking_send(end).map_err(|_| Stop::Cancelled)
    }

    /// Reads the prompt, from the longest kept prefix on, and keeps what later prompts will begin with.
    fn read_prompt(&self, prompt: &Prompt, pieces: &mpsc::Sender<Piece>, tend: &dyn Fn()) -> Result<Reading, Stop> {
        let kept = self.prefixes.lock().longest(&prompt.tokens);
        let (read, weights) = kept.unwrap_or_else(|| (0, self.weights.clone()));
        let mut reading = Reading { weights, read, logits: None };
        for &end in &prompt.ends {
            let Some(segment) = prompt.tokens.get(reading.read..end) else { continue };
            for chunk in segment.chunks(LOCAL_PROMPT_CHUNK) {
                if pieces.is_closed() {
                    return Err(Stop::Cancelled);
                }
                reading.read(chunk)?;
                tend();
            }
            if !segment.is_empty() && (prompt.system_end == Some(end) || prompt.messages_end == Some(end)) {
                let root = prompt.system_end.unwrap_or(0);
                let tokens = prompt.tokens.get(..end).unwrap_or_default();
                self.prefixes.lock().keep(tokens, root, &reading.weights);
            }
        }
        Ok(reading)
    }

    fn measure(&self, tokens: usize, took: Duration) {
        if tokens < MEASURED_TOKENS || took.is_zero() {
            return;
        }
        let latest = tokens as f64 / took.as_secs_f64();
        let mut speed = self.tokens_per_second.lock();
        *speed = Some(speed.map_or(latest, |before| before + LATEST_WEIGHT * (latest - before)));
    }
}

/// Sends a part of the answer; without text it only looks whether anybody still listens.
fn send(pieces: &mpsc::Sender<Piece>, text: String) -> Result<(), Stop> {
    if text.is_empty() {
        return if pieces.is_closed() { Err(Stop::Cancelled) } else { Ok(()) };
    }
    pieces.blocking_send(Piece::Text(text)).map_err(|_| Stop::Cancelled)
}
