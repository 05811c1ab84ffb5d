//! What an application wants to sync, how and how often.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    DestinationType, Object, StoreLevel, StorePolicy, object::UnknownObject,
    store_policy::InvalidStorePolicy,
};

/// The shortest period a sync may have.
pub const MIN_PERIOD_MS: i64 = 60_000;
/// The longest: a year.
pub const MAX_PERIOD_MS: i64 = 366 * 24 * 60 * 60 * 1000;

const MAX_ASSOCIATIONS: usize = 100;

/// The body of a sync config.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SyncConfigData {
    pub default_config: SyncStrategyConfig,
    #[serde(default)]
    pub common_objects: Vec<CommonObjectConfig>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub standard_objects: Vec<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub custom_objects: Vec<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub entities: Vec<serde_json::Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SyncStrategyConfig {
    /// Milliseconds between the starts of two runs: a minute to a year.
    #[schema(minimum = 60_000, maximum = 31_622_400_000i64)]
    pub period_ms: i64,
    pub strategy: SyncStrategy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_start_on_connection: Option<bool>,
    /// How many incremental runs may follow a full one; 24 unless it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_sync_every_n_incrementals: Option<i64>,
}

/// Unless the config says otherwise.
const INCREMENTALS_PER_FULL_SYNC: i64 = 24;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum SyncStrategy {
    #[serde(rename = "full only")]
    FullOnly,
    /// After a full run, the next ones read what changed; full where the provider has no incremental
    /// read of the object.
    #[serde(rename = "full then incremental")]
    FullThenIncremental,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CommonObjectConfig {
    /// One of `user`, `mailbox`, `sequence`, `account`, `contact`, `sequence_state`.
    pub object: String,
    /// Replaces the whole default for this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_strategy_override: Option<SyncStrategyConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub associations_to_fetch: Option<Vec<String>>,
    /// How much of its records is stored; all of it unless it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreLevel>,
    /// Records that the provider has not changed for so many days are not stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3650)]
    pub retain_days: Option<i64>,
}

/// What a connection sets beside its provider's sync config. Engagement providers have neither
/// standard nor custom objects, so the lists are empty where they are given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = connection_sync_config)]
pub struct ConnectionSyncConfig {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_config: Option<ConnectionDestination>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_objects: Option<Vec<ConnectionObject>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_objects: Option<Vec<ConnectionObject>>,
}

/// Where a connection's records are written within its destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = connection_destination)]
pub struct ConnectionDestination {
    pub r#type: DestinationType,
    /// The schema with the tables, in place of the destination's. It must exist.
    pub schema: String,
}

impl ConnectionSyncConfig {
    /// The schema in place of the destination's.
    pub fn own_schema(&self) -> Option<String> {
        let destination = self.destination_config.as_ref();
        destination.map(|destination| destination.schema.clone())
    }
}

/// A provider's object that is synced for one connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConnectionObject {
    pub object: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
}

/// Why a sync config is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct InvalidSyncConfig {
    /// The path in the body, such as `config.default_config.period_ms`.
    pub field: String,
    pub reason: String,
}

impl SyncConfigData {
    /// The default for a provider in a new application: these objects, full syncs, once an hour.
    pub fn hourly(objects: &[Object]) -> Self {
        Self {
            default_config: SyncStrategyConfig {
                period_ms: 3_600_000,
                strategy: SyncStrategy::FullOnly,
                auto_start_on_connection: Some(true),
                full_sync_every_n_incrementals: None,
            },
            common_objects: objects
                .iter()
                .map(|object| CommonObjectConfig {
                    object: object.to_string(),
                    sync_strategy_override: None,
                    associations_to_fetch: None,
                    store: None,
                    retain_days: None,
                })
                .collect(),
            standard_objects: Vec::new(),
            custom_objects: Vec::new(),
            entities: Vec::new(),
        }
    }

    /// Validates everything and returns the objects to sync with their periods: those that are
    /// configured, without those of which nothing is stored.
    pub fn objects(&self) -> Result<Vec<(Object, i64)>, InvalidSyncConfig> {
        for (field, list) in [
            ("config.standard_objects", &self.standard_objects),
            ("config.custom_objects", &self.custom_objects),
            ("config.entities", &self.entities),
        ] {
            if !list.is_empty() {
                return Err(invalid(
                    field,
                    "only common objects can be synced for engagement providers",
                ));
            }
        }
        self.default_config.check("config.default_config")?;
        let mut seen = BTreeSet::new();
        let mut objects = Vec::new();
        for (index, entry) in self.common_objects.iter().enumerate() {
            let field = format!("config.common_objects[{index}]");
            let object: Object = entry.object.parse().map_err(|error: UnknownObject| {
                invalid(&format!("{field}.object"), error.to_string())
            })?;
            if !seen.insert(object) {
                return Err(invalid(
                    "config.common_objects",
                    format!("Duplicate common objects found: {object}"),
                ));
            }
            let strategy = entry.sync_strategy_override.as_ref();
            if let Some(strategy) = strategy {
                strategy.check(&format!("{field}.sync_strategy_override"))?;
            }
            let associations = entry.associations_to_fetch.as_ref();
            if associations.is_some_and(|it| it.len() > MAX_ASSOCIATIONS) {
                return Err(invalid(
                    &format!("{field}.associations_to_fetch"),
                    format!("must not have more than {MAX_ASSOCIATIONS} entries"),
                ));
            }
            let policy = entry.policy();
            policy
                .check(object)
                .map_err(|InvalidStorePolicy { field: of, reason }| {
                    invalid(&format!("{field}.{of}"), reason)
                })?;
            if policy.level != StoreLevel::None {
                objects.push((object, strategy.unwrap_or(&self.default_config).period_ms));
            }
        }
        Ok(objects)
    }

    /// How much of an object's records is stored. An object that isn't configured isn't synced, and
    /// what is stored of it is left alone.
    pub fn store_policy(&self, object: Object) -> StorePolicy {
        let mut entries = self.common_objects.iter();
        let own = entries.find(|entry| entry.object == object.as_str());
        own.map(CommonObjectConfig::policy).unwrap_or_default()
    }

    /// How many incremental reads of an object may follow a full one; `None`: every read is full.
    pub fn most_incrementals(&self, object: Object) -> Option<i64> {
        let own = self
            .common_objects
            .iter()
            .find(|entry| entry.object == object.as_str())
            .and_then(|entry| entry.sync_strategy_override.as_ref());
        let strategy = own.unwrap_or(&self.default_config);
        match strategy.strategy {
            SyncStrategy::FullOnly => None,
            SyncStrategy::FullThenIncremental => Some(
                strategy
                    .full_sync_every_n_incrementals
                    .unwrap_or(INCREMENTALS_PER_FULL_SYNC),
            ),
        }
    }

    pub fn starts_on_connection(&self) -> bool {
        self.default_config.auto_start_on_connection.unwrap_or(true)
    }
}

impl CommonObjectConfig {
    fn policy(&self) -> StorePolicy {
        StorePolicy {
            level: self.store.clone().unwrap_or_default(),
            retain_days: self.retain_days,
        }
    }
}

impl SyncStrategyConfig {
    fn check(&self, field: &str) -> Result<(), InvalidSyncConfig> {
        if !(MIN_PERIOD_MS..=MAX_PERIOD_MS).contains(&self.period_ms) {
            return Err(invalid(
                &format!("{field}.period_ms"),
                format!("must be at least {MIN_PERIOD_MS} and at most {MAX_PERIOD_MS}"),
            ));
        }
        let every = format!("{field}.full_sync_every_n_incrementals");
        match (self.full_sync_every_n_incrementals, self.strategy) {
            (Some(n), _) if n < 1 => Err(invalid(
                &every,
                "fullSyncEveryNIncrementals must be greater than 0",
            )),
            (Some(_), SyncStrategy::FullOnly) => Err(invalid(
                &every,
                "fullSyncEveryNIncrementals cannot be set for full syncs",
            )),
            _ => Ok(()),
        }
    }
}

fn invalid(field: &str, reason: impl Into<String>) -> InvalidSyncConfig {
    InvalidSyncConfig {
        field: field.to_owned(),
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_covers_every_object_once_an_hour() {
        let objects = SyncConfigData::hourly(Object::ALL).objects().unwrap();
        assert_eq!(objects.len(), 6);
        assert!(objects.iter().all(|(_, period)| *period == 3_600_000));
    }

    #[test]
    fn an_invalid_config_names_the_field() {
        let mut config = SyncConfigData::hourly(Object::ALL);
        config.common_objects[2].object = "deal".into();
        assert_eq!(
            config.objects().unwrap_err().field,
            "config.common_objects[2].object"
        );
        let mut config = SyncConfigData::hourly(Object::ALL);
        config.default_config.period_ms = 59_999;
        assert_eq!(
            config.objects().unwrap_err().field,
            "config.default_config.period_ms"
        );
        let mut config = SyncConfigData::hourly(Object::ALL);
        config.common_objects[1].object = "user".into();
        assert!(config.objects().unwrap_err().reason.contains("Duplicate"));
        let mut config = SyncConfigData::hourly(Object::ALL);
        config.common_objects[0].store = Some(StoreLevel::Fields(["phone".to_owned()].into()));
        let invalid = config.objects().unwrap_err();
        assert_eq!(invalid.field, "config.common_objects[0].store.fields");
        config.common_objects[0].store = None;
        config.common_objects[0].retain_days = Some(0);
        let invalid = config.objects().unwrap_err();
        assert_eq!(invalid.field, "config.common_objects[0].retain_days");
    }

    #[test]
    fn an_object_of_which_nothing_is_stored_is_not_synced() {
        let mut config = SyncConfigData::hourly(Object::ALL);
        config.common_objects[4].store = Some(StoreLevel::None);
        let objects = config.objects().unwrap();
        assert_eq!(objects.len(), 5);
        assert!(objects.iter().all(|(object, _)| *object != Object::Contact));
        assert_eq!(config.store_policy(Object::Contact).level, StoreLevel::None);
        assert_eq!(config.store_policy(Object::User), StorePolicy::default());
    }
}
