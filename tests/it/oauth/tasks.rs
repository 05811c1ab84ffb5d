//! Tasks at Outreach and Salesloft: created, searched and completed.

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::{Action, Fault, Match};

use super::{
    at_both_providers,
    writing::{asked, complete, create, fail, lose_answer, synced},
};
use crate::{
    engagement::{ids, path},
    http::refused,
    support::App,
};

/// What differs between the providers.
struct Facts {
    tasks: &'static str,
    /// Of the call below: Outreach's tasks have no title, and Salesloft's are due on a day.
    title: Value,
    note: &'static str,
    due_at: &'static str,
    /// How a task is completed, and whether one may be so again.
    completion: Match,
    completes_once: bool,
    /// Requests with which an unknown task is tried to be completed: Salesloft is asked for it first.
    tries: usize,
}

fn facts(name: &str) -> Facts {
    match name {
        "outreach" => Facts {
            tasks: "/api/v2/tasks",
            title: Value::Null,
            note: "Call back\nAfter nine",
            due_at: "2026-03-02T08:00:00.000Z",
            completion: Match::path("/actions/markComplete"),
            completes_once: true,
            tries: 1,
        },
        _ => Facts {
            tasks: "/v2/tasks",
            title: json!("Call back"),
            note: "After nine",
            due_at: "2026-03-02T00:00:00.000Z",
            completion: Match::path("/v2/tasks").method(reqwest::Method::PUT),
            completes_once: false,
            tries: 0,
        },
    }
}

/// A call that a user is to make.
fn call(app: &App) -> Value {
    let (user, contact) = app.apollo.read(0, |team| {
        (team.user_ids()[0].clone(), team.contact_ids()[0].clone())
    });
    json!({"user_id": user, "contact_id": contact, "type": "call", "priority": "high",
        "due_at": "2026-03-02T09:00:00+01:00", "title": "Call back", "note": "After nine"})
}

/// The ids of the tasks that match, from all pages.
async fn found(app: &App, filter: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut url = path("tasks/_search?page_size=5");
    loop {
        let page = app.post(&url, json!({ "filter": filter })).await.ok();
        found.extend(ids(&page));
        match page["pagination"]["next"].as_str() {
            Some(next) => url = path(&format!("tasks/_search?cursor={next}")),
            None => return found,
        }
    }
}

#[apply(at_both_providers)]
async fn a_task_is_created_found_and_completed(provider: Provider, database: Database) {
    let app = synced(provider, database).await;
    let facts = facts(provider.name);
    let draft = call(&app);
    let (user, contact) = (&draft["user_id"], &draft["contact_id"]);
    let before = found(&app, &json!({ "contact_id": contact })).await;
    let answer = create(&app, "tasks", &draft).await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.body);
    let task = answer.body["record"].clone();
    for (field, value) in [
        ("type", json!("call")),
        ("provider_type", json!("call")),
        ("status", json!("open")),
        ("priority", Value::Null),
        ("user_id", user.clone()),
        ("contact_id", contact.clone()),
        ("title", facts.title),
        ("note", json!(facts.note)),
        ("due_at", json!(facts.due_at)),
        ("completed_at", Value::Null),
    ] {
        assert_eq!(task[field], value, "{field}");
    }
    let id = task["id"].as_str().unwrap();
    let open = json!({"contact_id": contact, "user_id": user, "status": "open"});
    let completed = json!({"contact_id": contact, "user_id": user, "status": "completed"});
    assert!(found(&app, &open).await.contains(&id.to_owned()));
    let all = found(&app, &json!({ "contact_id": contact })).await;
    assert_eq!(all.len(), before.len() + 1);

    let done = complete(&app, id).await.ok();
    assert_eq!(done["record"]["status"], "completed");
    assert!(done["record"]["completed_at"].is_string());
    assert!(!found(&app, &open).await.contains(&id.to_owned()));
    assert!(found(&app, &completed).await.contains(&id.to_owned()));
    let skipped = json!({"contact_id": contact, "status": "skipped"});
    assert!(found(&app, &skipped).await.is_empty());
    if facts.completes_once {
        let again = complete(&app, id).await;
        refused(&again, 422, "UNPROCESSABLE_ENTITY_ERROR");
    }
}

#[apply(at_both_providers)]
async fn tasks_come_with_the_latest_first_and_page_by_page(provider: Provider, database: Database) {
    let app = synced(provider, database).await;
    let mut expected = Vec::new();
    for day in 10..22 {
        let mut draft = call(&app);
        draft["due_at"] = json!(format!("2026-04-{day}"));
        let answer = create(&app, "tasks", &draft).await.ok();
        expected.insert(0, answer["record"]["id"].as_str().unwrap().to_owned());
    }
    let draft = call(&app);
    let filter = json!({"contact_id": draft["contact_id"], "user_id": draft["user_id"],
        "status": "open"});
    assert_eq!(found(&app, &filter).await[..12], expected);
    for nobodys in [
        json!({"contact_id": "nobody"}),
        json!({"user_id": "999999999"}),
    ] {
        assert!(found(&app, &nobodys).await.is_empty());
    }
}

#[apply(at_both_providers)]
async fn what_is_unknown_or_not_to_be_had_is_refused(provider: Provider, database: Database) {
    let app = synced(provider, database).await;
    let facts = facts(provider.name);
    for unknown in ["999999999", "nobody"] {
        refused(&complete(&app, unknown).await, 404, "NOT_FOUND_ERROR");
    }
    for (field, value) in [
        ("user_id", "somebody"),
        ("contact_id", "somebody"),
        ("type", "linkedin"),
    ] {
        let mut draft = call(&app);
        draft[field] = json!(value);
        let answer = create(&app, "tasks", &draft).await;
        let field = format!("record.{field}");
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", field.as_str()));
    }
    assert_eq!(asked(&app, "POST", facts.tasks), facts.tries, "no create");
    for field in ["user_id", "contact_id"] {
        let mut draft = call(&app);
        draft[field] = json!("999999999");
        let answer = create(&app, "tasks", &draft).await;
        refused(&answer, 422, "UNPROCESSABLE_ENTITY_ERROR");
    }
}

#[apply(at_both_providers)]
async fn a_lost_answer_does_not_double_a_task_nor_hide_that_it_is_done(
    provider: Provider,
    database: Database,
) {
    let app = synced(provider, database).await;
    let facts = facts(provider.name);
    lose_answer(&app, facts.tasks);
    let answer = create(&app, "tasks", &call(&app)).await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.body);
    assert_eq!(asked(&app, "POST", facts.tasks), 1);
    let id = answer.body["record"]["id"].as_str().unwrap();
    let lost = Fault::new(facts.completion, Action::AppliedThenServerError);
    app.apollo.faults().push(lost);
    let done = complete(&app, id).await.ok();
    assert_eq!(done["record"]["status"], "completed");

    fail(&app, facts.tasks);
    let mut draft = call(&app);
    draft["note"] = json!("Another one");
    let answer = create(&app, "tasks", &draft).await;
    refused(&answer, 502, "BAD_GATEWAY_ERROR");
}
