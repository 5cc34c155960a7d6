//! Choosing the next token. With chance in it, what was said lately is made less likely: small models turn in circles.

use candle_core::Tensor;
use candle_transformers::generation::{LogitsProcessor, Sampling};
use candle_transformers::utils::apply_repeat_penalty;

/// Likeliest tokens that are sampled from, and the part of probability that they must come from.
const TOP_TOKENS: usize = 40;
/// See [`TOP_TOKENS`].
const TOP_PROBABILITY: f64 = 0.9;
/// What the odds of a token that was said lately are divided by, after Keskar et al., "CTRL"
/// (<https://arxiv.org/abs/1909.05858>), section 4.1.
const REPEAT_PENALTY: f32 = 1.2;
/// Tokens that count as said lately: some sentences.
const LATELY: usize = 96;

/// One answer's choices.
pub(crate) struct Sampler {
    processor: LogitsProcessor,
    is_greedy: bool,
    said: Vec<u32>,
}

impl Sampler {
    /// 0 or less takes the likeliest token always, whatever was said before.
    pub(crate) fn new(seed: u64, temperature: f64) -> Self {
        let is_greedy = temperature <= 0.0;
        let sampling = if is_greedy {
            Sampling::ArgMax
        } else {
            Sampling::TopKThenTopP { k: TOP_TOKENS, p: TOP_PROBABILITY, temperature }
        };
        Self { processor: LogitsProcessor::from_sampling(seed, sampling), is_greedy, said: Vec::new() }
    }

    /// The next token.
    pub(crate) fn next(&mut self, logits: &Tensor) -> candle_core::Result<u32> {
        if self.is_greedy {
            return self.processor.sample(logits);
        }
        let lately = self.said.len().saturating_sub(LATELY);
        let token = self.processor.sample(&apply_repeat_penalty(logits, REPEAT_PENALTY, &self.said[lately..])?)?;
        self.said.push(token);
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn chance_avoids_what_was_just_said_and_greed_does_not() {
        let logits = Tensor::new(&[2.0_f32, 1.9, -50.0], &Device::Cpu).unwrap();
        let mut greedy = Sampler::new(1, 0.0);
        assert_eq!((greedy.next(&logits).unwrap(), greedy.next(&logits).unwrap()), (0, 0));
        let mut sampler = Sampler::new(1, 0.01);
        assert_eq!((sampler.next(&logits).unwrap(), sampler.next(&logits).unwrap()), (0, 1));
    }
}
