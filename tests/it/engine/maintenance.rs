//! Old entries are purged in the background, in batches that block nothing else.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use macro_rules_attribute::apply;
use serde_json::json;
use syncline_model::first_id_of;
use syncline_store::{Expired, PURGE_BATCH};

use crate::support::{App, CUSTOMER, Database, Receiver, on_both_databases};

/// So many entries that a purge takes many batches, and so some seconds of pauses.
const OLD_ENTRIES: i64 = 100_000;

#[apply(on_both_databases)]
async fn a_sync_that_is_triggered_runs_while_a_long_history_is_being_forgotten(database: Database) {
    let app = App::synced(database, 5).await;
    write_old_audit_log(&app, OLD_ENTRIES).await;
    let engine = app.engine.clone();
    let running = tokio::spawn(async move { engine.run().await });
    // Wait until the purge has begun.
    while entries(&app.database).await == OLD_ENTRIES {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    app.trigger("contact").await;
    while app.runs("contact").await.len() < 2
        || app.runs("contact").await[0]["state"] != "succeeded"
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(
        entries(&app.database).await > 0,
        "the sync didn't wait for the last entry"
    );
    app.engine.shutdown();
    running.await.unwrap();
}

#[apply(on_both_databases)]
async fn a_batch_is_bounded_and_the_next_one_goes_on_behind_it(database: Database) {
    let app = App::with_contacts(database, 0).await;
    write_old_audit_log(&app, 2 * PURGE_BATCH + 1).await;
    let mut batches = Vec::new();
    let mut after = Some(String::new());
    while let Some(from) = after {
        let batch = app
            .store
            .purge(Expired::AuditLog, a_year_before(&app), &from)
            .await
            .unwrap();
        batches.push(batch.purged);
        after = batch.next;
    }
    let full = PURGE_BATCH.unsigned_abs();
    assert_eq!(batches, [full, full, 1]);
    assert_eq!(entries(&app.database).await, 0);
}

#[apply(on_both_databases)]
async fn runs_with_many_pages_go_in_batches_too(database: Database) {
    let app = App::synced(database, 5).await;
    app.after(TimeDelta::hours(1)).await;
    let pages = PURGE_BATCH + 10;
    app.database.execute(&format!(
            "WITH RECURSIVE n (page) AS (SELECT 1000 UNION ALL SELECT page + 1 FROM n WHERE page < 1000 + {pages})
             INSERT INTO sync_run_pages (run_id, pass, page, ids)
             SELECT (SELECT min(id) FROM sync_runs WHERE object = 'contact'), 1, page, '[]' FROM n"
        )).await;
    app.clock.advance(TimeDelta::days(91));
    let before = app.now() - TimeDelta::days(90);
    let first = app.store.purge(Expired::Runs, before, "").await.unwrap();
    assert_eq!(
        (first.purged, first.next),
        (0, Some(String::new())),
        "pages go first"
    );
    assert_eq!(app.engine.purge(Expired::Runs).await.unwrap(), 6);
    let left = "SELECT count(*) FROM sync_run_pages WHERE run_id NOT IN (SELECT id FROM sync_runs)";
    assert_eq!(app.database.count(left).await, 0);
}

#[apply(on_both_databases)]
async fn what_was_owed_to_an_endpoint_that_was_deleted_is_forgotten(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let receiver = Receiver::start().await;
    let endpoint = crate::webhooks::endpoint(&app, &receiver).await;
    let id = endpoint["id"].as_str().unwrap();
    let path = format!("/mgmt/v2/webhook_endpoints/{id}");
    for _ in 0..PURGE_BATCH + 5 {
        app.post(&format!("{path}/_test"), json!({})).await.ok();
    }
    app.delete(&path).await.ok();
    let owed = "SELECT count(*) FROM webhook_deliveries";
    assert_eq!(
        app.database.count(owed).await,
        5,
        "a request deletes no more than a batch"
    );
    assert_eq!(app.engine.purge(Expired::Deliveries).await.unwrap(), 5);
    assert_eq!(app.database.count(owed).await, 0);
    assert_eq!(app.deliver().await, 0);
}

#[apply(on_both_databases)]
async fn an_account_that_nobody_draws_from_for_90_days_is_forgotten(database: Database) {
    let app = App::synced(database, 5).await;
    let accounts = "SELECT count(*) FROM provider_accounts";
    let of_both = app.database.count(accounts).await;
    assert!(of_both > 0);
    app.delete(&format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo"))
        .await
        .ok();
    assert_eq!(
        app.engine.purge(Expired::Accounts).await.unwrap(),
        0,
        "it has just been used"
    );
    app.clock.advance(TimeDelta::days(89));
    assert_eq!(app.engine.purge(Expired::Accounts).await.unwrap(), 0);
    app.clock.advance(TimeDelta::days(2));
    assert!(app.engine.purge(Expired::Accounts).await.unwrap() > 0);
}

#[apply(on_both_databases)]
async fn answers_and_locks_are_forgotten_when_they_have_expired(database: Database) {
    let app = App::synced(database, 5).await;
    let body = json!({"record": {"first_name": "A", "last_name": "B"}});
    for key in ["one", "two"] {
        let request = app
            .request(reqwest::Method::POST, "/engagement/v2/contacts")
            .header("x-api-key", &app.api_key)
            .header("x-customer-id", CUSTOMER)
            .header("x-provider-name", "apollo")
            .header("idempotency-key", key)
            .json(&body);
        App::answer(request).await.ok();
    }
    assert_eq!(app.engine.purge(Expired::Answers).await.unwrap(), 0);
    app.clock.advance(TimeDelta::hours(25));
    assert_eq!(app.engine.purge(Expired::Answers).await.unwrap(), 2);
    assert_eq!(app.engine.purge(Expired::WriteLocks).await.unwrap(), 0);
}

#[tokio::test]
async fn an_embedded_database_learns_how_its_tables_have_grown_while_it_runs() {
    let app = App::with_contacts(Database::sqlite(), 0).await;
    write_old_audit_log(&app, 1000).await;
    app.store.refresh_statistics().await.unwrap();
    let known = "SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'audit_log'";
    assert!(app.database.count(known).await > 0);
}

/// Entries that are older than a year.
async fn write_old_audit_log(app: &App, count: i64) {
    let at = a_year_before(app) - TimeDelta::days(1);
    // Ids sort by age: these are of that day, in order.
    let prefix = &first_id_of(at)[..18];
    app.database
        .execute(&format!(
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count})
             INSERT INTO audit_log (id, application_id, at, actor, action, result, message)
             SELECT '{prefix}' || CAST(1000000 + i AS text), 'gone', '{}', 'cli', 'test.write', 'ok', 'old'
             FROM n",
            at.to_rfc3339_opts(SecondsFormat::Millis, true)
        ))
        .await;
}

fn a_year_before(app: &App) -> DateTime<Utc> {
    app.now() - TimeDelta::days(365)
}

async fn entries(database: &Database) -> i64 {
    database
        .count("SELECT count(*) FROM audit_log WHERE application_id = 'gone'")
        .await
}
