//! Sequences, which are cadences there, and their steps.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{asked, change, create, fail, lose_answer, salesloft, warnings};
use crate::{
    engagement::{created, path, row},
    http::refused,
    support::{App, on_both_databases},
};

fn four_steps() -> Value {
    json!({
        "name": "Four steps", "type": "private",
        "custom_fields": {"settings": {"cadence_function": "event"}},
        "steps": [
            {"type": "manual_email", "name": "Hello mail",
                "template": {"subject": "Hello", "body": "<p>First</p>", "name": "First mail"}},
            {"type": "auto_email", "interval_seconds": 86_400, "is_reply": true,
                "template": {"subject": "", "body": "<p>Again</p>"}},
            {"type": "call", "interval_seconds": 172_800, "task_note": "Ask about the budget"},
            {"type": "task", "interval_seconds": 0, "task_note": "Write a letter"},
        ],
    })
}

async fn live(app: &App, id: &str) -> Value {
    app.get(&path(&format!("sequences/{id}"))).await.ok()
}

#[apply(on_both_databases)]
async fn a_sequence_is_created_with_its_steps_as_a_draft_and_read_back(database: Database) {
    let app = salesloft(database).await;
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
        (json!("call"), json!(172_800)),
        (json!("task"), json!(0)),
    ];
    assert_eq!(told, expected);
    assert_eq!(steps[0]["name"], "Hello mail");
    assert_eq!(steps[0]["template"]["subject"], "Hello");
    assert_eq!(steps[0]["template"]["body"], "<p>First</p>");
    assert_eq!(steps[0]["template"]["name"], "First mail");
    assert_eq!(steps[0]["is_reply"], false);
    assert_eq!(steps[1]["is_reply"], true);
    assert_eq!(steps[2]["task_note"], "Ask about the budget");

    let ours = row(&app, "sequences", &id).await;
    for (field, value) in [
        ("name", json!("Four steps")),
        ("share_type", json!("private")),
        ("owner_id", json!(owner)),
        ("is_enabled", json!(false)),
        ("num_steps", json!(4)),
    ] {
        assert_eq!(ours[field], value, "{field}");
    }
    assert_eq!(ours["raw_data"]["cadence_function"], "event");
    assert_eq!(asked(&app, "POST", "/v2/"), 1);
}

#[apply(on_both_databases)]
async fn a_step_is_added_to_an_empty_sequence_only(database: Database) {
    let app = salesloft(database).await;
    let record = json!({"name": "Empty", "type": "team", "tags": ["expo"]});
    let answer = create(&app, "sequences", &record).await;
    let told = warnings(&answer);
    assert!(told[0].contains("tags"), "{told:?}");
    let id = created(&answer);
    let ours = row(&app, "sequences", &id).await;
    assert_eq!(
        (&ours["share_type"], &ours["num_steps"]),
        (&json!("team"), &json!(0))
    );
    let steps = format!("sequences/{id}/sequence_steps");
    let call = json!({"type": "call", "interval_seconds": 86_400, "task_note": "Ring"});
    let second = json!({"type": "call", "order": 2});
    let answer = create(&app, &steps, &second).await;
    assert_eq!(answer.error(), (400, "VALIDATION_ERROR", "record.order"));
    let step = created(&create(&app, &steps, &call).await);
    let sequence = live(&app, &id).await;
    assert_eq!(sequence["steps"][0]["id"], json!(step));
    assert_eq!(sequence["steps"][0]["interval_seconds"], 86_400);
    assert_eq!(row(&app, "sequences", &id).await["num_steps"], 1);

    let answer = create(&app, &steps, &call).await;
    let title = refused(&answer, 400, "BAD_REQUEST");
    assert!(title.contains("has none"), "{title}");
    let update = json!({"template": {"subject": "New"}});
    let answer = change(&app, &format!("{steps}/{step}"), &update).await;
    let title = refused(&answer, 400, "BAD_REQUEST");
    assert!(title.contains("can't change"), "{title}");
    for unknown in ["999999999", "nobody"] {
        let answer = create(&app, &format!("sequences/{unknown}/sequence_steps"), &call).await;
        refused(&answer, 404, "NOT_FOUND_ERROR");
    }
}

#[apply(on_both_databases)]
async fn a_step_sends_a_copy_of_a_template_that_is_there(database: Database) {
    let app = salesloft(database).await;
    created(&create(&app, "sequences", &four_steps()).await);
    let proxy = "/actions/v2/proxy/v2/email_templates?include_cadence_templates=true&per_page=100";
    let templates = app.get(proxy).await.ok();
    let templates = templates["data"].as_array().unwrap();
    let known = templates
        .iter()
        .find(|it| it["title"] == "First mail")
        .unwrap();
    let template = json!({"id": known["id"].to_string()});
    let steps = json!([{"type": "auto_email", "template": template}]);
    let record = json!({"name": "The same", "type": "team", "steps": steps});
    let id = created(&create(&app, "sequences", &record).await);
    let sent = &live(&app, &id).await["steps"][0]["template"];
    assert_eq!(sent["subject"], "Hello");
    assert_eq!(sent["body"], "<p>First</p>");
}

#[apply(on_both_databases)]
async fn what_an_import_can_not_express_is_refused_by_field_before_it_is_sent(database: Database) {
    let app = salesloft(database).await;
    let template = json!({"subject": "s", "body": "b"});
    for (step, field) in [
        (json!({"type": "linkedin_send_message"}), "type"),
        (json!({"type": "call", "date": "2026-05-04"}), "date"),
        (
            json!({"type": "call", "interval_seconds": 5_400}),
            "interval_seconds",
        ),
        (
            json!({"type": "auto_email", "is_reply": true, "template": template}),
            "is_reply",
        ),
        (
            json!({"type": "auto_email", "template": {"subject": "", "body": "b"}}),
            "template.subject",
        ),
        (
            json!({"type": "auto_email", "template": {"id": "999999999"}}),
            "template.id",
        ),
    ] {
        let steps = json!([{"type": "call"}, step]);
        let record = json!({"name": "Refused", "type": "team", "steps": steps});
        let answer = create(&app, "sequences", &record).await;
        let field = format!("record.steps[1].{field}");
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", field.as_str()));
    }
    for owner in ["somebody", "999999999"] {
        let record = json!({"name": "Refused", "type": "team", "owner_id": owner});
        let answer = create(&app, "sequences", &record).await;
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", "record.owner_id"));
    }
    assert_eq!(asked(&app, "POST", "/v2/"), 0);
}

#[apply(on_both_databases)]
async fn a_step_that_salesloft_refuses_leaves_no_sequence_behind(database: Database) {
    let app = salesloft(database).await;
    let before = app.apollo.read(0, |team| team.sequence_ids().len());
    let mut record = four_steps();
    record["steps"][1]["template"]["body"] = json!("{{my_first_name}}");
    let answer = create(&app, "sequences", &record).await;
    let title = refused(&answer, 422, "UNPROCESSABLE_ENTITY_ERROR");
    assert!(title.contains("my_first_name"), "{title}");
    let after = app.apollo.read(0, |team| team.sequence_ids().len());
    assert_eq!(after, before);
}

#[apply(on_both_databases)]
async fn an_import_whose_answer_is_lost_is_found_and_not_doubled(database: Database) {
    let app = salesloft(database).await;
    lose_answer(&app, "/v2/cadence_imports");
    let id = created(&create(&app, "sequences", &four_steps()).await);
    let sequence = live(&app, &id).await;
    assert_eq!(sequence["steps"].as_array().unwrap().len(), 4);
    assert_eq!(asked(&app, "POST", "/v2/cadence_imports"), 1);

    let record = json!({"name": "Empty", "type": "team"});
    let empty = created(&create(&app, "sequences", &record).await);
    let steps = format!("sequences/{empty}/sequence_steps");
    let call = json!({"type": "call"});
    fail(&app, "/v2/cadence_imports");
    let answer = create(&app, &steps, &call).await;
    refused(&answer, 502, "BAD_GATEWAY_ERROR");
    lose_answer(&app, "/v2/cadence_imports");
    created(&create(&app, &steps, &call).await);
    let sequence = live(&app, &empty).await;
    assert_eq!(sequence["steps"].as_array().unwrap().len(), 1);
}
