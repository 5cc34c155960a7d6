//! What a model is given: the system prompt and the latest exchanges that fit.

use antiphon_ai::agent::Agent;
use antiphon_ai::provider::{Prompt, Turn, TurnRole};
use antiphon_core::limits::MAX_PROMPT_MESSAGES;
use antiphon_core::{MessageStatus, SenderRole};
use antiphon_markers::Vocabulary;
use antiphon_sql::StoredMessage;

/// What any turn costs beside its text, in tokens: role and separators of the usual chat templates.
const TURN_TOKENS: usize = 4;

/// The prompt for an answer to `content`, after the messages that came before it, oldest first.
pub(crate) fn build(
    agent: &Agent,
    vocabulary: Option<&Vocabulary>,
    earlier: &[&StoredMessage],
    content: &str,
) -> Prompt {
    let system = agent.system_prompt(vocabulary);
    let answer = agent.max_tokens.map_or(agent.context_tokens / 4, |tokens| tokens as usize);
    let budget = agent
        .context_tokens
        .saturating_sub(answer.min(agent.context_tokens / 2))
        .saturating_sub(tokens(&system) + tokens(content));
    Prompt {
        model: agent.model.clone(),
        system,
        turns: turns(agent, earlier, content, budget),
        partial: None,
        temperature: agent.temperature,
        max_tokens: agent.max_tokens,
    }
}

/// About how many tokens a text takes, rather too many than too few: 3.5 characters of ASCII to one (English has about 4,
/// <https://help.openai.com/en/articles/4936856>), and one to each other character.
fn tokens(text: &str) -> usize {
    let other = text.chars().filter(|character| !character.is_ascii()).count();
    let ascii = text.bytes().filter(u8::is_ascii).count();
    (ascii * 2).div_ceil(7) + other + TURN_TOKENS
}

/// The latest whole exchanges that fit, and the person's words last. One turn a message.
fn turns(agent: &Agent, earlier: &[&StoredMessage], content: &str, budget: usize) -> Vec<Turn> {
    let mut left = budget;
    let mut messages = 1;
    let mut kept: Vec<(&str, Option<&str>)> = vec![(content, None)];
    for asked in earlier.iter().rev().filter(|stored| stored.message.role == SenderRole::User) {
        let Some(answer) = answer_to(agent, &asked.message.id, earlier) else { continue };
        let cost = tokens(&asked.message.content) + answer.map_or(0, tokens);
        messages += 1 + usize::from(answer.is_some());
        if cost > left || messages > MAX_PROMPT_MESSAGES {
            break;
        }
        left -= cost;
        kept.push((&asked.message.content, answer));
    }
    let mut turns: Vec<Turn> = Vec::new();
    for (asked, answer) in kept.into_iter().rev() {
        say(&mut turns, TurnRole::User, asked);
        if let Some(answer) = answer {
            say(&mut turns, TurnRole::Assistant, answer);
        }
    }
    turns
}

/// The latest answer to a message that has words in it; `Some(None)` where none has. Nothing at all for a message that was
/// withdrawn before anybody answered: it was never said.
fn answer_to<'a>(agent: &Agent, request_id: &str, earlier: &[&'a StoredMessage]) -> Option<Option<&'a str>> {
    let (mut streams, mut withdrawn, mut answer) = (0, 0, None);
    for stored in earlier {
        let Some(stream) = stored.answer.as_ref().filter(|stream| stream.request_id == request_id) else { continue };
        streams += 1;
        withdrawn += usize::from(stored.message.status == MessageStatus::Cancelled && stream.started_at.is_none());
        if stored.message.status != MessageStatus::Streaming && !stored.message.text.trim().is_empty() {
            let message = &stored.message;
            // A model that writes no markers is not to learn it from those that were put into its answers.
            answer = Some(if agent.writes_markers() { message.content.as_str() } else { message.text.as_str() });
        }
    }
    (streams == 0 || withdrawn < streams).then_some(answer)
}

/// Adds to the last turn where the same side goes on: most models want the sides to alternate.
fn say(turns: &mut Vec<Turn>, role: TurnRole, content: &str) {
    turns.push(Turn { role, content: content.to_owned() });
}
