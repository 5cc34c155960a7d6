//! Conversations for those providers that take nothing but strict turns.

use crate::provider::{Turn, TurnRole};
use std::borrow::Cow;

/// The turns with user and assistant alternating, beginning with the user: neighbours of one role become one message,
/// and what the model said before anybody asked is left out.
pub(crate) fn alternating(turns: &[Turn]) -> Vec<(TurnRole, Cow<'_, str>)> {
    let mut alternating: Vec<(TurnRole, Cow<'_, str>)> = Vec::with_capacity(turns.len());
    for turn in turns.iter().skip_while(|turn| turn.role == TurnRole::Assistant) {
        match alternating.last_mut().filter(|(role, _)| *role == turn.role) {
            Some((_, content)) => {
                let content = content.to_mut();
                content.push_str("\n\n");
                content.push_str(&turn.content);
            }
            None => alternating.push((turn.role, Cow::Borrowed(&turn.content))),
        }
    }
    alternating
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_alternate_beginning_with_the_user() {
        use TurnRole::{Assistant, User};
        let said = [(Assistant, "Hi."), (User, "a"), (User, "b"), (Assistant, "c"), (Assistant, "d"), (User, "e")];
        let turns = said.map(|(role, content)| Turn { role, content: content.to_owned() });
        let expected = [(User, "a\n\nb".into()), (Assistant, "c\n\nd".into()), (User, "e".into())];
        assert_eq!(alternating(&turns), expected);
        assert_eq!(alternating(&[]), []);
    }
}
