//! Records that are malformed or unusual.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::json;
use syncline_sim::{Action, Fault, Match};

use crate::support::{App, CUSTOMER, MASTER_KEY, on_both_databases};

#[apply(on_both_databases)]
async fn a_malformed_record_is_kept_out_and_the_page_goes_on(database: Database) {
    let app = App::with_contacts(database, 130).await;
    let malformed = [
        Action::record_without_id(),
        Action::record_with_wrong_type(),
    ]
    .map(|it| match it {
        Action::InsertRecord(record) => record,
        other => panic!("{other:?}"),
    });
    app.apollo.faults().push(Fault::new(
        Match::path("contacts/search").page(2),
        Action::InsertRecord(malformed.join(",")),
    ));
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let run = &app.runs("contact").await[0];
    assert_eq!(run["status"], "SUCCESS");
    assert_eq!(run["records_rejected"], 1);
    assert_eq!(run["records_created"], 131);
    assert_eq!(run["num_records_synced"], 131, "valid ones only");
    assert_eq!(run["coverage"]["verdict"], "drifted");
    let path = format!("/mgmt/v2/sync-runs/{}", run["id"].as_str().unwrap());
    let rejections = app.get(&path).await.ok()["rejections"].clone();
    assert_eq!(rejections.as_array().unwrap().len(), 1);
    assert_eq!(rejections[0]["id"], json!(null));
    assert_eq!(run["fields_unread"], json!({"first_name": 1}));
}

#[apply(on_both_databases)]
async fn nul_and_lone_surrogates_are_stored_without_harm(database: Database) {
    let app = App::with_contacts(database, 1).await;
    let contact = r#"{"id": "c1", "first_name": "N\u0000ul", "last_name": "Half \ud83d pair",
            "title": "A backslash \\u0000 stays", "created_at": "2025-05-05T05:05:05.005Z"}"#;
    answer_contacts(&app, contact);
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let row = app
        .get("/engagement/v2/contacts/c1?read_from_cache=true&include_raw_data=true")
        .await
        .ok();
    assert_eq!(row["first_name"], "Nul");
    assert_eq!(row["last_name"], "Half \u{fffd} pair");
    assert_eq!(row["job_title"], "A backslash \\u0000 stays");
    assert_eq!(row["raw_data"]["title"], "A backslash \\u0000 stays");
}

#[apply(on_both_databases)]
async fn a_page_that_names_a_record_twice_writes_it_once(database: Database) {
    let app = App::with_contacts(database, 230).await;
    let twice = app.apollo.read(0, |team| team.contacts()[220].clone());
    app.apollo.faults().push(Fault::new(
        Match::path("contacts/search").page(3),
        Action::InsertRecord(twice.to_string()),
    ));
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let run = &app.runs("contact").await[0];
    assert_eq!(run["coverage"]["verdict"], "drifted", "{run}");
    assert_eq!(run["records_created"], 230);
    assert_eq!(run["num_records_synced"], 230);
    assert_eq!(app.all_records("contacts").await.len(), 230);
}

#[apply(on_both_databases)]
async fn a_contact_in_thousands_of_sequences_is_stored_whole(database: Database) {
    let app = App::with_contacts(database, 1).await;
    let statuses: Vec<_> = (0..2500)
            .map(|n| json!({"id": format!("s{n}"), "emailer_campaign_id": format!("q{n}"), "status": "active"}))
            .collect();
    let contact = json!({"id": "c1", "contact_campaign_statuses": statuses});
    answer_contacts(&app, &contact.to_string());
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(app.runs("sequence_state").await[0]["records_created"], 2500);
    assert_eq!(
        app.database
            .count("SELECT count(*) FROM engagement_sequence_states")
            .await,
        2500
    );
}

#[apply(on_both_databases)]
async fn a_record_that_is_seen_again_is_undeleted(database: Database) {
    let app = App::synced(database, 20).await;
    let id = app.apollo.read(0, |team| team.contact_ids()[3].clone());
    app.database
        .execute(&format!(
            "UPDATE engagement_contacts SET is_deleted = true, deleted_at = last_modified_at
             WHERE id = '{id}'"
        ))
        .await;
    app.after(TimeDelta::hours(1)).await;
    let row = app
        .get(&format!(
            "/engagement/v2/contacts/{id}?read_from_cache=true"
        ))
        .await
        .ok();
    assert_eq!(row["is_deleted"], false);
    assert_eq!(row["deleted_at"], json!(null));
    assert_eq!(row["last_modified_at"], "2026-03-01T09:00:00.000Z");
    assert_eq!(app.runs("contact").await[0]["records_updated"], 1);
}

/// Apollo's next contact page has just this contact.
fn answer_contacts(app: &App, contact: &str) {
    let body = format!(
        r#"{{"contacts": [{contact}],
            "pagination": {{"page": 1, "per_page": 100, "total_entries": 1, "total_pages": 1}}}}"#
    );
    app.apollo.faults().push(Fault::new(
        Match::path("contacts/search"),
        Action::Answer {
            status: 200,
            content_type: "application/json".into(),
            body,
        },
    ));
}
