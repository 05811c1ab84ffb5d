//! Classifies Outreach's errors.
//!
//! They are a list in JSON:API, each with a code and texts, except that a 401 is one object, and that
//! proxies answer in plain text or HTML.

use std::time::Duration;

use syncline_model::Denial;

use super::{PROVIDER, usage};
use crate::{
    answer,
    error::{ErrorKind, ProviderError, Window},
    http::Response,
    json::{self, Fields},
};

/// The token lacks a scope.
pub(super) const NO_SCOPE: &str = "unauthorizedOauthScope";
/// The user may not see the record, or not do this.
pub(super) const NOT_FOR_USER: &str = "unauthorizedRequest";
/// There is no record with that id.
pub(super) const NO_RECORD: &str = "resourceNotFound";

pub(super) fn classify(response: &Response) -> ProviderError {
    let body = json::clean(&response.body);
    let body = body.trim();
    let kind = kind_of(response.status, code_in(body).as_deref());
    let message = message_of(response, body);
    let mut error = ProviderError::new(kind, Some(response.status), &message)
        .with_body(body)
        .with_usage(usage::usage_of(response));
    error.retry_after = wait_of(response);
    error
}

/// The code of an error, which says what its status leaves open.
pub(super) fn code_of(error: &ProviderError) -> Option<String> {
    code_in(error.body.as_deref()?)
}

/// The error, if the response to a caller's own request is a 429.
pub(super) fn refusal_of(response: &Response) -> Option<ProviderError> {
    (response.status == 429).then(|| classify(response))
}

fn kind_of(status: u16, code: Option<&str>) -> ErrorKind {
    match status {
        401 => ErrorKind::Unauthorized,
        403 if code == Some(NO_SCOPE) => ErrorKind::Forbidden(Denial::KeyScope),
        403 => ErrorKind::Forbidden(Denial::Unknown),
        404 => ErrorKind::NotFound,
        408 => ErrorKind::Timeout,
        // There is no other window.
        429 => ErrorKind::RateLimited(Window::Hour),
        500.. => ErrorKind::Unavailable,
        _ => ErrorKind::Rejected,
    }
}

/// What the response asks to wait, or for a 429 until the window's end.
fn wait_of(response: &Response) -> Option<Duration> {
    let told = usage::wait_in(response, "retry-after");
    match response.status {
        429 => told.or_else(|| usage::wait_until_reset(response)),
        _ => told,
    }
}

fn code_in(body: &str) -> Option<String> {
    let errors = Fields::parse(body)?.list("errors").ok()?;
    Fields::of(errors.first()?)?.text("id").ok()?
}

fn message_of(response: &Response, body: &str) -> String {
    let said = if answer::is_html(response, body) {
        None
    } else {
        text_in(body)
    };
    said.unwrap_or_else(|| answer::without_text(PROVIDER, response))
}

/// A text of the first error, or of a 401's only one; any other body as it is.
fn text_in(body: &str) -> Option<String> {
    let known = Fields::parse(body).and_then(|fields| {
        let errors = fields.list("errors").unwrap_or_default();
        match errors.first() {
            // Outreach's own documentation spells `detail` with an `s` once.
            Some(first) => text_of(&Fields::of(first)?, &["detail", "details", "title", "id"]),
            None => text_of_401(&fields),
        }
    });
    known.or_else(|| (!body.is_empty()).then(|| body.to_owned()))
}

fn text_of_401(fields: &Fields<'_>) -> Option<String> {
    let error = text_of(fields, &["error"]);
    let description = text_of(fields, &["description", "error_description"]);
    match (error, description) {
        (Some(error), Some(description)) => Some(format!("{error} {description}")),
        (error, description) => error.or(description),
    }
}

fn text_of(fields: &Fields<'_>, keys: &[&str]) -> Option<String> {
    let text = |key: &&str| {
        let text = fields.filled_text(key).ok().flatten()?;
        Some(text.trim().to_owned())
    };
    keys.iter().find_map(text)
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
