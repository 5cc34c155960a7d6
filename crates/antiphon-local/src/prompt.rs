//! Messages to the prompt's tokens, by the chat template in the model file (Jinja, as Hugging Face's tokenizers
//! render it: <https://huggingface.co/docs/transformers/chat_templating>).

use crate::error::{GenerateError, LocalError};
use crate::vocabulary::Vocabulary;
use crate::{ChatTurn, Role};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, context};
use tracing::{info, warn};

/// Used when a file has no template but the tokens for this one.
const CHAT_ML: &str = "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n\
    {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
const TEMPLATE: &str = "chat";

/// A prompt as the model reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prompt {
    pub(crate) tokens: Vec<u32>,
    /// Where a message ends, as numbers of tokens, rising; the last is the number of all tokens. The model reads from
    /// one to the next whatever of it is kept already: thus what is kept equals, bit for bit, what is computed anew.
    pub(crate) ends: Vec<usize>,
    /// The one of `ends` after a system message, if there is one.
    pub(crate) system_end: Option<usize>,
    /// The one of `ends` after the last message.
    pub(crate) messages_end: Option<usize>,
}

/// The chat template of one model file.
#[derive(Debug)]
pub(crate) struct Template {
    environment: Environment<'static>,
    begin: String,
    end: String,
    /// The template refuses system messages, so that they go before the first message's text.
    system_in_message: bool,
}

impl Template {
    /// Compiles the file's template, and tries it.
    pub(crate) fn read(source: Option<&str>, vocabulary: &Vocabulary) -> Result<Self, LocalError> {
        let source = match source {
            Some(source) => source,
            None if vocabulary.has_control("<|im_start|>") && vocabulary.has_control("<|im_end|>") => {
                warn!("the model file has no chat template; ChatML is used, whose tokens it has");
                CHAT_ML
            }
            None => return Err(LocalError::NoChatTemplate),
        };
        let refused = |error: Error| LocalError::ChatTemplate(error.to_string());
        let mut environment = Environment::new();
        let mut syntax = SyntaxConfig::builder();
        syntax.trim_blocks(true).lstrip_blocks(true);
        environment.set_syntax(syntax.build().map_err(refused)?);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<String, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_template_owned(TEMPLATE, source.to_owned()).map_err(refused)?;
        let (begin, end) = vocabulary.begin_and_end();
        let mut template = Self { environment, begin: begin.to_owned(), end: end.to_owned(), system_in_message: false };
        let turn = |role| ChatTurn { role, content: "probe".to_owned() };
        let probe = [turn(Role::System), turn(Role::User), turn(Role::Assistant), turn(Role::User)];
        if template.render(&probe, true).is_err() {
            template.system_in_message = true;
            template.render(probe.get(1..).unwrap_or_default(), true).map_err(refused)?;
            info!("the model's chat template takes no system message; it is put before the first message");
        }
        Ok(template)
    }

    fn render(&self, messages: &[ChatTurn], open_answer: bool) -> Result<String, Error> {
        let messages: Vec<_> = messages
            .iter()
            .map(|turn| context! { role => turn.role.name(), content => turn.content.as_str() })
            .collect();
        self.environment.get_template(TEMPLATE)?.render(context! {
            messages,
            add_generation_prompt => open_answer,
            bos_token => self.begin.as_str(),
            eos_token => self.end.as_str(),
        })
    }

    /// The prompt for an answer to `messages`, which begins with `continue_from` if that is given.
    pub(crate) fn prompt(
        &self,
        vocabulary: &Vocabulary,
        messages: &[ChatTurn],
        continue_from: Option<&str>,
    ) -> Result<Prompt, GenerateError> {
        let has_system = messages.first().is_some_and(|turn| turn.role == Role::System);
        let messages = self.disarmed(vocabulary, messages);
        let has_system = has_system && !self.system_in_message;
        let refused = |error: Error| GenerateError::Prompt(error.to_string());
        let mut text = self.render(&messages, true).map_err(refused)?;
        if let Some(begun) = continue_from {
            text.push_str(&vocabulary.disarm(begun));
        }
        // Byte offsets after each message. A template may refuse a part of a conversation, or render a message
        // differently when it is the last: such an end is left out.
        let ends = (1..=messages.len()).filter_map(|count| {
            let part = self.render(messages.get(..count)?, false).ok()?;
            (!part.is_empty() && text.starts_with(&part)).then_some((count, part.len()))
        });
        segmented(vocabulary, &text, &ends.collect::<Vec<_>>(), has_system, messages.len())
    }

    /// The messages as the template takes them, without control tokens in their text.
    fn disarmed(&self, vocabulary: &Vocabulary, messages: &[ChatTurn]) -> Vec<ChatTurn> {
        let mut messages: Vec<ChatTurn> = messages
            .iter()
            .map(|turn| ChatTurn { role: turn.role, content: vocabulary.disarm(&turn.content) })
            .collect();
        if self.system_in_message && messages.first().is_some_and(|turn| turn.role == Role::System) {
            let system = messages.remove(0);
            match messages.first_mut() {
                Some(first) => first.content = format!("{}\n\n{}", system.content, first.content),
                None => messages.push(ChatTurn { role: Role::User, content: system.content }),
            }
        }
        messages
    }
}

/// Tokenises `text` message by message. Should that give other tokens than the whole (a template without control
/// tokens between messages), the whole is one segment.
fn segmented(
    vocabulary: &Vocabulary,
    text: &str,
    message_ends: &[(usize, usize)],
    has_system: bool,
    messages: usize,
) -> Result<Prompt, GenerateError> {
    let begin = vocabulary.required_begin();
    let mut prompt = Prompt { tokens: Vec::new(), ends: Vec::new(), system_end: None, messages_end: None };
    let mut whole = vocabulary.encode(text)?;
    if let Some(begin) = begin.filter(|begin| whole.first() != Some(begin)) {
        whole.insert(0, begin);
        prompt.tokens.push(begin);
    }
    let mut start = 0;
    for &(count, end) in message_ends {
        let Some(part) = text.get(start..end).filter(|part| !part.is_empty()) else { continue };
        prompt.tokens.extend(vocabulary.encode(part)?);
        start = end;
        if whole.starts_with(&prompt.tokens) {
            prompt.ends.push(prompt.tokens.len());
            let last = prompt.ends.last().copied();
            prompt.system_end = if count == 1 && has_system { last } else { prompt.system_end };
            prompt.messages_end = if count == messages { last } else { prompt.messages_end };
        }
    }
    if prompt.ends.last() != Some(&whole.len()) {
        prompt.ends.push(whole.len());
    }
    prompt.tokens = whole;
    Ok(prompt)
}

#[cfg(test)]
mod tests;
