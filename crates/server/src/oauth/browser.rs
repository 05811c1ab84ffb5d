//! The cookie that binds an authorization to the browser that was sent away, and redirects.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{AppState, cookie, error::ApiError, public_path};

const COOKIE: &str = "syncline_oauth";
/// An authorization and its cookie are valid this long.
pub(super) const VALID_SECONDS: i64 = 600;

/// 32 random bytes as text.
pub(super) fn random(state: &AppState) -> String {
    URL_SAFE_NO_PAD.encode(state.ids.bytes::<32>())
}

/// The cookie that the browser sent.
pub(super) fn cookie_of(headers: &HeaderMap) -> Option<&str> {
    cookie::values(headers, COOKIE).find(|value| is_ours(value))
}

fn is_ours(value: &str) -> bool {
    value.len() == 43
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Sends the browser to another address. The address is no `Referer` there.
pub(super) fn redirect(to: &str) -> Result<Response, ApiError> {
    let to = HeaderValue::from_str(to)
        .map_err(|_| ApiError::BadRequest("the address to return to is not a URL".to_owned()))?;
    let headers = [
        (header::LOCATION, to),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
    ];
    Ok((StatusCode::FOUND, headers).into_response())
}

/// Keeps the browser's cookie for as long as an authorization is valid. `Lax`, because the browser
/// comes back from another site.
pub(super) fn set_cookie(response: &mut Response, state: &AppState, value: &str) {
    let attributes = cookie::attributes(&state.public_url);
    let path = cookie_path(&state.public_url);
    let cookie = format!("{COOKIE}={value}; Path={path}; Max-Age={VALID_SECONDS}; {attributes}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// Where the browser sends the cookie: both pages, behind a proxy that adds a path, too.
fn cookie_path(public_url: &str) -> String {
    format!("{}/oauth", public_path::of(public_url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_cookie_is_found_among_others() {
        let ours = "a".repeat(43);
        let mut headers = HeaderMap::new();
        let text = format!("x=1; syncline_oauth=short; syncline_oauth={ours}; y=2");
        headers.append(header::COOKIE, text.parse().unwrap());
        assert_eq!(cookie_of(&headers), Some(ours.as_str()));
        assert_eq!(cookie_of(&HeaderMap::new()), None);
    }

    #[test]
    fn the_cookie_is_sent_below_the_public_urls_path() {
        assert_eq!(cookie_path("https://sync.example"), "/oauth");
        assert_eq!(cookie_path("https://tools.example/sync"), "/sync/oauth");
    }
}
