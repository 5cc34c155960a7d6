//! Settings from `ANTIPHON_…` variables, with `__` between levels: `ANTIPHON_LIMITS__MESSAGES_PER_MINUTE=0`.

use figment::value::{Dict, Map, Value};
use figment::{Error, Metadata, Profile, Provider};

const PREFIX: &str = "ANTIPHON_";
/// Settings of the top level. Other variables without `__` are not settings: a secret's own, such as
/// `ANTIPHON_JWT_SECRET`, or a client command's.
const TOP: [&str; 3] = ["listen", "data", "roles"];
/// Keys whose values are text, whatever they look like.
const TEXT: [&str; 3] = ["jwt_secret", "api_key", "key"];
/// How a metadata of these settings is called.
pub(super) const NAME: &str = "environment";

/// Settings of variables.
pub(super) struct Environment(Dict);

impl Environment {
    pub(super) fn new(variables: impl Iterator<Item = (String, String)>) -> Self {
        let mut settings = Dict::new();
        for (name, text) in variables {
            let Some(key) = name.strip_prefix(PREFIX).map(str::to_ascii_lowercase) else { continue };
            if key.contains("__") || TOP.contains(&key.as_str()) {
                let levels: Vec<&str> = key.split("__").collect();
                insert(&mut settings, &levels, &text);
            }
        }
        Self(settings)
    }
}

fn insert(settings: &mut Dict, levels: &[&str], text: &str) {
    match levels {
        [] => {}
        [key] => {
            let is_text = TEXT.contains(key) && !text.trim_start().starts_with('{');
            let is_list = *key == "roles" && !text.trim_start().starts_with('[');
            let value = if is_text {
                Value::from(text)
            } else if is_list {
                Value::from(text.split(',').map(str::trim).collect::<Vec<_>>())
            } else {
                // Reading never fails: what is nothing else is a string.
                text.parse().unwrap_or_else(|_| Value::from(text))
            };
            settings.insert((*key).to_owned(), value);
        }
        [table, rest @ ..] => {
            let entry = settings.entry((*table).to_owned()).or_insert_with(|| Value::from(Dict::new()));
            if !matches!(entry, Value::Dict(..)) {
                *entry = Value::from(Dict::new());
            }
            if let Value::Dict(_, nested) = entry {
                insert(nested, rest, text);
            }
        }
    }
}

impl Provider for Environment {
    fn metadata(&self) -> Metadata {
        Metadata::named(NAME)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Profile::Default.collect(self.0.clone()))
    }
}
