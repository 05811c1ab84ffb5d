//! How much of an object is stored, and for how long.

mod changes;
mod erasure;
mod levels;
mod none;
mod processes;
mod results;
mod retention;
mod shown;

use serde_json::{Value, json};

use crate::support::{Answer, App};

/// Sets what is stored of one object, and leaves the others as they are.
pub(crate) async fn set_policy(app: &App, object: &str, policy: Value) -> Answer {
    let config = app.get("/mgmt/v2/sync_configs").await.ok()[0].clone();
    let mut body = config["config"].clone();
    for entry in body["common_objects"].as_array_mut().unwrap() {
        if entry["object"] == object {
            *entry = json!({"object": object});
            let own = entry.as_object_mut().unwrap();
            own.extend(policy.as_object().unwrap().clone());
        }
    }
    let path = format!("/mgmt/v2/sync_configs/{}", config["id"].as_str().unwrap());
    app.put(&path, json!({"config": body})).await
}

/// Does all that the policies ask for now.
pub(crate) async fn carry_out(app: &App) {
    app.engine.carry_out_policies().await.unwrap();
}

/// The objects with their lists.
pub(crate) const LISTS: [(&str, &str); 6] = [
    ("user", "users"),
    ("mailbox", "mailboxes"),
    ("sequence", "sequences"),
    ("account", "accounts"),
    ("contact", "contacts"),
    ("sequence_state", "sequence_states"),
];

/// What a row has whatever is stored of it.
const ALWAYS: [&str; 4] = ["id", "is_deleted", "deleted_at", "last_modified_at"];

/// A row's own fields.
fn fields_of(row: &Value) -> Vec<String> {
    let keys = row.as_object().unwrap().keys();
    keys.filter(|key| *key != "raw_data" && !ALWAYS.contains(&key.as_str()))
        .cloned()
        .collect()
}

/// The value of a field that isn't stored. A sequence state always has its contact.
fn empty(field: &str, full: &Value) -> Value {
    match full {
        _ if field == "contact_id" => full.clone(),
        _ if field == "share_type" => json!("team"),
        Value::Bool(_) if field.starts_with("is_") => match field {
            "is_enabled" | "is_archived" => json!(false),
            _ => Value::Null,
        },
        Value::Number(_) => json!(0),
        Value::Array(_) => json!([]),
        Value::Object(_) if field == "metrics" => json!({}),
        _ => Value::Null,
    }
}
