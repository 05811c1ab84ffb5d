//! One row: its fields, the provider's own JSON, which runs saw it, and why it is missing or deleted.

use askama::Template;
use axum::{
    extract::Path,
    http::{Method, StatusCode},
    response::Response,
};
use serde::Deserialize;
use syncline_model::{Object, Time};
use syncline_server::in_process::ApiCall;

use crate::{
    address::encoded,
    failure::Failure,
    page::{Policy, answer},
    parts::State,
    record::{Of, Record},
    viewer::{Frame, Viewer, of_connection},
    words::When,
};

/// Where a row comes from.
#[derive(Deserialize)]
struct Provenance {
    deleted_at: Option<Time>,
    missing_since: Option<Time>,
    first_seen_by: Option<Sighting>,
    last_seen_by: Option<Sighting>,
    events: Vec<PresenceEvent>,
}

#[derive(Deserialize)]
struct Sighting {
    run_id: String,
    started_at: Option<Time>,
}

#[derive(Deserialize)]
struct PresenceEvent {
    event: String,
    reason: String,
    run_id: Option<String>,
    recorded_at: Time,
}

#[derive(Template)]
#[template(path = "console/record.html")]
struct RecordPage {
    frame: Frame,
    now: Time,
    of: Of,
    record: Record,
    provenance: Provenance,
}

pub(crate) async fn show(
    viewer: Viewer,
    Path((customer_id, provider, object, id)): Path<(String, String, Object, String)>,
) -> Result<Response, Failure> {
    let of = Of {
        customer_id,
        provider,
        object,
    };
    let (plural, id) = (of.object.plural(), encoded(&id));
    let call = ApiCall {
        method: Method::GET,
        path: &format!("/engagement/v2/{plural}/{id}?read_from_cache=true&include_raw_data=true"),
        headers: &of_connection(&of.customer_id, &of.provider),
        body: None,
    };
    let record = viewer.call(call).await;
    let record = record.map_err(|failure| viewer.failed(failure))?;
    let (customer, provider) = (encoded(&of.customer_id), encoded(&of.provider));
    let path = format!(
        "/mgmt/v2/customers/{customer}/connections/{provider}/records/{object}/{id}/provenance"
    );
    let page = RecordPage {
        record,
        provenance: viewer.get(&path).await?,
        frame: viewer.frame,
        now: viewer.now,
        of,
    };
    Ok(answer(StatusCode::OK, Policy::OwnScript, &page))
}

impl RecordPage {
    fn state(&self) -> State {
        let provenance = &self.provenance;
        if self.record.is_deleted {
            State::new("deleted")
        } else if provenance.missing_since.is_some() {
            State::new("missing")
        } else {
            State::new("active")
        }
    }

    /// Since when it is deleted or missing.
    fn since(&self) -> Option<When> {
        let Provenance {
            deleted_at,
            missing_since,
            ..
        } = &self.provenance;
        let at = (*deleted_at).or(*missing_since)?;
        Some(When::new(at, self.now))
    }

    /// What the two runs that saw it are called.
    fn sightings(&self) -> [(&'static str, Option<&Sighting>); 2] {
        [
            ("First seen by", self.provenance.first_seen_by.as_ref()),
            ("Last seen by", self.provenance.last_seen_by.as_ref()),
        ]
    }
}

impl Sighting {
    fn started(&self, now: &Time) -> Option<When> {
        self.started_at.map(|at| When::new(at, *now))
    }
}

impl PresenceEvent {
    fn recorded(&self, now: &Time) -> When {
        When::new(self.recorded_at, *now)
    }
}
