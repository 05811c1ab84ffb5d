//! What the tests of limits need: engines with limits, other processes on the same database, the
//! time at which a window opens, and the requests that Apollo got.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use syncline_engine::{Engine, EngineConfig};
use syncline_model::{Budget, Ids, RecordWindow, VolumeLimits};
use syncline_sim::Exchange;
use syncline_store::{Connection, PermitDecision, PermitRequest, Store};

use super::{App, CUSTOMER};

pub(crate) const HOUR: TimeDelta = TimeDelta::hours(1);
pub(crate) const DAY: TimeDelta = TimeDelta::hours(24);
/// The objects of one scan.
pub(crate) const CONTACTS: &[&str] = &["contact", "sequence_state"];

/// Longer than any test lasts.
const RARELY: TimeDelta = TimeDelta::days(100);
/// The number of windows that a test waits for before it fails because its runs never end.
const MOST_WINDOWS: usize = 200;

/// The defaults with another limit for the hour.
pub(crate) fn per_hour(records: i64) -> VolumeLimits {
    VolumeLimits {
        records_per_hour: Some(records),
        ..VolumeLimits::default()
    }
}

/// The defaults with another limit per object.
pub(crate) fn per_object(records: i64) -> VolumeLimits {
    VolumeLimits {
        records_per_object: Some(records),
        ..VolumeLimits::default()
    }
}

/// An engine that may read no more than this.
pub(crate) fn limited_to(limits: VolumeLimits) -> EngineConfig {
    EngineConfig {
        limits: [(syncline_providers::apollo::NAME, limits)].into(),
        ..App::engine_config()
    }
}

/// The same for one connection only, as if another process worked on the others.
pub(crate) fn working_for(connection: &Value, config: EngineConfig) -> EngineConfig {
    EngineConfig {
        only_connection: Some(connection["id"].as_str().unwrap().to_owned()),
        worker_name: connection["customer_id"].as_str().unwrap().to_owned(),
        ..config
    }
}

/// When a waiting run continues.
pub(crate) fn waiting_until(run: &Value) -> DateTime<Utc> {
    assert_eq!(run["state"], "waiting", "{run}");
    let until = run["waiting_until"].as_str().unwrap();
    DateTime::parse_from_rfc3339(until).unwrap().to_utc()
}

/// The pages that were requested, in order.
pub(crate) fn pages_of(requests: impl IntoIterator<Item = Exchange>) -> Vec<u64> {
    let pages = requests.into_iter().filter_map(|request| request.page);
    pages.collect()
}

impl App {
    /// From now on its engine reads no more than this.
    pub(crate) fn limit(&mut self, limits: VolumeLimits) {
        self.engine = self.engine_with(limited_to(limits));
    }

    pub(crate) fn engine_with(&self, config: EngineConfig) -> Engine {
        let (store, providers) = (self.store.clone(), self.providers.clone());
        Engine::new(store, providers, self.clock.clone(), config)
    }

    /// The engine of another process: it shares only the database.
    pub(crate) async fn another_process(&self, config: EngineConfig) -> Engine {
        let ids = Arc::new(Ids::random());
        let (clock, keys) = (self.clock.clone(), self.keys.clone());
        let store = Store::open(&self.database.url, clock, ids, keys).await;
        Engine::new(
            store.unwrap(),
            self.providers.clone(),
            self.clock.clone(),
            config,
        )
    }

    /// Called before anything is connected: only these objects are synced, and no sync starts by
    /// itself after its first run.
    pub(crate) async fn sync_only(&self, objects: &[&str]) {
        self.sync_every(RARELY, objects).await;
    }

    pub(crate) async fn sync_every(&self, period: TimeDelta, objects: &[&str]) {
        let config = &self.get("/mgmt/v2/sync_configs").await.ok()[0];
        let objects: Vec<_> = objects
            .iter()
            .map(|object| json!({"object": object}))
            .collect();
        let body = json!({
            "default_config": {"period_ms": period.num_milliseconds(), "strategy": "full only"},
            "common_objects": objects,
        });
        let path = format!("/mgmt/v2/sync_configs/{}", config["id"].as_str().unwrap());
        self.put(&path, json!({"config": body})).await.ok();
    }

    /// A customer's newest run of an object.
    pub(crate) async fn newest_run(&self, customer: &str, object: &str) -> Value {
        let path =
            format!("/mgmt/v2/sync-runs?customer_id={customer}&object_type=common&object={object}");
        self.get(&path).await.ok()["results"][0].clone()
    }

    /// Advances the clock, without running what is due.
    pub(crate) fn pass_until(&self, time: DateTime<Utc>) {
        self.clock.advance(time - self.now());
    }

    /// When the first of the waiting runs continues; `None` if no run waits.
    pub(crate) async fn next_window(&self) -> Option<DateTime<Utc>> {
        let path = "/mgmt/v2/sync-runs?status=IN_PROGRESS";
        let runs = self.get(path).await.ok();
        let runs = runs["results"].as_array().unwrap();
        let waiting = runs.iter().filter(|run| run["state"] == "waiting");
        waiting.map(waiting_until).min()
    }

    /// Advances the clock to the time at which the first of the waiting runs continues, and runs
    /// what is due then. `false` if no run waits.
    pub(crate) async fn open_next_window(&self) -> bool {
        let Some(first) = self.next_window().await else {
            return false;
        };
        self.pass_until(first.max(self.now()));
        self.work_off().await;
        true
    }

    /// Advances the clock until every run has ended.
    pub(crate) async fn until_nothing_waits(&self) {
        for _ in 0..MOST_WINDOWS {
            if !self.open_next_window().await {
                return;
            }
        }
        panic!("there is always a run that waits");
    }

    /// The pages of a list that were requested from a team, in order.
    pub(crate) fn pages_of_team(&self, team: usize, path: &str) -> Vec<u64> {
        let requests = self.apollo.ledger().requests_to(path);
        pages_of(requests.into_iter().filter(|it| it.team == Some(team)))
    }

    pub(crate) fn contact_pages(&self) -> Vec<u64> {
        self.pages_of_team(0, "contacts/search")
    }

    /// The most records that a team's syncs read in any hour.
    pub(crate) fn most_per_hour(&self, team: usize) -> usize {
        self.apollo.ledger().max_records_in(team, HOUR)
    }

    pub(crate) fn most_per_day(&self, team: usize) -> usize {
        self.apollo.ledger().max_records_in(team, DAY)
    }

    pub(crate) async fn connection_of(&self, customer: &str) -> Connection {
        let application = self
            .store
            .find_or_create_application("default", &crate::support::enabled())
            .await;
        let application = application.unwrap();
        let tenant = self.store.tenant(&application.id);
        let connection = tenant.get_connection(customer, syncline_providers::apollo::NAME);
        connection.await.unwrap().unwrap()
    }

    /// What the account of [`CUSTOMER`] has spent.
    pub(crate) async fn budget(&self) -> Budget {
        let connection = self.connection_of(CUSTOMER).await;
        self.store.budget(&connection.account_id).await.unwrap()
    }

    pub(crate) async fn records_this_hour(&self) -> i64 {
        let budget = self.budget().await;
        let counted = budget.records_used(RecordWindow::Hour, self.now());
        counted.used + counted.reserved
    }

    /// Reserves a permit from the budget of [`CUSTOMER`]'s account and never settles it, like a
    /// process that dies between its request and its commit.
    pub(crate) async fn reserve_and_die(
        &self,
        records: i64,
        limits: &VolumeLimits,
    ) -> PermitDecision {
        let connection = self.connection_of(CUSTOMER).await;
        let ask = PermitRequest {
            endpoint: "contacts/search",
            records,
            cost: 1,
            limits: *limits,
            interactive: false,
            answer_within: TimeDelta::from_std(syncline_providers::ANSWER_WITHIN).unwrap(),
        };
        let decision = self.store.reserve(&connection.account_id, &ask).await;
        decision.unwrap()
    }
}
