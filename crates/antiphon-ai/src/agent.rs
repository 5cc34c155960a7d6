//! Agents: who answers, with which model and by which rules.

use crate::placing::Placing;
use crate::provider::Provider;
use antiphon_markers::Vocabulary;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Where an agent's markers come from.
#[derive(Clone)]
pub enum MarkerSource {
    /// The model is asked for them in its system prompt.
    Prompt,
    /// They are put into the answer; the model knows of none.
    Placed(Arc<dyn Placing>),
    /// None: brackets in the answer are plain text.
    Off,
}

/// What is done when an answer breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Recovery {
    /// Ask again from scratch, after a reset.
    Restart,
    /// Go on after what is there, where the provider can; else restart.
    Continue,
    /// Ask for the whole answer in one response.
    Finish,
    /// End it.
    Fail,
}

/// What happens to an answer that nobody watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDisconnect {
    /// It goes on.
    Continue,
    /// It is cancelled once nobody has watched for the grace time.
    CancelAfterLastViewer,
}

/// An agent as configured, with its provider.
#[derive(Clone)]
pub struct Agent {
    /// The key in the configuration.
    pub id: String,
    /// What people see; the id where nothing else is said.
    pub name: String,
    /// Who is called.
    pub provider: Arc<dyn Provider>,
    /// The provider's name for the model.
    pub model: String,
    /// The operator's system prompt.
    pub system: String,
    /// Where markers come from.
    pub markers: MarkerSource,
    /// What is done when an answer breaks.
    pub recovery: Recovery,
    /// Attempts in all, the first included; at least 1.
    pub max_attempts: u32,
    /// What happens to an answer that nobody watches.
    pub on_disconnect: OnDisconnect,
    /// The grace time of `CancelAfterLastViewer`.
    pub viewer_grace: Duration,
    /// See `Prompt::temperature`.
    pub temperature: Option<f64>,
    /// See `Prompt::max_tokens`.
    pub max_tokens: Option<u32>,
    /// Tokens that prompt and answer may take; bounds how many earlier messages are sent.
    pub context_tokens: usize,
}

impl Agent {
    /// Whether the model itself writes markers, and so is to see its earlier ones.
    pub fn writes_markers(&self) -> bool {
        matches!(self.markers, MarkerSource::Prompt)
    }

    /// What every prompt of the agent begins with: the operator's words, and how to write markers where it is to.
    pub fn system_prompt(&self, vocabulary: Option<&Vocabulary>) -> String {
        let mut system = self.system.clone();
        if let Some(vocabulary) = vocabulary.filter(|_| self.writes_markers()) {
            if !system.is_empty() {
                system.push_str("\n\n");
            }
            system.push_str(&vocabulary.prompt());
        }
        system
    }
}

/// All agents, by id.
#[derive(Clone, Default)]
pub struct Agents(Arc<BTreeMap<String, Agent>>);

impl Agents {
    /// From the configuration.
    pub fn new(agents: impl IntoIterator<Item = Agent>) -> Self {
        Self(Arc::new(agents.into_iter().map(|agent| (agent.id.clone(), agent)).collect()))
    }

    /// The agent of an id.
    pub fn get(&self, id: &str) -> Option<&Agent> {
        self.0.get(id)
    }

    /// Every agent, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Agent> {
        self.0.values()
    }
}
