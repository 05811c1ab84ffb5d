//! The answers of handlers, and the texts of Apollo's refusals.

use bytes::Bytes;

use crate::json::{Object, quoted};
use crate::limits::Exhausted;

/// A successful answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: Bytes,
    /// The number of records in it, for the ledger.
    pub(crate) records: usize,
}

impl Answer {
    pub(crate) fn one(body: String) -> Self {
        Self::of(body, 1)
    }

    pub(crate) fn of(body: String, records: usize) -> Self {
        Self {
            body: Bytes::from(body),
            records,
        }
    }
}

/// An answer that is not 200.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) content_type: &'static str,
}

pub(crate) const JSON: &str = "application/json; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

impl Refusal {
    pub(crate) fn json(status: u16, body: String) -> Self {
        Self {
            status,
            body,
            content_type: JSON,
        }
    }

    pub(crate) fn plain(status: u16, text: &str) -> Self {
        Self {
            status,
            body: text.to_owned(),
            content_type: PLAIN,
        }
    }

    /// `{"error": text}`
    pub(crate) fn error(status: u16, text: &str) -> Self {
        Self::json(status, format!(r#"{{"error":{}}}"#, quoted(text)))
    }

    /// 422 `{"error": text}`
    pub(crate) fn invalid(text: &str) -> Self {
        Self::error(422, text)
    }

    pub(crate) fn invalid_id(id: &str) -> Self {
        Self::invalid(&format!("Parameters misconfigured. {id} is not a valid ID"))
    }

    /// The record exists, but the key's user may not see it.
    pub(crate) fn not_for_you() -> Self {
        Self::invalid("You are not authorized to view this page.")
    }

    /// `{"error": text, "error_code": code}`
    pub(crate) fn coded(status: u16, text: &str, code: &str) -> Self {
        let mut o = Object::new();
        o.text("error", text).text("error_code", code);
        Self::json(status, o.finish())
    }

    /// `{"status": "failed", "error_code": code, "error_message": text}`, from bulk enrichment.
    pub(crate) fn failed(status: u16, code: &str, text: &str) -> Self {
        let mut o = Object::new();
        o.text("status", "failed")
            .text("error_code", code)
            .text("error_message", text);
        Self::json(status, o.finish())
    }

    /// The team has used up its plan's credits.
    pub(crate) fn no_credits() -> Self {
        Self::invalid(concat!(
            "You have insufficient credits! <a href='https://app.apollo.io/#/settings/plans/upgrade' ",
            "aria-onclick='close_alert'>Upgrade your plan</a> to increase your number of lead credits."
        ))
    }

    pub(crate) fn bad_key() -> Self {
        Self::plain(
            401,
            "Invalid API key. See https://docs.apollo.io/reference/authentication for how to authenticate.",
        )
    }

    /// An access token that has expired or was revoked.
    pub(crate) fn dead_token() -> Self {
        Self::coded(401, "Invalid access token.", "INVALID_ACCESS_TOKEN")
    }

    /// There is no such endpoint, or no such deal.
    pub(crate) fn not_found() -> Self {
        Self::json(404, r#"{"status":404,"error":"Not Found"}"#.to_owned())
    }

    /// The refusal of a call over its quota.
    pub(crate) fn too_many(action: &str, exhausted: Exhausted) -> Self {
        let path = action.strip_suffix("/index").unwrap_or(action);
        let body = format!(
            concat!(
                r#"{{"message":"The maximum number of api calls allowed for api/v1/{} is {} times per {}. Please upgrade "#,
                r#"your plan from https://app.apollo.io/#/settings/plans/upgrade?source=api_rate_limit.","#,
                r#""error_details":{{"code":"USAGE.RATE_LIMIT.API_RATE_LIMIT_EXCEEDED"}}}}"#
            ),
            path,
            exhausted.limit,
            exhausted.window.noun()
        );
        Self::json(429, body)
    }
}
