//! The JSON of generated content, as far as it is used. Unknown fields and parts, among them function calls and
//! pictures, are skipped.

use crate::call::{Citations, alternating};
use crate::provider::{Prompt, TurnRole};
use antiphon_core::Usage;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    contents: Vec<RequestContent<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<SystemInstruction<'a>>,
    #[serde(skip_serializing_if = "GenerationConfig::is_empty")]
    generation_config: GenerationConfig,
}

#[derive(Serialize)]
struct RequestContent<'a> {
    role: &'static str,
    parts: [RequestPart<'a>; 1],
}

#[derive(Serialize)]
struct SystemInstruction<'a> {
    parts: [RequestPart<'a>; 1],
}

#[derive(Serialize)]
struct RequestPart<'a> {
    text: Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GenerationConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u32>,
}

impl GenerationConfig {
    fn is_empty(&self) -> bool {
        self.temperature.is_none() && self.max_output_tokens.is_none()
    }
}

/// The request's body; the model and whether to stream are in the address.
pub(super) fn request(prompt: &Prompt) -> serde_json::Result<Vec<u8>> {
    let contents = alternating(&prompt.turns).into_iter().map(|(role, text)| RequestContent {
        role: match role {
            TurnRole::User => "user",
            TurnRole::Assistant => "model",
        },
        parts: [RequestPart { text }],
    });
    let system = (!prompt.system.is_empty()).then_some(prompt.system.as_str());
    serde_json::to_vec(&Request {
        contents: contents.collect(),
        system_instruction: system.map(|text| SystemInstruction { parts: [RequestPart { text: text.into() }] }),
        generation_config: GenerationConfig { temperature: prompt.temperature, max_output_tokens: prompt.max_tokens },
    })
}

/// A `GenerateContentResponse`: a whole answer, or the next piece of one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response<'a> {
    #[serde(default)]
    pub(super) candidates: Option<Vec<Candidate>>,
    #[serde(default)]
    pub(super) prompt_feedback: Option<PromptFeedback>,
    #[serde(borrow, default)]
    usage_metadata: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate {
    #[serde(default)]
    pub(super) index: Option<u64>,
    #[serde(default)]
    content: Option<Content>,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    pub(super) finish_message: Option<String>,
    #[serde(default)]
    grounding_metadata: Option<GroundingMetadata>,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    parts: Option<Vec<Part>>,
}

/// A piece of the content; what is no text has none.
#[derive(Deserialize)]
pub(super) struct Part {
    #[serde(default)]
    pub(super) text: Option<String>,
    /// Whether the text is what the model thought.
    #[serde(default)]
    pub(super) thought: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PromptFeedback {
    #[serde(default)]
    pub(super) block_reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroundingMetadata {
    #[serde(default)]
    grounding_chunks: Option<Vec<GroundingChunk>>,
}

/// A source; those that are not of the web have no address that can be opened.
#[derive(Deserialize)]
struct GroundingChunk {
    #[serde(default)]
    web: Option<Web>,
}

#[derive(Deserialize)]
struct Web {
    #[serde(default)]
    uri: Option<String>,
    #[serde(default)]
    title: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireUsage {
    prompt_token_count: Option<u64>,
    tool_use_prompt_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    total_token_count: Option<u64>,
}

impl Response<'_> {
    /// The count so far, where it is told; one that is odd tells nothing.
    pub(super) fn usage(&self) -> Option<Usage> {
        let usage: WireUsage = serde_json::from_str(self.usage_metadata?.get()).ok()?;
        let sum = |counts: [Option<u64>; 2]| counts.into_iter().flatten().reduce(u64::saturating_add);
        let prompt_tokens = sum([usage.prompt_token_count, usage.tool_use_prompt_token_count])?;
        let completion_tokens = sum([usage.candidates_token_count, usage.thoughts_token_count]).unwrap_or(0);
        let total_tokens = usage.total_token_count.unwrap_or(prompt_tokens.saturating_add(completion_tokens));
        Some(Usage { prompt_tokens, completion_tokens, total_tokens })
    }
}

impl Candidate {
    /// Why the answer is over, once it is: empty and unspecified are the same as none.
    pub(super) fn finish_reason(&self) -> Option<&str> {
        self.finish_reason.as_deref().filter(|reason| !matches!(*reason, "" | "FINISH_REASON_UNSPECIFIED"))
    }

    pub(super) fn take_parts(&mut self) -> Vec<Part> {
        self.content.take().and_then(|content| content.parts).unwrap_or_default()
    }

    pub(super) fn cite(&self, citations: &mut Citations) {
        let chunks = self.grounding_metadata.iter().filter_map(|metadata| metadata.grounding_chunks.as_ref()).flatten();
        for web in chunks.filter_map(|chunk| chunk.web.as_ref()) {
            if let Some(uri) = &web.uri {
                citations.add(uri, web.title.as_deref());
            }
        }
    }
}
