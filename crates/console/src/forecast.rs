//! What the API forecasts for a sync config, as its page shows it.

use chrono::TimeDelta;
use serde::Deserialize;

use crate::{
    parts::Gauge,
    words::{Count, Span},
};

#[derive(Deserialize)]
pub(crate) struct Forecast {
    pub(crate) fits: bool,
    pub(crate) accounts: Vec<Account>,
    pub(crate) more_connections: bool,
}

#[derive(Deserialize)]
pub(crate) struct Account {
    pub(crate) customer_ids: Vec<String>,
    pub(crate) fits: bool,
    pub(crate) objects: Vec<ObjectForecast>,
    pub(crate) limits: Vec<Limit>,
    pub(crate) problems: Vec<String>,
}

#[derive(Deserialize)]
pub(crate) struct ObjectForecast {
    pub(crate) customer_id: String,
    pub(crate) object: String,
    records_known: Option<i64>,
    records_per_run: i64,
    requests_per_run: i64,
    forecast_period_ms: i64,
}

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names are the API's")]
pub(crate) struct Limit {
    counts: String,
    endpoint: Option<String>,
    window: String,
    limit: i64,
    asked: i64,
}

impl ObjectForecast {
    pub(crate) fn known(&self) -> String {
        let known = self.records_known;
        known.map_or_else(
            || "not read yet".to_owned(),
            |known| Count(known).to_string(),
        )
    }

    pub(crate) fn records(&self) -> Count {
        Count(self.records_per_run)
    }

    pub(crate) fn requests(&self) -> Count {
        Count(self.requests_per_run)
    }

    pub(crate) fn fresh_within(&self) -> Span {
        Span(TimeDelta::milliseconds(self.forecast_period_ms))
    }
}

impl Limit {
    pub(crate) fn name(&self) -> String {
        match &self.endpoint {
            Some(endpoint) => format!("{} to {endpoint} per {}", self.counts, self.window),
            None => format!("{} per {}", self.counts, self.window),
        }
    }

    pub(crate) fn gauge(&self) -> Gauge {
        Gauge {
            word: "asked for",
            ..Gauge::of(self.asked, self.limit)
        }
    }
}
