//! The results of handlers, and the texts of Outreach's errors.

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::switches::ExpiredWords;
use crate::json::{Object, zulu};

pub(super) const JSON_API: &str = "application/vnd.api+json; charset=utf-8";
pub(super) const JSON: &str = "application/json; charset=utf-8";

/// A successful answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
    /// Records in it, for the ledger.
    pub(super) records: usize,
}

impl Answer {
    /// A body with a number of records.
    pub(super) fn of(status: u16, body: String, records: usize) -> Self {
        Self {
            status,
            body: Bytes::from(body),
            records,
        }
    }

    /// `{"data": record}`
    pub(super) fn record(status: u16, record: &str) -> Self {
        Self::of(status, format!(r#"{{"data":{record}}}"#), 1)
    }

    pub(super) fn nothing() -> Self {
        Self::of(204, String::new(), 0)
    }
}

/// An error answer.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

impl Refusal {
    /// A JSON:API error. An empty `pointer` is left out.
    pub(super) fn new(status: u16, id: &str, title: &str, detail: &str, pointer: &str) -> Self {
        let mut o = Object::new();
        o.text("id", id).text("title", title).text("detail", detail);
        if !pointer.is_empty() {
            let mut source = Object::new();
            source.text("pointer", pointer);
            o.raw("source", &source.finish());
        }
        Self {
            status,
            content_type: JSON_API,
            body: format!(r#"{{"errors":[{}]}}"#, o.finish()),
        }
    }

    pub(super) fn bad_request(detail: &str) -> Self {
        Self::new(400, "badRequest", "Bad Request", detail, "")
    }

    /// 422 for the whole record.
    pub(super) fn invalid(detail: &str) -> Self {
        Self::invalid_at("/data", detail)
    }

    /// 422 for the member at `pointer`.
    pub(super) fn invalid_at(pointer: &str, detail: &str) -> Self {
        Self::new(422, "validationError", "Validation Error", detail, pointer)
    }

    /// 422 for a query parameter.
    pub(super) fn invalid_parameter(detail: &str) -> Self {
        Self::new(422, "validationError", "Validation Error", detail, "")
    }

    pub(super) fn no_such_record(kind: &str, id: &str) -> Self {
        let detail = format!("Could not find '{kind}' with ID '{id}'.");
        Self::new(404, "resourceNotFound", "Resource Not Found", &detail, "")
    }

    pub(super) fn no_such_route() -> Self {
        let detail = "The request path does not match any known resource endpoints.";
        Self::new(404, "routeNotFound", "Route Not Found", detail, "")
    }

    pub(super) fn no_scope(scope: &str) -> Self {
        let detail = format!("Your authorization does not include the required scope '{scope}'.");
        let title = "Unauthorized OAuth Scope";
        Self::new(403, "unauthorizedOauthScope", title, &detail, "")
    }

    pub(super) fn not_for_you() -> Self {
        let detail = "You are not authorized to perform that request.";
        let title = "Unauthorized Request";
        Self::new(403, "unauthorizedRequest", title, detail, "")
    }

    pub(super) fn media_type() -> Self {
        let detail = "Expected Content-Type header to be 'application/vnd.api+json'.";
        let title = "Unsupported Media Type";
        Self::new(415, "unsupportedMediaType", title, detail, "")
    }

    pub(super) fn too_many(limit: u32, resets_at: DateTime<Utc>) -> Self {
        let detail = format!(
            "You have exceeded your permitted rate limit of {}; please try again at {}.",
            with_commas(limit),
            zulu(whole_seconds(resets_at))
        );
        let title = "Rate Limit Exceeded";
        Self::new(429, "rateLimitExceeded", title, &detail, "")
    }

    pub(super) fn maintenance(back_at: DateTime<Utc>) -> Self {
        let detail = format!(
            "Scheduled server maintenance is under way; please try again at {}",
            zulu(whole_seconds(back_at))
        );
        let title = "Scheduled Server Maintenance";
        Self::new(503, "scheduledServerMaintenance", title, &detail, "")
    }

    pub(super) fn bad_gateway() -> Self {
        Self {
            status: 502,
            content_type: "text/html; charset=utf-8",
            body: "<html><head><title>502 Bad Gateway</title></head></html>\n".to_owned(),
        }
    }

    pub(super) fn no_token() -> Self {
        Self::unauthorized(
            "No Authorization header.",
            "You must provide an Authorization header with a valid access token.",
        )
    }

    pub(super) fn bad_token() -> Self {
        let description = "The JWT token could not be decoded.";
        Self::unauthorized("Invalid JWT token.", description)
    }

    pub(super) fn dead_token(words: ExpiredWords) -> Self {
        match words {
            ExpiredWords::Expired => {
                Self::unauthorized("Expired JWT token.", "The JWT token has expired.")
            }
            ExpiredWords::Invalid => Self::bad_token(),
        }
    }

    fn unauthorized(error: &str, description: &str) -> Self {
        let mut o = Object::new();
        o.text("error", error).text("description", description);
        Self {
            status: 401,
            content_type: JSON,
            body: o.finish(),
        }
    }
}

/// Truncates to seconds, the precision of Outreach's times.
pub(super) fn whole_seconds(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp(at.timestamp(), 0).unwrap_or(at)
}

/// `10,000`
fn with_commas(number: u32) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
