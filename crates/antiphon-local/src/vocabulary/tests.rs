//! Tests with a small SentencePiece vocabulary; the byte-level one is tested with the model (`prompt/tests.rs`).

use super::*;
use candle_core::quantized::gguf_file::VersionedMagic;
use std::collections::HashMap;

/// As Llama 2's, with the bytes of U+00E9 only, and `ab` scored better than ` a`.
fn sentence_piece() -> Content {
    let tokens = ["<unk>", "<s>", "</s>", "<0xC3>", "<0xA9>", "\u{2581}", "a", "b", "\u{2581}a", "ab", "\u{2581}ab"];
    let kinds = [2, 3, 3, 6, 6, 1, 1, 1, 1, 1, 1];
    let scores = [0.0, 0.0, 0.0, 0.0, 0.0, -9.0, -9.0, -9.0, -3.0, -2.0, -4.0];
    let text = |text: &str| Value::String(text.to_owned());
    let metadata = [
        ("tokenizer.ggml.model", text("llama")),
        ("tokenizer.ggml.tokens", Value::Array(tokens.map(text).to_vec())),
        ("tokenizer.ggml.token_type", Value::Array(kinds.map(Value::I32).to_vec())),
        ("tokenizer.ggml.scores", Value::Array(scores.map(Value::F32).to_vec())),
        ("tokenizer.ggml.bos_token_id", Value::U32(1)),
        ("tokenizer.ggml.eos_token_id", Value::U32(2)),
    ];
    Content {
        magic: VersionedMagic::GgufV3,
        metadata: metadata.map(|(key, value)| (key.to_owned(), value)).into_iter().collect(),
        tensor_infos: HashMap::new(),
        tensor_data_offset: 0,
    }
}

#[test]
fn sentence_piece_joins_by_score_and_spells_unknown_characters_in_bytes() {
    let vocabulary = Vocabulary::read(&mut sentence_piece()).unwrap();
    assert_eq!(vocabulary.encode("ab a b").unwrap(), [10, 8, 5, 7]);
    assert_eq!(vocabulary.encode("a</s>b\u{e9}").unwrap(), [8, 2, 5, 7, 3, 4]);
    assert_eq!(vocabulary.required_begin(), Some(1));
    assert!(vocabulary.is_end(2) && !vocabulary.is_end(1));
    assert_eq!(vocabulary.begin_and_end(), ("<s>", "</s>"));
    assert_eq!((vocabulary.bytes(10), vocabulary.bytes(3), vocabulary.bytes(2)), (&b" ab"[..], &[0xC3][..], &[][..]));
    assert_eq!(vocabulary.bytes(99), b"");
    assert_eq!(vocabulary.disarm("a</s>b<b>"), "a< /s>b<b>");
}

#[test]
fn a_file_without_its_tokenizers_parts_is_refused_by_name() {
    for name in ["tokens", "scores", "eos_token_id", "model"] {
        let mut content = sentence_piece();
        let key = format!("tokenizer.ggml.{name}");
        content.metadata.remove(&key);
        let refused = Vocabulary::read(&mut content).unwrap_err().to_string();
        assert!(refused.contains(&key), "{refused}");
    }
    let mut content = sentence_piece();
    content.metadata.insert("tokenizer.ggml.model".to_owned(), Value::String("bert".to_owned()));
    assert!(matches!(Vocabulary::read(&mut content), Err(LocalError::Load(_))));
}
