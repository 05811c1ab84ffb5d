//! Classifies Salesloft's errors.
//!
//! A body is JSON with one text under `error`, or with texts by field under `errors`; proxies answer
//! with plain text or HTML. The status in the response counts, not the one that some bodies repeat.

use syncline_model::Denial;

use super::{PROVIDER, usage};
use crate::{
    answer,
    error::{ErrorKind, ProviderError, Window},
    http::Response,
    json::{self, Fields, text_of},
};

/// How Salesloft refuses a whole list of which one field needs a scope that the token doesn't have.
const SCOPED_FIELDS: &str = "required scope access not included";

pub(super) fn classify(response: &Response) -> ProviderError {
    let body = json::clean(&response.body);
    let message = message_of(response, body.trim());
    let kind = kind_of(response.status, &message.to_lowercase());
    let mut error = ProviderError::new(kind, Some(response.status), &message)
        .with_body(body.trim())
        .with_usage(usage::usage_of(response));
    error.retry_after = response.retry_after();
    error
}

fn kind_of(status: u16, message: &str) -> ErrorKind {
    match status {
        401 => ErrorKind::Unauthorized,
        403 => ErrorKind::Forbidden(denial(message)),
        404 => ErrorKind::NotFound,
        408 => ErrorKind::Timeout,
        422 if message.contains(SCOPED_FIELDS) => ErrorKind::Forbidden(Denial::KeyScope),
        // Points are counted in windows of one minute and in no others.
        429 => ErrorKind::RateLimited(Window::Minute),
        500.. => ErrorKind::Unavailable,
        _ => ErrorKind::Rejected,
    }
}

/// Salesloft's words for a missing scope are not documented; anything else is a matter of roles.
fn denial(message: &str) -> Denial {
    if message.contains("scope") {
        Denial::KeyScope
    } else {
        Denial::Unknown
    }
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
        let told = ["error", "message"]
            .into_iter()
            .find_map(|key| filled(fields.text(key).ok().flatten()?));
        return told
            .or_else(|| filled(texts_by_field(&fields)?))
            // JSON without a known key is still better than no message.
            .or_else(|| filled(body.to_owned()));
    }
    serde_json::from_str(body)
        .ok()
        .and_then(filled)
        .or_else(|| filled(body.to_owned()))
}

/// `{"errors":{"email_address":["is invalid"]}}` as `email_address is invalid`.
fn texts_by_field(fields: &Fields<'_>) -> Option<String> {
    let by_field = fields.object("errors").ok()??;
    let texts = by_field.pairs().flat_map(|(name, value)| {
        let texts = match by_field.list(name) {
            Ok(several) => several,
            Err(_) => vec![value],
        };
        texts.into_iter().filter_map(move |text| {
            let text = text_of(name, text).ok()?;
            Some(format!("{name} {text}"))
        })
    });
    Some(texts.collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
