//! Who looks at the console, and what they may ask the API. Pages show nothing that the API wouldn't
//! answer to the viewer's key, and change nothing that it wouldn't let the key change.

use axum::{
    extract::{Extension, FromRequestParts},
    http::{HeaderName, Method, StatusCode, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use syncline_model::Time;
use syncline_server::{
    AppState, cookie,
    in_process::{Api, ApiCall, ApiFailure, CallBody},
    sessions::{SignedIn, signed_in},
};

use crate::{
    address::encoded, failure::Failure, live::LivePartsOnly, page::Layout, sign_in::cookie_name,
};

/// Somebody who is signed in.
pub(crate) struct Viewer {
    api: Api,
    who: SignedIn,
    pub(crate) frame: Frame,
    pub(crate) now: Time,
    /// Whether only the live parts of the page are wanted.
    pub(crate) live_parts_only: bool,
}

/// What the frame around every page of the console shows.
#[derive(Clone)]
pub(crate) struct Frame {
    pub(crate) layout: Layout,
    pub(crate) key_name: String,
    pub(crate) role: &'static str,
    pub(crate) is_admin: bool,
    /// The page's own address, without `base`.
    pub(crate) path: String,
    /// What was just done, in words.
    pub(crate) note: Option<&'static str>,
}

/// The overview, of which all other pages are below.
const OVERVIEW: &str = "/console";

const SECTIONS: &[(&str, &str)] = &[
    (OVERVIEW, "Overview"),
    ("/console/customers", "Customers"),
    ("/console/syncs", "Syncs"),
    ("/console/runs", "Runs"),
    ("/console/webhooks", "Webhooks"),
    ("/console/approvals", "Approvals"),
    ("/console/providers", "Providers"),
    ("/console/destinations", "Destinations"),
];

/// What only admins may see.
const FOR_ADMINS: &[(&str, &str)] = &[
    ("/console/api-keys", "API keys"),
    ("/console/audit-log", "Audit log"),
];

impl Frame {
    /// The sections that the viewer may see: paths and names.
    pub(crate) fn sections(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let more = if self.is_admin { FOR_ADMINS } else { &[] };
        SECTIONS.iter().chain(more).copied()
    }

    /// Whether the page is in this section.
    pub(crate) fn is_at(&self, path: &str) -> bool {
        let rest = self.path.strip_prefix(path);
        rest.is_some_and(|rest| match rest.trim_start_matches('/') {
            "" => true,
            below => below.starts_with('?') || path != OVERVIEW && rest.starts_with('/'),
        })
    }
}

impl FromRequestParts<AppState> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let Ok(Extension(api)) = Extension::<Api>::from_request_parts(parts, state).await else {
            return Err(StatusCode::INTERNAL_SERVER_ERROR.into_response());
        };
        let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
        let token = cookie::values(&parts.headers, cookie_name(state)).next();
        let found = match token {
            Some(token) => signed_in(state, token).await,
            None => Ok(None),
        };
        let who = match found {
            Ok(Some(who)) => who,
            Ok(None) => return Err(to_sign_in(state, path)),
            Err(_) => return Err(StatusCode::SERVICE_UNAVAILABLE.into_response()),
        };
        let frame = Frame {
            layout: Layout::of(state),
            key_name: who.key.name.clone(),
            role: who.key.role.as_str(),
            is_admin: who.may(&Method::GET, "/mgmt/v2/api_keys"),
            path: path.to_owned(),
            note: note_in(parts.uri.query()),
        };
        Ok(Self {
            api,
            who,
            frame,
            now: state.clock.now(),
            live_parts_only: parts.extensions.get::<LivePartsOnly>().is_some(),
        })
    }
}

/// The page that was asked for comes after signing in.
fn to_sign_in(state: &AppState, path: &str) -> Response {
    let base = Layout::of(state).base;
    Redirect::to(&format!("{base}/console/sign-in?to={}", encoded(path))).into_response()
}

/// What a page says after something was done; the address has only the word.
const NOTES: &[(&str, &str)] = &[
    ("applied", "The held deletions are applied."),
    ("paused", "The sync is paused."),
    ("resumed", "The sync is resumed."),
    ("triggered", "The sync starts now."),
    ("replayed", "The message is sent again."),
    ("tested", "A test event is sent. Its attempts appear below."),
    ("revoked", "The key is revoked."),
    ("saved", "The sync config is saved."),
    ("approved", "The call is approved."),
    ("denied", "The call is denied."),
    ("granted", "The grants are saved, and count from now on."),
    ("key-added", "The key is added."),
    ("key-deleted", "The key is deleted."),
    ("job-made", "The list is taken. Its progress appears here."),
    (
        "job-cancelled",
        "The job is cancelled. What was asked about at that moment is still paid for, and kept.",
    ),
    ("job-continued", "The job goes on."),
];

fn note_in(query: Option<&str>) -> Option<&'static str> {
    let word = query?
        .split('&')
        .find_map(|pair| pair.strip_prefix("note="))?;
    let note = NOTES.iter().find(|(name, _)| *name == word);
    note.map(|(_, text)| *text)
}

impl Viewer {
    /// The API's answer to a GET.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.get_of(&[], path).await
    }

    /// The same, for a part that the viewer's key may not see.
    pub(crate) async fn get_if_allowed<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Option<T>, Failure> {
        if self.may(&Method::GET, path) {
            self.get(path).await.map(Some)
        } else {
            Ok(None)
        }
    }

    /// The answer to a GET that is about one connection.
    pub(crate) async fn get_of<T: DeserializeOwned>(
        &self,
        headers: &[(HeaderName, String)],
        path: &str,
    ) -> Result<T, Failure> {
        let call = ApiCall {
            method: Method::GET,
            path,
            headers,
            body: None,
        };
        self.call(call)
            .await
            .map_err(|failure| self.failed(failure))
    }

    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        call: ApiCall<'_>,
    ) -> Result<T, ApiFailure> {
        self.api.call(&self.who, call).await
    }

    /// A call whose answer is passed on while it is read.
    pub(crate) async fn stream(&self, call: ApiCall<'_>) -> Result<Response, ApiFailure> {
        self.api.stream(&self.who, call).await
    }

    /// Sends what changes something, and forgets the answer.
    pub(crate) async fn change(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, String)],
        body: Option<Value>,
    ) -> Result<(), Failure> {
        let call = ApiCall {
            method,
            path,
            headers,
            body: body.map(CallBody::Json),
        };
        let changed: Result<Value, ApiFailure> = self.call(call).await;
        changed.map(drop).map_err(|failure| self.failed(failure))
    }

    /// Whether the viewer's key may make this call, so that it is worth offering.
    pub(crate) fn may(&self, method: &Method, path: &str) -> bool {
        let path = path.split('?').next().unwrap_or_default();
        self.who.may(method, path)
    }

    pub(crate) fn failed(&self, failure: ApiFailure) -> Failure {
        Failure::new(self.frame.clone(), failure)
    }

    /// After something was done: back to a page, which says so.
    pub(crate) fn back_to(&self, path: &str, note: &str) -> Response {
        let base = &self.frame.layout.base;
        let sign = if path.contains('?') { '&' } else { '?' };
        Redirect::to(&format!("{base}{path}{sign}note={note}")).into_response()
    }
}

/// The headers that select a connection.
pub(crate) fn of_connection(customer_id: &str, provider: &str) -> [(HeaderName, String); 2] {
    [
        (
            HeaderName::from_static("x-customer-id"),
            customer_id.to_owned(),
        ),
        (
            HeaderName::from_static("x-provider-name"),
            provider.to_owned(),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_told_in_our_own_words_only() {
        assert!(note_in(Some("cursor=x&note=applied")).is_some());
        assert_eq!(note_in(Some("note=<b>")), None);
        assert_eq!(note_in(None), None);
    }
}
