//! Classifies Apollo's errors.
//!
//! A body may be plain text, JSON or a proxy's HTML. The message is under `error`, `message` or
//! `error_message`; only this text, or the usage headers, say which window of a rate limit is used
//! up.

use syncline_model::{Denial, WindowUsage};

use super::{PROVIDER, usage};
use crate::{
    answer,
    error::{ErrorKind, ProviderError, Window},
    http::Response,
    json::{self, Fields},
};

pub(super) fn classify(response: &Response) -> ProviderError {
    let body = json::clean(&response.body);
    let message = message_of(response, body.trim());
    let usage = usage::usage_of(response);
    let kind = kind_of(response.status, &message.to_lowercase(), &usage);
    let mut error = ProviderError::new(kind, Some(response.status), &message)
        .with_body(body.trim())
        .with_usage(usage);
    error.retry_after = response.retry_after();
    error
}

fn kind_of(status: u16, message: &str, usage: &[WindowUsage]) -> ErrorKind {
    match status {
        401 => ErrorKind::Unauthorized,
        403 => ErrorKind::Forbidden(denial(message)),
        404 => ErrorKind::NotFound,
        408 => ErrorKind::Timeout,
        429 => refusal(message, usage),
        422 if message.contains("insufficient credits") => ErrorKind::OutOfCredits,
        500.. => ErrorKind::Unavailable,
        _ => ErrorKind::Rejected,
    }
}

/// Classifies the 429 of a caller's own request. If its body was not read and all windows have
/// requests left, it is not a rate limit: Apollo is still processing an identical request.
pub(super) fn refusal_of(response: &Response) -> Option<ProviderError> {
    if response.status != 429 {
        return None;
    }
    let mut error = classify(response);
    let has_room = !error.usage.is_empty() && error.usage.iter().all(|usage| usage.left > 0);
    if response.body.is_empty() && has_room {
        error.kind = ErrorKind::RateLimited(Window::AlreadyProcessing);
    }
    Some(error)
}

/// Maps an error to what the caller of the unified API should see: Apollo also answers 422 for a
/// record that is deleted or not visible.
pub(super) fn of_one_record(error: ProviderError) -> ProviderError {
    let said = error.message.to_lowercase();
    let says = |text: &str| said.contains(text);
    if error.kind != ErrorKind::Rejected {
        error
    } else if says("does not exist") || says("has been deleted") || says("as it is deleted") {
        error.as_kind(ErrorKind::NotFound)
    } else if says("not authorized to view") {
        error.as_kind(ErrorKind::Forbidden(Denial::Unknown))
    } else if names_a_parameter(&said) {
        error.as_kind(ErrorKind::NotFound)
    } else {
        error
    }
}

/// `id is not a valid ID`: for an id in the path Apollo names the parameter, for one in the body it
/// repeats the value.
fn names_a_parameter(said: &str) -> bool {
    let Some(before) = said.split(" is not a valid id").next() else {
        return false;
    };
    let word = before.rsplit(' ').next().unwrap_or_default();
    before.len() < said.len() && (word == "id" || word.ends_with("_id"))
}

/// The plan is checked first, because its message may also mention the key's access.
fn denial(message: &str) -> Denial {
    const PLAN: [&str; 3] = [
        "only available to apollo users on paid plans",
        "on a free plan",
        "upgrade your plan",
    ];
    const KEY_SCOPE: [&str; 3] = [
        "api key is not authorized to access",
        "is not accessible with this api_key",
        "is not accessible with this access token",
    ];
    let says = |texts: [&str; 3]| texts.iter().any(|text| message.contains(text));
    if says(PLAN) {
        Denial::Plan
    } else if says(KEY_SCOPE) {
        Denial::KeyScope
    } else {
        Denial::Unknown
    }
}

fn refusal(message: &str, usage: &[WindowUsage]) -> ErrorKind {
    // Apollo has also answered 429 for a plan without the endpoint; waiting doesn't help then.
    if message.contains("only available to pay") {
        return ErrorKind::Forbidden(Denial::Plan);
    }
    let window = if message.contains("already processing") {
        Window::AlreadyProcessing
    } else if message.contains("per minute") {
        Window::Minute
    } else if message.contains("per hour") {
        Window::Hour
    } else if message.contains("per day") {
        Window::Day
    } else {
        window_used_up(usage)
    };
    ErrorKind::RateLimited(window)
}

/// The longest window without requests left.
fn window_used_up(usage: &[WindowUsage]) -> Window {
    let used_up = usage.iter().rev().find(|usage| usage.left == 0);
    used_up.map_or(Window::Unknown, |usage| usage.window.into())
}

fn message_of(response: &Response, body: &str) -> String {
    let said = if answer::is_html(response, body) {
        None
    } else {
        text_in(body)
    };
    said.unwrap_or_else(|| answer::without_text(PROVIDER, response))
}

fn text_in(body: &str) -> Option<String> {
    let filled = |text: String| (!text.trim().is_empty()).then(|| text.trim().to_owned());
    if let Some(fields) = Fields::parse(body) {
        return ["error", "message", "error_message"]
            .into_iter()
            .find_map(|key| {
                let nested = fields.object(key).ok().flatten();
                let text = match nested {
                    Some(object) => object.text("message"),
                    None => fields.text(key),
                };
                filled(text.ok().flatten()?)
            })
            // JSON without a known key is still better than no message.
            .or_else(|| filled(body.to_owned()));
    }
    // Rate limit errors were once a bare JSON string.
    serde_json::from_str(body)
        .ok()
        .and_then(filled)
        .or_else(|| filled(body.to_owned()))
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
