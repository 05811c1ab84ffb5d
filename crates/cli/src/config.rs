//! The settings: a flag overrides the environment, which overrides the file, which overrides the
//! default.
//!
//! Environment variables begin with `SYNCLINE_`, and `__` separates groups. An unknown name is an
//! error, except for those that Kubernetes injects for a service called syncline.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use figment::{
    Figment, Metadata, Profile, Provider,
    providers::{Format, Serialized, Toml},
    value::{Dict, Map, Value},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use syncline_model::{InvalidLimit, VolumeLimits};

use crate::{
    cli::{ServeArgs, SettingsArgs},
    listen_address,
    public_url::PublicUrl,
};

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
    #[serde(default, deserialize_with = "hidden")]
    pub(crate) database_url: Option<SecretString>,
    #[serde(default, deserialize_with = "secret")]
    pub(crate) api_key: Option<SecretString>,
    #[serde(default, deserialize_with = "secret")]
    pub(crate) encryption_key: Option<SecretString>,
    pub(crate) providers: Providers,
    pub(crate) webhooks: Webhooks,
    pub(crate) limits: RequestLimits,
    pub(crate) database: Database,
    pub(crate) retention: Retention,
    pub(crate) log: Log,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Providers {
    pub(crate) apollo: Apollo,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Apollo {
    pub(crate) base_url: String,
    pub(crate) limits: Limits,
}

/// How many records may be read from a provider account; see `model::VolumeLimits`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the names of the settings")]
pub(crate) struct Limits {
    #[serde(deserialize_with = "whole_number")]
    pub(crate) records_per_object: i64,
    #[serde(deserialize_with = "whole_number")]
    pub(crate) records_per_hour: i64,
    #[serde(deserialize_with = "whole_number")]
    pub(crate) records_per_day: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Webhooks {
    /// Whether endpoints may be on private networks, or on this machine.
    #[serde(deserialize_with = "yes_or_no")]
    pub(crate) allow_private_targets: bool,
}

/// Limits for callers; see `server::RequestLimits`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestLimits {
    #[serde(deserialize_with = "places")]
    concurrent_requests: usize,
    /// 0: no limit.
    #[serde(deserialize_with = "rate")]
    requests_per_minute: u32,
}

/// PostgreSQL options; see `store::DatabaseOptions`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    #[serde(deserialize_with = "connections")]
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
    #[serde(deserialize_with = "days")]
    pub(crate) runs_days: u32,
    /// Webhook messages, with their attempts.
    #[serde(deserialize_with = "days")]
    pub(crate) webhook_messages_days: u32,
    /// The audit log.
    #[serde(deserialize_with = "days")]
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

const PLACES: [&str; 4] = [
    "SYNCLINE_DATA_DIR",
    "SYNCLINE_DATABASE_URL",
    "SYNCLINE_ENCRYPTION_KEY",
    "SYNCLINE_PROVIDERS__APOLLO__BASE_URL",
];

/// Empty counts as not set, because container configurations often pass variables through.
const MAY_BE_EMPTY: [&str; 2] = ["SYNCLINE_API_KEY", "SYNCLINE_ENCRYPTION_KEY"];

const DEFAULTS: &str = r#"
listen = "127.0.0.1:8080"
data_dir = "./syncline-data"
[providers.apollo]
base_url = "https://api.apollo.io"
[providers.apollo.limits]
records_per_object = 10000
records_per_hour = 10000
records_per_day = 50000
[webhooks]
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
        let places = environment().filter(|(name, _)| PLACES.contains(&name.as_str()));
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
        Ok(config)
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

impl Limits {
    /// The limits, if they make sense for the provider; `group` is the name of their settings
    /// group.
    pub(crate) fn checked(
        self,
        group: &str,
        provider: &dyn syncline_providers::Provider,
    ) -> anyhow::Result<VolumeLimits> {
        let limits = VolumeLimits {
            records_per_object: self.records_per_object,
            records_per_hour: self.records_per_hour,
            records_per_day: self.records_per_day,
        };
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

/// The environment variable of a setting.
fn variable(setting: &str) -> String {
    format!("{PREFIX}{}", setting.replace('.', "__").to_uppercase())
}

fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        Some((
            name.into_string().ok()?,
            value.to_string_lossy().into_owned(),
        ))
    })
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

/// The environment as a layer. figment's own one reads `007` as a number, and a key may look like a
/// number.
struct Environment(Dict);

impl Environment {
    fn new(variables: impl Iterator<Item = (String, String)>) -> anyhow::Result<Self> {
        let mut settings = Dict::new();
        for (name, value) in variables {
            let Some(setting) = name.strip_prefix(PREFIX).filter(|_| !injected(&name)) else {
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

/// Kubernetes puts the addresses of the namespace's services into the environment of every pod.
fn injected(name: &str) -> bool {
    name == "SYNCLINE_PORT"
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

/// One sentence that names the setting and its source.
fn explain(error: &figment::Error) -> anyhow::Error {
    use figment::error::Kind;
    let from = |path: &[String]| match &error.metadata {
        Some(metadata) if metadata.name == "the environment" => variable(&path.join(".")),
        Some(metadata) => match &metadata.source {
            Some(source) => format!("{} in {source}", path.join(".")),
            None => path.join("."),
        },
        None => path.join("."),
    };
    match &error.kind {
        Kind::UnknownField(field, expected) => {
            let mut path = error.path.clone();
            if path.last() != Some(field) {
                path.push(field.clone());
            }
            anyhow::anyhow!(
                "unknown setting {}: there is {}",
                from(&path),
                expected.join(", ")
            )
        }
        Kind::InvalidType(_, expected) if expected.starts_with("struct ") => {
            let setting = from(&error.path);
            anyhow::anyhow!("{setting} is a group of settings, not a setting")
        }
        Kind::UnknownVariant(given, expected) => anyhow::anyhow!(
            "the setting {} is wrong: it must be {}, not '{given}'",
            from(&error.path),
            expected.join(" or ")
        ),
        kind if error.path.is_empty() => {
            let file = error.metadata.as_ref().and_then(|it| it.source.as_ref());
            let file = file.map_or_else(String::new, |file| format!("{file} "));
            anyhow::anyhow!(
                "the configuration file {file}is not valid TOML: {}",
                in_one_line(kind)
            )
        }
        kind => {
            // figment adds quotes to text that serde has quoted already.
            let kind = kind.to_string().replace("``", "`");
            anyhow::anyhow!("the setting {} is wrong: {kind}", from(&error.path))
        }
    }
}

/// Drops the lines in which the parser draws the place of the error.
fn in_one_line(kind: &figment::error::Kind) -> String {
    let text = kind.to_string();
    let said = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.contains('|'));
    said.collect::<Vec<_>>().join(", ")
}

/// An empty value is wrong, not absent: it must not select another database.
fn hidden<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(SecretString::from))
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text
        .filter(|text| !text.trim().is_empty())
        .map(SecretString::from))
}

/// Values from the environment are text.
fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Number(i64),
        Text(String),
        Other(serde::de::IgnoredAny),
    }
    let number = match Given::deserialize(deserializer)? {
        Given::Number(number) => Ok(number),
        Given::Text(text) => text
            .trim()
            .parse()
            .map_err(|error| format!("'{text}' is not a whole number: {error}")),
        Given::Other(_) => Err("it is not a whole number".to_owned()),
    };
    number.map_err(serde::de::Error::custom)
}

fn yes_or_no<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Bool(bool),
        Text(String),
        Other(serde::de::IgnoredAny),
    }
    let given = match Given::deserialize(deserializer)? {
        Given::Bool(given) => Some(given),
        Given::Text(text) => text.trim().to_lowercase().parse().ok(),
        Given::Other(_) => None,
    };
    given.ok_or_else(|| serde::de::Error::custom("must be true or false"))
}

/// A generous upper bound for one process.
fn places<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    const MOST: usize = 100_000;
    let number = whole_number(deserializer)?;
    usize::try_from(number)
        .ok()
        .filter(|it| (1..=MOST).contains(it))
        .ok_or_else(|| serde::de::Error::custom(format!("must be from 1 to {MOST}")))
}

/// Requests per key and minute; a process can't answer more than a million a minute.
fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    const MOST: u32 = 1_000_000;
    let number = whole_number(deserializer)?;
    u32::try_from(number)
        .ok()
        .filter(|it| *it <= MOST)
        .ok_or_else(|| serde::de::Error::custom(format!("must be from 0 (no limit) to {MOST}")))
}

/// At least four: for a page's transaction, the lease's heartbeat, and requests at the same time.
fn connections<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    const BOUNDS: std::ops::RangeInclusive<u32> = 4..=1000;
    let number = whole_number(deserializer)?;
    u32::try_from(number)
        .ok()
        .filter(|it| BOUNDS.contains(it))
        .ok_or_else(|| {
            let (least, most) = (BOUNDS.start(), BOUNDS.end());
            serde::de::Error::custom(format!("must be from {least} to {most}"))
        })
}

/// From a day to a hundred years.
fn days<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    const MOST: i64 = 36_500;
    let number = whole_number(deserializer)?;
    u32::try_from(number)
        .ok()
        .filter(|_| (1..=MOST).contains(&number))
        .ok_or_else(|| serde::de::Error::custom(format!("must be from 1 to {MOST} days")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn load(
        file: &str,
        environment: &[(&str, &str)],
        args: SettingsArgs,
    ) -> anyhow::Result<Config> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("syncline.toml");
        std::fs::write(&path, file).unwrap();
        let settings = SettingsArgs {
            config: Some(path),
            ..args
        };
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::from_layers(&settings, &BTreeMap::new(), environment)
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_file() {
        let file = "data_dir = 'from-file'\nlisten = '127.0.0.1:1'";
        let environment = [
            ("SYNCLINE_DATA_DIR", "from-env"),
            ("SYNCLINE_DATABASE_URL", "sqlite://e"),
        ];
        let config = load(file, &environment, SettingsArgs::default()).unwrap();
        assert_eq!(config.data_dir, Path::new("from-env"));
        assert_eq!(config.listen.port(), 1);
        let flags = SettingsArgs {
            data_dir: Some("from-flag".into()),
            ..SettingsArgs::default()
        };
        let config = load(file, &environment, flags).unwrap();
        assert_eq!(config.data_dir, Path::new("from-flag"));
    }

    #[test]
    fn an_unknown_setting_is_named_wherever_it_comes_from() {
        let error = load("lisen = 'x'", &[], SettingsArgs::default()).unwrap_err();
        assert!(error.to_string().contains("lisen"), "{error}");
        let environment = [("SYNCLINE_PROVIDERS__APOLLO__BASE", "x")];
        let error = load("", &environment, SettingsArgs::default()).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("SYNCLINE_PROVIDERS__APOLLO__BASE"),
            "{error}"
        );
    }

    #[test]
    fn a_wrong_value_is_named() {
        let environment = [("SYNCLINE_LISTEN", "nowhere")];
        let error = load("", &environment, SettingsArgs::default()).unwrap_err();
        assert!(error.to_string().contains("SYNCLINE_LISTEN"), "{error}");
    }

    #[test]
    fn a_setting_that_is_empty_is_named() {
        for name in [
            "LISTEN",
            "DATA_DIR",
            "DATABASE_URL",
            "PUBLIC_URL",
            "LOG__FORMAT",
            HOUR,
        ] {
            let name = format!("SYNCLINE_{}", name.trim_start_matches(PREFIX));
            let error = load("", &[(&name, " ")], SettingsArgs::default()).unwrap_err();
            let said = error.to_string();
            assert_eq!(
                said,
                format!("{name} is set to nothing: give it a value, or unset it")
            );
        }
        for name in MAY_BE_EMPTY {
            let config = load("", &[(name, "")], SettingsArgs::default()).unwrap();
            assert!(config.api_key.is_none() && config.encryption_key.is_none());
        }
    }

    #[test]
    fn a_name_without_words_is_no_setting() {
        for name in [
            "SYNCLINE_",
            "SYNCLINE___",
            "SYNCLINE_LOG__",
            "SYNCLINE___FORMAT",
        ] {
            let error = load("", &[(name, "x")], SettingsArgs::default()).unwrap_err();
            let said = error.to_string();
            assert!(
                said.starts_with(&format!("{name} is not a setting")),
                "{said}"
            );
        }
    }

    #[test]
    fn a_wrong_value_says_in_one_line_what_would_be_right() {
        for (name, value, words) in [
            ("LISTEN", ":8081", "0.0.0.0:8081"),
            ("LOG__FORMAT", "xml", "it must be text or json, not 'xml'"),
            ("LOG", "json", "SYNCLINE_LOG is a group of settings"),
            (
                "PUBLIC_URL",
                "sync.example",
                "must begin with http:// or https://",
            ),
        ] {
            let name = format!("{PREFIX}{name}");
            let error = load("", &[(&name, value)], SettingsArgs::default()).unwrap_err();
            let said = error.to_string();
            assert!(said.contains(&name) && said.contains(words), "{said}");
            assert!(!said.contains('\n'), "{said}");
        }
    }

    #[test]
    fn a_file_that_is_no_toml_is_named_in_one_line() {
        let error = load("listen = ", &[], SettingsArgs::default()).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("syncline.toml is not valid TOML"), "{said}");
        assert!(said.contains("line 1") && !said.contains('\n'), "{said}");
    }

    #[test]
    fn a_public_url_that_is_none_is_named() {
        let load = |url| load("", &[("SYNCLINE_PUBLIC_URL", url)], SettingsArgs::default());
        let error = load("sync.example").unwrap_err();
        assert!(error.to_string().contains("SYNCLINE_PUBLIC_URL"), "{error}");
        let config = load("https://sync.example/").unwrap();
        assert_eq!(config.public_url.unwrap().as_str(), "https://sync.example");
    }

    #[test]
    fn debug_shows_no_secret() {
        let environment = [
            ("SYNCLINE_DATABASE_URL", "postgres://u:hidden-1@db/x"),
            ("SYNCLINE_API_KEY", "hidden-2"),
            ("SYNCLINE_ENCRYPTION_KEY", "hidden-3"),
        ];
        let config = load("", &environment, SettingsArgs::default()).unwrap();
        let shown = format!("{config:?}");
        assert!(!shown.contains("hidden"), "{shown}");
        assert!(config.database_url().contains("hidden-1"));
    }

    #[test]
    fn what_kubernetes_injects_is_ignored() {
        let environment = [
            ("SYNCLINE_PORT", "tcp://10.0.0.1:8080"),
            ("SYNCLINE_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("SYNCLINE_SERVICE_HOST", "10.0.0.1"),
        ];
        assert!(load("", &environment, SettingsArgs::default()).is_ok());
    }

    #[test]
    fn a_key_that_looks_like_a_number_stays_as_it_is() {
        let environment = [("SYNCLINE_API_KEY", "007")];
        let config = load("", &environment, SettingsArgs::default()).unwrap();
        assert_eq!(config.api_key.unwrap().expose_secret(), "007");
    }

    const HOUR: &str = "SYNCLINE_PROVIDERS__APOLLO__LIMITS__RECORDS_PER_HOUR";

    fn limits_of(config: &Config) -> anyhow::Result<VolumeLimits> {
        // Another test may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let providers = syncline_providers::Providers::new(syncline_providers::ApolloConfig {
            base_url: config.providers.apollo.base_url.clone(),
            transport: None,
        })?;
        let apollo = providers.get(syncline_model::ProviderName::Apollo);
        config
            .providers
            .apollo
            .limits
            .checked("providers.apollo.limits", &**apollo)
    }

    #[test]
    fn limits_of_requests_have_defaults_and_bounds() {
        let limits = Config::defaults().limits.requests();
        assert_eq!(limits.concurrent_requests, 512);
        assert_eq!(limits.requests_per_minute, NonZeroU32::new(60_000));
        let set = [("SYNCLINE_LIMITS__REQUESTS_PER_MINUTE", "0")];
        let config = load("", &set, SettingsArgs::default()).unwrap();
        assert_eq!(config.limits.requests().requests_per_minute, None);
        for (setting, wrong) in [
            ("CONCURRENT_REQUESTS", "0"),
            ("CONCURRENT_REQUESTS", "many"),
            ("REQUESTS_PER_MINUTE", "-1"),
            ("REQUESTS_PER_MINUTE", "1000001"),
        ] {
            let name = format!("SYNCLINE_LIMITS__{setting}");
            let error = load("", &[(&name, wrong)], SettingsArgs::default()).unwrap_err();
            assert!(error.to_string().contains(&name), "{error}");
        }
    }

    #[test]
    fn runs_are_kept_for_90_days_or_as_long_as_is_set() {
        assert_eq!(Config::defaults().retention.runs_days, 90);
        let config = load("[retention]\nruns_days = 7", &[], SettingsArgs::default()).unwrap();
        assert_eq!(config.retention.runs_days, 7);
        for wrong in ["0", "-1", "36501", "soon"] {
            let set = [("SYNCLINE_RETENTION__RUNS_DAYS", wrong)];
            let error = load("", &set, SettingsArgs::default())
                .unwrap_err()
                .to_string();
            assert!(error.contains("SYNCLINE_RETENTION__RUNS_DAYS"), "{error}");
        }
    }

    #[test]
    fn the_default_limits_are_the_documented_ones() {
        assert_eq!(
            limits_of(&Config::defaults()).unwrap(),
            VolumeLimits::default()
        );
    }

    #[test]
    fn limits_come_from_the_file_and_as_text_from_the_environment() {
        let file = "[providers.apollo.limits]\nrecords_per_hour = 700\nrecords_per_day = 900";
        let config = load(file, &[(HOUR, "800")], SettingsArgs::default()).unwrap();
        let limits = limits_of(&config).unwrap();
        assert_eq!(
            (
                limits.records_per_object,
                limits.records_per_hour,
                limits.records_per_day
            ),
            (10_000, 800, 900)
        );
    }

    #[test]
    fn a_limit_that_is_no_whole_number_is_named() {
        for value in ["ten", "10.5", "", "99999999999999999999"] {
            let error = load("", &[(HOUR, value)], SettingsArgs::default()).unwrap_err();
            assert!(error.to_string().contains(HOUR), "{error}");
        }
        for value in ["10.5", "true", "[1]"] {
            let file = format!("[providers.apollo.limits]\nrecords_per_day = {value}");
            let error = load(&file, &[], SettingsArgs::default()).unwrap_err();
            let named = error
                .to_string()
                .contains("providers.apollo.limits.records_per_day");
            assert!(named, "{error}");
        }
    }

    #[test]
    fn a_limit_that_makes_no_sense_is_named_with_what_would() {
        for (setting, value, right) in [
            ("RECORDS_PER_HOUR", "99", "set 100 or more"),
            ("RECORDS_PER_DAY", "0", "set 100 or more"),
            ("RECORDS_PER_OBJECT", "-1", "set 100 or more"),
            ("RECORDS_PER_OBJECT", "50001", "set 50000 or less"),
            ("RECORDS_PER_DAY", "10000001", "set 10000000 or less"),
        ] {
            let name = format!("SYNCLINE_PROVIDERS__APOLLO__LIMITS__{setting}");
            let config = load("", &[(&name, value)], SettingsArgs::default()).unwrap();
            let error = limits_of(&config).unwrap_err().to_string();
            assert!(error.contains(&name), "{error}");
            assert!(error.ends_with(right), "{error}");
        }
    }

    /// The names of all settings, and invalid ones.
    const NAMES: [&str; 12] = [
        "LISTEN",
        "PUBLIC_URL",
        "DATA_DIR",
        "API_KEY",
        "PROVIDERS",
        "PROVIDERS__APOLLO",
        "PROVIDERS__APOLLO__BASE_URL",
        "PROVIDERS__APOLLO__LIMITS__RECORDS_PER_HOUR",
        "WEBHOOKS__ALLOW_PRIVATE_TARGETS",
        "RETENTION__RUNS_DAYS",
        "LOG__FORMAT",
        "__",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn whatever_the_settings_are_they_are_taken_or_refused_without_a_secret(
            file in prop_oneof![
                any::<String>(),
                "([a-z_.]{1,12} = ('[a-z]{0,4}'|[0-9]{1,20}|true|\\[\\])\n){0,4}",
                "\\[(providers|retention|log|webhooks)(\\.[a-z]{1,6})?\\]\n[a-z_]{1,12} = [0-9\"]{1,3}\n",
            ],
            environment in proptest::collection::vec(
                (proptest::sample::select(NAMES.as_slice()), "[ -~]{0,20}"),
                0..4,
            ),
        ) {
            let environment: Vec<_> = environment
                .iter()
                .map(|(name, value)| (format!("{PREFIX}{name}"), value.as_str()))
                .collect();
            let environment: Vec<_> = environment
                .iter()
                .map(|(name, value)| (name.as_str(), *value))
                .collect();
            match load(&file, &environment, SettingsArgs::default()) {
                Ok(config) => prop_assert!((1..=36_500).contains(&config.retention.runs_days)),
                Err(error) => {
                    let error = format!("{error:#}");
                    prop_assert!(!error.trim().is_empty());
                    for (name, value) in environment {
                        let secret = name.ends_with("API_KEY") && value.len() > 8;
                        prop_assert!(!secret || !error.contains(value), "{}", error);
                    }
                }
            }
        }
    }
}
