//! A webhook message: what is sent, each attempt with the receiver's answer, and sending it again.

use askama::Template;
use axum::{
    extract::Path,
    http::{Method, StatusCode},
    response::Response,
};
use syncline_model::Time;

use crate::{
    address::encoded,
    failure::Failure,
    messages::Message,
    page::{Policy, answer},
    viewer::{Frame, Viewer},
};

#[derive(Template)]
#[template(path = "console/webhook_message.html")]
struct MessagePage {
    frame: Frame,
    now: Time,
    message: Message,
    may_replay: bool,
}

pub(crate) async fn show(viewer: Viewer, Path(id): Path<String>) -> Result<Response, Failure> {
    let path = format!("/mgmt/v2/webhook_messages/{}", encoded(&id));
    let page = MessagePage {
        message: viewer.get(&path).await?,
        may_replay: viewer.may(&Method::POST, &format!("{path}/_replay")),
        now: viewer.now,
        frame: viewer.frame,
    };
    Ok(answer(StatusCode::OK, Policy::OwnScript, &page))
}

/// Sends it again.
pub(crate) async fn replay(viewer: Viewer, Path(id): Path<String>) -> Result<Response, Failure> {
    let id = encoded(&id);
    let path = format!("/mgmt/v2/webhook_messages/{id}/_replay");
    viewer.change(Method::POST, &path, &[], None).await?;
    Ok(viewer.back_to(&format!("/console/webhooks/messages/{id}"), "replayed"))
}

impl MessagePage {
    fn payload(&self) -> String {
        serde_json::to_string_pretty(&self.message.payload).unwrap_or_default()
    }
}
