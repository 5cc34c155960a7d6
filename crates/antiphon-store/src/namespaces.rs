//! What each namespace keeps: the declared ones, and what holds for all others.

use antiphon_core::{AR_ROOM, NamespaceSettings, ROOM, Retention};
use std::collections::HashMap;

/// Settings by namespace. One that nobody declared is kept on disk: rooms' for a month, any other for a week.
#[derive(Clone, Debug, Default)]
pub struct NamespaceTable {
    declared: HashMap<String, NamespaceSettings>,
}

impl NamespaceTable {
    /// A table of the declared namespaces.
    pub fn new(declared: HashMap<String, NamespaceSettings>) -> Self {
        Self { declared }
    }

    /// What holds for a namespace.
    pub fn settings(&self, namespace: &str) -> NamespaceSettings {
        self.declared.get(namespace).copied().unwrap_or(NamespaceSettings {
            keep: if matches!(namespace, AR_ROOM | ROOM) { Retention::ROOMS } else { Retention::DEFAULT },
            ephemeral: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_kept_longer_than_the_rest_and_a_declaration_beats_both() {
        let none = Retention { events: None, age: None, bytes: None };
        let declared = HashMap::from([("room".to_owned(), NamespaceSettings { keep: none, ephemeral: true })]);
        let table = NamespaceTable::new(declared);
        assert_eq!(table.settings("ar-room").keep, Retention::ROOMS);
        assert_eq!(table.settings("jobs").keep, Retention::DEFAULT);
        assert_eq!(table.settings("room"), NamespaceSettings { keep: none, ephemeral: true });
    }
}
