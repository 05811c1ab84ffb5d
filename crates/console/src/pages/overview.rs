//! The overview: is everything healthy, what is running, what waits, and what did not arrive.

use askama::Template;
use axum::{http::StatusCode, response::Response};
use serde::Deserialize;
use syncline_model::Time;

use crate::{
    activity::{self, Activity},
    address::encoded,
    failure::Failure,
    messages::Message,
    page::{Policy, answer},
    parts::State,
    resources::{Customer, Listed, Sync},
    viewer::{Frame, Viewer},
    words::{When, count, plain},
};

/// Rows of each of its lists.
const ROWS: usize = 10;

/// The states of a sync at work.
const STATES: [&str; 3] = ["running", "waiting", "queued"];

#[derive(Deserialize)]
struct CustomerHealth {
    healthy: i64,
    degraded: i64,
    failing: i64,
    worst: Vec<Customer>,
}

#[derive(Template)]
#[template(path = "console/overview.html")]
struct OverviewPage {
    frame: Frame,
    now: Time,
    customers: CustomerHealth,
    active: Vec<Listed<Sync>>,
    failed: Listed<Message>,
    activity: Option<Activity>,
}

pub(crate) async fn show(viewer: Viewer) -> Result<Response, Failure> {
    let of_state = |state| format!("/mgmt/v2/syncs?state={state}&page_size={ROWS}");
    let mut active = Vec::new();
    for state in STATES {
        active.push(viewer.get(&of_state(state)).await?);
    }
    let failed = format!("/mgmt/v2/webhook_messages?status=failed&page_size={ROWS}");
    let page = OverviewPage {
        customers: viewer.get("/mgmt/v2/customer_health").await?,
        active,
        failed: viewer.get(&failed).await?,
        activity: activity::of_runs(&viewer, "").await?,
        now: viewer.now,
        frame: viewer.frame,
    };
    Ok(answer(StatusCode::OK, Policy::OwnScript, &page))
}

impl OverviewPage {
    /// The active syncs, by their state.
    fn active(&self) -> impl Iterator<Item = (&'static str, &Listed<Sync>)> {
        STATES.iter().copied().zip(&self.active)
    }

    fn is_idle(&self) -> bool {
        self.active.iter().all(|syncs| syncs.results.is_empty())
    }

    fn is_new(&self) -> bool {
        let CustomerHealth {
            healthy,
            degraded,
            failing,
            ..
        } = &self.customers;
        healthy + degraded + failing == 0
    }
}
