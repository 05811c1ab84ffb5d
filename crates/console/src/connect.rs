//! The page behind a magic link: a customer connects their own account, by key or by OAuth.
//!
//! Opening the page changes nothing, because mail scanners open links; only a key that its provider
//! accepts uses the link up. The key never comes back into a page.

use askama::Template;
use axum::{
    Form,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use syncline_model::Object;
use syncline_server::{
    AppState,
    connecting::{ClosedLink, NotConnected, OpenLink, Way, connect_by_key, open_link},
};

use crate::{
    page::{Layout, Policy, answer},
    same_site::is_from_elsewhere,
};

/// What a customer is asked for.
#[derive(Template)]
#[template(path = "connect/ask.html")]
struct Ask<'a> {
    layout: Layout,
    asks: &'a OpenLink,
    /// What will be read, in words.
    reads: String,
    /// What is wrong with the key that was given.
    error: Option<String>,
    /// It may be given again, and is then taken as it is.
    may_be_limited: bool,
    oauth_url: Option<String>,
}

#[derive(Template)]
#[template(path = "connect/done.html")]
struct Done<'a> {
    layout: Layout,
    asks: &'a OpenLink,
    reads: String,
}

/// The link can't be used.
#[derive(Template)]
#[template(path = "connect/closed.html")]
struct Closed {
    layout: Layout,
    title: &'static str,
    text: &'static str,
}

#[derive(Deserialize)]
pub(crate) struct Given {
    #[serde(default)]
    api_key: String,
    /// Ticked: a key that can't read everything is fine.
    limited_is_fine: Option<String>,
}

pub(crate) async fn show(State(state): State<AppState>, Path(token): Path<String>) -> Response {
    match open_link(&state, &token).await {
        Ok(link) => ask(&state, &link, &token, StatusCode::OK, None),
        Err(closed) => closed_page(&state, closed),
    }
}

pub(crate) async fn submit(
    State(state): State<AppState>,
    Path(token): Path<String>,
    headers: HeaderMap,
    Form(given): Form<Given>,
) -> Response {
    let link = match open_link(&state, &token).await {
        Ok(link) => link,
        Err(closed) => return closed_page(&state, closed),
    };
    if is_from_elsewhere(&headers) {
        let error = "This form was sent from another site. Send it again from here.".to_owned();
        return ask(&state, &link, &token, StatusCode::FORBIDDEN, Some(error));
    }
    let limited_is_fine = given.limited_is_fine.is_some();
    let connected = connect_by_key(&state, &link, &given.api_key, limited_is_fine);
    match connected.await {
        Ok(()) => {
            let page = Done {
                layout: Layout::of(&state),
                reads: in_words(&link.objects),
                asks: &link,
            };
            answer(StatusCode::OK, Policy::NoScript, &page)
        }
        Err(NotConnected::Link(closed)) => closed_page(&state, closed),
        Err(NotConnected::Limited(objects)) => {
            let error = format!(
                "This key can't read {objects} at {title}, so they would not be synced. Give a key that \
                 can, or connect without them.",
                objects = in_words(&objects),
                title = link.provider_title,
            );
            limited(&state, &link, &token, error)
        }
        Err(NotConnected::Key(error)) => ask(
            &state,
            &link,
            &token,
            StatusCode::UNPROCESSABLE_ENTITY,
            Some(error),
        ),
        Err(NotConnected::Later(error)) => ask(
            &state,
            &link,
            &token,
            StatusCode::SERVICE_UNAVAILABLE,
            Some(error),
        ),
    }
}

fn ask(
    state: &AppState,
    link: &OpenLink,
    token: &str,
    status: StatusCode,
    error: Option<String>,
) -> Response {
    let page = Ask {
        error,
        ..Ask::of(state, link, token)
    };
    answer(status, Policy::NoScript, &page)
}

/// The key is right but can't read everything.
fn limited(state: &AppState, link: &OpenLink, token: &str, error: String) -> Response {
    let page = Ask {
        error: Some(error),
        may_be_limited: true,
        ..Ask::of(state, link, token)
    };
    answer(StatusCode::UNPROCESSABLE_ENTITY, Policy::NoScript, &page)
}

impl<'a> Ask<'a> {
    fn of(state: &AppState, link: &'a OpenLink, token: &str) -> Self {
        let layout = Layout::of(state);
        Self {
            oauth_url: (link.way == Way::OAuth)
                .then(|| format!("{}/oauth/connect?token={token}", layout.base)),
            layout,
            reads: in_words(&link.objects),
            asks: link,
            error: None,
            may_be_limited: false,
        }
    }
}

fn closed_page(state: &AppState, closed: ClosedLink) -> Response {
    let (status, title, text) = match closed {
        ClosedLink::Unknown => (
            StatusCode::NOT_FOUND,
            "This link is not known",
            "Check that you opened all of it, or ask whoever sent it for a new one.",
        ),
        ClosedLink::Used => (
            StatusCode::GONE,
            "This link was used",
            "An account was connected with it. If that was not you, or you want to connect another \
             account, ask whoever sent it for a new one.",
        ),
        ClosedLink::Expired => (
            StatusCode::GONE,
            "This link has expired",
            "Ask whoever sent it for a new one.",
        ),
        ClosedLink::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "This page can't be shown right now",
            "Try again in a few minutes. The link stays good.",
        ),
    };
    let page = Closed {
        layout: Layout::of(state),
        title,
        text,
    };
    answer(status, Policy::NoScript, &page)
}

/// `users, mailboxes and contacts`
fn in_words(objects: &[Object]) -> String {
    let names: Vec<String> = objects
        .iter()
        .map(|object| object.plural().replace('_', " "))
        .collect();
    match names.as_slice() {
        [] => "nothing yet".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_told_in_words() {
        assert_eq!(in_words(&[]), "nothing yet");
        assert_eq!(in_words(&[Object::User]), "users");
        let all = [Object::User, Object::Contact, Object::SequenceState];
        assert_eq!(in_words(&all), "users, contacts and sequence states");
    }
}
