//! The example configurations of the documents can be used as they stand.

use crate::settings::{ProviderSettings, Settings};
use antiphon_ai::connect::{RemoteKind, connect};
use antiphon_ai::{ApiKey, HttpOptions, http_client};
use std::collections::BTreeSet;
use std::path::Path;

/// Builds the provider, as the server does at its start, with a key in place of the variable's.
fn assert_builds(kind: RemoteKind, provider: &ProviderSettings, file: &str) {
    let key = provider.api_key.as_ref().map(|_| ApiKey::new("key"));
    let base_url = provider.base_url.as_deref().unwrap_or_default();
    let built = connect(kind, HttpOptions::new(base_url, key, http_client().unwrap()));
    let error = built.err().map(|error| error.to_string());
    assert_eq!(error, None, "{file}: {}", provider.name);
}

#[test]
fn every_kind_has_one_and_each_is_complete() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/providers");
    let mut kinds = BTreeSet::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let settings = Settings::load(&path).unwrap_or_else(|failure| panic!("{file}: {failure}"));
        let (providers, agents) = (settings.providers(), settings.agents());
        assert!(!providers.is_empty() && !agents.is_empty(), "{file}");
        for provider in &providers {
            kinds.insert(provider.kind.clone());
            match provider.kind.as_str() {
                "local" => assert!(provider.file.is_some(), "{file}"),
                "script" => {}
                name => assert_builds(RemoteKind::named(name).unwrap_or_else(|| panic!("{file}")), provider, &file),
            }
            assert!(agents.iter().any(|agent| agent.provider == provider.name), "{file}: {}", provider.name);
        }
        for agent in &agents {
            let provider = providers.iter().find(|provider| provider.name == agent.provider);
            let provider = provider.unwrap_or_else(|| panic!("{file}: {}", agent.id));
            let has_own_model = matches!(provider.kind.as_str(), "local" | "script");
            assert_eq!(agent.model.is_empty(), has_own_model, "{file}: {}", agent.id);
        }
    }
    let all: BTreeSet<String> = RemoteKind::ALL.iter().map(|kind| kind.name().to_owned()).collect();
    assert!(kinds.is_superset(&all) && kinds.contains("local") && kinds.contains("script"), "{kinds:?}");
}
