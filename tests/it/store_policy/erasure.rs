//! `DELETE /customers/{customer_id}/records?email=`: a person with a marker in every field is erased,
//! and the marker is searched for in every file and every row.

use std::path::Path;

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use syncline_sim::Team;
use tokio::process::Command;

use super::{carry_out, set_policy};
use crate::{
    agents::{agent, call},
    support::{Answer, App, CUSTOMER, MASTER_KEY, on_both_databases},
};

const MARKER: &str = "zqmarkerqz";
const EMAIL: &str = "lin.zqmarkerqz@heron.example";

/// The person with the marker in every field that can be written.
fn marked() -> Value {
    json!({
        "first_name": "Zqmarkerqz", "last_name": "Zqmarkerqzson", "title": "Head of Zqmarkerqz",
        "email": EMAIL,
    })
}

async fn erase(app: &App, email: &str) -> Answer {
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/records");
    let request = app
        .request(Method::DELETE, &path)
        .query(&[("email", email)])
        .header("x-api-key", &app.api_key);
    App::answer(request).await
}

/// Creates the person through the API, with an idempotency key.
async fn write_marked(app: &App) -> Answer {
    let record = json!({
        "first_name": "Zqmarkerqz", "last_name": "Zqmarkerqzson", "job_title": "Head of Zqmarkerqz",
        "email_addresses": [{"email_address": EMAIL, "email_address_type": "primary"}],
        "phone_numbers": [{"phone_number": "+49 30 9917342", "phone_number_type": "work"}],
    });
    let request = app
        .request(Method::POST, "/engagement/v2/contacts")
        .header("x-api-key", &app.api_key)
        .header("x-customer-id", CUSTOMER)
        .header("x-provider-name", app.provider)
        .header("idempotency-key", "the-key")
        .json(&json!({"record": record}));
    App::answer(request).await
}

/// Everything that has a trace of the person: their row with states, a history, pages of runs, a
/// kept answer, a held call, results of enrichment, and the audit log. Returns the contact's id.
async fn with_traces(app: &App) -> String {
    let made = write_marked(app).await.ok();
    let id = made["record"]["id"].as_str().unwrap().to_owned();
    let now = app.now();
    app.apollo.edit(0, |team| {
        team.set_credits(1000);
        team.update_contact(now, &id, &marked()).unwrap();
        team.add_email(now, &id, "second.zqmarkerqz@heron.example")
            .unwrap();
        let sequence = team.create_sequence(now, "A sequence");
        team.set_sequence_active(&sequence, true).unwrap();
        team.enrol(now, &id, &sequence).unwrap();
    });
    app.after(TimeDelta::hours(1)).await;
    // It goes missing and comes back: that is its history.
    app.apollo.edit(0, |team| team.hide_contact(&id)).unwrap();
    app.after(TimeDelta::hours(1)).await;
    app.apollo.edit(0, |team| team.show_contact(&id)).unwrap();
    app.after(TimeDelta::hours(1)).await;
    let list = json!({"people": [{"email": EMAIL, "ref": "zqmarkerqz"}]});
    app.post("/enrichment/v2/jobs", list).await.ok();
    app.enrich().await;
    let grants = json!({"groups": {"contacts": "full"}, "actions": {"contacts.create": "ask"}});
    let key = agent(app, grants).await;
    let input = json!({"email": EMAIL, "first_name": "Zqmarkerqz"});
    assert_eq!(call(app, &key, "contacts.create", input).await.status, 202);
    let input = json!({"contact_id": id, "title": "Zqmarkerqz"});
    call(app, &key, "contacts.update", input).await;
    id
}

/// The files that have one of these texts, whatever their case.
fn files_with(dir: &Path, texts: &[&str]) -> Vec<String> {
    let files = std::fs::read_dir(dir).unwrap().map(|it| it.unwrap().path());
    let found = files.filter(|path| {
        path.is_file() && {
            let bytes = std::fs::read(path).unwrap().to_ascii_lowercase();
            let has = |text: &&str| {
                bytes
                    .windows(text.len())
                    .any(|part| part == text.as_bytes())
            };
            texts.iter().any(has)
        }
    });
    found.map(|path| path.display().to_string()).collect()
}

/// Where in the database's files, or in its dump, these texts are.
async fn traces(app: &App, texts: &[&str]) -> Vec<String> {
    let mut found = files_with(app.database.data_dir(), texts);
    if app.database.is_postgres {
        let dump = Command::new("pg_dump")
            .arg(&app.database.url)
            .output()
            .await
            .unwrap();
        assert!(
            dump.status.success(),
            "{}",
            String::from_utf8_lossy(&dump.stderr)
        );
        let dump = String::from_utf8(dump.stdout).unwrap().to_lowercase();
        assert!(dump.contains("create table"));
        let lines = dump
            .lines()
            .filter(|line| texts.iter().any(|text| line.contains(text)));
        found.extend(lines.map(str::to_owned));
    }
    found
}

#[apply(on_both_databases)]
async fn nothing_of_an_erased_person_is_left_in_any_file(database: Database) {
    let app = App::synced(database, 300).await;
    let id = with_traces(&app).await;
    assert!(!traces(&app, &[MARKER]).await.is_empty());
    let contacts = app.all_records("contacts").await.len();
    app.apollo.edit(0, |team| team.delete_contact(&id)).unwrap();

    let receipt = erase(&app, &format!(" {} ", EMAIL.to_uppercase()))
        .await
        .ok();
    let text = receipt.to_string().to_lowercase();
    assert!(
        !text.contains(MARKER),
        "the receipt doesn't tell who it was: {text}"
    );
    assert_eq!(receipt["customer_id"], CUSTOMER);
    let records = receipt["records"].as_array().unwrap();
    assert_eq!(records.len(), 2, "{receipt}");
    assert_eq!(
        records[0],
        json!({"provider_name": "apollo", "object": "contact", "ids": [id], "is_synced": true})
    );
    assert_eq!(records[1]["object"], "sequence_state");
    for (count, expected) in [
        ("enrichment_items", 1),
        ("idempotent_answers", 1),
        ("approvals", 1),
    ] {
        assert_eq!(receipt[count], expected, "{count} of {receipt}");
    }
    assert!(receipt["audit_log_entries"].as_i64() > Some(0), "{receipt}");
    assert_eq!(receipt["files_are_clean"], true);
    assert_eq!(
        traces(&app, &[MARKER, &id, "9917342"]).await,
        Vec::<String>::new()
    );
    assert_eq!(
        app.all_records("contacts").await.len(),
        contacts - 1,
        "the others stay"
    );

    // The write isn't made a second time, and the next sync has nothing to bring back.
    let before = app.apollo.read(0, |team| team.contact_ids().len());
    let again = write_marked(&app).await;
    assert_eq!(again.status, StatusCode::GONE, "{again:?}");
    assert_eq!(app.apollo.read(0, |team| team.contact_ids().len()), before);
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(traces(&app, &[MARKER, &id]).await, Vec::<String>::new());
    let run = &app.runs("contact").await[0];
    assert_eq!(
        (&run["records_deleted"], &run["records_missing"]),
        (&json!(0), &json!(0))
    );
    // Nothing is left to be erased.
    let receipt = erase(&app, EMAIL).await.ok();
    assert_eq!(receipt["records"], json!([]));
    assert_eq!(receipt["audit_log_entries"], 0);
}

#[apply(on_both_databases)]
async fn users_and_mailboxes_with_the_address_are_that_person(database: Database) {
    let app = App::synced(database, 5).await;
    let mailbox = app.all_records("mailboxes").await.remove(0);
    let email = mailbox["email"].as_str().unwrap();
    let users = app.all_records("users").await;
    let receipt = erase(&app, email).await.ok();
    let objects: Vec<&Value> = receipt["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["object"])
        .collect();
    assert!(objects.contains(&&json!("mailbox")), "{receipt}");
    assert!(
        app.all_records("mailboxes")
            .await
            .iter()
            .all(|it| it["email"] != email)
    );
    let same = users.iter().filter(|user| user["email"] == email).count();
    assert_eq!(app.all_records("users").await.len(), users.len() - same);
}

#[apply(on_both_databases)]
async fn who_is_still_at_the_provider_is_read_again(database: Database) {
    let app = App::synced(database, 25).await;
    let contact = app.all_records("contacts").await.remove(3);
    let email = contact["email_addresses"][0]["email_address"]
        .as_str()
        .unwrap();
    let receipt = erase(&app, email).await.ok();
    assert_eq!(receipt["records"][0]["is_synced"], true);
    assert_eq!(app.all_records("contacts").await.len(), 24);
    app.after(TimeDelta::hours(1)).await;
    assert_eq!(
        app.all_records("contacts").await.len(),
        25,
        "erase at the provider first"
    );
}

#[apply(on_both_databases)]
async fn an_erasure_without_an_address_or_a_customer_is_refused(database: Database) {
    let app = App::synced(database, 5).await;
    for email in ["", "lin", "lin@"] {
        let refused = erase(&app, email).await;
        assert_eq!(refused.error().0, 400, "{refused:?}");
        assert_eq!(refused.error().2, "email", "{refused:?}");
    }
    let missing = app
        .delete(&format!("/mgmt/v2/customers/{CUSTOMER}/records"))
        .await;
    assert_eq!(missing.error().0, 400);
    let unknown = app
        .delete("/mgmt/v2/customers/nobody/records?email=a@b.example")
        .await;
    assert_eq!(unknown.error().0, 404);
}

#[apply(on_both_databases)]
async fn no_other_customer_or_application_loses_anything(database: Database) {
    let app = App::synced(database, 5).await;
    app.connect("customer-2", MASTER_KEY).await;
    app.work_off().await;
    let count = "SELECT count(*) FROM engagement_contacts WHERE customer_id = 'customer-2'";
    let before = app.database.count(count).await;
    let contact = app.all_records("contacts").await.remove(0);
    erase(
        &app,
        contact["email_addresses"][0]["email_address"]
            .as_str()
            .unwrap(),
    )
    .await
    .ok();
    assert_eq!(app.database.count(count).await, before);
    assert_eq!(app.all_records("contacts").await.len(), 4);
}

#[apply(on_both_databases)]
async fn what_the_audit_log_tells_of_others_can_not_be_erased(database: Database) {
    let app = App::synced(database, 5).await;
    let refused = [
        "UPDATE audit_log SET message = 'nothing happened'",
        "UPDATE audit_log SET result = 'failed', message = '[erased]'",
        "UPDATE audit_log SET key_name = NULL, message = '[erased]'",
    ];
    for sql in refused {
        assert!(app.database.try_execute(sql).await.is_err(), "{sql}");
    }
}

#[apply(on_both_databases)]
async fn nothing_that_a_stricter_policy_forbids_is_left_in_any_file(database: Database) {
    let app = App::synced(database, 300).await;
    let id = with_traces(&app).await;
    // The raw data alone has the headline.
    let headline = json!("zqmarkerqz does it");
    let set = |team: &mut Team| team.misshape("contact", &id, "/headline", headline);
    assert!(app.apollo.edit(0, set));
    app.after(TimeDelta::hours(1)).await;
    let raw = "zqmarkerqz does it";
    assert!(!traces(&app, &[raw]).await.is_empty());
    set_policy(&app, "contact", json!({"store": "common"}))
        .await
        .ok();
    carry_out(&app).await;
    assert_eq!(traces(&app, &[raw]).await, Vec::<String>::new());
    assert!(!traces(&app, &["head of zqmarkerqz"]).await.is_empty());

    for object in ["contact", "sequence_state"] {
        set_policy(&app, object, json!({"store": "none"}))
            .await
            .ok();
    }
    app.clock.advance(TimeDelta::minutes(31));
    carry_out(&app).await;
    // What callers sent and were answered is theirs, and kept for its own time.
    for table in ["idempotency_keys", "approvals", "audit_log"] {
        let sql = match table {
            "audit_log" => "UPDATE audit_log SET message = '[erased]', provider_request =
                CASE WHEN provider_request IS NULL THEN NULL ELSE '[erased]' END"
                .to_owned(),
            _ => format!("DELETE FROM {table}"),
        };
        app.store.carry_out_policy().await.unwrap();
        app.database.execute(&sql).await;
    }
    let rows = app.database.dump(None).await;
    let left: Vec<&String> = rows
        .iter()
        .filter(|row| {
            let row = row.to_lowercase();
            row.contains(MARKER) || row.contains(&id)
        })
        .collect();
    assert_eq!(left, Vec::<&String>::new());
}
