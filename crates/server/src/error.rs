//! The errors of the API, and the one shape in which callers see them.
//!
//! An [`ApiError`] is kept in the response's extensions until an outer layer ([`render`]) writes
//! the body; there axum's own 404, 405 and 413 get the same shape. Internal details are logged with
//! the request's id and never returned.

use std::time::Duration;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderName, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;
use syncline_model::line;
use syncline_providers::{NotSupported, UnknownProvider};
use syncline_store::StoreError;
use utoipa::ToSchema;

use crate::{guard::RequestId, provider_errors::ProviderFailure, scim};

/// The largest request body that is read, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 5 * 1024 * 1024;

/// In bytes.
const LONGEST_TITLE: usize = 2000;

/// The `Retry-After` of a service that is busy or lacks its database, in seconds.
const SOON: u64 = 1;

/// The cost of an enrichment, also if it found nothing.
pub(crate) const CREDITS_USED: &str = "x-credits-used";

/// Marks an answer that is the provider's own, with any status: it is passed on unchanged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FromProvider;

pub(crate) type ApiResult<T> = Result<T, ApiError>;

#[derive(Debug, Clone)]
pub(crate) enum ApiError {
    /// A field, parameter or header is missing or has the wrong form.
    Validation {
        field: String,
        reason: String,
    },
    BadRequest(String),
    Unauthorized(&'static str),
    /// The key may not make this call; nothing was done.
    Forbidden(String),
    NotFound(String),
    MethodNotAllowed,
    /// A part of a standard that doesn't exist here.
    NotImplemented(&'static str),
    Conflict(String),
    /// It was there and can't be used any more.
    Gone(String),
    TooLarge,
    UnsupportedMediaType(String),
    /// The provider's error answer, or that it didn't answer.
    Provider(ProviderFailure),
    /// The idempotency key of an earlier request, with another body.
    Unprocessable(String),
    Unavailable(String),
    /// This process handles as many requests as it may.
    Overloaded,
    /// The caller has sent too many; they may send one more in `retry_after` seconds.
    TooMany {
        reason: String,
        retry_after: u64,
    },
    /// The agent's ceiling of credits leaves no room for the call for so many seconds.
    NoCreditsLeft {
        reason: String,
        retry_after: u64,
    },
    BodyTooSlow(Duration),
    /// No answer in time; the text says what happened to the request.
    TooLate(&'static str),
    /// Our own failure: logged with its cause, shown without it.
    Internal(String),
}

/// The body of every answer that is not a success.
#[derive(Serialize, ToSchema)]
#[schema(as = errors)]
pub(crate) struct ErrorBody {
    errors: Vec<ErrorEntry>,
}

#[derive(Serialize, ToSchema)]
struct ErrorEntry {
    /// The request's id; also in the log.
    id: String,
    title: String,
    detail: String,
    /// The same as `code`.
    problem_type: &'static str,
    code: &'static str,
    meta: ErrorMeta,
    /// The HTTP status, as a string.
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    source: Option<ErrorSource>,
}

#[derive(Serialize, ToSchema)]
struct ErrorMeta {
    /// `supaglue` (this service) or `remote-provider`.
    origin: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    cause: Option<Value>,
}

#[derive(Serialize, ToSchema)]
struct ErrorSource {
    /// The field, parameter or header.
    pointer: String,
}

impl ApiError {
    pub(crate) fn validation(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Validation {
            field: field.into(),
            reason: reason.into(),
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Validation { .. } | Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotImplemented(_) => StatusCode::NOT_IMPLEMENTED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Gone(_) => StatusCode::GONE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Provider(failure) => failure.status,
            Self::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unavailable(_) | Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooMany { .. } | Self::NoCreditsLeft { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::BodyTooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::TooLate(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Validation { .. } => "VALIDATION_ERROR",
            Self::BadRequest(_) => "BAD_REQUEST",
            Self::Unauthorized(_) => "UNAUTHORIZED_ERROR",
            Self::Forbidden(_) => "FORBIDDEN_ERROR",
            Self::NotFound(_) => "NOT_FOUND_ERROR",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED_ERROR",
            Self::NotImplemented(_) => "NOT_IMPLEMENTED_ERROR",
            Self::Conflict(_) => "CONFLICT_ERROR",
            Self::Gone(_) => "GONE_ERROR",
            Self::TooLarge => "PAYLOAD_TOO_LARGE_ERROR",
            Self::UnsupportedMediaType(_) => "UNSUPPORTED_MEDIA_TYPE_ERROR",
            Self::Provider(failure) => failure.code,
            Self::Unprocessable(_) => "UNPROCESSABLE_ENTITY_ERROR",
            Self::Unavailable(_) | Self::Overloaded => "SERVICE_UNAVAILABLE_ERROR",
            Self::TooMany { .. } | Self::NoCreditsLeft { .. } => "TOO_MANY_REQUESTS_ERROR",
            Self::BodyTooSlow(_) => "REQUEST_TIMEOUT_ERROR",
            Self::TooLate(_) => "GATEWAY_TIMEOUT_ERROR",
            Self::Internal(_) => "INTERNAL_SERVER_ERROR",
        }
    }

    pub(crate) fn title(&self) -> String {
        match self {
            Self::Validation { field, reason } => format!("{field}: {reason}"),
            Self::BadRequest(title)
            | Self::Forbidden(title)
            | Self::NotFound(title)
            | Self::Conflict(title)
            | Self::Gone(title)
            | Self::Unavailable(title)
            | Self::Unprocessable(title) => title.clone(),
            Self::Provider(failure) => failure.title.clone(),
            Self::Unauthorized(title) | Self::NotImplemented(title) => (*title).to_owned(),
            Self::MethodNotAllowed => "this path doesn't support this method".to_owned(),
            Self::TooLarge => format!("the body is larger than {MAX_BODY_BYTES} bytes"),
            Self::UnsupportedMediaType(right) => format!("Content-Type must be {right}"),
            Self::Overloaded => "too many requests are in progress; try again".to_owned(),
            Self::TooMany { reason, .. } | Self::NoCreditsLeft { reason, .. } => reason.clone(),
            Self::BodyTooSlow(within) => {
                format!("the body did not arrive within {} s", within.as_secs_f64())
            }
            Self::TooLate(told) => format!("there was no answer in time; {told}"),
            Self::Internal(_) => "Internal Server Error".to_owned(),
        }
    }

    /// The title as it is sent: it may contain what the caller sent.
    pub(crate) fn told(&self) -> String {
        line(&self.title(), LONGEST_TITLE)
    }

    fn body(&self, id: String) -> ErrorBody {
        let title = self.told();
        let (origin, cause) = match self {
            Self::Provider(failure) if !failure.ours => ("remote-provider", failure.cause.clone()),
            _ => ("supaglue", None),
        };
        let source = match self {
            Self::Validation { field, .. } => Some(ErrorSource {
                pointer: line(field, LONGEST_TITLE),
            }),
            _ => None,
        };
        ErrorBody {
            errors: vec![ErrorEntry {
                id,
                detail: title.clone(),
                title,
                problem_type: self.code(),
                code: self.code(),
                meta: ErrorMeta { origin, cause },
                status: self.status().as_str().to_owned(),
                source,
            }],
        }
    }
}

impl ApiError {
    /// Nothing was written anywhere, so the same request may be sent again.
    pub(crate) fn changed_nothing(&self) -> bool {
        match self {
            Self::Provider(failure) => {
                failure.ours || failure.status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::Internal(_) | Self::TooLate(_) => false,
            _ => true,
        }
    }

    /// No provider was asked.
    pub(crate) fn is_ours(&self) -> bool {
        !matches!(self, Self::Provider(failure) if !failure.ours)
    }

    /// The body of the answer.
    pub(crate) fn text(&self, id: &str) -> String {
        serde_json::to_string(&self.body(id.to_owned())).unwrap_or_default()
    }

    /// The answer as it is sent.
    pub(crate) fn rendered(&self, id: &RequestId) -> Response {
        let mut rendered = Response::new(Body::from(self.text(id.as_str())));
        *rendered.status_mut() = self.status();
        let headers = rendered.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static("application/json"),
        );
        self.add_retry_after(&mut rendered);
        rendered
    }

    pub(crate) fn add_retry_after(&self, answer: &mut Response) {
        if let Some(seconds) = self.retry_after() {
            answer
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
    }

    /// Seconds.
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Provider(failure) => failure.retry_after,
            Self::TooMany { retry_after, .. } | Self::NoCreditsLeft { retry_after, .. } => {
                Some(*retry_after)
            }
            Self::Unavailable(_) | Self::Overloaded => Some(SOON),
            _ => None,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// What is stored names a provider that this process doesn't have: a newer one may be at work beside it.
impl From<UnknownProvider> for ApiError {
    fn from(error: UnknownProvider) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<NotSupported> for ApiError {
    fn from(error: NotSupported) -> Self {
        Self::BadRequest(error.to_string())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Duplicate(_) | StoreError::Conflict(_) => Self::Conflict(error.to_string()),
            StoreError::InUse(reason) => Self::BadRequest(reason),
            StoreError::Missing(_) => Self::NotFound(error.to_string()),
            error if error.breaks_reference() => {
                tracing::info!(
                    "a write refers to a row that was deleted meanwhile: {}",
                    chain_of(&error)
                );
                Self::NotFound("what this belongs to was deleted meanwhile".to_owned())
            }
            error if error.is_unavailable() => {
                tracing::error!("{}", chain_of(&error));
                Self::Unavailable(error.outage().to_owned())
            }
            other => Self::Internal(chain_of(&other)),
        }
    }
}

/// An error with its causes, in one line.
fn chain_of(error: &StoreError) -> String {
    let mut chain = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        chain = format!("{chain}: {cause}");
        source = cause.source();
    }
    chain
}

/// What was asked for, for the answer's error and the log.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
}

impl Asked {
    pub(crate) fn of(request: &Request) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
        }
    }
}

/// Gives a failure its body.
pub(crate) fn render(asked: &Asked, id: &RequestId, mut response: Response) -> Response {
    let (method, path) = (&asked.method, asked.uri.path());
    if response.extensions().get::<FromProvider>().is_some() {
        return response;
    }
    let error = response.extensions_mut().remove::<ApiError>();
    let error = match (error, response.status()) {
        (Some(error), _) => error,
        (None, StatusCode::NOT_FOUND) if is_bare(&response) => {
            ApiError::NotFound(format!("there is nothing at {path}"))
        }
        (None, StatusCode::METHOD_NOT_ALLOWED) => ApiError::MethodNotAllowed,
        (None, StatusCode::PAYLOAD_TOO_LARGE) => ApiError::TooLarge,
        (None, _) => return response,
    };
    if let ApiError::Internal(detail) = &error {
        tracing::error!("{method} {path} failed: {detail}");
    }
    let mut rendered = if scim::is_at(path) {
        scim::errors::rendered(&error)
    } else {
        error.rendered(id)
    };
    for name in [header::ALLOW, HeaderName::from_static(CREDITS_USED)] {
        if let Some(value) = response.headers().get(&name) {
            rendered.headers_mut().insert(name, value.clone());
        }
    }
    rendered
}

/// No handler wrote this answer.
fn is_bare(response: &Response) -> bool {
    !response.headers().contains_key(header::CONTENT_TYPE)
}
