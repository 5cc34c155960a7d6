//! The tensors of a model file, in formats that candle computes with vector instructions.

use candle_core::quantized::gguf_file::{self, Content, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Result};
use candle_transformers::models::quantized_llama::ModelWeights;
use std::io::{Cursor, Read, Seek};
use tracing::info;

/// Reads all weights. Those in a format for which candle has scalar code only are turned into Q8_0, whose products
/// take about a fifth of the time. Its rounding is a sixteenth of a step of the formats with four bits.
pub(crate) fn read<R: Read + Seek>(content: Content, reader: &mut R) -> Result<ModelWeights> {
    let device = Device::Cpu;
    if !content.tensor_infos.values().any(|tensor| is_scalar(tensor.ggml_dtype)) {
        return ModelWeights::from_gguf(content, reader, &device);
    }
    let mut names: Vec<&String> = content.tensor_infos.keys().collect();
    // In the file's order, so that it is read from its beginning to its end.
    names.sort_by_key(|name| content.tensor_infos.get(*name).map_or(0, |tensor| tensor.offset));
    let mut tensors = Vec::with_capacity(names.len());
    for name in names {
        tensors.push((name.as_str(), vectorised(content.tensor(reader, name, &device)?)?));
    }
    info!("weights in a format without vector code were turned into Q8_0");
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (*name, tensor)).collect();
    // The network is built from a GGUF file only, so it is given one.
    let metadata = content.metadata.iter().filter(|(key, _)| !key.starts_with("tokenizer."));
    let metadata: Vec<(&str, &Value)> = metadata.map(|(key, value)| (key.as_str(), value)).collect();
    let mut file = Cursor::new(Vec::new());
    gguf_file::write(&mut file, &metadata, &tensors)?;
    file.set_position(0);
    let content = Content::read(&mut file)?;
    ModelWeights::from_gguf(content, &mut file, &device)
}

fn is_scalar(format: GgmlDType) -> bool {
    matches!(format, GgmlDType::Q4_1 | GgmlDType::Q5_0 | GgmlDType::Q5_1)
}

fn vectorised(tensor: QTensor) -> Result<QTensor> {
    if is_scalar(tensor.dtype()) {
        QTensor::quantize(&tensor.dequantize(&Device::Cpu)?, GgmlDType::Q8_0)
    } else {
        Ok(tensor)
    }
}
