//! Providers and the agents that they answer for: what keeps a provider from answering, told apart, and the first-token
//! time where a call is free or allowed.

use super::finding::{Finding, of_fault};
use super::first_token::{self, Measured};
use super::remote::{Model, Remote};
use super::{Report, weights};
use crate::failure::Failure;
use crate::settings::{AgentSettings, ProviderSettings, Settings};
use antiphon_ai::connect::RemoteKind;
use std::io::Write;
use std::time::Duration;

const KINDS: &str = "openai, anthropic, gemini, ollama, perplexity, local, script";

/// Checks every provider with its agents. `may_call`: calls that the provider may charge for are allowed.
pub(super) async fn check<W: Write>(
    settings: &Settings,
    may_call: bool,
    report: &mut Report<W>,
) -> Result<(), Failure> {
    let http = match antiphon_ai::http_client() {
        Ok(http) => http,
        Err(error) => {
            return report.bad(&format!("providers: no HTTP client: {error}"), "look at the system's TLS setup");
        }
    };
    let (providers, agents) = (settings.providers(), settings.agents());
    for provider in &providers {
        let own: Vec<&AgentSettings> = agents.iter().filter(|agent| agent.provider == provider.name).collect();
        match provider.kind.as_str() {
            "script" => report.good(&format!("provider {}: a script, which needs nothing", provider.name))?,
            "local" => weights::check(provider, report)?,
            name => match RemoteKind::named(name) {
                Some(kind) => check_remote(kind, provider, &own, http.clone(), may_call, report).await?,
                None => {
                    let what = format!("provider {}: its kind is `{name}`", provider.name);
                    report.bad(&what, &format!("kind is one of {KINDS}"))?;
                }
            },
        }
    }
    for agent in &agents {
        if !providers.iter().any(|provider| provider.name == agent.provider) {
            let names: Vec<&str> = providers.iter().map(|provider| provider.name.as_str()).collect();
            let fix = format!("[providers] has: {}", names.join(", "));
            report.bad(&format!("agent {}: there is no provider `{}`", agent.id, agent.provider), &fix)?;
        }
    }
    Ok(())
}

async fn check_remote<W: Write>(
    kind: RemoteKind,
    provider: &ProviderSettings,
    agents: &[&AgentSettings],
    http: reqwest::Client,
    may_call: bool,
    report: &mut Report<W>,
) -> Result<(), Failure> {
    let subject = format!("provider {}", provider.name);
    let remote = match Remote::new(kind, provider, http) {
        Ok(remote) => remote,
        Err(finding) => return report.tell(&subject, &finding),
    };
    let standing = match remote.ask_for_models().await {
        Ok(standing) => standing,
        Err(finding) => return report.tell(&subject, &finding),
    };
    report.good(&format!("{subject}: {}", remote.describe(&standing)))?;
    if agents.is_empty() {
        return report.warn(&format!("{subject}: no agent uses it"), "[agents.NAME] provider names one");
    }
    // Who takes no key charges nobody.
    let calls = may_call || !remote.place().has_key;
    for agent in agents {
        let subject = format!("agent {}", agent.id);
        if agent.model.is_empty() {
            let fix = format!("[agents.{}] model = the provider's name for one", agent.id);
            report.bad(&format!("{subject}: it has no model"), &fix)?;
            continue;
        }
        let model = remote.look_up(&agent.model, &standing).await;
        match model {
            Model::Unknown(finding) => report.tell(&subject, &finding)?,
            model if calls => check_call(&subject, &remote, agent, model, report).await?,
            Model::Unlisted(finding) => report.tell(&subject, &finding)?,
            model => {
                let known =
                    if matches!(model, Model::Known) { "is there" } else { "cannot be looked up without a call" };
                report.good(&format!("{subject}: {} {known}; first token not measured, see --call", agent.model))?;
            }
        }
    }
    Ok(())
}

/// Makes the call that the agent's people will make.
async fn check_call<W: Write>(
    subject: &str,
    remote: &Remote,
    agent: &AgentSettings,
    model: Model,
    report: &mut Report<W>,
) -> Result<(), Failure> {
    match first_token::measure(remote.provider(), agent).await {
        Measured::Answered { first, whole, usage } => {
            let tokens = usage.map(|usage| format!(", {} + {} tokens", usage.prompt_tokens, usage.completion_tokens));
            let unlisted = if matches!(model, Model::Unlisted(_)) { ", though it is in no list" } else { "" };
            let whole = format!("whole answer after {}{}", milliseconds(whole), tokens.unwrap_or_default());
            report.good(&format!("{subject}: {} answers{unlisted}, {} ({whole})", agent.model, after(first)))
        }
        Measured::Declined(detail) => report.warn(
            &format!("{subject}: {} answers, but declined a greeting: {detail}", agent.model),
            "look at the safety settings and the content filters of the account",
        ),
        Measured::CutOff(detail) => report.bad(
            &format!("{subject}: {} began to answer and broke off: {detail}", agent.model),
            "try again; if it stays so, a proxy between may cut or hold back streams",
        ),
        Measured::Failed(fault) => {
            let finding = of_fault(remote.place(), &fault, Some(&agent.model));
            report.tell(subject, &finding)
        }
    }
}

fn after(first: Option<Duration>) -> String {
    match first {
        Some(time) => format!("first token after {}", milliseconds(time)),
        // Models that think in secret use up a small answer with it.
        None => "with no visible token in so short an answer".to_owned(),
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

impl<W: Write> Report<W> {
    fn tell(&mut self, subject: &str, finding: &Finding) -> Result<(), Failure> {
        let what = format!("{subject}: {}", finding.what);
        if finding.is_bad { self.bad(&what, &finding.fix) } else { self.warn(&what, &finding.fix) }
    }
}
