//! Signing in with an API key, or with a link that works once, and signing out.

use askama::Template;
use axum::{
    Form,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use syncline_server::{
    AppState, cookie,
    sessions::{NotSignedIn, SESSION_HOURS, sign_in, sign_in_by_link, sign_out},
};

use crate::page::{Layout, Policy, answer};

#[derive(Template)]
#[template(path = "console/sign_in.html")]
struct SignInPage {
    layout: Layout,
    to: String,
    error: Option<&'static str>,
}

#[derive(Deserialize)]
pub(crate) struct To {
    #[serde(default)]
    to: String,
}

#[derive(Deserialize)]
pub(crate) struct Given {
    #[serde(default)]
    api_key: String,
    #[serde(default)]
    to: String,
}

/// The cookie's name. Browsers take one that begins with `__Host-` from this host only.
pub(crate) fn cookie_name(state: &AppState) -> &'static str {
    if state.public_url.starts_with("https:") {
        "__Host-syncline_session"
    } else {
        "syncline_session"
    }
}

pub(crate) async fn show(State(state): State<AppState>, Query(query): Query<To>) -> Response {
    page(&state, StatusCode::OK, query.to, None)
}

pub(crate) async fn submit(State(state): State<AppState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let request = Request::from_parts(parts.clone(), body);
    let form = <Form<Given> as axum::extract::FromRequest<_>>::from_request(request, &state).await;
    let Ok(Form(given)) = form else {
        return page(&state, StatusCode::BAD_REQUEST, String::new(), None);
    };
    match sign_in(&state, given.api_key.trim(), &parts.extensions).await {
        Ok(token) => enter(&state, &token, &given.to),
        Err(failure) => {
            let (status, error) = in_words(&failure);
            page(&state, status, given.to, Some(error))
        }
    }
}

/// Opened by whoever has the link; it works once.
pub(crate) async fn by_link(State(state): State<AppState>, Path(token): Path<String>) -> Response {
    match sign_in_by_link(&state, &token).await {
        Ok(token) => enter(&state, &token, ""),
        Err(NotSignedIn::WrongKey) => {
            let error = "This link was used, or has expired. Sign in with an API key.";
            page(&state, StatusCode::GONE, String::new(), Some(error))
        }
        Err(failure) => {
            let (status, error) = in_words(&failure);
            page(&state, status, String::new(), Some(error))
        }
    }
}

pub(crate) async fn leave(State(state): State<AppState>, headers: HeaderMap) -> Response {
    if let Some(token) = cookie::values(&headers, cookie_name(&state)).next()
        && sign_out(&state, token).await.is_err()
    {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let base = Layout::of(&state).base;
    let response = Redirect::to(&format!("{base}/console/sign-in")).into_response();
    with_cookie(&state, response, "", 0)
}

fn page(state: &AppState, status: StatusCode, to: String, error: Option<&'static str>) -> Response {
    let layout = Layout::of(state);
    answer(status, Policy::OwnScript, &SignInPage { layout, to, error })
}

fn in_words(failure: &NotSignedIn) -> (StatusCode, &'static str) {
    match failure {
        NotSignedIn::WrongKey => (
            StatusCode::UNAUTHORIZED,
            "This API key is unknown, revoked or expired. `syncline keys create` makes a new one.",
        ),
        NotSignedIn::Agent => (
            StatusCode::FORBIDDEN,
            "This API key is an agent's, and opens no pages. Sign in with a key of another role.",
        ),
        NotSignedIn::TooMany => (
            StatusCode::TOO_MANY_REQUESTS,
            "Too many wrong keys came from your address. Wait a minute and try again.",
        ),
        NotSignedIn::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The database does not answer right now. Try again in a moment.",
        ),
    }
}

/// To the page that was asked for, which is one of ours.
fn enter(state: &AppState, token: &str, to: &str) -> Response {
    let base = Layout::of(state).base;
    let to = if is_ours(to) { to } else { "/console" };
    let response = Redirect::to(&format!("{base}{to}")).into_response();
    with_cookie(state, response, token, SESSION_HOURS * 3600)
}

fn is_ours(to: &str) -> bool {
    let rest = to.strip_prefix("/console");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        && to
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

fn with_cookie(state: &AppState, mut response: Response, token: &str, seconds: i64) -> Response {
    let (name, attributes) = (cookie_name(state), cookie::attributes(&state.public_url));
    let cookie = format!("{name}={token}; Path=/; Max-Age={seconds}; {attributes}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn signing_in_leads_to_pages_of_the_console_only() {
        assert!(is_ours("/console"));
        assert!(is_ours("/console/runs/1?x=y"));
        for elsewhere in [
            "",
            "//evil.example",
            "/consoles",
            "https://evil.example",
            "/console/\\evil",
        ] {
            assert!(!is_ours(elsewhere), "{elsewhere}");
        }
    }
}
