//! `/customers/{customer_id}/connections/{provider_name}/records/{object}/{id}/provenance`

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::{Action, Fault, Match};

use crate::{
    http::refused,
    support::{Answer, App, CUSTOMER, MASTER_KEY, on_both_databases},
};

#[apply(on_both_databases)]
async fn a_row_names_the_runs_that_saw_it_first_and_last(database: Database) {
    let app = App::synced(database, 5).await;
    app.after(TimeDelta::hours(1)).await;
    for (object, list) in [
        ("contact", "contacts"),
        ("user", "users"),
        ("mailbox", "mailboxes"),
        ("sequence", "sequences"),
        ("sequence_state", "sequence_states"),
    ] {
        let row = app.all_records(list).await.remove(0);
        let runs = app.runs(object).await;
        assert_eq!(
            provenance(&app, object, row["id"].as_str().unwrap())
                .await
                .ok(),
            json!({
                "object": object,
                "id": row["id"],
                "is_deleted": false,
                "deleted_at": null,
                "last_modified_at": row["last_modified_at"],
                "missing_since": null,
                "first_seen_by": {"run_id": runs[1]["id"], "started_at": runs[1]["start_timestamp"]},
                "last_seen_by": {"run_id": runs[0]["id"], "started_at": runs[0]["start_timestamp"]},
                "events": [],
            })
        );
    }
}

#[apply(on_both_databases)]
async fn a_deleted_row_says_why(database: Database) {
    let app = App::synced(database, 30).await;
    let before = app.runs("contact").await.remove(0);
    let id = app.apollo.read(0, |team| team.contact_ids().remove(3));
    app.apollo.edit(0, |team| team.delete_contact(&id)).unwrap();
    app.after(TimeDelta::hours(1)).await;
    let run = app.runs("contact").await.remove(0);
    assert_eq!(run["records_deleted"], 1);
    let told = provenance(&app, "contact", &id).await.ok();
    assert_eq!(told["is_deleted"], true);
    assert!(told["deleted_at"].is_string());
    assert_eq!(told["last_seen_by"]["run_id"], before["id"], "{told}");
    let events: Vec<_> = told["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!(events, ["missing", "deleted"], "{told}");
    for event in told["events"].as_array().unwrap() {
        assert_eq!(event["run_id"], run["id"]);
        assert!(event["reason"].is_string() && event["recorded_at"].is_string());
    }
}

#[apply(on_both_databases)]
async fn an_id_may_consist_of_any_characters(database: Database) {
    let app = App::with_contacts(database, 1).await;
    let odd = "a/b.c %2F?#ü";
    app.apollo.faults().push(Fault::new(
        Match::path("contacts/search"),
        Action::Answer {
            status: 200,
            content_type: "application/json".into(),
            body: json!({
                "contacts": [{"id": odd, "created_at": "2025-05-05T05:05:05.005Z"}],
                "pagination": {"page": 1, "per_page": 100, "total_entries": 1, "total_pages": 1},
            })
            .to_string(),
        },
    ));
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let told = provenance(&app, "contact", odd).await.ok();
    assert_eq!(told["id"], odd);
}

#[apply(on_both_databases)]
async fn a_run_that_is_not_kept_any_more_has_no_start(database: Database) {
    let app = App::synced(database, 5).await;
    let id = app.all_records("contacts").await.remove(0)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let run = app.runs("contact").await.remove(0);
    app.database
        .execute("DELETE FROM sync_runs WHERE object = 'contact'")
        .await;
    let told = provenance(&app, "contact", &id).await.ok();
    assert_eq!(
        told["first_seen_by"],
        json!({"run_id": run["id"], "started_at": null})
    );
    assert_eq!(told["last_seen_by"], Value::Null);
}

#[apply(on_both_databases)]
async fn an_unknown_object_is_refused_and_an_unknown_record_is_not_found(database: Database) {
    let app = App::synced(database, 5).await;
    let id = app.all_records("contacts").await.remove(0)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for object in ["deal", "contacts", "Contact"] {
        let answer = provenance(&app, object, &id).await;
        assert_eq!(
            answer.error(),
            (400, "VALIDATION_ERROR", "object"),
            "{object}"
        );
    }
    refused(
        &provenance(&app, "contact", "nobody").await,
        404,
        "NOT_FOUND_ERROR",
    );
    refused(&provenance(&app, "user", &id).await, 404, "NOT_FOUND_ERROR");
    for path in [
        format!("/mgmt/v2/customers/nobody/connections/apollo/records/contact/{id}/provenance"),
        format!(
            "/mgmt/v2/customers/{CUSTOMER}/connections/hubspot/records/contact/{id}/provenance"
        ),
    ] {
        refused(&app.get(&path).await, 404, "NOT_FOUND_ERROR");
    }
}

async fn provenance(app: &App, object: &str, id: &str) -> Answer {
    let escaped: Vec<_> = id.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let id = escaped.concat();
    app.get(&format!(
        "/mgmt/v2/customers/{CUSTOMER}/connections/apollo/records/{object}/{id}/provenance"
    ))
    .await
}
