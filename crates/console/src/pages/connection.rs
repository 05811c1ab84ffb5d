//! A connection: its status, what its key may read, what is left of its limits, its syncs with their
//! progress, its keys, its enrichment jobs, and its runs. Syncs can be paused, resumed and started.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    Form,
    extract::Path,
    http::{Method, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::json;
use syncline_model::{Object, Time};

use crate::{
    activity::{self, Activity},
    address::encoded,
    failure::Failure,
    jobs::{JOBS, Job},
    keys::{KeyForm, KeysSection},
    page::{Policy, answer},
    parts::{Bars, Gauge, State, start_of_charts},
    resources::{Connection, Listed, Run, Sync, connection_path},
    sync_config::{Stored, SyncConfig},
    viewer::{Frame, Viewer, of_connection},
    words::{When, count, plain},
};

const RUNS: usize = 20;
/// The newest of its enrichment jobs.
const NEWEST: usize = 5;

/// What is left of the limits.
#[derive(Deserialize)]
struct RateLimitInfo {
    #[serde(default)]
    other: BTreeMap<String, RequestWindow>,
    records: RecordLimits,
}

#[derive(Deserialize)]
struct RequestWindow {
    limit: i64,
    remaining: i64,
}

#[derive(Deserialize)]
struct RecordLimits {
    per_object: Option<i64>,
    per_hour: RecordWindow,
    per_day: RecordWindow,
    by_hour: Vec<Hour>,
}

#[derive(Deserialize)]
struct Hour {
    from: Time,
    records: i64,
}

#[derive(Deserialize)]
struct RecordWindow {
    limit: Option<i64>,
    used: i64,
    reserved: i64,
    resets_at: Option<Time>,
}

impl RequestWindow {
    fn gauge(&self) -> Gauge {
        Gauge::of(self.limit - self.remaining, self.limit)
    }
}

impl RecordLimits {
    /// What the account's day went to.
    fn over_the_day(&self, now: &Time) -> Bars {
        let since = start_of_charts(None, *now);
        let mut bars = Bars::between(since, *now, "Records of the account", ("records", ""));
        for hour in &self.by_hour {
            bars.add(hour.from, hour.records, 0);
        }
        bars
    }
}

impl RecordWindow {
    fn gauge(&self) -> Gauge {
        Gauge {
            used: self.used,
            reserved: self.reserved,
            limit: self.limit,
            word: "used",
        }
    }

    fn resets(&self, now: &Time) -> Option<When> {
        self.resets_at.map(|at| When::new(at, *now))
    }
}

#[derive(Template)]
#[template(path = "console/connection.html")]
struct ConnectionPage {
    frame: Frame,
    now: Time,
    connection: Connection,
    limits: RateLimitInfo,
    syncs: Listed<Sync>,
    runs: Listed<Run>,
    activity: Option<Activity>,
    keys: KeysSection,
    jobs: Listed<Job>,
    stored: Vec<Stored>,
    may_control: bool,
    may_enrich: bool,
}

pub(crate) async fn show(
    viewer: Viewer,
    Path((customer_id, provider)): Path<(String, String)>,
) -> Result<Response, Failure> {
    page(viewer, &customer_id, &provider, KeyForm::default()).await
}

/// The page, with what was entered for a key that was not added.
pub(super) async fn page(
    viewer: Viewer,
    customer_id: &str,
    provider: &str,
    key_form: KeyForm,
) -> Result<Response, Failure> {
    let headers = of_connection(customer_id, provider);
    let of_provider = provider;
    let (customer, provider) = (encoded(customer_id), encoded(provider));
    let path = format!("/mgmt/v2/customers/{customer}/connections/{provider}");
    let of_both = format!("customer_id={customer}&provider_name={provider}");
    let syncs = format!("/mgmt/v2/syncs?{of_both}");
    let runs = format!("/mgmt/v2/sync-runs?{of_both}&page_size={RUNS}");
    let jobs = format!("{JOBS}?page_size={NEWEST}");
    let status = if key_form.error.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let configs: Vec<SyncConfig> = viewer.get("/mgmt/v2/sync_configs").await?;
    let config = configs.iter().find(|it| it.provider_name == of_provider);
    let page = ConnectionPage {
        stored: config.map(SyncConfig::stored).unwrap_or_default(),
        connection: viewer.get(&path).await?,
        keys: KeysSection::of(&viewer, &format!("{path}/keys"), key_form).await?,
        jobs: viewer.get_of(&headers, &jobs).await?,
        may_enrich: viewer.may(&Method::POST, JOBS),
        limits: viewer.get(&format!("{path}/_rate_limit_info")).await?,
        syncs: viewer.get(&syncs).await?,
        runs: viewer.get(&runs).await?,
        activity: activity::of_runs(&viewer, &format!("&{of_both}")).await?,
        may_control: viewer.may(&Method::POST, "/mgmt/v2/syncs/_trigger"),
        now: viewer.now,
        frame: viewer.frame,
    };
    Ok(answer(status, Policy::OwnScript, &page))
}

#[derive(Deserialize)]
pub(crate) struct Control {
    object: Object,
    /// `pause`, `resume` or `trigger`.
    action: String,
}

/// Pauses, resumes or starts a sync.
pub(crate) async fn control(
    viewer: Viewer,
    Path((customer_id, provider)): Path<(String, String)>,
    Form(control): Form<Control>,
) -> Result<Response, Failure> {
    let (action, note) = match control.action.as_str() {
        "pause" => ("_pause", "paused"),
        "resume" => ("_resume", "resumed"),
        _ => ("_trigger", "triggered"),
    };
    let headers = of_connection(&customer_id, &provider);
    let body = json!({"object_type": "common", "object": control.object});
    let path = format!("/mgmt/v2/syncs/{action}");
    let changed = viewer.change(Method::POST, &path, &headers, Some(body));
    changed.await?;
    Ok(viewer.back_to(&connection_path(&customer_id, &provider), note))
}

impl ConnectionPage {
    fn path(&self) -> String {
        connection_path(&self.connection.customer_id, &self.connection.provider_name)
    }
}
