//! All webhook messages, newest first.

use askama::Template;
use axum::{extract::Query, http::StatusCode, response::Response};
use serde::Deserialize;
use syncline_model::Time;

use crate::{
    failure::Failure,
    messages::Message,
    page::{Policy, answer},
    pager::Pager,
    resources::Listed,
    viewer::{Frame, Viewer, encoded},
};

const PAGE_SIZE: usize = 50;

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
    let mut path = format!("/mgmt/v2/webhook_messages?page_size={PAGE_SIZE}");
    for (name, value) in [("status", &filter.status), ("cursor", &filter.cursor)] {
        if !value.is_empty() {
            path = format!("{path}&{name}={}", encoded(value));
        }
    }
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
