//! `status`: the state of everything, with `serve` running and without.

use std::process::Output;

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::{RunningSimulator, Simulator};

use crate::support::{
    CUSTOMER, Database, ENCRYPTION_KEY, MASTER_KEY, Process, SCOPED_KEY, on_both_databases,
    quiet_apollo, syncline,
};

async fn status(database: &Database, arguments: &[&str]) -> Output {
    let mut command = syncline();
    command.arg("status").args(arguments);
    if database.is_postgres {
        command.args(["--database-url", &database.url]);
    } else {
        command.env("SYNCLINE_DATA_DIR", database.data_dir());
    }
    command.output().await.unwrap()
}

async fn said(database: &Database, arguments: &[&str]) -> String {
    let output = status(database, arguments).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for secret in [ENCRYPTION_KEY, MASTER_KEY, SCOPED_KEY] {
        assert!(!said.contains(secret), "{said}");
    }
    said
}

async fn json_of(database: &Database, arguments: &[&str]) -> Value {
    serde_json::from_str(&said(database, &[arguments, &["--json"]].concat()).await).unwrap()
}

/// A service whose customer has a key that may not read everything, after its first runs.
async fn service(database: &Database) -> (RunningSimulator, Process) {
    let apollo = Simulator::start(quiet_apollo(20)).await.unwrap();
    let process = Process::serve(database, &apollo.base_url()).await;
    let customer = json!({"customer_id": CUSTOMER, "name": "A", "email": "a@customer.example"});
    process.put("/mgmt/v2/customers", &customer).await;
    let body = json!({"provider_name": "apollo", "category": "engagement", "api_key": SCOPED_KEY});
    process
        .post(&format!("/mgmt/v2/customers/{CUSTOMER}/connections"), &body)
        .await;
    process.until_synced().await;
    (apollo, process)
}

#[apply(on_both_databases)]
async fn everything_is_said_in_a_screenful_beside_serve_and_without(database: Database) {
    let (_apollo, mut process) = service(&database).await;
    let beside = said(&database, &[]).await;
    process.kill().await;
    let without = said(&database, &[]).await;
    for said in [&beside, &without] {
        assert!(said.lines().count() < 24, "{said}");
        for line in [
            "health            degraded: 3 syncs failed in their newest run",
            "connections       1 limited",
            "runs              0 running, 0 waiting, 0 queued",
            "syncs             3 failing, 0 behind",
            "webhooks          0 messages are pending",
            "deletions         0 are held",
        ] {
            assert!(said.contains(line), "{line}: {said}");
        }
    }
}

#[apply(on_both_databases)]
async fn what_is_wrong_is_named_with_its_reason(database: Database) {
    let (_apollo, mut process) = service(&database).await;
    process.kill().await;
    database
        .execute("UPDATE syncs SET fresh_ms = 0 WHERE object = 'contact'")
        .await;
    database
        .execute("UPDATE connections SET status = 'unauthorized'")
        .await;
    database
        .execute(
            "UPDATE sync_runs SET state = 'waiting', waiting_reason = 'records_per_day',
                 finished_at = NULL, due_at = '2099-01-01T00:00:00.000Z'
             WHERE object = 'account'",
        )
        .await;
    database
        .execute(
            "INSERT INTO missing_records (connection_id, object, record_id, missing_since,
                 first_missed_by, last_missed_by, complete_misses, held_since)
             SELECT connection_id, 'contact', 'c1', created_at, id, id, 1, id FROM sync_runs
             WHERE object = 'contact'",
        )
        .await;
    let overview = said(&database, &[]).await;
    for words in [
        "the provider rejects its API key",
        "contacts were last read at",
        "accounts wait until 2099-01-01T00:00:00Z: the daily record limit is reached",
        "1 contacts: review them, then apply those of run",
    ] {
        let line = overview
            .lines()
            .find(|line| line.contains(words))
            .expect(&overview);
        assert!(line.contains(&format!("\"{CUSTOMER}\"")), "{line}");
    }
    let json = json_of(&database, &[]).await;
    assert_eq!(json["health"]["status"], "degraded");
    assert_eq!(
        json["database"]["kind"],
        if database.is_postgres {
            "postgres"
        } else {
            "sqlite"
        }
    );
    assert_eq!(json["connections"], json!({"unauthorized": 1}));
    assert_eq!(json["rejected_keys"][0]["customer_id"], CUSTOMER);
    assert_eq!(json["runs"]["waiting"], 1);
    let run = &json["runs"]["active"][0];
    assert_eq!(run["waiting_until"], "2099-01-01T00:00:00.000Z");
    assert_eq!(
        (&run["object"], &run["application"]),
        (&json!("account"), &json!("default"))
    );
    assert_eq!(json["syncs"]["behind"], 1);
    assert_eq!(json["syncs"]["troubled"][0]["object"], "contact");
    assert_eq!(json["budgets"][0]["hour"]["limit"], 10_000);
    assert_eq!(json["held_deletions"]["by_run"][0]["records"], 1);
    assert_eq!(json["webhooks"]["backlog"], 0);
}

#[apply(on_both_databases)]
async fn a_customer_is_shown_with_each_connection_and_sync(database: Database) {
    let (_apollo, mut process) = service(&database).await;
    process.kill().await;
    let text = said(&database, &[CUSTOMER]).await;
    for words in [
        "limited",
        "degraded: ",
        "paused: ",
        "last read at",
        "20 records",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let customers = json_of(&database, &[CUSTOMER]).await;
    let connection = &customers[0]["connections"][0];
    assert_eq!(connection["health"]["status"], "degraded");
    let syncs = connection["syncs"].as_array().unwrap();
    assert_eq!(syncs.len(), 6);
    for sync in syncs {
        let paused = sync["state"] == "paused";
        assert_eq!(
            sync["last_run"]["error_message"].is_string(),
            paused,
            "{sync}"
        );
    }
    let nobody = status(&database, &["nobody"]).await;
    assert_eq!(nobody.status.code(), Some(1));
    let err = String::from_utf8(nobody.stderr).unwrap();
    assert!(err.contains("there is no customer \"nobody\""), "{err}");
}

#[tokio::test]
async fn a_mistyped_directory_makes_no_database() {
    let dir = tempfile::tempdir().unwrap();
    let mistyped = dir.path().join("sincline-data");
    let mut command = syncline();
    command.args(["status", "--data-dir"]).arg(&mistyped);
    let output = command.output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("there is no database at"), "{err}");
    assert!(!mistyped.exists());
}
