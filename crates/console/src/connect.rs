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
    match connect_by_key(&state, &link, &given.api_key).await {
        Ok(()) => {
            let page = Done {
                layout: Layout::of(&state),
                reads: in_words(&link.objects),
                asks: &link,
            };
            answer(StatusCode::OK, Policy::NoScript, &page)
        }
        Err(NotConnected::Link(closed)) => closed_page(&state, closed),
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
    let layout = Layout::of(state);
    let page = Ask {
        oauth_url: (link.way == Way::OAuth)
            .then(|| format!("{}/oauth/connect?token={token}", layout.base)),
        layout,
        reads: in_words(&link.objects),
        asks: link,
        error,
    };
    answer(status, Policy::NoScript, &page)
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
