//! All runs, newest first.

use askama::Template;
use axum::{extract::Query, http::StatusCode, response::Response};
use syncline_model::Time;

use crate::{
    failure::Failure,
    filter::Filter,
    page::{Policy, answer},
    pager::Pager,
    parts::State,
    resources::{Listed, Run},
    viewer::{Frame, Viewer},
    words::{count, plain},
};

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
