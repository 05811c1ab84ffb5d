//! All syncs, with their progress and when they run next.

use askama::Template;
use axum::{extract::Query, http::StatusCode, response::Response};
use syncline_model::Time;

use crate::{
    failure::Failure,
    filter::Filter,
    page::{Policy, answer},
    pager::Pager,
    resources::{Listed, Sync},
    viewer::{Frame, Viewer},
    words::{count, plain},
};

#[derive(Template)]
#[template(path = "console/syncs.html")]
struct SyncsPage {
    frame: Frame,
    now: Time,
    filter: Filter,
    syncs: Listed<Sync>,
    pager: Pager,
}

pub(crate) async fn list(
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
