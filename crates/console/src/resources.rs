//! What pages read of the API's answers: the public shapes, as far as several pages show them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use syncline_model::{Object, Time, connection::Capability};

use crate::{parts::State, words::When};

/// A page of a list of the management API.
#[derive(Deserialize)]
pub(crate) struct Listed<T> {
    pub(crate) next: Option<String>,
    pub(crate) previous: Option<String>,
    pub(crate) results: Vec<T>,
    pub(crate) total_count: i64,
    pub(crate) total_count_is_exact: bool,
}

#[derive(Deserialize)]
pub(crate) struct Health {
    pub(crate) status: String,
    pub(crate) reason: Option<String>,
    pub(crate) last_synced_at: Option<Time>,
}

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names are the API's")]
pub(crate) struct Customer {
    pub(crate) customer_id: String,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) health: Option<Health>,
}

#[derive(Deserialize)]
pub(crate) struct Connection {
    pub(crate) id: String,
    pub(crate) customer_id: String,
    pub(crate) provider_name: String,
    pub(crate) status: String,
    pub(crate) capabilities: BTreeMap<Object, Capability>,
    pub(crate) created_at: Time,
    pub(crate) health: Health,
}

#[derive(Deserialize)]
pub(crate) struct Sync {
    pub(crate) object: Object,
    pub(crate) customer_id: String,
    pub(crate) provider_name: String,
    pub(crate) state: String,
    pub(crate) paused: bool,
    pub(crate) paused_reason: Option<String>,
    pub(crate) last_run: Option<LastRun>,
    pub(crate) next_run_at: Option<Time>,
    pub(crate) next_run_reason: Option<String>,
    pub(crate) progress: Option<Progress>,
}

#[derive(Deserialize)]
pub(crate) struct LastRun {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) start_timestamp: Time,
    pub(crate) end_timestamp: Option<Time>,
    pub(crate) error_message: Option<String>,
    pub(crate) coverage: Option<Coverage>,
}

#[derive(Deserialize)]
pub(crate) struct Progress {
    pub(crate) records_read: i64,
    pub(crate) records_reported: Option<i64>,
    pub(crate) requests_made: i64,
}

#[derive(Deserialize)]
pub(crate) struct Coverage {
    pub(crate) verdict: String,
    pub(crate) records_seen: i64,
    pub(crate) records_reported: Option<i64>,
    pub(crate) reason: String,
}

#[derive(Deserialize)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) object: Object,
    pub(crate) customer_id: String,
    pub(crate) provider_name: String,
    pub(crate) state: String,
    pub(crate) strategy: String,
    pub(crate) error_message: Option<String>,
    pub(crate) start_timestamp: Time,
    pub(crate) end_timestamp: Option<Time>,
    pub(crate) waiting_until: Option<Time>,
    pub(crate) waiting_reason: Option<String>,
    pub(crate) coverage: Option<Coverage>,
    pub(crate) num_records_synced: Option<i64>,
    pub(crate) records_created: i64,
    pub(crate) records_updated: i64,
    pub(crate) records_unchanged: i64,
    pub(crate) records_deleted: i64,
    pub(crate) records_rejected: i64,
    pub(crate) records_missing: i64,
    pub(crate) deletes_held: i64,
    pub(crate) requests_made: i64,
    pub(crate) fields_unread: BTreeMap<String, i64>,
    #[serde(default)]
    pub(crate) rejections: Vec<Value>,
}

impl<T> Listed<T> {
    /// `12`, or `at least 10 000`.
    pub(crate) fn total(&self) -> String {
        let count = crate::words::Count(self.total_count);
        if self.total_count_is_exact {
            count.to_string()
        } else {
            format!("at least {count}")
        }
    }
}

impl Health {
    pub(crate) fn state(&self) -> State {
        State::new(&*self.status)
    }

    pub(crate) fn synced(&self, now: &Time) -> Option<When> {
        self.last_synced_at.map(|at| When::new(at, *now))
    }
}

impl Connection {
    pub(crate) fn state(&self) -> State {
        State::new(&*self.status)
    }
}

impl Sync {
    pub(crate) fn state(&self) -> State {
        State::new(&*self.state)
    }

    pub(crate) fn next(&self, now: &Time) -> Option<When> {
        self.next_run_at.map(|at| When::new(at, *now))
    }

    /// The address of its connection's page, without the base.
    pub(crate) fn connection_path(&self) -> String {
        connection_path(&self.customer_id, &self.provider_name)
    }
}

impl LastRun {
    pub(crate) fn state(&self) -> State {
        State::new(&*self.state)
    }

    /// When it ended, or began if it hasn't.
    pub(crate) fn at(&self, now: &Time) -> When {
        When::new(self.end_timestamp.unwrap_or(self.start_timestamp), *now)
    }
}

impl Coverage {
    /// Whether everything was read that was to be read.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.verdict.as_str(), "complete" | "incremental")
    }

    pub(crate) fn state(&self) -> State {
        State::new(&*self.verdict)
    }
}

impl Run {
    pub(crate) fn state(&self) -> State {
        State::new(&*self.state)
    }

    pub(crate) fn began(&self, now: &Time) -> When {
        When::new(self.start_timestamp, *now)
    }

    pub(crate) fn ended(&self, now: &Time) -> Option<When> {
        self.end_timestamp.map(|at| When::new(at, *now))
    }

    pub(crate) fn waits_until(&self, now: &Time) -> Option<When> {
        self.waiting_until.map(|at| When::new(at, *now))
    }

    pub(crate) fn records_read(&self) -> i64 {
        self.records_created + self.records_updated + self.records_unchanged
    }

    pub(crate) fn connection_path(&self) -> String {
        connection_path(&self.customer_id, &self.provider_name)
    }
}

/// The address of a connection's page, without the base.
pub(crate) fn connection_path(customer_id: &str, provider: &str) -> String {
    let customer = crate::address::encoded(customer_id);
    format!("/console/customers/{customer}/connections/{provider}")
}
