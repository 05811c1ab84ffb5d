//! The syncs, the runs, and one run: what it read, how complete that was, and why it waits or failed.
//! Deletions that it held can be applied.

use askama::Template;
use axum::{
    extract::{Path, Query},
    http::{Method, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::Value;
use syncline_model::Time;

use crate::{
    failure::Failure,
    page::{Policy, answer},
    pager::Pager,
    parts::State,
    resources::{Listed, Run, Sync},
    viewer::{Frame, Viewer, encoded},
    words::{count, plain},
};

const PAGE_SIZE: usize = 50;

#[derive(Deserialize)]
pub(crate) struct Filter {
    #[serde(default)]
    customer_id: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    cursor: String,
}

impl Filter {
    fn pairs(&self) -> [(&'static str, &str); 3] {
        [
            ("customer_id", &self.customer_id),
            ("state", &self.state),
            ("status", &self.status),
        ]
    }

    fn path(&self, list: &str) -> String {
        let mut path = format!("/mgmt/v2/{list}?page_size={PAGE_SIZE}");
        for (name, value) in self.pairs().into_iter().chain([("cursor", &*self.cursor)]) {
            if !value.is_empty() {
                path = format!("{path}&{name}={}", encoded(value));
            }
        }
        path
    }
}

#[derive(Template)]
#[template(path = "console/syncs.html")]
struct SyncsPage {
    frame: Frame,
    now: Time,
    filter: Filter,
    syncs: Listed<Sync>,
    pager: Pager,
}

pub(crate) async fn syncs(
    viewer: Viewer,
    Query(filter): Query<Filter>,
) -> Result<Response, Failure> {
    let syncs: Listed<Sync> = viewer.get(&filter.path("syncs")).await?;
    let page = SyncsPage {
        pager: Pager::of(&syncs, &filter.pairs()),
        now: viewer.now,
        frame: viewer.frame,
        filter,
        syncs,
    };
    Ok(answer(StatusCode::OK, Policy::OwnScript, &page))
}

#[derive(Template)]
#[template(path = "console/runs.html")]
struct RunsPage {
    frame: Frame,
    now: Time,
    filter: Filter,
    runs: Listed<Run>,
    pager: Pager,
}

pub(crate) async fn list(
    viewer: Viewer,
    Query(filter): Query<Filter>,
) -> Result<Response, Failure> {
    let runs: Listed<Run> = viewer.get(&filter.path("sync-runs")).await?;
    let page = RunsPage {
        pager: Pager::of(&runs, &filter.pairs()),
        now: viewer.now,
        frame: viewer.frame,
        filter,
        runs,
    };
    Ok(answer(StatusCode::OK, Policy::OwnScript, &page))
}

#[derive(Template)]
#[template(path = "console/run.html")]
struct RunPage {
    frame: Frame,
    now: Time,
    run: Run,
    may_apply: bool,
}

pub(crate) async fn show(viewer: Viewer, Path(run_id): Path<String>) -> Result<Response, Failure> {
    let path = format!("/mgmt/v2/sync-runs/{}", encoded(&run_id));
    let page = RunPage {
        run: viewer.get(&path).await?,
        may_apply: viewer.may(&Method::POST, &format!("{path}/_apply_deletes")),
        now: viewer.now,
        frame: viewer.frame,
    };
    Ok(answer(StatusCode::OK, Policy::OwnScript, &page))
}

/// Applies the deletions that the run held.
pub(crate) async fn apply_deletes(
    viewer: Viewer,
    Path(run_id): Path<String>,
) -> Result<Response, Failure> {
    let run_id = encoded(&run_id);
    let path = format!("/mgmt/v2/sync-runs/{run_id}/_apply_deletes");
    viewer.change(Method::POST, &path, &[], None).await?;
    Ok(viewer.back_to(&format!("/console/runs/{run_id}"), "applied"))
}

/// A rejected record's id and the reason, as text.
fn rejected(rejection: &Value) -> (String, String) {
    let text = |name: &str| match &rejection[name] {
        Value::String(text) => text.clone(),
        Value::Null => "–".to_owned(),
        other => other.to_string(),
    };
    (text("id"), text("reason"))
}

impl RunPage {
    /// How far it is, in percent, while the total is known.
    fn percent(&self) -> Option<i64> {
        let reported = self.run.coverage.as_ref()?.records_reported?;
        (reported > 0).then(|| (self.run.records_read() * 100 / reported).min(100))
    }

    fn rejections(&self) -> Vec<(String, String)> {
        self.run.rejections.iter().map(rejected).collect()
    }
}
