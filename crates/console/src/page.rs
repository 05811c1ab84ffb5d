//! What all pages share: their headers, and how a template becomes an answer.

use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use syncline_server::{AppState, public_path};

use crate::assets::{SCRIPT, STYLE};

/// What a page may load and do: nothing from elsewhere, no script in its HTML, and in no frame. Forms
/// lead back to us; where a browser goes afterwards is a link, which this doesn't concern.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Policy {
    NoScript,
    OwnScript,
}

impl Policy {
    const fn as_str(self) -> &'static str {
        match self {
            Self::NoScript => {
                "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; \
                 base-uri 'none'; frame-ancestors 'none'"
            }
            Self::OwnScript => {
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                 connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
            }
        }
    }
}

/// What the layout of every page needs.
#[derive(Clone)]
pub(crate) struct Layout {
    /// The path of the public URL.
    pub(crate) base: String,
    pub(crate) style: &'static str,
    pub(crate) script: &'static str,
}

impl Layout {
    pub(crate) fn of(state: &AppState) -> Self {
        Self {
            base: public_path::of(&state.public_url),
            style: &STYLE.name,
            script: &SCRIPT.name,
        }
    }
}

/// The page as an answer. The addresses of pages may be secrets, so they are no `Referer` elsewhere.
pub(crate) fn answer(status: StatusCode, policy: Policy, page: &impl Template) -> Response {
    let html = match page.render() {
        Ok(html) => html,
        Err(error) => {
            tracing::error!("a page could not be rendered: {error}");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CACHE_CONTROL, "no-store"),
    ]
    .map(|(name, value)| (name, HeaderValue::from_static(value)));
    (status, headers, html).into_response()
}
