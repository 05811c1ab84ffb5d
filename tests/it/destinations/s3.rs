//! A bucket as a destination, read by others than Syncline.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{DESTINATIONS, shown, sync_into, write};
use crate::support::{App, CUSTOMER, Proxy, on_both_databases};

fn variable(name: &str) -> String {
    std::env::var(name).expect("these tests need an S3 server: run them with tests/run")
}

/// A prefix of its own for each test.
struct Lake(String);

impl Lake {
    fn new() -> Self {
        Self(format!("t{:016x}", rand::random::<u64>()))
    }

    async fn is_destination_of(&self, app: &App, endpoint: &str) -> Value {
        let body = json!({
            "name": "Lake",
            "type": "s3",
            "config": {
                "bucket": variable("TEST_S3_BUCKET"),
                "prefix": self.0,
                "region": "us-east-1",
                "endpoint": endpoint,
                "access_key_id": variable("TEST_S3_ACCESS_KEY_ID"),
                "secret_access_key": variable("TEST_S3_SECRET_ACCESS_KEY"),
            },
        });
        let destination = app.post(DESTINATIONS, body).await.ok();
        sync_into(app, &destination).await;
        destination
    }

    async fn read(&self, command: &[&str]) -> Value {
        let root = format!("{}/{}", variable("TEST_S3_BUCKET"), self.0);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/s3/read.py");
        let output = Command::new(variable("TEST_S3_PYTHON"))
            .arg(script)
            .arg(command[0])
            .arg(root)
            .args(&command[1..])
            .env("AWS_ACCESS_KEY_ID", variable("TEST_S3_ACCESS_KEY_ID"))
            .env(
                "AWS_SECRET_ACCESS_KEY",
                variable("TEST_S3_SECRET_ACCESS_KEY"),
            )
            .output()
            .await
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The contacts, by id, as both examples of the docs read them.
    async fn contacts(&self) -> BTreeMap<String, Value> {
        let read = self.read(&["newest"]).await;
        let readers = read.as_object().unwrap();
        let mut all = readers.values().map(|rows| {
            let rows = rows.as_array().unwrap().iter();
            rows.map(|row| (row["id"].as_str().unwrap().to_owned(), row.clone()))
                .collect::<BTreeMap<_, _>>()
        });
        let first = all.next().unwrap();
        for other in all {
            assert_eq!(other, first, "the readers differ");
        }
        first
    }
}

/// The contacts at the destination are those of the tables, with the same values.
async fn equal(app: &App, lake: &Lake) {
    let found = lake.contacts().await;
    let rows = app.all_records("contacts?include_deleted_data=true").await;
    assert_eq!(found.len(), rows.len());
    for row in rows {
        let id = row["id"].as_str().unwrap();
        for field in [
            "first_name",
            "job_title",
            "is_deleted",
            "last_modified_at",
            "open_count",
        ] {
            assert_eq!(found[id][field], row[field], "{field} of {id}");
        }
        assert_eq!(found[id]["customer_id"], CUSTOMER);
    }
}

#[apply(on_both_databases)]
async fn others_read_what_the_tables_have(database: Database) {
    let app = App::synced(database, 25).await;
    let lake = Lake::new();
    let destination = lake
        .is_destination_of(&app, &variable("TEST_S3_ENDPOINT"))
        .await;
    write(&app).await;
    equal(&app, &lake).await;
    let now = app.now();
    let gone = app.apollo.edit(0, |team| {
        for round in 0..10 {
            team.random_edits(now, round, 3);
        }
        let gone = team.contact_ids()[0].clone();
        team.delete_contact(&gone).unwrap();
        gone
    });
    app.after(TimeDelta::hours(1)).await;
    write(&app).await;
    equal(&app, &lake).await;
    assert_eq!(lake.contacts().await[&gone]["is_deleted"], true);
    assert_eq!(shown(&app, &destination).await["connections_behind"], 0);
}

#[apply(on_both_databases)]
async fn an_outage_in_the_middle_is_made_up_for(database: Database) {
    let app = App::synced(database, 25).await;
    let lake = Lake::new();
    let endpoint = variable("TEST_S3_ENDPOINT");
    let address = endpoint.trim_start_matches("http://").parse().unwrap();
    let proxy = Proxy::to(address).await;
    let through = format!("http://127.0.0.1:{}", proxy.port());
    let destination = lake.is_destination_of(&app, &through).await;
    for (round, bytes) in [3_000, 12_000, 25_000].into_iter().enumerate() {
        proxy.cut_after(bytes);
        write(&app).await;
        let failing = shown(&app, &destination).await;
        assert!(failing["failure"].is_object(), "{bytes} bytes were enough");
        proxy.mend();
        app.clock.advance(TimeDelta::minutes(10));
        write(&app).await;
        equal(&app, &lake).await;
        let now = app.now();
        app.apollo
            .edit(0, |team| team.random_edits(now, round as u64, 15));
        app.after(TimeDelta::hours(1)).await;
    }
}

#[apply(on_both_databases)]
async fn nothing_of_a_deleted_customer_stays_in_the_bucket(database: Database) {
    let app = App::synced(database, 10).await;
    let lake = Lake::new();
    lake.is_destination_of(&app, &variable("TEST_S3_ENDPOINT"))
        .await;
    write(&app).await;
    assert!(
        !lake
            .read(&["holding", CUSTOMER])
            .await
            .as_array()
            .unwrap()
            .is_empty()
    );
    app.delete(&format!("/mgmt/v2/customers/{CUSTOMER}")).await;
    write(&app).await;
    assert_eq!(lake.read(&["holding", CUSTOMER]).await, json!([]));
}

#[apply(on_both_databases)]
async fn an_erased_person_is_in_no_file_of_the_bucket(database: Database) {
    let app = App::synced(database, 12).await;
    let lake = Lake::new();
    lake.is_destination_of(&app, &variable("TEST_S3_ENDPOINT"))
        .await;
    write(&app).await;
    let contact = app
        .all_records("contacts")
        .await
        .into_iter()
        .find(|it| it["email_addresses"][0]["email_address"].is_string())
        .unwrap();
    let email = contact["email_addresses"][0]["email_address"]
        .as_str()
        .unwrap();
    assert!(
        !lake
            .read(&["holding", email])
            .await
            .as_array()
            .unwrap()
            .is_empty()
    );
    app.delete(&format!(
        "/mgmt/v2/customers/{CUSTOMER}/records?email={email}"
    ))
    .await
    .ok();
    write(&app).await;
    for text in [email, contact["id"].as_str().unwrap()] {
        assert_eq!(lake.read(&["holding", text]).await, json!([]), "{text}");
    }
    equal(&app, &lake).await;
}
