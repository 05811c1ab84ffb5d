//! What Outreach doesn't document may be either way: writes work in both.

use macro_rules_attribute::apply;
use serde_json::json;
use syncline_sim::{Options, OutreachSwitches};

use super::{OUTREACH, asked, change, create, warnings};
use crate::{
    engagement::{created, path, row},
    http::refused,
    support::{App, Database, on_both_databases},
};

async fn switched(database: Database, set: impl FnOnce(&mut OutreachSwitches)) -> App {
    let mut options = Options::outreach(30);
    set(&mut options.outreach.switches);
    let app = OUTREACH.enabled_with(database, options).await;
    OUTREACH.import(&app).await.ok();
    app.work_off().await;
    app
}

#[apply(on_both_databases)]
async fn everything_is_written_where_outreach_is_strict_or_answers_otherwise(database: Database) {
    let app = switched(database, |switches| {
        switches.strict_content_type = true;
        switches.ids_as_text = true;
        switches.new_accounts_named = false;
        switches.new_sequence_templates_enabled = false;
        switches.lenient_transitions = false;
        switches.filters_mind_case = true;
    })
    .await;
    let account = json!({"name": "Named", "domain": "named.example"});
    let account = created(&create(&app, "accounts", &account).await);
    let shown = row(&app, "accounts", &account).await;
    assert_eq!(shown["raw_data"]["attributes"]["named"], true);

    let emails = json!([{"email_address": "s@named.example", "email_address_type": "work"}]);
    let contact = json!({"first_name": "S", "account_id": account, "email_addresses": emails});
    let contact = created(&create(&app, "contacts", &contact).await);
    let record = json!({"phone_numbers": [{"phone_number": "1", "phone_number_type": "work"}]});
    change(&app, &format!("contacts/{contact}"), &record)
        .await
        .ok();
    assert_eq!(
        row(&app, "contacts", &contact).await["email_addresses"],
        emails
    );

    let template = json!({"subject": "s", "body": "b"});
    let steps = json!([{"type": "auto_email", "template": template}]);
    let sequence = json!({"name": "Switched", "type": "team", "steps": steps});
    let answer = create(&app, "sequences", &sequence).await;
    assert!(warnings(&answer).is_empty(), "{}", answer.body);
    let sequence = created(&answer);
    let variants = asked(&app, "POST", "/api/v2/sequenceTemplates");
    assert_eq!(variants, 2, "one is created and activated");

    let mailbox = app.apollo.read(0, |team| team.mailbox_ids()[0].clone());
    let record = json!({"contact_id": contact, "sequence_id": sequence, "mailbox_id": mailbox});
    let state = created(&create(&app, "sequence_states", &record).await);
    let leave = async |mode: &str| {
        let body = json!({"sequence_id": sequence, "contact_ids": [contact], "mode": mode});
        app.post(&path("sequence_states/_leave"), body).await
    };
    leave("stop").await.ok();
    assert_eq!(
        row(&app, "sequence_states", &state).await["state"],
        "paused"
    );
    // A strict Outreach finishes only what is active.
    refused(&leave("finish").await, 422, "UNPROCESSABLE_ENTITY_ERROR");
    leave("remove").await.ok();
    assert_eq!(
        row(&app, "sequence_states", &state).await["is_deleted"],
        true
    );
}

#[apply(on_both_databases)]
async fn a_sequence_that_is_not_active_takes_nobody_where_outreach_says_so(database: Database) {
    let app = switched(database, |switches| {
        switches.disabled_sequences_take_prospects = false;
    })
    .await;
    let record = json!({"name": "Empty", "type": "team"});
    let sequence = created(&create(&app, "sequences", &record).await);
    let (contact, mailbox) = app.apollo.read(0, |team| {
        (team.contact_ids()[0].clone(), team.mailbox_ids()[0].clone())
    });
    let record = json!({"contact_id": contact, "sequence_id": sequence, "mailbox_id": mailbox});
    let answer = create(&app, "sequence_states", &record).await;
    refused(&answer, 422, "UNPROCESSABLE_ENTITY_ERROR");
    let skipped = &answer.body["errors"][0]["meta"]["cause"]["skipped"][0];
    assert_eq!(skipped["code"], "sequence_not_active");
}
