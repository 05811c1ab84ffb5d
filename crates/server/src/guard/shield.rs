//! Security headers: browsers must not guess another content type, nor cache an answer. An answer
//! that has its own `Cache-Control` (a provider's) keeps it.

use axum::{
    http::{HeaderValue, header},
    response::Response,
};

pub(crate) fn shield(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    let no_store = HeaderValue::from_static("no-store");
    headers.entry(header::CACHE_CONTROL).or_insert(no_store);
}
