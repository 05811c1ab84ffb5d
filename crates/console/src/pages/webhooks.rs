//! Webhook endpoints, each with how its messages fared, and a test event.

use askama::Template;
use axum::{
    extract::Path,
    http::{Method, StatusCode},
    response::Response,
};
use serde::Deserialize;
use syncline_model::Time;

use crate::{
    address::encoded,
    failure::Failure,
    messages::{Message, attempts_over_time},
    page::{Policy, answer},
    parts::{Bars, State},
    resources::Listed,
    viewer::{Frame, Viewer},
    words::When,
};

const MESSAGES: usize = 50;

#[derive(Deserialize)]
struct Endpoint {
    id: String,
    url: String,
    event_types: Vec<String>,
    description: String,
    enabled: bool,
    disabled_reason: Option<String>,
    created_at: Time,
}

impl Endpoint {
    fn state(&self) -> State {
        State::new(if self.enabled { "enabled" } else { "disabled" })
    }

    fn created(&self, now: &Time) -> When {
        When::new(self.created_at, *now)
    }
}

#[derive(Template)]
#[template(path = "console/webhooks.html")]
struct WebhooksPage {
    frame: Frame,
    now: Time,
    /// `None`: the key may not see them.
    endpoints: Option<Listed<Endpoint>>,
    messages: Listed<Message>,
    attempts: Bars,
    may_test: bool,
}

pub(crate) async fn show(viewer: Viewer) -> Result<Response, Failure> {
    let messages = format!("/mgmt/v2/webhook_messages?page_size={MESSAGES}");
    let messages: Listed<Message> = viewer.get(&messages).await?;
    let page = WebhooksPage {
        endpoints: viewer.get_if_allowed("/mgmt/v2/webhook_endpoints").await?,
        attempts: attempts_over_time(&messages, viewer.now),
        messages,
        may_test: viewer.may(&Method::POST, "/mgmt/v2/webhook_endpoints/x/_test"),
        now: viewer.now,
        frame: viewer.frame,
    };
    Ok(answer(StatusCode::OK, Policy::OwnScript, &page))
}

/// Sends a test event.
pub(crate) async fn test(viewer: Viewer, Path(id): Path<String>) -> Result<Response, Failure> {
    let path = format!("/mgmt/v2/webhook_endpoints/{}/_test", encoded(&id));
    viewer.change(Method::POST, &path, &[], None).await?;
    Ok(viewer.back_to("/console/webhooks", "tested"))
}
