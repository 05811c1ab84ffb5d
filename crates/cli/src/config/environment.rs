//! Settings from environment variables: `SYNCLINE_LOG__FORMAT` is `format` in the group `log`.

use anyhow::{Context, bail};
use figment::{
    Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};

use super::{MAY_BE_EMPTY, PREFIX, variable};
use crate::cli::AGENT_KEY;

pub(super) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        Some((
            name.into_string().ok()?,
            value.to_string_lossy().into_owned(),
        ))
    })
}

/// The environment as a layer. figment's own one reads `007` as a number, and a key may look like a
/// number.
pub(super) struct Environment(Dict);

impl Environment {
    pub(super) fn new(variables: impl Iterator<Item = (String, String)>) -> anyhow::Result<Self> {
        let mut settings = Dict::new();
        for (name, value) in variables {
            let Some(setting) = name.strip_prefix(PREFIX).filter(|_| !is_foreign(&name)) else {
                continue;
            };
            let path: Vec<String> = setting
                .to_lowercase()
                .split("__")
                .map(str::to_owned)
                .collect();
            if path.iter().any(String::is_empty) {
                bail!("{name} is not a setting: a name has words between the underscores");
            }
            if value.trim().is_empty() {
                if MAY_BE_EMPTY.contains(&name.as_str()) {
                    continue;
                }
                bail!("{name} is set to nothing: give it a value, or unset it");
            }
            insert(&mut settings, &path, value)
                .with_context(|| format!("{name} is not a setting"))?;
        }
        Ok(Self(settings))
    }
}

/// What is no setting: the agent's key of `syncline mcp`, and the addresses of the namespace's services,
/// which Kubernetes puts into the environment of every pod.
fn is_foreign(name: &str) -> bool {
    name == AGENT_KEY
        || name == "SYNCLINE_PORT"
        || name.starts_with("SYNCLINE_PORT_")
        || name.starts_with("SYNCLINE_SERVICE_")
}

fn insert(dict: &mut Dict, path: &[String], value: String) -> anyhow::Result<()> {
    match path {
        [] => bail!("it has no name"),
        [name] => {
            dict.insert(name.clone(), Value::from(value));
            Ok(())
        }
        [name, rest @ ..] => {
            let inner = dict
                .entry(name.clone())
                .or_insert_with(|| Value::from(Dict::new()));
            match inner {
                Value::Dict(_, inner) => insert(inner, rest, value),
                _ => bail!("{name} is both a setting and a group"),
            }
        }
    }
}

impl Provider for Environment {
    fn metadata(&self) -> Metadata {
        Metadata::named("the environment").interpolater(|_, keys| variable(&keys.join(".")))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::default(), self.0.clone())]))
    }
}
