//! The providers' wire formats, as far as a paced upstream needs them.

/// How a provider streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Chat completions.
    OpenAi,
    /// Messages.
    Anthropic,
    /// `streamGenerateContent`.
    Gemini,
    /// `/api/chat`.
    Ollama,
    /// Chat completions with a cumulative message in each frame.
    Perplexity,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::OpenAi, Self::Anthropic, Self::Gemini, Self::Ollama, Self::Perplexity];

    /// The `kind` of the configuration; the agent's id too.
    pub fn kind(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Ollama => "ollama",
            Self::Perplexity => "perplexity",
        }
    }

    /// What stands behind the address in `base_url`.
    pub fn base_path(self) -> &'static str {
        match self {
            Self::OpenAi => "/v1",
            Self::Gemini => "/v1beta",
            Self::Anthropic | Self::Ollama | Self::Perplexity => "",
        }
    }

    /// The path of a streaming call.
    pub fn path(self) -> &'static str {
        match self {
            Self::OpenAi => "/v1/chat/completions",
            Self::Anthropic => "/v1/messages",
            Self::Gemini => "/v1beta/models/paced:streamGenerateContent?alt=sse",
            Self::Ollama => "/api/chat",
            Self::Perplexity => "/chat/completions",
        }
    }

    /// The format of a request to that path.
    pub fn of_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| path == format.path())
    }

    /// The body's type.
    pub fn content_type(self) -> &'static str {
        if self == Self::Ollama { "application/x-ndjson" } else { "text/event-stream" }
    }

    /// What comes before the first token.
    pub fn begin(self) -> &'static str {
        match self {
            Self::Anthropic => {
                "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\
                 \"role\":\"assistant\",\"content\":[],\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n\
                 event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\
                 \"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
            }
            _ => "",
        }
    }

    /// The frame of a token.
    pub fn token(self, text: &str) -> String {
        match self {
            Self::OpenAi => format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n"),
            Self::Anthropic => format!(
                "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\
                 \"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
            ),
            Self::Gemini => format!(
                "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{text}\"}}],\"role\":\"model\"}}}}]}}\n\n"
            ),
            Self::Ollama => {
                format!(
                    "{{\"model\":\"paced\",\"message\":{{\"role\":\"assistant\",\"content\":\"{text}\"}},\"done\":false}}\n"
                )
            }
            Self::Perplexity => format!(
                "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}],\
                 \"usage\":{{\"prompt_tokens\":1,\"completion_tokens\":1,\"total_tokens\":2}}}}\n\n"
            ),
        }
    }

    /// The end of the answer.
    pub fn end(self) -> &'static str {
        match self {
            Self::OpenAi | Self::Perplexity => {
                "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
            }
            Self::Anthropic => {
                "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
                 event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\
                 \"usage\":{\"output_tokens\":9}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
            }
            Self::Gemini => {
                "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}]},\"finishReason\":\"STOP\"}],\
                 \"usageMetadata\":{\"promptTokenCount\":1,\"candidatesTokenCount\":9}}\n\n"
            }
            Self::Ollama => {
                "{\"model\":\"paced\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\
                 \"done_reason\":\"stop\",\"prompt_eval_count\":1,\"eval_count\":9}\n"
            }
        }
    }
}
