//! `/engagement/v2`: the common objects, from the synced tables and from the provider.

mod changes;
mod enrolments;
pub(crate) mod feed;
mod gets;
mod idempotency;
mod lists;
mod live;
mod provider_errors;
mod published_examples;
mod read_after_write;
mod searches;
mod sequences;
mod shapes;
mod tasks;
mod upserts;
mod writes;

use serde_json::Value;

use crate::support::{Answer, App};

/// The lists, and the object that a sync calls each.
pub(crate) const LISTS: [(&str, &str); 6] = [
    ("accounts", "account"),
    ("contacts", "contact"),
    ("mailboxes", "mailbox"),
    ("sequence_states", "sequence_state"),
    ("sequences", "sequence"),
    ("users", "user"),
];

/// A path of the engagement API.
pub(crate) fn path(rest: &str) -> String {
    format!("/engagement/v2/{rest}")
}

/// The id in the answer to a create.
pub(crate) fn created(answer: &Answer) -> String {
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.body);
    answer.body["record"]["id"].as_str().unwrap().to_owned()
}

/// The row as the tables show it.
pub(crate) async fn row(app: &App, list: &str, id: &str) -> Value {
    app.get(&path(&format!(
        "{list}/{id}?read_from_cache=true&include_raw_data=true"
    )))
    .await
    .ok()
}

/// The ids of a page's records.
pub(crate) fn ids(page: &Value) -> Vec<String> {
    let records = page["records"].as_array().unwrap();
    records
        .iter()
        .map(|record| record["id"].as_str().unwrap().to_owned())
        .collect()
}
