//! Results of enrichment follow the policies of contacts and accounts.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{carry_out, set_policy};
use crate::support::{App, CUSTOMER, Database, MASTER_KEY, on_both_databases};

const JOBS: &str = "/enrichment/v2/jobs";

/// An Apollo that knows one person.
async fn with_a_person(database: Database) -> App {
    let app = App::with_contacts(database, 1).await;
    let now = app.now();
    app.apollo.edit(0, |team| {
        team.set_credits(1000);
        let account = json!({"name": "Heron Foods", "domain": "heron.example"});
        let account = team.create_account(now, &account).unwrap();
        let person = json!({"first_name": "Ines", "last_name": "Heron", "title": "CEO",
            "email": "ines@heron.example", "account_id": account});
        team.create_contact(now, &person).unwrap();
    });
    app.connect(CUSTOMER, MASTER_KEY).await;
    app
}

/// Asks about the person: the job as it is then, and what is known.
async fn ask(app: &App) -> (Value, Vec<Value>) {
    let list = json!({"people": [{"email": "ines@heron.example"}]});
    let job = app.post(JOBS, list).await.ok();
    app.enrich().await;
    (job_of(app, &job).await, results_of(app, &job).await)
}

async fn job_of(app: &App, job: &Value) -> Value {
    app.get(&format!("{JOBS}/{}", job["id"].as_str().unwrap()))
        .await
        .ok()
}

async fn results_of(app: &App, job: &Value) -> Vec<Value> {
    let id = job["id"].as_str().unwrap();
    let path = format!("{JOBS}/{id}/results?include_raw_data=true");
    app.get(&path).await.ok()["results"]
        .as_array()
        .unwrap()
        .clone()
}

#[apply(on_both_databases)]
async fn results_are_stored_as_the_policy_of_contacts_says(database: Database) {
    let app = with_a_person(database).await;
    let (job, full) = ask(&app).await;
    let raw = "SELECT count(*) FROM enrichment_answers WHERE raw_data IS NOT NULL";
    assert_eq!(app.database.count(raw).await, 1);
    assert_eq!(full[0]["person"]["title"], "CEO");

    // What is known already.
    set_policy(&app, "contact", json!({"store": "common"}))
        .await
        .ok();
    carry_out(&app).await;
    assert_eq!(app.database.count(raw).await, 0);
    assert_eq!(results_of(&app, &job).await[0]["person"], full[0]["person"]);
    let fields = json!({"fields": ["first_name", "email_addresses"]});
    set_policy(&app, "contact", json!({"store": fields}))
        .await
        .ok();
    carry_out(&app).await;
    let person = results_of(&app, &job).await[0]["person"].clone();
    assert_eq!(
        (&person["first_name"], &person["email"]),
        (&json!("Ines"), &json!("ines@heron.example"))
    );
    for field in ["last_name", "name", "title", "company"] {
        assert_eq!(person[field], Value::Null, "{person}");
    }
    // And what becomes known.
    app.clock.advance(TimeDelta::days(40));
    let (_, later) = ask(&app).await;
    assert_eq!(later[0]["person"], person);
    assert_eq!(app.database.count(raw).await, 0);
}

#[apply(on_both_databases)]
async fn results_are_removed_within_the_hour_where_nothing_is_stored_and_not_used_again(
    database: Database,
) {
    let app = with_a_person(database).await;
    set_policy(&app, "contact", json!({"store": "none"}))
        .await
        .ok();
    carry_out(&app).await;
    let (job, results) = ask(&app).await;
    assert_eq!(
        results[0]["person"]["title"], "CEO",
        "they can be read first"
    );
    let (again, _) = ask(&app).await;
    assert_eq!(
        (&again["reused"], &again["credits_spent"]),
        (&json!(0), &json!(1))
    );
    for _ in 0..4 {
        app.clock.advance(TimeDelta::minutes(15));
        carry_out(&app).await;
    }
    for table in ["enrichment_items", "enrichment_answers"] {
        assert_eq!(
            app.database
                .count(&format!("SELECT count(*) FROM {table}"))
                .await,
            0
        );
    }
    let left = job_of(&app, &job).await;
    assert_eq!(
        (&left["matched"], &left["credits_spent"]),
        (&json!(1), &json!(1))
    );
}
