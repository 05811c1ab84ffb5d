//! Cookies: reading those of a request, and writing ours.

use axum::http::{HeaderMap, header};

/// The values of the cookies with this name. There may be several, because other pages of the host
/// can set cookies too.
pub fn values<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h str> {
    let cookies = headers.get_all(header::COOKIE).into_iter();
    cookies
        .filter_map(|cookie| cookie.to_str().ok())
        .flat_map(|cookie| cookie.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(move |(its, _)| *its == name)
        .map(|(_, value)| value)
}

/// What every cookie of ours says: no script reads it, other sites' requests don't carry it unless
/// they open a page, and under https it goes nowhere else.
#[must_use]
pub fn attributes(public_url: &str) -> &'static str {
    if public_url.starts_with("https:") {
        "HttpOnly; SameSite=Lax; Secure"
    } else {
        "HttpOnly; SameSite=Lax"
    }
}
