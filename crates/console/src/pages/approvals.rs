//! Calls of agents that wait for a person: what each would do, who asked, and the decision.

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
    address::{encoded, with_query},
    failure::Failure,
    page::{Policy, answer},
    pager::Pager,
    parts::State,
    resources::Listed,
    viewer::{Frame, Viewer},
    words::When,
};

const PAGE_SIZE: &str = "50";
const APPROVALS: &str = "/mgmt/v2/approvals";

#[derive(Deserialize)]
struct Approval {
    id: String,
    status: String,
    action: String,
    summary: String,
    customer_id: String,
    provider_name: String,
    input: Value,
    requested_by: KeyName,
    requested_at: Time,
    expires_at: Time,
    decided_by: Option<KeyName>,
    decided_at: Option<Time>,
    result: Option<Value>,
}

#[derive(Deserialize)]
struct KeyName {
    name: String,
}

impl Approval {
    fn state(&self) -> State {
        State::new(&self.status)
    }

    fn is_pending(&self) -> bool {
        self.status == "pending"
    }

    fn requested(&self, now: &Time) -> When {
        When::new(self.requested_at, *now)
    }

    fn expires(&self, now: &Time) -> When {
        When::new(self.expires_at, *now)
    }

    fn decided(&self, now: &Time) -> Option<When> {
        self.decided_at.map(|at| When::new(at, *now))
    }

    fn input(&self) -> String {
        pretty(&self.input)
    }

    /// Why it failed, or what it returned.
    fn outcome(&self) -> Option<String> {
        let result = self.result.as_ref()?;
        let error = result.pointer("/error/title").and_then(Value::as_str);
        Some(error.map_or_else(|| pretty(&result["result"]), str::to_owned))
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

#[derive(Deserialize)]
pub(crate) struct Filter {
    #[serde(default)]
    status: String,
    #[serde(default)]
    cursor: String,
}

#[derive(Template)]
#[template(path = "console/approvals.html")]
struct ApprovalsPage {
    frame: Frame,
    now: Time,
    filter: Filter,
    approvals: Listed<Approval>,
    pager: Pager,
}

impl ApprovalsPage {
    const STATUSES: &'static [&'static str] =
        &["pending", "approved", "denied", "expired", "done", "failed"];
}

pub(crate) async fn list(
    viewer: Viewer,
    Query(filter): Query<Filter>,
) -> Result<Response, Failure> {
    let asked = [
        ("page_size", PAGE_SIZE),
        ("cursor", &filter.cursor),
        ("status", &filter.status),
    ];
    let approvals: Listed<Approval> = viewer.get(&with_query(APPROVALS, asked)).await?;
    let page = ApprovalsPage {
        pager: Pager::of(&approvals, &[("status", &filter.status)]),
        now: viewer.now,
        frame: viewer.frame,
        filter,
        approvals,
    };
    Ok(answer(StatusCode::OK, Policy::OwnScript, &page))
}

#[derive(Template)]
#[template(path = "console/approval.html")]
struct ApprovalPage {
    frame: Frame,
    now: Time,
    approval: Approval,
    may_decide: bool,
}

pub(crate) async fn show(viewer: Viewer, Path(id): Path<String>) -> Result<Response, Failure> {
    let path = format!("{APPROVALS}/{}", encoded(&id));
    let page = ApprovalPage {
        approval: viewer.get(&path).await?,
        may_decide: viewer.may(&Method::POST, &format!("{path}/_approve")),
        now: viewer.now,
        frame: viewer.frame,
    };
    Ok(answer(StatusCode::OK, Policy::OwnScript, &page))
}

/// Approves the call, which is made before the page comes back.
pub(crate) async fn approve(viewer: Viewer, Path(id): Path<String>) -> Result<Response, Failure> {
    decide(viewer, &id, "_approve", "approved").await
}

pub(crate) async fn deny(viewer: Viewer, Path(id): Path<String>) -> Result<Response, Failure> {
    decide(viewer, &id, "_deny", "denied").await
}

async fn decide(viewer: Viewer, id: &str, verb: &str, note: &str) -> Result<Response, Failure> {
    let id = encoded(id);
    let path = format!("{APPROVALS}/{id}/{verb}");
    viewer.change(Method::POST, &path, &[], None).await?;
    Ok(viewer.back_to(&format!("/console/approvals/{id}"), note))
}
