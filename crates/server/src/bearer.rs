//! The bearer token of a request (RFC 6750).

use axum::http::{HeaderMap, header};

/// `None` if there is none, or something else in its place.
#[must_use]
pub fn token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
