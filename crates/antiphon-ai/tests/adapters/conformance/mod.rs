//! What every adapter must do, whatever its wire format: one table of cells, run for each [`Case`].

mod answers;
mod endings;
mod failures;

use antiphon_ai::frames::Framing;
use antiphon_ai::provider::{FaultKind, Provider};
use antiphon_ai::{HttpOptions, SetupError};
use antiphon_core::Citation;
use antiphon_testkit::upstream::{self, Reply, Step};
use futures::future::BoxFuture;
use serde_json::{Value, json};

/// A provider's wire format, as the cells need it. Frames are bytes as they are on the wire, their end included; a
/// line end in them is LF and stands nowhere but at the end of a line.
pub trait Case: Send + Sync + 'static {
    /// The `kind` of the configuration.
    const NAME: &'static str;
    /// What stands after the host in a `base_url`: `/v1`, or nothing.
    const BASE_PATH: &'static str;
    /// How a stream is cut.
    const FRAMING: Framing;
    /// The finish reason of [`Self::end`] and [`Self::whole`].
    const STOP: &'static str;

    /// The adapter.
    fn provider(options: HttpOptions) -> Result<Box<dyn Provider>, SetupError>;

    /// What comes before the first text; may be empty.
    fn begin() -> Vec<u8>;

    /// A frame with this text.
    fn text(text: &str) -> Vec<u8>;

    /// What ends an answer, frame by frame: the reason [`Self::STOP`], a usage of 7 prompt and 3 completion tokens, the
    /// terminal marker, in the provider's order.
    fn end() -> Vec<Vec<u8>>;

    /// A whole answer with this text, for [`Self::STOP`], with that usage.
    fn whole(text: &str) -> Value;

    /// Frames that say nothing: pings, comments, kinds that nobody knows yet.
    fn noise() -> Vec<Vec<u8>>;

    /// A frame with this text whose finish reason is there but empty, where the format has such a field.
    fn empty_reason(text: &str) -> Option<Vec<u8>>;

    /// Frames that say inside a begun stream that it failed, `boom` among their words, and what each means.
    fn errors() -> Vec<(Vec<u8>, FaultKind)>;

    /// Frames that follow [`Self::begin`], with which the model declines or a filter stops it.
    fn refusals() -> Vec<Vec<u8>>;

    /// Frames with this thought, where the provider tells thoughts.
    fn reasoning(thought: &str) -> Option<Vec<u8>>;

    /// Frames with these sources, where the provider gives sources.
    fn citations(citations: &[Citation]) -> Option<Vec<u8>>;

    /// How the provider is told to go on in a text, where it can be.
    fn continuation() -> Option<Continuation>;

    /// Its refusal of one request too many, with three seconds to wait.
    fn busy() -> Reply {
        Reply::json_with(429, &[("Retry-After", "3")], &json!({"error": {"message": "slow down"}}))
    }
}

/// A provider's way of going on in a text.
pub struct Continuation {
    /// A model that can.
    pub model: &'static str,
    /// Where the request's body has the text.
    pub partial: fn(&Value) -> Option<String>,
}

/// Whether a guarantee holds, or is about what the provider does not offer. One that does not hold panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It was seen to hold.
    Holds,
    /// The provider has nothing of the kind.
    NotOffered,
}

/// One thing to be seen.
pub struct Cell {
    /// The column of the matrix it counts for.
    pub column: &'static str,
    /// What is seen.
    pub name: &'static str,
    /// Sees it.
    pub run: fn() -> BoxFuture<'static, Mark>,
}

/// The matrix' columns, in order.
pub const COLUMNS: [&str; 15] = [
    "stream",
    "whole",
    "cancel",
    "usage",
    "finish",
    "cut",
    "stall",
    "reset",
    "error in band",
    "error status",
    "rate limit",
    "refusal",
    "reasoning",
    "citations",
    "continue",
];

macro_rules! cells {
    ($($column:literal $name:literal $test:path;)*) => {
        /// The table.
        pub fn cells<C: Case>() -> Vec<Cell> {
            vec![$(Cell { column: $column, name: $name, run: || {
                use $test as test;
                Box::pin(test::<C>())
            } }),*]
        }
    };
}

cells! {
    "stream" "piece by piece" answers::piece_by_piece;
    "stream" "any cut of the bytes" answers::any_cut;
    "stream" "CRLF" answers::carriage_returns;
    "stream" "noise" answers::noise;
    "stream" "large frames" answers::large_frames;
    "stream" "slow, with pings" answers::slow_with_pings;
    "stream" "nothing after the end" answers::nothing_after_the_end;
    "whole" "answer" answers::whole;
    "whole" "cut, refused, endless" answers::broken_whole;
    "whole" "where a stream was asked for" answers::whole_instead_of_a_stream;
    "usage" "of a stream" answers::usage;
    "finish" "reason" endings::reason;
    "finish" "empty reason" endings::empty_reason;
    "finish" "cut after the reason" endings::cut_after_the_reason;
    "cut" "connection" endings::cut;
    "cut" "every frame" endings::cut_after_each_frame;
    "stall" "idle" endings::stall;
    "stall" "after the reason" endings::stall_after_the_reason;
    "stall" "header" failures::silence;
    "reset" "connection" endings::reset;
    "cancel" "stream" endings::cancel;
    "cancel" "before the headers" endings::cancel_before_the_headers;
    "cancel" "whole" endings::cancel_whole;
    "refusal" "frames" endings::refusals;
    "reasoning" "apart" answers::reasoning;
    "citations" "kept" answers::citations;
    "error in band" "frames" failures::in_band;
    "error in band" "nonsense" failures::nonsense;
    "error in band" "endless frame" failures::endless_frame;
    "error status" "each" failures::statuses;
    "error status" "unreachable" failures::unreachable;
    "error status" "redirect" failures::redirect;
    "error status" "endless body" failures::endless_body;
    "rate limit" "Retry-After" failures::rate_limit;
    "continue" "prefill" endings::continuation;
}

/// Runs all cells; gives for each whether it holds, or how it failed.
pub async fn run<C: Case>() -> Vec<(Cell, Result<Mark, String>)> {
    let mut results = Vec::new();
    for cell in cells::<C>() {
        assert!(COLUMNS.contains(&cell.column), "{}", cell.column);
        let result = tokio::spawn((cell.run)()).await.map_err(|error| match error.try_into_panic() {
            Ok(panic) => match panic.downcast::<String>() {
                Ok(message) => *message,
                Err(panic) => panic.downcast_ref::<&str>().map_or("panicked", |message| message).to_owned(),
            },
            Err(error) => error.to_string(),
        });
        results.push((cell, result));
    }
    results
}

/// Runs all cells and panics with the names of those that do not hold.
pub async fn check<C: Case>() {
    let failed: Vec<String> = run::<C>()
        .await
        .into_iter()
        .filter_map(|(cell, result)| Some(format!("{}, {}: {}", cell.column, cell.name, result.err()?)))
        .collect();
    assert!(failed.is_empty(), "{} does not hold:\n{}", C::NAME, failed.join("\n"));
}

/// A stream of this provider's content type, so far empty.
pub fn stream<C: Case>() -> Reply {
    stream_with::<C>(upstream::Framing::Chunked)
}

/// The same with another framing than chunks.
pub fn stream_with<C: Case>(framing: upstream::Framing) -> Reply {
    let content_type = match C::FRAMING {
        Framing::ServerSentEvents => "text/event-stream; charset=utf-8",
        Framing::JsonLines => "application/x-ndjson",
    };
    let headers = vec![("content-type".to_owned(), content_type.to_owned())];
    Reply::new([Step::Headers { status: 200, headers, framing }])
}

/// A stream that has begun and said these texts.
pub fn said<C: Case>(texts: &[&str]) -> Reply {
    texts.iter().fold(stream::<C>().bytes(C::begin()), |reply, text| reply.bytes(C::text(text)))
}

/// A whole stream of these texts.
pub fn told<C: Case>(texts: &[&str]) -> Reply {
    ended::<C>(said::<C>(texts))
}

/// And then the end, frame by frame.
pub fn ended<C: Case>(reply: Reply) -> Reply {
    C::end().into_iter().fold(reply, Reply::bytes)
}

/// The bytes of a whole stream of these texts.
pub fn body<C: Case>(texts: &[&str]) -> Vec<u8> {
    let texts = texts.iter().map(|text| C::text(text));
    std::iter::once(C::begin()).chain(texts).chain(C::end()).flatten().collect()
}
