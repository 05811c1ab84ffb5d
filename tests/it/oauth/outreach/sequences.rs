//! Sequences and their steps.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{asked, change, create, fail, lose_answer, outreach, warnings};
use crate::{
    engagement::{created, path, row},
    http::refused,
    support::{App, on_both_databases},
};

fn four_steps() -> Value {
    json!({
        "name": "Four steps", "type": "private", "tags": ["expo"],
        "custom_fields": {"description": "For the expo"},
        "steps": [
            {"type": "manual_email",
                "template": {"subject": "Hello", "body": "<p>First</p>", "name": "First mail"}},
            {"type": "auto_email", "interval_seconds": 86_400, "is_reply": true,
                "template": {"subject": "", "body": "<p>Again</p>"}},
            {"type": "call", "interval_seconds": 5_400, "task_note": "Ask about the budget"},
            {"type": "task", "interval_seconds": 90, "task_note": "Write a letter"},
        ],
    })
}

async fn live(app: &App, id: &str) -> Value {
    app.get(&path(&format!("sequences/{id}"))).await.ok()
}

#[apply(on_both_databases)]
async fn a_sequence_is_created_with_its_steps_activated_and_read_back(database: Database) {
    let app = outreach(database).await;
    let owner = app.apollo.read(0, |team| team.user_ids()[1].clone());
    let mut record = four_steps();
    record["owner_id"] = json!(owner);
    let answer = create(&app, "sequences", &record).await;
    assert!(warnings(&answer).is_empty(), "{}", answer.body);
    let id = created(&answer);
    let sequence = live(&app, &id).await;
    let steps = sequence["steps"].as_array().unwrap();
    let told: Vec<_> = steps
        .iter()
        .map(|it| (it["type"].clone(), it["interval_seconds"].clone()))
        .collect();
    let expected = [
        (json!("manual_email"), json!(0)),
        (json!("auto_email"), json!(86_400)),
        (json!("call"), json!(5_400)),
        (json!("task"), json!(90)),
    ];
    assert_eq!(told, expected);
    let first = &steps[0]["template"];
    assert_eq!(first["subject"], "Hello");
    assert_eq!(first["body"], "<p>First</p>");
    assert_eq!(first["name"], "First mail");
    assert_eq!(steps[0]["is_reply"], false);
    assert_eq!(steps[1]["is_reply"], true);
    assert_eq!(steps[2]["task_note"], "Ask about the budget");

    let ours = row(&app, "sequences", &id).await;
    for (field, value) in [
        ("name", json!("Four steps")),
        ("share_type", json!("private")),
        ("tags", json!(["expo"])),
        ("owner_id", json!(owner)),
        ("num_steps", json!(4)),
        ("is_enabled", json!(true)),
    ] {
        assert_eq!(ours[field], value, "{field}");
    }
    let description = &ours["raw_data"]["attributes"]["description"];
    assert_eq!(description, "For the expo");
}

#[apply(on_both_databases)]
async fn a_sequence_without_steps_waits_for_them(database: Database) {
    let app = outreach(database).await;
    let record = json!({"name": "Empty", "type": "team"});
    let id = created(&create(&app, "sequences", &record).await);
    let ours = row(&app, "sequences", &id).await;
    assert_eq!(ours["share_type"], "team");
    assert_eq!(ours["is_enabled"], false);
    assert_eq!(ours["num_steps"], 0);
}

#[apply(on_both_databases)]
async fn a_step_is_added_at_the_end_or_where_it_is_told_and_its_template_changed(
    database: Database,
) {
    let app = outreach(database).await;
    let id = created(&create(&app, "sequences", &four_steps()).await);
    let steps = format!("sequences/{id}/sequence_steps");
    let record = json!({"type": "auto_email", "interval_seconds": 172_800,
        "template": {"subject": "Last", "body": "<p>Bye</p>"}});
    let step = created(&create(&app, &steps, &record).await);
    assert_eq!(row(&app, "sequences", &id).await["num_steps"], 5);
    let record = json!({"type": "call", "order": 7});
    created(&create(&app, &steps, &record).await);

    let record = json!({"template": {"subject": "At last"}});
    let changed = change(&app, &format!("{steps}/{step}"), &record).await;
    assert_eq!((changed.status.as_u16(), &changed.body), (200, &json!({})));
    let sequence = live(&app, &id).await;
    let last = &sequence["steps"][4];
    assert_eq!((&last["id"], &last["order"]), (&json!(step), &json!(5)));
    assert_eq!(last["template"]["subject"], "At last");
    assert_eq!(last["template"]["body"], "<p>Bye</p>");
    assert_eq!(sequence["steps"][5]["order"], 7);
}

#[apply(on_both_databases)]
async fn a_step_may_send_a_template_that_is_there(database: Database) {
    let app = outreach(database).await;
    let id = created(&create(&app, "sequences", &four_steps()).await);
    let template = live(&app, &id).await["steps"][0]["template"]["id"].clone();
    let steps = json!([{"type": "auto_email", "template": {"id": template}}]);
    let record = json!({"name": "The same", "type": "team", "steps": steps});
    let other = created(&create(&app, "sequences", &record).await);
    let sent = &live(&app, &other).await["steps"][0]["template"];
    assert_eq!(sent["id"], template);
    assert_eq!(sent["subject"], "Hello");
}

#[apply(on_both_databases)]
async fn what_can_not_be_is_refused_by_field_before_anything_is_written(database: Database) {
    let app = outreach(database).await;
    let sequence = app.apollo.read(0, |team| team.sequence_ids()[0].clone());
    let dated = json!({"type": "call", "date": "2026-05-04"});
    let steps = |steps| json!({"name": "Refused", "type": "team", "steps": steps});
    for (list, record, field) in [
        (
            "sequences".to_owned(),
            steps(json!([dated, {"type": "task"}])),
            "steps[1].date",
        ),
        (
            "sequences".to_owned(),
            steps(json!([{"type": "call"}, {"type": "auto_email", "template": {"id": "t"}}])),
            "steps[1].template.id",
        ),
        (
            "sequences".to_owned(),
            steps(json!([{"type": "auto_email", "template": {"id": "999999999"}}])),
            "steps[0].template.id",
        ),
        (
            "sequences".to_owned(),
            json!({"name": "Refused", "type": "team", "owner_id": "somebody"}),
            "owner_id",
        ),
        (
            format!("sequences/{sequence}/sequence_steps"),
            json!({"type": "auto_email", "template": {"id": "999999999"}}),
            "template.id",
        ),
    ] {
        let answer = create(&app, &list, &record).await;
        let field = format!("record.{field}");
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", field.as_str()));
    }
    assert_eq!(asked(&app, "POST", "/api/v2/"), 0);
}

#[apply(on_both_databases)]
async fn steps_may_have_days(database: Database) {
    let app = outreach(database).await;
    let record = json!({"name": "Dated", "type": "team", "steps": [
        {"type": "call", "date": "2026-05-04"},
        {"type": "task", "date": "2026-05-06T09:30:00Z", "name": "Write"}]});
    let answer = create(&app, "sequences", &record).await;
    let told = warnings(&answer);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|it| it.starts_with("step 2")), "{told:?}");
    let id = created(&answer);
    let sequence = live(&app, &id).await;
    assert_eq!(sequence["steps"][0]["date"], "2026-05-04");
    assert_eq!(sequence["steps"][1]["date"], "2026-05-06");
    let attributes = &row(&app, "sequences", &id).await["raw_data"]["attributes"];
    assert_eq!(attributes["sequenceType"], "date");
}

#[apply(on_both_databases)]
async fn a_step_that_fails_is_a_warning_that_says_what_is_there(database: Database) {
    let app = outreach(database).await;
    let steps = syncline_sim::Match::path("/api/v2/sequenceSteps");
    let steps = steps.method(reqwest::Method::POST).nth(3);
    app.apollo.faults().push(syncline_sim::Fault::new(
        steps,
        syncline_sim::Action::server_error(),
    ));
    let answer = create(&app, "sequences", &four_steps()).await;
    let told = warnings(&answer);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("step 3:"), "{told:?}");
    assert!(told[0].contains("not activated"), "{told:?}");
    let ours = row(&app, "sequences", &created(&answer)).await;
    assert_eq!(ours["num_steps"], 2);
    assert_eq!(ours["is_enabled"], false);
}

#[apply(on_both_databases)]
async fn a_step_whose_e_mail_fails_is_told_as_one_that_sends_nothing(database: Database) {
    let app = outreach(database).await;
    fail(&app, "/api/v2/sequenceTemplates");
    let answer = create(&app, "sequences", &four_steps()).await;
    let told = warnings(&answer);
    assert!(
        told[0].starts_with("step 1 was created but sends nothing"),
        "{told:?}"
    );
    assert_eq!(
        row(&app, "sequences", &created(&answer)).await["num_steps"],
        4
    );
}

#[apply(on_both_databases)]
async fn a_template_whose_step_is_refused_is_deleted_again(database: Database) {
    let app = outreach(database).await;
    let id = created(&create(&app, "sequences", &four_steps()).await);
    fail(&app, "/api/v2/sequenceSteps");
    let record = json!({"type": "auto_email", "template": {"subject": "s", "body": "b"}});
    let answer = create(&app, &format!("sequences/{id}/sequence_steps"), &record).await;
    refused(&answer, 502, "BAD_GATEWAY_ERROR");
    assert_eq!(asked(&app, "DELETE", "/api/v2/templates"), 1);
}

#[apply(on_both_databases)]
async fn what_was_created_although_its_answer_was_lost_is_not_created_again(database: Database) {
    let app = outreach(database).await;
    for path in [
        "/api/v2/sequences",
        "/api/v2/templates",
        "/api/v2/sequenceSteps",
        "/api/v2/sequenceTemplates",
    ] {
        lose_answer(&app, path);
    }
    let answer = create(&app, "sequences", &four_steps()).await;
    assert!(warnings(&answer).is_empty(), "{}", answer.body);
    let sequence = live(&app, &created(&answer)).await;
    assert_eq!(sequence["steps"].as_array().unwrap().len(), 4);
    assert_eq!(sequence["is_enabled"], true);
    let named = app.apollo.read(0, |team| {
        let sequences = team.sequences();
        let name = |it: &&Value| it["attributes"]["name"] == "Four steps";
        sequences.iter().filter(name).count()
    });
    assert_eq!(named, 1);
    assert_eq!(asked(&app, "POST", "/api/v2/templates"), 2);
}

#[apply(on_both_databases)]
async fn an_unknown_sequence_or_step_is_a_404(database: Database) {
    let app = outreach(database).await;
    let step = json!({"type": "call", "task_note": "x"});
    for unknown in ["999999999", "nobody"] {
        let list = format!("sequences/{unknown}/sequence_steps");
        refused(&create(&app, &list, &step).await, 404, "NOT_FOUND_ERROR");
    }
    let id = created(&create(&app, "sequences", &four_steps()).await);
    let call = live(&app, &id).await["steps"][2]["id"].clone();
    let update = json!({"template": {"body": "x"}});
    for step in [call.as_str().unwrap(), "999999999", "nobody"] {
        let one = format!("sequences/{id}/sequence_steps/{step}");
        refused(&change(&app, &one, &update).await, 404, "NOT_FOUND_ERROR");
    }
}
