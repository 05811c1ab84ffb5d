//! API keys: who may call, what each may do, and when it was used last. A key can be revoked.

use askama::Template;
use axum::{
    extract::{Path, Query},
    http::{Method, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::Value;
use syncline_model::Time;

use crate::{
    address::{encoded, with_query},
    failure::Failure,
    page::{Policy, answer},
    pager::Pager,
    parts::State,
    resources::Listed,
    viewer::{Frame, Viewer},
    words::When,
};

const PAGE_SIZE: &str = "50";

#[derive(Deserialize)]
struct Key {
    id: String,
    name: String,
    role: String,
    policy: Option<Value>,
    created_at: Time,
    last_used_at: Option<Time>,
    expires_at: Option<Time>,
    revoked_at: Option<Time>,
}

impl Key {
    fn state(&self, now: &Time) -> State {
        State::new(if self.revoked_at.is_some() {
            "revoked"
        } else if self.expires_at.is_some_and(|at| at <= *now) {
            "expired"
        } else {
            "active"
        })
    }

    fn created(&self, now: &Time) -> When {
        When::new(self.created_at, *now)
    }

    fn used(&self, now: &Time) -> Option<When> {
        self.last_used_at.map(|at| When::new(at, *now))
    }

    fn expires(&self, now: &Time) -> Option<When> {
        self.expires_at.map(|at| When::new(at, *now))
    }

    fn rules(&self) -> Option<String> {
        let policy = self.policy.as_ref()?;
        serde_json::to_string_pretty(policy).ok()
    }
}

#[derive(Deserialize)]
pub(crate) struct Filter {
    #[serde(default)]
    cursor: String,
}

#[derive(Template)]
#[template(path = "console/api_keys.html")]
struct KeysPage {
    frame: Frame,
    now: Time,
    keys: Listed<Key>,
    pager: Pager,
    may_revoke: bool,
}

pub(crate) async fn list(
    viewer: Viewer,
    Query(filter): Query<Filter>,
) -> Result<Response, Failure> {
    let asked = [("page_size", PAGE_SIZE), ("cursor", &filter.cursor)];
    let path = with_query("/mgmt/v2/api_keys", asked);
    let keys: Listed<Key> = viewer.get(&path).await?;
    let page = KeysPage {
        pager: Pager::of(&keys, &[]),
        may_revoke: viewer.may(&Method::DELETE, "/mgmt/v2/api_keys/x"),
        now: viewer.now,
        frame: viewer.frame,
        keys,
    };
    Ok(answer(StatusCode::OK, Policy::OwnScript, &page))
}

/// Revokes a key, which ends its sessions here too.
pub(crate) async fn revoke(viewer: Viewer, Path(id): Path<String>) -> Result<Response, Failure> {
    let path = format!("/mgmt/v2/api_keys/{}", encoded(&id));
    viewer.change(Method::DELETE, &path, &[], None).await?;
    Ok(viewer.back_to("/console/api-keys", "revoked"))
}
