//! What Salesloft doesn't document may be either way: writes work in both.

use macro_rules_attribute::apply;
use serde_json::json;
use syncline_sim::Options;

use super::{SALESLOFT, create, warnings};
use crate::{
    engagement::{created, path, row},
    http::refused,
    support::{App, Database, on_both_databases},
};

async fn switched(database: Database) -> App {
    let mut options = Options::salesloft(30);
    let switches = &mut options.salesloft.switches;
    switches.unknown_fields_refused = true;
    switches.created_status = true;
    switches.not_found_without_status = true;
    switches.unknown_enrolment_not_found = true;
    switches.repeated_enrolment_accepted = true;
    switches.drafts_take_people = true;
    switches.imports_append = true;
    let app = SALESLOFT.enabled_with(database, options).await;
    SALESLOFT.import(&app).await.ok();
    app.work_off().await;
    app
}

#[apply(on_both_databases)]
async fn everything_is_written_where_salesloft_is_strict_or_answers_otherwise(database: Database) {
    let app = switched(database).await;
    let account = json!({"name": "Named", "domain": "named.example"});
    let account = created(&create(&app, "accounts", &account).await);
    let contact = json!({"first_name": "S", "account_id": account,
        "address": {"city": "Lund"},
        "email_addresses": [{"email_address": "s@named.example"}],
        "phone_numbers": [{"phone_number": "1", "phone_number_type": "mobile"}]});
    let contact = created(&create(&app, "contacts", &contact).await);
    let steps = json!([
        {"type": "auto_email", "template": {"subject": "s", "body": "b"}},
        {"type": "call", "interval_seconds": 86_400}]);
    let sequence = json!({"name": "Switched", "type": "team", "steps": steps});
    let answer = create(&app, "sequences", &sequence).await;
    assert!(warnings(&answer).is_empty(), "{}", answer.body);
    let sequence = created(&answer);
    // A step in the midst of others could not be told from the import's.
    let steps = format!("sequences/{sequence}/sequence_steps");
    let answer = create(&app, &steps, &json!({"type": "call"})).await;
    refused(&answer, 400, "BAD_REQUEST");

    let record = json!({"contact_id": contact, "sequence_id": sequence});
    let state = created(&create(&app, "sequence_states", &record).await);
    assert_eq!(
        created(&create(&app, "sequence_states", &record).await),
        state
    );
    for field in ["contact_id", "sequence_id"] {
        let mut record = record.clone();
        record[field] = json!("999999999");
        let answer = create(&app, "sequence_states", &record).await;
        refused(&answer, 404, "NOT_FOUND_ERROR");
    }
    let body = json!({"sequence_id": sequence, "contact_ids": [contact], "mode": "remove"});
    app.post(&path("sequence_states/_leave"), body).await.ok();
    let shown = row(&app, "sequence_states", &state).await;
    assert_eq!(shown["raw_data"]["currently_on_cadence"], false);

    let user = app.apollo.read(0, |team| team.user_ids()[0].clone());
    let task = json!({"user_id": user, "contact_id": contact, "type": "other",
        "due_at": "2026-05-04"});
    let answer = create(&app, "tasks", &task).await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.body);
    assert_eq!(answer.body["record"]["title"], "Task");
}
