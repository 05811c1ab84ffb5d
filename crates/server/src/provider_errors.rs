//! How a provider's failure becomes an answer: the one table from the provider's error to status,
//! code and `meta`. `docs/errors.md` shows it to users.
//!
//! Errors that the provider reports about the request keep its status. Failures of the provider
//! itself are 502, 503 or 504, never our 500.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use syncline_engine::NoTokens;
use syncline_model::ProviderName;
use syncline_providers::{ErrorKind, ProviderError};

use crate::error::ApiError;

/// A provider's failure as its caller sees it.
#[derive(Debug, Clone)]
pub(crate) struct ProviderFailure {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) title: String,
    /// The provider was not asked, for a reason on our side.
    pub(crate) ours: bool,
    /// The provider's own answer.
    pub(crate) cause: Option<Value>,
    /// In seconds, if waiting helps.
    pub(crate) retry_after: Option<u64>,
}

impl ProviderFailure {
    pub(crate) fn of(error: &ProviderError) -> Self {
        let (status, code) = row_of(error);
        let retry_after = match error.kind {
            ErrorKind::RateLimited(window) => Some(whole_seconds(error.refused_for(window))),
            ErrorKind::Unavailable => error.retry_after.map(whole_seconds),
            _ => None,
        };
        Self {
            status,
            code,
            title: error.message.clone(),
            ours: error.kind == ErrorKind::Invalid
                || (error.kind == ErrorKind::Unavailable && error.status.is_none()),
            cause: cause_of(error),
            retry_after,
        }
    }

    /// Credentials that the provider rejects are an error of the request that sent them, not of the
    /// provider.
    pub(crate) fn rejected_credentials(provider: ProviderName, reason: &str) -> Self {
        Self::refusal(
            format!("{provider} rejects these credentials"),
            json!({"message": reason}),
        )
    }

    /// The provider answered with success but did not do what was requested.
    pub(crate) fn refusal(title: String, cause: Value) -> Self {
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            code: "UNPROCESSABLE_ENTITY_ERROR",
            title,
            ours: false,
            cause: Some(cause),
            retry_after: None,
        }
    }

    pub(crate) fn not_found(title: String) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            code: "NOT_FOUND_ERROR",
            title,
            ours: false,
            cause: None,
            retry_after: None,
        }
    }
}

/// Rounded up, so that a retry is not too early.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

fn row_of(error: &ProviderError) -> (StatusCode, &'static str) {
    match error.kind {
        ErrorKind::Unauthorized => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED_ERROR"),
        ErrorKind::OutOfCredits => (StatusCode::PAYMENT_REQUIRED, "PAYMENT_REQUIRED_ERROR"),
        ErrorKind::Forbidden(_) => (StatusCode::FORBIDDEN, "FORBIDDEN_ERROR"),
        ErrorKind::NotFound => (StatusCode::NOT_FOUND, "NOT_FOUND_ERROR"),
        ErrorKind::RateLimited(_) => (StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_REQUESTS_ERROR"),
        ErrorKind::Rejected => match error.status {
            Some(400) => (StatusCode::BAD_REQUEST, "BAD_REQUEST"),
            Some(402) => (StatusCode::PAYMENT_REQUIRED, "PAYMENT_REQUIRED_ERROR"),
            Some(409) => (StatusCode::CONFLICT, "CONFLICT_ERROR"),
            Some(422) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "UNPROCESSABLE_ENTITY_ERROR",
            ),
            _ => (remote_provider(), "REMOTE_PROVIDER_ERROR"),
        },
        ErrorKind::Invalid => (StatusCode::BAD_REQUEST, "BAD_REQUEST"),
        ErrorKind::Unavailable => match error.status {
            Some(503) | None => (StatusCode::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE_ERROR"),
            Some(504) => (StatusCode::GATEWAY_TIMEOUT, "GATEWAY_TIMEOUT_ERROR"),
            _ => (StatusCode::BAD_GATEWAY, "BAD_GATEWAY_ERROR"),
        },
        ErrorKind::Timeout => (StatusCode::GATEWAY_TIMEOUT, "GATEWAY_TIMEOUT_ERROR"),
        ErrorKind::Connection | ErrorKind::InvalidResponse | ErrorKind::Oversized => {
            (StatusCode::BAD_GATEWAY, "BAD_GATEWAY_ERROR")
        }
    }
}

/// Supaglue's status for everything else that a provider refuses.
fn remote_provider() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)
}

/// The status and the body, as JSON if it is that. The key was removed before.
fn cause_of(error: &ProviderError) -> Option<Value> {
    let status = error.status?;
    let body = error
        .body
        .as_deref()
        .map(|body| serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned())));
    Some(json!({"status": status, "body": body}))
}

impl From<NoTokens> for ApiError {
    fn from(none: NoTokens) -> Self {
        let kind = match none {
            NoTokens::Store(error) => return error.into(),
            NoTokens::Deleted => return Self::NotFound("the connection was deleted".to_owned()),
            NoTokens::AuthorizationLost { .. } => ErrorKind::Unauthorized,
            NoTokens::Later { .. } | NoTokens::RateLimited { .. } => ErrorKind::Unavailable,
        };
        ProviderError::new(kind, None, &none.to_string()).into()
    }
}

impl From<ProviderError> for ApiError {
    fn from(error: ProviderError) -> Self {
        match &error.field {
            // Every write has its fields in `record`.
            Some(field) => Self::validation(format!("record.{}", field.0), error.message),
            None => Self::Provider(ProviderFailure::of(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use syncline_model::Denial;
    use syncline_providers::{FieldPath, Window};

    use super::*;

    fn answer(kind: ErrorKind, status: Option<u16>) -> (u16, &'static str) {
        let failure = ProviderFailure::of(&ProviderError::new(kind, status, "no"));
        (failure.status.as_u16(), failure.code)
    }

    #[test]
    fn every_failure_has_its_row_and_none_is_a_500() {
        let minute = ErrorKind::RateLimited(Window::Minute);
        for (kind, status, expected) in [
            (
                ErrorKind::Unauthorized,
                Some(401),
                (401, "UNAUTHORIZED_ERROR"),
            ),
            (
                ErrorKind::Forbidden(Denial::Plan),
                Some(403),
                (403, "FORBIDDEN_ERROR"),
            ),
            (ErrorKind::NotFound, Some(422), (404, "NOT_FOUND_ERROR")),
            (
                ErrorKind::OutOfCredits,
                Some(422),
                (402, "PAYMENT_REQUIRED_ERROR"),
            ),
            (ErrorKind::Rejected, Some(400), (400, "BAD_REQUEST")),
            (ErrorKind::Rejected, Some(409), (409, "CONFLICT_ERROR")),
            (
                ErrorKind::Rejected,
                Some(422),
                (422, "UNPROCESSABLE_ENTITY_ERROR"),
            ),
            (
                ErrorKind::Rejected,
                Some(418),
                (499, "REMOTE_PROVIDER_ERROR"),
            ),
            (minute, Some(429), (429, "TOO_MANY_REQUESTS_ERROR")),
            (
                ErrorKind::Unavailable,
                Some(500),
                (502, "BAD_GATEWAY_ERROR"),
            ),
            (
                ErrorKind::Unavailable,
                Some(503),
                (503, "SERVICE_UNAVAILABLE_ERROR"),
            ),
            (
                ErrorKind::Unavailable,
                Some(504),
                (504, "GATEWAY_TIMEOUT_ERROR"),
            ),
            (ErrorKind::Timeout, None, (504, "GATEWAY_TIMEOUT_ERROR")),
            (ErrorKind::Connection, None, (502, "BAD_GATEWAY_ERROR")),
            (
                ErrorKind::InvalidResponse,
                Some(200),
                (502, "BAD_GATEWAY_ERROR"),
            ),
            (ErrorKind::Oversized, Some(200), (502, "BAD_GATEWAY_ERROR")),
        ] {
            assert_eq!(answer(kind, status), expected, "{kind:?} {status:?}");
        }
    }

    #[test]
    fn a_field_that_the_provider_has_no_place_for_is_named() {
        let mut error = ProviderError::new(ErrorKind::Invalid, None, "must be a whole number");
        error.field = Some(Box::new(FieldPath("owner_id".to_owned())));
        let ApiError::Validation { field, .. } = ApiError::from(error) else {
            panic!("the field is lost");
        };
        assert_eq!(field, "record.owner_id");
    }

    #[test]
    fn a_limit_says_when_to_come_back() {
        let error = ProviderError::new(ErrorKind::RateLimited(Window::Hour), Some(429), "no");
        assert_eq!(ProviderFailure::of(&error).retry_after, Some(900));
    }
}
