//! Rows of the tables, compared with the provider's own records.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde_json::{Value, json};

use super::App;

/// Every row's `last_modified_at`, by list and id.
pub(crate) async fn stamps<L: AsRef<str>>(app: &App, lists: &[L]) -> BTreeMap<String, Value> {
    let mut stamps = BTreeMap::new();
    for list in lists {
        let list = list.as_ref();
        for row in app
            .all_records(&format!("{list}?include_deleted_data=true"))
            .await
        {
            let key = format!("{list}/{}", row["id"].as_str().unwrap());
            stamps.insert(key, row["last_modified_at"].clone());
        }
    }
    stamps
}

pub(crate) fn by_id(rows: Vec<Value>) -> BTreeMap<String, Value> {
    let count = rows.len();
    let rows: BTreeMap<_, _> = rows
        .into_iter()
        .map(|row| (row["id"].as_str().unwrap().to_owned(), row))
        .collect();
    assert_eq!(rows.len(), count, "a row was listed twice");
    rows
}

/// The rows match the provider's records: each has the fields that `expected` maps the record to, and
/// the record itself as its raw data.
pub(crate) fn compare(
    rows: &BTreeMap<String, Value>,
    truth: &[Value],
    expected: impl Fn(&Value) -> Value,
) {
    assert_eq!(rows.len(), truth.len());
    for record in truth {
        let row = &rows[id_of(record).as_str().unwrap()];
        for (field, value) in expected(record).as_object().unwrap() {
            assert_eq!(&row[field], value, "{field} of {record}");
        }
        for (key, value) in record.as_object().unwrap() {
            assert_eq!(&row["raw_data"][key], value, "raw_data.{key}");
        }
    }
}

/// The id of a record, or of a reference to one, as Syncline shows it; null without one.
pub(crate) fn id_of(record: &Value) -> Value {
    match &record["id"] {
        Value::Number(id) => json!(id.to_string()),
        id => id.clone(),
    }
}

/// The provider's time as Syncline shows it.
pub(crate) fn time(text: &Value) -> Value {
    match text.as_str() {
        Some(text) => json!(
            DateTime::parse_from_rfc3339(text)
                .unwrap()
                .to_utc()
                .to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
        ),
        None => Value::Null,
    }
}
