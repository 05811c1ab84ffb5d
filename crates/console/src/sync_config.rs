//! A provider's sync config as the API tells it, in words.

use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::Value;
use syncline_model::{Object, StorePolicy, SyncConfigData, Time};

use crate::words::{Span, When, plain};

#[derive(Deserialize)]
pub(crate) struct SyncConfig {
    pub(crate) id: String,
    pub(crate) provider_name: String,
    pub(crate) destination_name: String,
    pub(crate) config: Value,
    #[serde(default)]
    pending_store_policies: Vec<PendingStorePolicy>,
}

/// More is stored of an object than its policy says.
#[derive(Deserialize)]
struct PendingStorePolicy {
    object: Object,
    since: Time,
}

/// What is stored of an object, in words.
pub(crate) struct Stored {
    pub(crate) object: Object,
    pub(crate) policy: StorePolicy,
    /// Since when more is stored than that, and is being removed.
    pending_since: Option<Time>,
}

impl Stored {
    pub(crate) fn pending(&self, now: &Time) -> Option<When> {
        self.pending_since.map(|since| When::new(since, *now))
    }
}

impl SyncConfig {
    pub(crate) fn objects(&self) -> String {
        let objects = self.config["common_objects"].as_array();
        let names = objects
            .into_iter()
            .flatten()
            .filter_map(|it| it["object"].as_str());
        names.map(plain).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn period(&self) -> String {
        let period = self.config["default_config"]["period_ms"].as_i64();
        period.map_or_else(String::new, |ms| {
            Span(TimeDelta::milliseconds(ms)).to_string()
        })
    }

    pub(crate) fn strategy(&self) -> &str {
        self.config["default_config"]["strategy"]
            .as_str()
            .unwrap_or_default()
    }

    pub(crate) fn has(&self, object: Object) -> bool {
        let mut objects = self.config["common_objects"]
            .as_array()
            .into_iter()
            .flatten();
        objects.any(|it| it["object"] == object.as_str())
    }

    /// What is stored of the objects that it names.
    pub(crate) fn stored(&self) -> Vec<Stored> {
        let Ok(config) = serde_json::from_value::<SyncConfigData>(self.config.clone()) else {
            return Vec::new();
        };
        let objects = Object::ALL.iter().filter(|object| self.has(**object));
        let stored = objects.map(|object| {
            let mut pending = self.pending_store_policies.iter();
            Stored {
                object: *object,
                policy: config.store_policy(*object),
                pending_since: pending.find(|it| it.object == *object).map(|it| it.since),
            }
        });
        stored.collect()
    }

    pub(crate) fn minutes(&self) -> i64 {
        self.config["default_config"]["period_ms"]
            .as_i64()
            .unwrap_or_default()
            / 60_000
    }
}
