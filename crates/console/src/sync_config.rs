//! A provider's sync config as the API tells it, in words.

use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::Value;
use syncline_model::Object;

use crate::words::{Span, plain};

#[derive(Deserialize)]
pub(crate) struct SyncConfig {
    pub(crate) id: String,
    pub(crate) provider_name: String,
    pub(crate) config: Value,
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

    pub(crate) fn minutes(&self) -> i64 {
        self.config["default_config"]["period_ms"]
            .as_i64()
            .unwrap_or_default()
            / 60_000
    }
}
