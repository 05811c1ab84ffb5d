//! Creating sequences and their steps.

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::{Action, Fault, Match};

use super::{created, path, row};
use crate::{
    http::refused,
    support::{App, on_both_databases},
};

#[apply(on_both_databases)]
async fn a_sequence_is_created_with_its_steps_and_read_back_the_same(database: Database) {
    let app = App::synced(database, 5).await;
    let id = created(
        &app.post(&path("sequences"), json!({"record": four_steps()}))
            .await,
    );
    let sequence = app.get(&path(&format!("sequences/{id}"))).await.ok();
    assert_eq!(
        (
            &sequence["name"],
            &sequence["share_type"],
            &sequence["is_enabled"]
        ),
        (&json!("Four steps"), &json!("private"), &json!(true))
    );
    let steps = sequence["steps"].as_array().unwrap();
    let told: Vec<_> = steps
        .iter()
        .map(|it| {
            (
                it["type"].as_str().unwrap(),
                it["interval_seconds"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("manual_email", 0),
            ("auto_email", 86_400),
            ("call", 5_400),
            ("task", 90)
        ]
    );
    assert_eq!(steps[0]["template"]["subject"], "Hello");
    assert_eq!(steps[0]["template"]["body"], "<p>First</p>");
    assert_eq!(
        (&steps[0]["is_reply"], &steps[1]["is_reply"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(steps[2]["task_note"], "Ask about the budget");
    let ours = row(&app, "sequences", &id).await;
    assert_eq!(
        (&ours["num_steps"], &ours["name"]),
        (&json!(4), &json!("Four steps"))
    );
}

#[apply(on_both_databases)]
async fn a_step_is_added_at_the_end_and_its_template_changed(database: Database) {
    let app = App::synced(database, 5).await;
    let id = created(
        &app.post(&path("sequences"), json!({"record": four_steps()}))
            .await,
    );
    let steps = path(&format!("sequences/{id}/sequence_steps"));
    let body = json!({"record": {"type": "auto_email", "interval_seconds": 172_800,
            "template": {"subject": "Last", "body": "<p>Bye</p>"}}});
    let step = created(&app.post(&steps, body).await);
    assert_eq!(
        row(&app, "sequences", &id).await["num_steps"],
        5,
        "the tables know of it"
    );
    let body = json!({"record": {"template": {"subject": "At last"}}});
    let changed = app
        .send(
            reqwest::Method::PATCH,
            &format!("{steps}/{step}"),
            Some(body),
        )
        .await;
    assert_eq!((changed.status.as_u16(), &changed.body), (200, &json!({})));
    let sequence = app.get(&path(&format!("sequences/{id}"))).await.ok();
    let last = &sequence["steps"][4];
    assert_eq!((&last["id"], &last["order"]), (&json!(step), &json!(5)));
    assert_eq!(
        (&last["template"]["subject"], &last["template"]["body"]),
        (&json!("At last"), &json!("<p>Bye</p>"))
    );
}

#[apply(on_both_databases)]
async fn a_step_with_the_template_of_another_sends_the_same(database: Database) {
    let app = App::synced(database, 5).await;
    let id = created(
        &app.post(&path("sequences"), json!({"record": four_steps()}))
            .await,
    );
    let sequence = app.get(&path(&format!("sequences/{id}"))).await.ok();
    let template = &sequence["steps"][0]["template"]["id"];
    let body = json!({"record": {"type": "auto_email", "template": {"id": template}}});
    app.post(&path(&format!("sequences/{id}/sequence_steps")), body)
        .await
        .ok();
    let sequence = app.get(&path(&format!("sequences/{id}"))).await.ok();
    assert_eq!(&sequence["steps"][4]["template"]["id"], template);
}

#[apply(on_both_databases)]
async fn a_step_that_fails_is_a_warning_because_the_sequence_is_there(database: Database) {
    let app = App::synced(database, 5).await;
    let fault = Fault::new(Match::path("emailer_steps").nth(3), Action::server_error());
    app.apollo.faults().push(fault);
    let answer = app
        .post(&path("sequences"), json!({"record": four_steps()}))
        .await;
    let warning = answer.body["warnings"][0]["detail"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(warning.starts_with("step 3:"), "{}", answer.body);
    let id = created(&answer);
    assert_eq!(row(&app, "sequences", &id).await["num_steps"], 2);
}

#[apply(on_both_databases)]
async fn an_unknown_sequence_or_step_is_a_404(database: Database) {
    let app = App::synced(database, 5).await;
    let unknown = "66e34b81740c50074e3d1bd4";
    let step = json!({"record": {"type": "call", "task_note": "x"}});
    let answer = app
        .post(&path(&format!("sequences/{unknown}/sequence_steps")), step)
        .await;
    refused(&answer, 404, "NOT_FOUND_ERROR");
    let id = created(
        &app.post(&path("sequences"), json!({"record": four_steps()}))
            .await,
    );
    let change = json!({"record": {"template": {"body": "x"}}});
    let url = path(&format!("sequences/{id}/sequence_steps/{unknown}"));
    let answer = app
        .send(reqwest::Method::PATCH, &url, Some(change.clone()))
        .await;
    refused(&answer, 404, "NOT_FOUND_ERROR");
    let empty = json!({"record": {"template": {}}});
    let answer = app.send(reqwest::Method::PATCH, &url, Some(empty)).await;
    assert_eq!(answer.error(), (400, "VALIDATION_ERROR", "record.template"));
}

fn four_steps() -> Value {
    json!({
        "name": "Four steps", "type": "private", "tags": [],
        "steps": [
            {"type": "manual_email", "template": {"subject": "Hello", "body": "<p>First</p>"}},
            {"type": "auto_email", "interval_seconds": 86_400, "is_reply": true,
                "template": {"subject": "", "body": "<p>Again</p>"}},
            {"type": "call", "interval_seconds": 5_400, "task_note": "Ask about the budget"},
            {"type": "task", "interval_seconds": 90, "task_note": "Write a letter"},
        ],
    })
}
