//! Synced records: a list of an object's rows, and one row with the provider's own JSON and where it
//! comes from.

use askama::Template;
use axum::{
    extract::{Path, Query},
    http::{Method, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use syncline_model::{Object, Time};
use syncline_server::in_process::ApiCall;

use crate::{
    failure::Failure,
    page::{Policy, answer},
    pager::Pager,
    parts::State,
    resources::connection_path,
    viewer::{Frame, Viewer, encoded, of_connection},
    words::{When, count, plain},
};

const PAGE_SIZE: usize = 50;

/// A row: some fields are every object's, the others stand in `fields` as the API names them.
#[derive(Deserialize)]
struct Record {
    id: String,
    is_deleted: bool,
    last_modified_at: Time,
    #[serde(default)]
    raw_data: Option<Value>,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

#[derive(Deserialize)]
struct Records {
    pagination: Pagination,
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Pagination {
    next: Option<String>,
    previous: Option<String>,
    total_count: Option<i64>,
}

#[derive(Deserialize)]
pub(crate) struct Filter {
    /// A contact's e-mail address.
    #[serde(default)]
    search: String,
    #[serde(default)]
    deleted: String,
    #[serde(default)]
    cursor: String,
}

/// Whose records.
struct Of {
    customer_id: String,
    provider: String,
    object: Object,
}

#[derive(Template)]
#[template(path = "console/records.html")]
struct RecordsPage {
    frame: Frame,
    now: Time,
    of: Of,
    filter: Filter,
    records: Records,
    pager: Pager,
}

pub(crate) async fn list(
    viewer: Viewer,
    Path((customer_id, provider, object)): Path<(String, String, Object)>,
    Query(filter): Query<Filter>,
) -> Result<Response, Failure> {
    let of = Of {
        customer_id,
        provider,
        object,
    };
    let records = of.read(&viewer, &filter).await?;
    let kept = [("search", &*filter.search), ("deleted", &*filter.deleted)];
    let Pagination { next, previous, .. } = &records.pagination;
    let page = RecordsPage {
        pager: Pager::to(next.as_deref(), previous.as_deref(), &kept),
        frame: viewer.frame,
        now: viewer.now,
        of,
        filter,
        records,
    };
    Ok(answer(StatusCode::OK, Policy::OwnScript, &page))
}

impl Of {
    async fn read(&self, viewer: &Viewer, filter: &Filter) -> Result<Records, Failure> {
        let plural = self.object.plural();
        let mut query = format!("read_from_cache=true&page_size={PAGE_SIZE}");
        if !filter.cursor.is_empty() {
            query = format!("{query}&cursor={}", encoded(&filter.cursor));
        }
        let searches = self.object == Object::Contact && !filter.search.is_empty();
        let (method, path, body) = if searches {
            let body = json!({"filter": {"emails": [filter.search.trim()]}});
            let path = format!("/engagement/v2/{plural}/_search?{query}");
            (Method::POST, path, Some(body))
        } else {
            let deleted = !filter.deleted.is_empty();
            let path = format!("/engagement/v2/{plural}?{query}&include_deleted_data={deleted}");
            (Method::GET, path, None)
        };
        let call = ApiCall {
            method,
            path: &path,
            headers: &of_connection(&self.customer_id, &self.provider),
            body,
        };
        let read = viewer.call(call).await;
        read.map_err(|failure| viewer.failed(failure))
    }

    fn connection_path(&self) -> String {
        connection_path(&self.customer_id, &self.provider)
    }

    fn path(&self) -> String {
        format!("{}/records/{}", self.connection_path(), self.object)
    }

    fn plural(&self) -> String {
        plain(self.object.plural())
    }

    /// The columns that say most about a record.
    fn columns(&self) -> &'static [&'static str] {
        match self.object {
            Object::User => &["first_name", "last_name", "email", "is_locked"],
            Object::Mailbox => &["email", "user_id", "is_disabled"],
            Object::Sequence => &["name", "is_enabled", "num_steps", "owner_id"],
            Object::Account => &["name", "domain", "owner_id"],
            Object::Contact => &["first_name", "last_name", "job_title", "email_addresses"],
            Object::SequenceState => &["state", "contact_id", "sequence_id"],
        }
    }
}

impl Record {
    fn text(&self, column: &str) -> String {
        self.fields.get(column).map(in_words).unwrap_or_default()
    }

    fn modified(&self, now: &Time) -> When {
        When::new(self.last_modified_at, *now)
    }

    fn all_fields(&self) -> Vec<(String, String)> {
        let fields = self.fields.iter();
        fields
            .map(|(name, value)| (plain(name), in_words(value)))
            .collect()
    }

    fn raw(&self) -> Option<String> {
        let raw = self.raw_data.as_ref()?;
        serde_json::to_string_pretty(raw).ok()
    }
}

/// A value of a field as a person reads it: lists by their elements, addresses by themselves.
fn in_words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(values) => values.iter().map(in_words).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let main = ["email_address", "phone_number", "street_1"];
            match main.iter().find_map(|name| fields.get(*name)) {
                Some(value) => in_words(value),
                None => value.to_string(),
            }
        }
        Value::Number(number) => number.to_string(),
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_words() {
        let of = |value: Value| in_words(&value);
        assert_eq!(of(json!(null)), "");
        assert_eq!(of(json!(true)), "yes");
        assert_eq!(
            of(json!([{"email_address": "a@x.example", "type": "work"}])),
            "a@x.example"
        );
        assert_eq!(of(json!(["a", 1])), "a, 1");
    }
}
