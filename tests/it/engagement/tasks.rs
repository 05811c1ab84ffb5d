//! Tasks: created, searched and completed.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{ids, path};
use crate::{
    http::refused,
    support::{App, on_both_databases},
};

#[apply(on_both_databases)]
async fn a_task_is_created_found_and_completed(database: Database) {
    let app = App::synced(database, 20).await;
    let (user, contact) = app.apollo.read(0, |team| {
        (team.user_ids()[0].clone(), team.contact_ids()[0].clone())
    });
    let record = json!({"user_id": user, "contact_id": contact, "type": "call", "priority": "high",
            "due_at": "2026-03-02T09:00:00+01:00", "title": "Call back", "note": "After nine"});
    let answer = app.post(&path("tasks"), json!({"record": record})).await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.body);
    let task = answer.body["record"].clone();
    for (field, value) in [
        ("type", json!("call")),
        ("status", json!("open")),
        ("priority", json!("high")),
        ("user_id", json!(user)),
        ("contact_id", json!(contact)),
        ("title", json!("Call back")),
        ("note", json!("After nine")),
        ("due_at", json!("2026-03-02T08:00:00.000Z")),
        ("completed_at", Value::Null),
    ] {
        assert_eq!(task[field], value, "{field}");
    }
    let id = task["id"].as_str().unwrap().to_owned();
    assert_eq!(
        found(&app, json!({"contact_id": contact, "status": "open"})).await,
        [id.as_str()]
    );
    let done = app
        .post(&path(&format!("tasks/{id}/_complete")), json!({}))
        .await
        .ok();
    assert_eq!(done["record"]["status"], "completed");
    assert!(done["record"]["completed_at"].is_string());
    assert!(
        found(&app, json!({"contact_id": contact, "status": "open"}))
            .await
            .is_empty()
    );
    assert_eq!(
        found(&app, json!({"contact_id": contact})).await,
        [id.as_str()]
    );
    let again = app
        .post(&path(&format!("tasks/{id}/_complete")), json!({}))
        .await;
    refused(&again, 422, "UNPROCESSABLE_ENTITY_ERROR");
}

#[apply(on_both_databases)]
async fn an_unknown_task_is_a_404_and_an_unknown_user_a_422(database: Database) {
    let app = App::synced(database, 20).await;
    let answer = app
        .post(&path("tasks/66e34b81740c50074e3d1bd4/_complete"), json!({}))
        .await;
    refused(&answer, 404, "NOT_FOUND_ERROR");
    let record = json!({"user_id": "66e34b81740c50074e3d1bd4", "contact_id": "x", "type": "other",
            "due_at": "2026-03-02T09:00:00Z"});
    let answer = app.post(&path("tasks"), json!({"record": record})).await;
    refused(&answer, 422, "UNPROCESSABLE_ENTITY_ERROR");
}

/// The ids of the tasks that match, from all pages.
async fn found(app: &App, filter: Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut url = path("tasks/_search?page_size=5");
    loop {
        let page = app.post(&url, json!({"filter": filter})).await.ok();
        found.extend(ids(&page));
        match page["pagination"]["next"].as_str() {
            Some(next) => url = path(&format!("tasks/_search?cursor={next}")),
            None => return found,
        }
    }
}
