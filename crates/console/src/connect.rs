//! The page behind a magic link: a customer connects their own account, by key or by OAuth.
//!
//! Where a key is connected already, another one replaces it or is added beside it. Opening the page
//! changes nothing, because mail scanners open links; only a key that its provider accepts uses the link
//! up. The key never comes back into a page.

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
    connecting::{ClosedLink, NotConnected, OpenLink, Way, add_by_key, connect_by_key, open_link},
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
    /// What is wrong with its name.
    label_error: Option<String>,
    /// Whether the key was to be added beside the one that is connected, and under which name.
    adds: bool,
    label: &'a str,
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
    /// Under this name, beside the key that is connected.
    added: Option<&'a str>,
}

/// The link can't be used.
#[derive(Template)]
#[template(path = "connect/closed.html")]
struct Closed {
    layout: Layout,
    title: &'static str,
    text: &'static str,
}

#[derive(Default, Deserialize)]
pub(crate) struct Given {
    #[serde(default)]
    api_key: String,
    /// Ticked: a key that can't read everything is fine.
    limited_is_fine: Option<String>,
    /// `add`: beside the key that is connected. Otherwise it takes the place of that.
    #[serde(default)]
    how: String,
    /// The name of a key that is added.
    #[serde(default)]
    label: String,
}

impl Given {
    fn adds(&self) -> bool {
        self.how == "add"
    }
}

pub(crate) async fn show(State(state): State<AppState>, Path(token): Path<String>) -> Response {
    match open_link(&state, &token).await {
        Ok(link) => answer(
            StatusCode::OK,
            Policy::NoScript,
            &Ask::of(&state, &link, &token, &Given::default()),
        ),
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
    let mut page = Ask::of(&state, &link, &token, &given);
    if is_from_elsewhere(&headers) {
        let error = "This form was sent from another site. Send it again from here.";
        page.error = Some(error.to_owned());
        return answer(StatusCode::FORBIDDEN, Policy::NoScript, &page);
    }
    let not_connected = match connect(&state, &link, &given).await {
        Ok(()) => {
            let page = Done {
                layout: Layout::of(&state),
                reads: in_words(&link.objects),
                added: given.adds().then_some(given.label.trim()),
                asks: &link,
            };
            return answer(StatusCode::OK, Policy::NoScript, &page);
        }
        Err(not_connected) => not_connected,
    };
    let mut status = StatusCode::UNPROCESSABLE_ENTITY;
    match not_connected {
        NotConnected::Link(closed) => return closed_page(&state, closed),
        NotConnected::Limited(objects) => {
            page.error = Some(format!(
                "This key can't read {objects} at {title}, so they would not be synced. Give a key that \
                 can, or connect without them.",
                objects = in_words(&objects),
                title = link.provider_title,
            ));
            page.may_be_limited = true;
        }
        NotConnected::Key(error) => page.error = Some(error),
        NotConnected::Label(error) => page.label_error = Some(error),
        NotConnected::Later(error) => {
            page.error = Some(error);
            status = StatusCode::SERVICE_UNAVAILABLE;
        }
    }
    answer(status, Policy::NoScript, &page)
}

async fn connect(state: &AppState, link: &OpenLink, given: &Given) -> Result<(), NotConnected> {
    if given.adds() {
        add_by_key(state, link, &given.api_key, &given.label).await
    } else {
        connect_by_key(state, link, &given.api_key, given.limited_is_fine.is_some()).await
    }
}

impl<'a> Ask<'a> {
    fn of(state: &AppState, link: &'a OpenLink, token: &str, given: &'a Given) -> Self {
        let layout = Layout::of(state);
        Self {
            oauth_url: (link.way == Way::OAuth)
                .then(|| format!("{}/oauth/connect?token={token}", layout.base)),
            layout,
            reads: in_words(&link.objects),
            asks: link,
            error: None,
            label_error: None,
            adds: given.adds(),
            label: &given.label,
            may_be_limited: false,
        }
    }
}

fn closed_page(state: &AppState, closed: ClosedLink) -> Response {
    let (status, title, text) = match closed {
        ClosedLink::Unknown => (
            StatusCode::NOT_FOUND,
            "This link is not known",
            "Check that you opened all of it. It may also have been used up, or deleted: then ask whoever \
             sent it for a new one.",
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
