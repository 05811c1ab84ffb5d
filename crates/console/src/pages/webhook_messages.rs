//! All webhook messages, newest first.

use askama::Template;
use axum::{extract::Query, http::StatusCode, response::Response};
use serde::Deserialize;
use syncline_model::Time;

use crate::{
    address::with_query,
    failure::Failure,
    messages::Message,
    page::{Policy, answer},
    pager::Pager,
    resources::Listed,
    viewer::{Frame, Viewer},
};

const PAGE_SIZE: &str = "50";

#[derive(Deserialize)]
pub(crate) struct Filter {
    #[serde(default)]
    status: String,
    #[serde(default)]
    cursor: String,
}

#[derive(Template)]
#[template(path = "console/webhook_messages.html")]
struct MessagesPage {
    frame: Frame,
    now: Time,
    filter: Filter,
    messages: Listed<Message>,
    pager: Pager,
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
    let path = with_query("/mgmt/v2/webhook_messages", asked);
    let messages: Listed<Message> = viewer.get(&path).await?;
    let page = MessagesPage {
        pager: Pager::of(&messages, &[("status", &filter.status)]),
        now: viewer.now,
        frame: viewer.frame,
        filter,
        messages,
    };
    Ok(answer(StatusCode::OK, Policy::OwnScript, &page))
}
