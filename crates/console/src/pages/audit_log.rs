//! The audit log: which key did what, and what was denied.

use askama::Template;
use axum::{extract::Query, http::StatusCode, response::Response};
use serde::Deserialize;
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

const PAGE_SIZE: &str = "100";

#[derive(Deserialize)]
struct Entry {
    at: Time,
    key_id: Option<String>,
    key_name: Option<String>,
    actor: String,
    action: String,
    result: String,
    message: String,
    request_id: Option<String>,
}

impl Entry {
    fn at(&self, now: &Time) -> When {
        When::new(self.at, *now)
    }

    fn state(&self) -> State {
        State::new(&*self.result)
    }

    fn who(&self) -> &str {
        self.key_name.as_deref().unwrap_or(&self.actor)
    }
}

#[derive(Deserialize)]
pub(crate) struct Filter {
    #[serde(default)]
    key_id: String,
    #[serde(default)]
    customer_id: String,
    #[serde(default)]
    result: String,
    #[serde(default)]
    cursor: String,
}

impl Filter {
    fn pairs(&self) -> [(&'static str, &str); 3] {
        [
            ("key_id", &self.key_id),
            ("customer_id", &self.customer_id),
            ("result", &self.result),
        ]
    }
}

#[derive(Template)]
#[template(path = "console/audit_log.html")]
struct AuditLogPage {
    frame: Frame,
    now: Time,
    filter: Filter,
    entries: Listed<Entry>,
    pager: Pager,
}

pub(crate) async fn list(
    viewer: Viewer,
    Query(filter): Query<Filter>,
) -> Result<Response, Failure> {
    let page = [("page_size", PAGE_SIZE), ("cursor", &filter.cursor)];
    let asked = page.into_iter().chain(filter.pairs());
    let path = with_query("/mgmt/v2/audit_log", asked);
    let entries: Listed<Entry> = viewer.get(&path).await?;
    let page = AuditLogPage {
        pager: Pager::of(&entries, &filter.pairs()),
        now: viewer.now,
        frame: viewer.frame,
        filter,
        entries,
    };
    Ok(answer(StatusCode::OK, Policy::OwnScript, &page))
}
