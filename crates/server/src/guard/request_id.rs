//! An id for every request: in its answer, in its error body, and in each line that is logged while
//! it is handled.

use std::sync::Arc;

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, Method, request::Parts},
    response::Response,
};

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// The provider's own id, when its answer is passed on.
const PROVIDERS: HeaderName = HeaderName::from_static("x-provider-request-id");

/// Generated here: one that the caller sends could be another request's.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    pub(crate) fn new(id: String) -> Self {
        Self(id.into())
    }

    pub(crate) fn add_to(&self, response: &mut Response) {
        let headers = response.headers_mut();
        if let Some(theirs) = headers.remove(HEADER) {
            headers.insert(PROVIDERS, theirs);
        }
        // A UUID is always a valid header value.
        if let Ok(id) = HeaderValue::from_str(self.as_str()) {
            headers.insert(HEADER, id);
        }
    }

    pub(crate) fn of(request: &Request) -> Self {
        let id = request.extensions().get::<Self>();
        id.cloned().unwrap_or_else(|| Self("".into()))
    }

    pub(crate) fn of_parts(parts: &Parts) -> Self {
        let id = parts.extensions.get::<Self>();
        id.cloned().unwrap_or_else(|| Self("".into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The method's name as a label: callers may invent methods, and metrics keep every label for ever.
pub(crate) fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
