//! An id for every request: in its answer, in its error body, and in each line that is logged while
//! it is handled.

use std::sync::Arc;

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, request::Parts},
    middleware::Next,
    response::Response,
};
use tracing::Instrument;

use crate::AppState;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// The provider's own id, when its answer is passed on.
const PROVIDERS: HeaderName = HeaderName::from_static("x-provider-request-id");

/// Generated here: one that the caller sends could be another request's.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
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

/// The outermost layer.
pub(crate) async fn identify(
    State(state): State<AppState>,
    path: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = RequestId(state.ids.id(state.clock.now()).into());
    // At error level, so that every log filter keeps it. The raw path could have any length and
    // contain ids.
    let span = tracing::error_span!(
        "request",
        request.id = id.as_str(),
        method = known(request.method()),
        route = path.as_ref().map_or("unmatched", MatchedPath::as_str),
    );
    request.extensions_mut().insert(id.clone());
    async move {
        let mut response = next.run(request).await;
        let headers = response.headers_mut();
        if let Some(theirs) = headers.remove(HEADER) {
            headers.insert(PROVIDERS, theirs);
        }
        // A UUID is always a valid header value.
        if let Ok(id) = HeaderValue::from_str(id.as_str()) {
            headers.insert(HEADER, id);
        }
        tracing::debug!("answered with {}", response.status());
        response
    }
    .instrument(span)
    .await
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
