//! Tasks: writing, finding, changing and closing them.

use serde_json::{Value, json};
use syncline_sim::Simulator;

use crate::{get, patch, post, sim};

/// A task with the given fields, for the first user unless they name one.
fn task(sim: &Simulator, mut fields: Value) -> Value {
    let user = sim.read(0, |team| team.user_ids()[0].clone());
    let fields_given = fields.as_object_mut().expect("fields");
    fields_given.entry("user_id").or_insert(json!(user));
    fields_given.entry("type").or_insert(json!("call"));
    let reply = post(sim, "tasks", &fields);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["task"].clone()
}

fn path(task: &Value) -> String {
    format!("tasks/{}", task["id"].as_str().expect("an id"))
}

#[test]
fn tasks_are_created_completed_once_and_found() {
    let sim = sim(10);
    assert_eq!(
        post(&sim, "tasks", &json!({})).text(),
        r#"{"error":"type and user can not be blank"}"#
    );
    let (user, contact) = sim.read(0, |team| {
        (team.user_ids()[0].clone(), team.contact_ids()[0].clone())
    });
    let body = json!({"user_id": user, "contact_id": contact, "type": "call", "due_at": "2026-03-01T09:00:00Z"});
    let task = post(&sim, "tasks", &body).json()["task"].clone();
    assert_eq!(task["contact"]["id"], contact.as_str());
    assert_eq!(task["due_at"], "2026-03-01T09:00:00.000+00:00");
    let path = format!("tasks/{}/complete", task["id"].as_str().unwrap());
    assert_eq!(
        post(&sim, &path, &json!({})).json()["task"]["status"],
        "completed"
    );
    assert_eq!(post(&sim, &path, &json!({})).status, 422);
    assert_eq!(
        post(&sim, "tasks/search", &json!({})).json()["pagination"]["total_entries"],
        1
    );
}

#[test]
fn a_missing_task_is_422_in_words_that_depend_on_what_was_wanted() {
    let sim = sim(10);
    let id = "66e34b81740c50074e3d1bd4";
    let shown = get(&sim, &format!("tasks/{id}"));
    assert_eq!(
        (shown.status, shown.text().as_str()),
        (
            422,
            r#"{"error":"This task or emailer message has been deleted. Please refresh your page."}"#
        )
    );
    for what in ["complete", "skip"] {
        let reply = post(&sim, &format!("tasks/{id}/{what}"), &json!({}));
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (
                422,
                r#"{"error":"This task has been deleted. Please refresh your page."}"#
            )
        );
    }
}

#[test]
fn a_task_shows_its_contact_and_the_account_of_that() {
    let sim = sim(200);
    let contacts = sim.read(0, syncline_sim::Team::contacts);
    let linked = contacts.iter().find(|c| c["account_id"].is_string());
    let contact = linked.unwrap();
    let user = sim.read(0, |team| team.user_ids()[0].clone());
    let body = json!({"user_id": user, "contact_id": contact["id"], "type": "call"});
    let task = post(&sim, "tasks", &body).json()["task"].clone();
    assert_eq!(task["account_id"], contact["account_id"]);
    assert_eq!(task["account"]["id"], contact["account_id"]);
    assert_eq!(task["account"]["name"], contact["account"]["name"]);
}

#[test]
fn a_task_is_shown_as_it_was_written() {
    let sim = sim(10);
    let contact = sim.read(0, |team| team.contact_ids()[0].clone());
    let created = task(
        &sim,
        json!({
            "contact_id": contact, "type": "outreach_manual_email", "priority": "high", "status": "scheduled",
            "due_at": "2026-03-01T09:00:00.000+00:00", "title": "Call back", "note": "About the plant"
        }),
    );
    let shown = get(&sim, &path(&created)).json()["task"].clone();
    assert_eq!(shown, created);
    for (name, value) in [
        ("type", "outreach_manual_email"),
        ("priority", "high"),
        ("status", "scheduled"),
        ("due_at", "2026-03-01T09:00:00.000+00:00"),
        ("title", "Call back"),
        ("note", "About the plant"),
    ] {
        assert_eq!(shown[name], value, "{name}");
    }
}

#[test]
fn a_task_that_was_done_already_is_closed() {
    let sim = sim(10);
    let done = task(&sim, json!({"status": "completed"}));
    assert_eq!(done["completed_at"], "2026-02-16T12:00:00.000+00:00");
    assert_eq!(
        post(&sim, &format!("{}/skip", path(&done)), &json!({})).status,
        422
    );
}

#[test]
fn a_change_to_a_task_leaves_the_rest_of_it() {
    let sim = sim(10);
    let created = task(
        &sim,
        json!({"title": "Call back", "note": "About the plant"}),
    );
    let body = json!({"priority": "low", "note": "", "due_at": "2026-04-01T00:00:00Z"});
    let changed = patch(&sim, &path(&created), &body).json()["task"].clone();
    assert_eq!(
        (&changed["priority"], &changed["note"], &changed["title"]),
        (&json!("low"), &Value::Null, &json!("Call back"))
    );
    assert_eq!(changed["due_at"], "2026-04-01T00:00:00.000+00:00");
    assert_eq!(get(&sim, &path(&created)).json()["task"], changed);
    let missing = patch(&sim, "tasks/66e34b81740c50074e3d1bd4", &body);
    assert_eq!(
        missing.text(),
        r#"{"error":"This task has been deleted. Please refresh your page."}"#
    );
}

#[test]
fn a_task_names_a_user_and_a_contact_that_exist() {
    let sim = sim(10);
    let user = sim.read(0, |team| team.user_ids()[0].clone());
    for body in [
        json!({"type": "call", "user_id": "nobody"}),
        json!({"type": "call", "user_id": user, "contact_id": "nobody"}),
    ] {
        let reply = post(&sim, "tasks", &body);
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (
                422,
                r#"{"error":"Parameters misconfigured. nobody is not a valid ID"}"#
            )
        );
    }
    for body in [json!({"type": "call"}), json!({"user_id": user})] {
        let reply = post(&sim, "tasks", &body);
        assert_eq!(
            reply.text(),
            r#"{"error":"type and user can not be blank"}"#
        );
    }
}

#[test]
fn tasks_are_found_ten_at_a_time_in_the_order_asked_for() {
    let sim = sim(10);
    for day in 1..=12 {
        task(
            &sim,
            json!({"due_at": format!("2026-03-{day:02}T09:00:00Z"), "note": day.to_string()}),
        );
    }
    let find = |page: u32| {
        let body = json!({"page": page, "sort_by_field": "task_due_at", "sort_ascending": true});
        post(&sim, "tasks/search", &body).json()
    };
    let (first, second) = (find(1), find(2));
    let notes = |found: &Value| -> Vec<String> {
        let tasks = found["tasks"].as_array().expect("tasks").iter();
        tasks
            .map(|task| task["note"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let expected =
        |days: std::ops::RangeInclusive<u32>| days.map(|day| day.to_string()).collect::<Vec<_>>();
    assert_eq!(notes(&first), expected(1..=10));
    assert_eq!(notes(&second), expected(11..=12));
    assert_eq!(
        first["pagination"],
        json!({"page": 1, "per_page": 10, "total_entries": 12, "total_pages": 2})
    );
}
