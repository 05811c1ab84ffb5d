//! A page that can't be shown, or something that can't be done: what the API said, in words.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use syncline_server::in_process::ApiFailure;

use crate::{
    page::{Policy, answer},
    viewer::{Frame, Viewer},
};

pub(crate) struct Failure(Box<FailurePage>);

#[derive(Template)]
#[template(path = "console/failure.html")]
struct FailurePage {
    frame: Frame,
    status: StatusCode,
    title: &'static str,
    text: String,
}

impl Failure {
    pub(crate) fn new(frame: Frame, failure: ApiFailure) -> Self {
        let title = match failure.status {
            StatusCode::NOT_FOUND => "There is nothing here",
            StatusCode::FORBIDDEN => "Your key may not do this",
            StatusCode::SERVICE_UNAVAILABLE => "The service is busy",
            status if status.is_client_error() => "This can't be done",
            _ => "Something went wrong",
        };
        Self(Box::new(FailurePage {
            frame,
            status: failure.status,
            title,
            text: failure.title,
        }))
    }
}

/// An address that no page has.
pub(crate) async fn nothing_here(viewer: Viewer) -> Failure {
    viewer.failed(ApiFailure {
        status: StatusCode::NOT_FOUND,
        title: "No page of the console has this address.".to_owned(),
        field: None,
    })
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        answer(self.0.status, Policy::OwnScript, &*self.0)
    }
}
