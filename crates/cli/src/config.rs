//! The settings: a flag overrides the environment, which overrides the file, which overrides the
//! default.
//!
//! Environment variables begin with `SYNCLINE_`, and `__` separates groups. An unknown name is an
//! error, except for those that Kubernetes injects for a service called syncline.

mod environment;
mod explain;
mod values;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use anyhow::bail;
use figment::{
    Figment,
    providers::{Format, Serialized, Toml},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use syncline_model::{InvalidLimit, LimitOverrides, OAuthClient, VolumeLimits};
use syncline_providers::{BUILT_IN, BuiltIn, OAuthConfig};

use crate::{
    cli::{ServeArgs, SettingsArgs},
    listen_address,
    public_url::PublicUrl,
};
use environment::{Environment, environment};
use explain::explain;

const PREFIX: &str = "SYNCLINE_";
const DEFAULT_FILE: &str = "syncline.toml";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(deserialize_with = "listen_address::deserialize")]
    pub(crate) listen: SocketAddr,
    pub(crate) public_url: Option<PublicUrl>,
    pub(crate) data_dir: PathBuf,
    /// It may contain a password.
    #[serde(default, deserialize_with = "values::hidden")]
    pub(crate) database_url: Option<SecretString>,
    #[serde(default, deserialize_with = "values::secret")]
    pub(crate) api_key: Option<SecretString>,
    #[serde(default, deserialize_with = "values::secret")]
    pub(crate) encryption_key: Option<SecretString>,
    /// By name.
    pub(crate) providers: BTreeMap<String, ProviderSettings>,
    pub(crate) oauth: OAuth,
    pub(crate) console: Console,
    pub(crate) webhooks: Webhooks,
    pub(crate) destinations: Destinations,
    pub(crate) limits: RequestLimits,
    pub(crate) database: Database,
    pub(crate) retention: Retention,
    pub(crate) log: Log,
}

/// What is set for a provider; see `providers::BUILT_IN` for what holds otherwise.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderSettings {
    pub(crate) base_url: Option<String>,
    pub(crate) authorize_url: Option<String>,
    pub(crate) token_url: Option<String>,
    #[serde(default)]
    pub(crate) oauth: ManagedClient,
    #[serde(default)]
    pub(crate) limits: Limits,
}

/// The OAuth application of this installation, for those of its applications that use the managed
/// one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ManagedClient {
    client_id: Option<String>,
    #[serde(deserialize_with = "values::secret")]
    client_secret: Option<SecretString>,
}

/// How many records may be read from a provider account; see `model::VolumeLimits`.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the names of the settings")]
pub(crate) struct Limits {
    #[serde(deserialize_with = "values::some_whole_number")]
    pub(crate) records_per_object: Option<i64>,
    #[serde(deserialize_with = "values::some_whole_number")]
    pub(crate) records_per_hour: Option<i64>,
    #[serde(deserialize_with = "values::some_whole_number")]
    pub(crate) records_per_day: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OAuth {
    /// Where customers may be sent after they authorized, besides the addresses of magic links.
    #[serde(deserialize_with = "values::origins")]
    pub(crate) return_origins: Vec<String>,
}

/// The pages below `/console`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Console {
    #[serde(deserialize_with = "values::yes_or_no")]
    pub(crate) enabled: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Webhooks {
    /// Whether endpoints may be on private networks, or on this machine.
    #[serde(deserialize_with = "values::yes_or_no")]
    pub(crate) allow_private_targets: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Destinations {
    /// Whether destinations may be on private networks, or on this machine.
    #[serde(deserialize_with = "values::yes_or_no")]
    pub(crate) allow_private_targets: bool,
}

/// Limits for callers; see `server::RequestLimits`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestLimits {
    #[serde(deserialize_with = "values::places")]
    concurrent_requests: usize,
    /// 0: no limit.
    #[serde(deserialize_with = "values::rate")]
    requests_per_minute: u32,
}

/// PostgreSQL options; see `store::DatabaseOptions`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    #[serde(deserialize_with = "values::connections")]
    pub(crate) max_connections: u32,
}

/// The retention of data that would grow for ever.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_field_names,
    reason = "the settings' names, which say their unit"
)]
pub(crate) struct Retention {
    /// Finished runs.
    #[serde(deserialize_with = "values::days")]
    pub(crate) runs_days: u32,
    /// Webhook messages, with their attempts.
    #[serde(deserialize_with = "values::days")]
    pub(crate) webhook_messages_days: u32,
    /// The audit log.
    #[serde(deserialize_with = "values::days")]
    pub(crate) audit_log_days: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

const PLACES: [&str; 3] = [
    "SYNCLINE_DATA_DIR",
    "SYNCLINE_DATABASE_URL",
    "SYNCLINE_ENCRYPTION_KEY",
];

/// Empty counts as not set, because container configurations often pass variables through.
const MAY_BE_EMPTY: [&str; 2] = ["SYNCLINE_API_KEY", "SYNCLINE_ENCRYPTION_KEY"];

const DEFAULTS: &str = r#"
listen = "127.0.0.1:8080"
data_dir = "./syncline-data"
[providers]
[oauth]
return_origins = []
[console]
enabled = true
[webhooks]
allow_private_targets = false
[destinations]
allow_private_targets = false
[limits]
concurrent_requests = 512
requests_per_minute = 60000
[database]
max_connections = 16
[retention]
runs_days = 90
audit_log_days = 365
webhook_messages_days = 90
[log]
format = "text"
"#;

impl Config {
    pub(crate) fn load(settings: &SettingsArgs) -> anyhow::Result<Self> {
        Self::from_layers(settings, &BTreeMap::new(), environment())
    }

    /// Only the paths and addresses: these settings are valid whatever is wrong with the others.
    pub(crate) fn places(settings: &SettingsArgs) -> anyhow::Result<Self> {
        let settings = SettingsArgs {
            config: None,
            data_dir: settings.data_dir.clone(),
            database_url: settings.database_url.clone(),
        };
        let base_urls: Vec<String> = BUILT_IN
            .iter()
            .map(|provider| variable(&base_url_setting(provider.name.as_str())))
            .collect();
        let places = environment()
            .filter(|(name, _)| PLACES.contains(&name.as_str()) || base_urls.contains(name));
        let mut figment = Figment::from(Toml::string(DEFAULTS)).merge(Environment::new(places)?);
        figment = over(figment, &settings);
        figment.extract().map_err(|error| explain(&error))
    }

    pub(crate) fn load_for_serve(args: &ServeArgs) -> anyhow::Result<Self> {
        let mut flags = BTreeMap::new();
        if let Some(listen) = args.listen {
            flags.insert("listen", listen.to_string());
        }
        Self::from_layers(&args.settings, &flags, environment())
    }

    fn from_layers(
        settings: &SettingsArgs,
        flags: &BTreeMap<&str, String>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> anyhow::Result<Self> {
        let mut figment = Figment::from(Toml::string(DEFAULTS));
        if let Some(file) = file(settings.config.as_deref())? {
            figment = figment.merge(Toml::file_exact(file));
        }
        figment = figment.merge(Environment::new(environment)?);
        for (name, value) in flags {
            figment = figment.merge(Serialized::default(name, value));
        }
        let figment = over(figment, settings);
        let config: Self = figment.extract().map_err(|error| explain(&error))?;
        if config.data_dir.as_os_str().is_empty() {
            bail!("--data-dir names no directory");
        }
        config.check_provider_names()?;
        Ok(config)
    }

    fn check_provider_names(&self) -> anyhow::Result<()> {
        let known = || BUILT_IN.iter().map(|it| it.name.as_str());
        let unknown = |name: &&String| !known().any(|it| it == name.as_str());
        let Some(name) = self.providers.keys().find(unknown) else {
            return Ok(());
        };
        let setting = format!("providers.{name}");
        let (variable, known) = (variable(&setting), known().collect::<Vec<_>>().join(", "));
        bail!("unknown setting {setting} ({variable}): there is {known}")
    }

    /// What is set for a provider.
    pub(crate) fn provider(&self, built_in: &BuiltIn) -> ProviderSettings {
        let settings = self.providers.get(built_in.name.as_str());
        settings.cloned().unwrap_or_default()
    }

    /// Where a provider is.
    pub(crate) fn base_url_of(&self, built_in: &BuiltIn) -> String {
        let set = self.provider(built_in).base_url;
        set.unwrap_or_else(|| built_in.base_url.to_owned())
    }

    /// The default settings.
    pub(crate) fn defaults() -> Self {
        Figment::from(Toml::string(DEFAULTS))
            .extract()
            .expect("the defaults are complete")
    }

    /// The database's URL: the one that is set, or the embedded one in the data directory.
    pub(crate) fn database_url(&self) -> String {
        match &self.database_url {
            Some(url) => url.expose_secret().to_owned(),
            None => format!("sqlite://{}", self.data_dir.join("syncline.db").display()),
        }
    }
}

impl Database {
    pub(crate) fn options(self) -> syncline_store::DatabaseOptions {
        syncline_store::DatabaseOptions {
            max_connections: self.max_connections,
        }
    }
}

impl RequestLimits {
    pub(crate) fn requests(self) -> syncline_server::RequestLimits {
        syncline_server::RequestLimits {
            concurrent_requests: self.concurrent_requests,
            requests_per_minute: NonZeroU32::new(self.requests_per_minute),
            ..syncline_server::RequestLimits::default()
        }
    }
}

impl ProviderSettings {
    pub(crate) fn oauth(self, provider: &BuiltIn) -> anyhow::Result<OAuthConfig> {
        let group = format!("providers.{}.oauth", provider.name);
        let managed_client = match (self.oauth.client_id, self.oauth.client_secret) {
            (Some(id), Some(secret)) => Some(OAuthClient { id, secret }),
            (None, None) => None,
            (id, _) => {
                let missing = if id.is_none() {
                    "client_id"
                } else {
                    "client_secret"
                };
                let setting = format!("{group}.{missing}");
                bail!(
                    "the setting {setting} ({}) is missing: an OAuth application has an id and a secret",
                    variable(&setting)
                )
            }
        };
        Ok(OAuthConfig {
            authorize_url: self.authorize_url,
            token_url: self.token_url,
            managed_client,
        })
    }
}

impl Limits {
    /// With those of the provider where nothing is set, if they make sense for it.
    pub(crate) fn checked(
        self,
        built_in: &BuiltIn,
        provider: &dyn syncline_providers::Provider,
    ) -> anyhow::Result<VolumeLimits> {
        let group = format!("providers.{}.limits", built_in.name);
        let limits = built_in.limits.with(LimitOverrides {
            records_per_object: self.records_per_object,
            records_per_hour: self.records_per_hour,
            records_per_day: self.records_per_day,
        });
        match syncline_server::check_limits(provider, &limits) {
            Ok(()) => Ok(limits),
            Err(InvalidLimit { field, reason }) => {
                let variable = variable(&format!("{group}.{field}"));
                bail!("the setting {group}.{field} ({variable}) {reason}")
            }
        }
    }
}

/// Applies the flags that every command has; they override everything else.
fn over(mut figment: Figment, settings: &SettingsArgs) -> Figment {
    if let Some(data_dir) = &settings.data_dir {
        figment = figment.merge(Serialized::default("data_dir", data_dir));
    }
    if let Some(url) = &settings.database_url {
        figment = figment.merge(Serialized::default("database_url", url));
    }
    figment
}

pub(crate) fn base_url_setting(provider: &str) -> String {
    format!("providers.{provider}.base_url")
}

/// The environment variable of a setting.
pub(crate) fn variable(setting: &str) -> String {
    format!("{PREFIX}{}", setting.replace('.', "__").to_uppercase())
}

fn file(named: Option<&Path>) -> anyhow::Result<Option<PathBuf>> {
    match named {
        Some(file) if !file.is_file() => {
            bail!("the configuration file {} doesn't exist", file.display())
        }
        Some(file) => Ok(Some(file.to_owned())),
        None => Ok(Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.is_file())),
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
