//! An embedded database that can't be written for a while: its disk is full, or another process
//! holds its lock. Everything continues when that is over.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};
use syncline_sim::{Match, RunningSimulator, Simulator};
use tokio::process::Command;

use crate::support::{Answer, App, CUSTOMER, Database, Process, quiet_apollo};

#[tokio::test]
async fn a_full_disk_is_told_and_everything_goes_on_when_there_is_room() {
    let database = Database::sqlite();
    let apollo = Simulator::start(quiet_apollo(550)).await.unwrap();
    let process = Process::serve(&database, &apollo.base_url()).await;
    let page = in_the_middle_of_a_sync(&process, &apollo).await;

    room(&process, "0").await;
    page.open();
    let said = refused(&put_customer(&process, "too-late").await);
    assert!(said.contains("can't be read or written"), "{said}");
    let said = refused(&ready(&process).await);
    assert!(said.contains("can't be read or written"), "{said}");
    // Reads work, and the run has not failed.
    assert_eq!(contact_run(&process).await["status"], "IN_PROGRESS");
    // The page arrived and could not be stored.
    process.until_logged("is abandoned").await;
    assert_eq!(contact_run(&process).await["status"], "IN_PROGRESS");

    room(&process, "unlimited").await;
    assert_eq!(ready(&process).await.status, StatusCode::OK);
    goes_on(&process, &database).await;
}

#[tokio::test]
async fn a_lock_that_somebody_else_holds_is_told_and_everything_goes_on_after_it() {
    let database = Database::sqlite();
    let apollo = Simulator::start(quiet_apollo(550)).await.unwrap();
    let process = Process::serve(&database, &apollo.base_url()).await;
    let page = in_the_middle_of_a_sync(&process, &apollo).await;

    let mut other = SqliteConnection::connect(&database.url).await.unwrap();
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    page.open();
    let (put, ready_then) = tokio::join!(put_customer(&process, "too-late"), ready(&process));
    let said = [refused(&put), refused(&ready_then)].concat();
    assert!(
        said.contains("another process keeps the database locked"),
        "{said}"
    );
    assert_eq!(contact_run(&process).await["status"], "IN_PROGRESS");
    process.until_logged("is abandoned").await;

    lock.rollback().await.unwrap();
    assert_eq!(ready(&process).await.status, StatusCode::OK);
    goes_on(&process, &database).await;
}

/// Waits until the third page of contacts was requested, which is not answered yet.
async fn in_the_middle_of_a_sync(
    process: &Process,
    apollo: &RunningSimulator,
) -> syncline_sim::Gate {
    let gate = apollo.gate(Match::path("contacts/search").page(3));
    process.connect().await;
    gate.arrived(1).await;
    gate
}

/// Sets how large the files may be that the process writes, to simulate a full disk.
async fn room(process: &Process, bytes: &str) {
    let pid = process.id().to_string();
    let status = Command::new("prlimit")
        .args(["--pid", &pid, &format!("--fsize={bytes}:unlimited")])
        .status()
        .await;
    assert!(status.unwrap().success());
}

/// The sync ends as if nothing had happened, and nothing is stored partially.
async fn goes_on(process: &Process, database: &Database) {
    assert!(put_customer(process, "in-time").await.status.is_success());
    // Makes the scan's lease expire now.
    let expire = "UPDATE sync_runs SET due_at = '2026-01-01T00:00:00.000Z' WHERE state = 'running'";
    database.execute(expire).await;
    let run = process.until_synced().await;
    assert_eq!(run["status"], "SUCCESS");
    assert_eq!(run["num_records_synced"], 550);
    assert_eq!(run["coverage"]["verdict"], "complete");
    let contacts = "SELECT count(*) FROM engagement_contacts";
    assert_eq!(database.count(contacts).await, 550);
    let events = "SELECT count(*) FROM outbox WHERE event_type = 'sync.complete'";
    assert_eq!(database.count(events).await, 6);
    let refused = "SELECT count(*) FROM customers WHERE customer_id = 'too-late'";
    assert_eq!(database.count(refused).await, 0);
    let sound = database.text("PRAGMA integrity_check").await;
    assert_eq!(sound.as_deref(), Some("ok"));
}

async fn put_customer(process: &Process, customer: &str) -> Answer {
    let body = json!({"customer_id": customer, "name": "A", "email": "a@customer.example"});
    let request = process.of_customer(Method::PUT, "/mgmt/v2/customers", CUSTOMER);
    App::answer(request.json(&body)).await
}

async fn ready(process: &Process) -> Answer {
    App::answer(process.of_customer(Method::GET, "/readyz", CUSTOMER)).await
}

async fn contact_run(process: &Process) -> Value {
    let path = "/mgmt/v2/sync-runs?object_type=common&object=contact";
    process.get(path).await["results"][0].clone()
}

/// The reason of a 503.
#[track_caller]
fn refused(answer: &Answer) -> String {
    assert_eq!(
        answer.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        answer.body
    );
    answer.body["errors"][0].to_string()
}
