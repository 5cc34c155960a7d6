//! What the client commands read of a server's configuration: a TOML file, and `ANTIPHON_…` variables that win over it.

use crate::failure::Failure;
use antiphon_core::limits::MAX_CONFIG_BYTES;
use std::io::Read;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Where the demo keeps the secret that it makes up, in the data directory.
pub(crate) const GENERATED_SECRET: &str = "jwt-secret";

/// A configuration.
#[derive(Default)]
pub(crate) struct Settings {
    table: Table,
}

impl Settings {
    /// Reads a file. The error names no value of it, as any may be a secret.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let text = read_bounded(path).map_err(Failure::new)?;
        let table = text.parse::<Table>().map_err(|error| {
            let place = error.span().map(|span| text.get(..span.start).unwrap_or_default().lines().count().max(1));
            let place = place.map(|line| format!(" line {line}:")).unwrap_or_default();
            Failure::new(format!("{}:{place} {}", path.display(), error.message()))
                .fix("mend the file; `antiphon serve --config FILE --print-config` checks all of it")
        })?;
        Ok(Self { table })
    }

    fn at(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.table.get(*first)?, |value, key| value.get(key))
    }

    fn text(&self, path: &[&str]) -> Option<String> {
        let variable = variable_of(path);
        std::env::var(variable).ok().or_else(|| Some(self.at(path)?.as_str()?.to_owned()))
    }

    /// Where the server listens, as `ADDRESS:PORT`.
    pub(crate) fn listen(&self) -> Option<String> {
        self.text(&["listen"])
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.text(&["data"]).unwrap_or_else(|| "./antiphon-data".to_owned()).into()
    }

    /// The secret of HS256 tokens; none where nothing is said of one.
    pub(crate) fn jwt_secret(&self) -> Option<Result<String, String>> {
        let path = ["auth", "jwt_secret"];
        if let Ok(text) = std::env::var(variable_of(&path)) {
            return Some(Ok(text.trim().to_owned()));
        }
        self.at(&path).map(secret)
    }

    /// The `read` and `publish` patterns of an API key; none where no key has the name.
    pub(crate) fn rights_of(&self, name: &str) -> Option<(Vec<String>, Vec<String>)> {
        let keys = self.at(&["auth", "api_keys"])?.as_array()?;
        let key = keys.iter().find(|key| key.get("name").and_then(Value::as_str) == Some(name))?;
        let patterns = |field: &str| -> Vec<String> {
            let list = key.get(field).and_then(Value::as_array).into_iter().flatten();
            list.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Some((patterns("read"), patterns("publish")))
    }

    /// Every `[agents.ID]`, and behind it the model that places its markers, where that is another.
    pub(crate) fn agents(&self) -> Vec<AgentSettings> {
        let ids = self.table.get("agents").and_then(Value::as_table).into_iter().flat_map(Table::keys);
        ids.flat_map(|id| [Some(self.agent(id)), self.agent_of_markers(id)]).flatten().collect()
    }

    fn agent(&self, id: &str) -> AgentSettings {
        let text = |key: &str| self.text(&["agents", id, key]).unwrap_or_default();
        AgentSettings {
            id: id.to_owned(),
            provider: text("provider"),
            model: text("model"),
            temperature: self.number(&["agents", id, "temperature"]),
        }
    }

    fn agent_of_markers(&self, id: &str) -> Option<AgentSettings> {
        let text = |key: &str| self.text(&["agents", id, key]);
        let own = self.agent(id);
        let provider = text("marker_provider").unwrap_or_else(|| own.provider.clone());
        let model = text("marker_model").unwrap_or_else(|| own.model.clone());
        let is_another = provider != own.provider || model != own.model;
        let is_asked = text("markers").is_some_and(|markers| markers == "model");
        // Markers are asked for without chance.
        let placing = AgentSettings { id: format!("{id}, for its markers"), provider, model, temperature: Some(0.0) };
        (is_asked && is_another).then_some(placing)
    }

    fn number(&self, path: &[&str]) -> Option<f64> {
        if let Ok(text) = std::env::var(variable_of(path)) {
            return text.parse().ok();
        }
        let value = self.at(path)?;
        value.as_float().or_else(|| Some(value.as_integer()? as f64))
    }

    /// Every `[providers.NAME]`.
    pub(crate) fn providers(&self) -> Vec<ProviderSettings> {
        let Some(table) = self.table.get("providers").and_then(Value::as_table) else { return Vec::new() };
        let text = |name: &str, key: &str| self.text(&["providers", name, key]);
        let names = table.keys();
        names
            .map(|name| ProviderSettings {
                name: name.clone(),
                kind: text(name, "kind").unwrap_or_default(),
                base_url: text(name, "base_url"),
                file: text(name, "file").map(PathBuf::from),
                api_key: match std::env::var(variable_of(&["providers", name, "api_key"])) {
                    Ok(text) => Some(Ok(text.trim().to_owned())),
                    Err(_) => self.at(&["providers", name, "api_key"]).map(secret),
                },
            })
            .collect()
    }
}

/// What a configuration says of one agent, as far as calls of its provider go.
pub(crate) struct AgentSettings {
    pub(crate) id: String,
    /// A name of `[providers]`; empty where it is missing.
    pub(crate) provider: String,
    /// Empty where it is missing.
    pub(crate) model: String,
    pub(crate) temperature: Option<f64>,
}

/// What a configuration says of one provider.
pub(crate) struct ProviderSettings {
    pub(crate) name: String,
    /// Empty where it is missing.
    pub(crate) kind: String,
    pub(crate) base_url: Option<String>,
    /// A local model's.
    pub(crate) file: Option<PathBuf>,
    /// The key, or why it cannot be had.
    pub(crate) api_key: Option<Result<String, String>>,
}

/// The variable that sets the same.
fn variable_of(path: &[&str]) -> String {
    format!("ANTIPHON_{}", path.join("__").to_uppercase())
}

/// A secret from a string, `{ env = "NAME" }` or `{ file = "PATH" }`. The error says how it could be had.
fn secret(value: &Value) -> Result<String, String> {
    let field = |name: &str| value.get(name).and_then(Value::as_str);
    match (value.as_str(), field("env"), field("file")) {
        (Some(text), None, None) => not_empty(text, "it is empty"),
        (None, Some(name), None) => secret_of_variable(name),
        (None, None, Some(path)) => secret_of_file(Path::new(path)),
        _ => Err("a secret is \"…\", { env = \"NAME\" } or { file = \"PATH\" }".to_owned()),
    }
}

/// The secret in a variable.
pub(crate) fn secret_of_variable(name: &str) -> Result<String, String> {
    let text = std::env::var(name).map_err(|_| format!("the variable {name} is not set: `export {name}=…`"))?;
    not_empty(&text, &format!("the variable {name} is empty: `export {name}=…`"))
}

/// The secret in a file; the line end after it is not a part of it.
pub(crate) fn secret_of_file(path: &Path) -> Result<String, String> {
    not_empty(&read_bounded(path)?, &format!("the file {} is empty: write the secret into it", path.display()))
}

fn not_empty(text: &str, otherwise: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() { Err(otherwise.to_owned()) } else { Ok(text.to_owned()) }
}

fn read_bounded(path: &Path) -> Result<String, String> {
    let cannot = |reason: String| format!("the file {} cannot be read: {reason}", path.display());
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| cannot(error.to_string()))?;
    let read = file.take(MAX_CONFIG_BYTES + 1).read_to_string(&mut text).map_err(|error| cannot(error.to_string()))?;
    if read as u64 > MAX_CONFIG_BYTES {
        return Err(cannot(format!("it is larger than {MAX_CONFIG_BYTES} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        Settings { table: text.parse().unwrap() }
    }

    #[test]
    fn secrets_come_from_text_variable_or_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "from the file\n").unwrap();
        let text = format!(
            "[auth]\njwt_secret = \"plain\"\n[providers.a]\nkind = \"openai\"\napi_key = {{ file = {path:?} }}\n\
             [providers.b]\nkind = \"openai\"\napi_key = {{ env = \"ANTIPHON_TEST_THAT_NOBODY_SETS\" }}\n"
        );
        let settings = settings(&text);
        assert_eq!(settings.jwt_secret(), Some(Ok("plain".to_owned())));
        let providers = settings.providers();
        assert_eq!(providers[0].api_key, Some(Ok("from the file".to_owned())));
        let missing = providers[1].api_key.clone().unwrap().unwrap_err();
        assert!(missing.contains("export ANTIPHON_TEST_THAT_NOBODY_SETS"), "{missing}");
    }

    #[test]
    fn agents_are_found_with_who_places_their_markers() {
        let settings = settings(
            "[agents.a]\nprovider = \"p\"\nmodel = \"m\"\ntemperature = 1\nmarkers = \"model\"\nmarker_model = \"n\"\n\
             [agents.b]\nprovider = \"p\"\nmarkers = \"model\"\n",
        );
        let agents = settings.agents();
        let told: Vec<_> = agents.iter().map(|a| (a.id.as_str(), a.model.as_str(), a.temperature)).collect();
        let expected = [("a", "m", Some(1.0)), ("a, for its markers", "n", Some(0.0)), ("b", "", None)];
        assert_eq!(told, expected);
    }

    #[test]
    fn an_api_key_s_rights_are_found_by_its_name() {
        let settings = settings("[auth]\napi_keys = [{ name = \"w\", key = \"k\", publish = [\"jobs:*\"] }]");
        assert_eq!(settings.rights_of("w"), Some((vec![], vec!["jobs:*".to_owned()])));
        assert_eq!(settings.rights_of("x"), None);
    }

    #[test]
    fn an_error_shows_the_line_and_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("antiphon.toml");
        std::fs::write(&path, "[auth]\njwt_secret = \"hush-hush\n").unwrap();
        let Err(Failure::Told { message, .. }) = Settings::load(&path) else { panic!("it was taken") };
        assert!(message.contains("line 2") && !message.contains("hush"), "{message}");
    }
}
