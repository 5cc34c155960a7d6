//! Text to tokens and tokens to bytes, as the model file says: byte-level BPE (Llama 3, SmolLM) and
//! SentencePiece (Llama 2, Mistral, TinyLlama), splitting text as llama.cpp does, which most files are made for.

use crate::error::{GenerateError, LocalError};
use crate::metadata;
use crate::text::byte_level_alphabet;
use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::quantized::tokenizer::TokenizerFromGguf;
use std::collections::HashSet;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::{self, NormalizerWrapper, Prepend, Replace};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::{PreTokenizerWrapper, sequence::Sequence};
use tokenizers::{AddedToken, Tokenizer};
use tracing::warn;

/// SentencePiece's sign for a space (U+2581).
const SPACE_SIGN: &str = "\u{2581}";

/// Control tokens that end a turn, beside the ones that the metadata names: converters often name just one of two.
const TURN_ENDS: [&str; 8] =
    ["<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>", "<|end|>", "<end_of_turn>", "</s>"];

/// What a token is for, by GGUF's `tokenizer.ggml.token_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Normal,
    Control,
    UserDefined,
    Byte,
    /// Unknown and unused ones.
    Void,
}

/// The tokenizer of one model file.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    tokenizer: Tokenizer,
    /// By token id: the bytes that it adds to an answer; none for control tokens.
    pieces: Vec<Box<[u8]>>,
    controls: Vec<String>,
    ends: HashSet<u32>,
    begin: Option<u32>,
    begin_text: String,
    end_text: String,
    add_begin: bool,
    /// Words begin with a sign for the space before them, so that an answer would begin with a space.
    leading_space: bool,
}

impl Vocabulary {
    pub(crate) fn read(content: &mut Content) -> Result<Self, LocalError> {
        let model =
            metadata::text(content, "tokenizer.ggml.model").ok_or(LocalError::Missing("tokenizer.ggml.model"))?;
        let sentence_piece = match model {
            "gpt2" => false,
            "llama" => true,
            other => return Err(LocalError::Load(format!("its tokenizer `{other}` is neither `gpt2` nor `llama`"))),
        };
        let tokens = token_texts(content)?;
        let kinds = token_kinds(content, tokens.len());
        let tokenizer = if sentence_piece {
            sentence_piece_tokenizer(content, &tokens, &kinds)?
        } else {
            byte_level_tokenizer(content)?
        };
        let id = |key| metadata::number(content, key).and_then(|id| u32::try_from(id).ok());
        let begin = id("tokenizer.ggml.bos_token_id");
        let end = id("tokenizer.ggml.eos_token_id").ok_or(LocalError::Missing("tokenizer.ggml.eos_token_id"))?;
        let of = |id: u32| usize::try_from(id).ok().and_then(|index| tokens.get(index)).cloned().unwrap_or_default();
        let named = ["tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"].into_iter().filter_map(id);
        let known = tokens.iter().zip(&kinds).zip(0..);
        let known = known.filter(|((text, kind), _)| **kind == Kind::Control && TURN_ENDS.contains(&text.as_str()));
        let ends = named.chain(known.map(|(_, id)| id)).chain([end]).collect();
        let llama3 = metadata::text(content, "tokenizer.ggml.pre") == Some("llama3");
        let add_begin = metadata::boolean(content, "tokenizer.ggml.add_bos_token").unwrap_or(sentence_piece || llama3);
        let controls = tokens.iter().zip(&kinds).filter(|(text, kind)| **kind == Kind::Control && !text.is_empty());
        let controls = controls.map(|(text, _)| text.clone()).collect();
        Ok(Self {
            tokenizer,
            controls,
            ends,
            begin_text: begin.map(of).unwrap_or_default(),
            begin,
            end_text: of(end),
            add_begin,
            leading_space: sentence_piece,
            pieces: token_bytes(&tokens, &kinds, sentence_piece),
        })
    }

    /// The tokens of a rendered prompt, or of a part of one. The texts of control tokens become those tokens.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>, GenerateError> {
        match self.tokenizer.encode_fast(text, false) {
            Ok(encoding) => Ok(encoding.get_ids().to_vec()),
            Err(error) => Err(GenerateError::Prompt(error.to_string())),
        }
    }

    /// The token that must begin every prompt, if the model was trained so.
    pub(crate) fn required_begin(&self) -> Option<u32> {
        self.begin.filter(|_| self.add_begin)
    }

    pub(crate) fn is_end(&self, token: u32) -> bool {
        self.ends.contains(&token)
    }

    /// The bytes that `token` adds to an answer.
    pub(crate) fn bytes(&self, token: u32) -> &[u8] {
        usize::try_from(token).ok().and_then(|index| self.pieces.get(index)).map_or(&[], |bytes| bytes)
    }

    pub(crate) fn has_leading_space(&self) -> bool {
        self.leading_space
    }

    pub(crate) fn has_control(&self, text: &str) -> bool {
        self.controls.iter().any(|control| control == text)
    }

    /// The texts that a template gets as `bos_token` and `eos_token`.
    pub(crate) fn begin_and_end(&self) -> (&str, &str) {
        (&self.begin_text, &self.end_text)
    }

    /// `content` with the texts of control tokens broken by a space, so that nobody can end a turn by typing its end.
    pub(crate) fn disarm(&self, content: &str) -> String {
        let mut content = content.to_owned();
        for control in &self.controls {
            if content.contains(control.as_str()) {
                let mut broken = control.clone();
                broken.insert(control.chars().next().map_or(0, char::len_utf8), ' ');
                content = content.replace(control.as_str(), &broken);
            }
        }
        content
    }
}

fn token_texts(content: &Content) -> Result<Vec<String>, LocalError> {
    let tokens =
        metadata::array(content, "tokenizer.ggml.tokens").ok_or(LocalError::Missing("tokenizer.ggml.tokens"))?;
    tokens.iter().map(|value| Ok(value.to_string()?.clone())).collect()
}

fn token_kinds(content: &Content, count: usize) -> Vec<Kind> {
    let kind = |value: &Value| match value.to_i32().ok().or_else(|| value.to_u32().ok()?.try_into().ok()) {
        Some(3) => Kind::Control,
        Some(4) => Kind::UserDefined,
        Some(6) => Kind::Byte,
        Some(2 | 5) => Kind::Void,
        _ => Kind::Normal,
    };
    let mut kinds: Vec<Kind> =
        metadata::array(content, "tokenizer.ggml.token_type").unwrap_or_default().iter().map(kind).collect();
    kinds.resize(count, Kind::Normal);
    kinds
}

fn token_bytes(tokens: &[String], kinds: &[Kind], sentence_piece: bool) -> Vec<Box<[u8]>> {
    let alphabet = byte_level_alphabet();
    let bytes = |(text, kind): (&String, &Kind)| match kind {
        Kind::Control | Kind::Void => Vec::new(),
        Kind::UserDefined => text.clone().into_bytes(),
        Kind::Byte => {
            let digits = text.strip_prefix("<0x").and_then(|text| text.strip_suffix('>'));
            digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).into_iter().collect()
        }
        Kind::Normal if sentence_piece => text.replace(SPACE_SIGN, " ").into_bytes(),
        Kind::Normal => text.chars().filter_map(|letter| alphabet.get(&letter).copied()).collect(),
    };
    tokens.iter().zip(kinds).map(|pair| bytes(pair).into_boxed_slice()).collect()
}

/// Byte-level BPE. How text is cut into words before merging is not in the file, only its name is; candle knows some
/// names, others are set right here.
fn byte_level_tokenizer(content: &mut Content) -> Result<Tokenizer, LocalError> {
    let name = metadata::text(content, "tokenizer.ggml.pre").unwrap_or("default").to_owned();
    if matches!(name.as_str(), "llama-bpe" | "llama-v3" | "falcon3") {
        content.metadata.insert("tokenizer.ggml.pre".into(), Value::String("llama3".into()));
        content.metadata.insert("tokenizer.ggml.ignore_merges".into(), Value::Bool(true));
    }
    let mut tokenizer = Tokenizer::from_gguf(content)?;
    let words: PreTokenizerWrapper = match name.as_str() {
        "llama-bpe" | "llama-v3" | "falcon3" | "llama3" | "smaug-bpe" | "lfm2" | "qwen2" => return Ok(tokenizer),
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" => {
            Sequence::new(vec![Digits::new(true).into(), ByteLevel::new(false, true, true).into()]).into()
        }
        _ => {
            if !matches!(name.as_str(), "gpt-2" | "gpt2" | "default") {
                warn!(pre = name, "the model file cuts text into words in a way unknown here; GPT-2's is used");
            }
            ByteLevel::new(false, true, true).into()
        }
    };
    tokenizer.with_pre_tokenizer(Some(words));
    Ok(tokenizer)
}

/// SentencePiece's BPE. The file has scores instead of merges: of all pairs of tokens that make a third, the one
/// with the best score is joined first.
fn sentence_piece_tokenizer(content: &Content, tokens: &[String], kinds: &[Kind]) -> Result<Tokenizer, LocalError> {
    let vocabulary: Vocab = tokens.iter().cloned().zip(0..).collect();
    let scores =
        metadata::array(content, "tokenizer.ggml.scores").ok_or(LocalError::Missing("tokenizer.ggml.scores"))?;
    let mut joined: Vec<(f32, &String)> = tokens
        .iter()
        .zip(kinds)
        .zip(scores)
        .filter(|((_, kind), _)| **kind == Kind::Normal)
        .map(|((text, _), score)| (score.to_f32().unwrap_or(f32::NEG_INFINITY), text))
        .collect();
    joined.sort_by(|left, right| right.0.total_cmp(&left.0));
    let mut merges = Vec::new();
    for (_, text) in joined {
        for (middle, _) in text.char_indices().skip(1) {
            let (left, right) = text.split_at(middle);
            if vocabulary.contains_key(left) && vocabulary.contains_key(right) {
                merges.push((left.to_owned(), right.to_owned()));
            }
        }
    }
    let builder = BPE::builder().vocab_and_merges(vocabulary, merges).byte_fallback(true).fuse_unk(true);
    let failed = |error: tokenizers::Error| LocalError::Load(error.to_string());
    let mut tokenizer = Tokenizer::new(builder.build().map_err(failed)?);
    let mut steps: Vec<NormalizerWrapper> = Vec::new();
    if metadata::boolean(content, "tokenizer.ggml.add_space_prefix").unwrap_or(true) {
        steps.push(Prepend::new(SPACE_SIGN.to_owned()).into());
    }
    steps.push(Replace::new(" ", SPACE_SIGN).map_err(failed)?.into());
    tokenizer.with_normalizer(Some(normalizers::Sequence::new(steps))).map_err(failed)?;
    let special = tokens.iter().zip(kinds).filter(|(_, kind)| matches!(kind, Kind::Control | Kind::UserDefined));
    let special: Vec<AddedToken> = special.map(|(text, _)| AddedToken::from(text.clone(), true)).collect();
    tokenizer.add_special_tokens(special).map_err(failed)?;
    Ok(tokenizer)
}

#[cfg(test)]
mod tests;
