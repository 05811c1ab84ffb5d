//! `/metrics`: the state of the database, for operators.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::json;

use crate::support::{
    App, CUSTOMER, MASTER_KEY, Receiver, SCOPED_KEY, limited_to, on_both_databases, per_hour,
};

/// The samples, by name and labels, after the cache has expired.
async fn metrics(app: &App) -> BTreeMap<String, String> {
    app.clock.advance(TimeDelta::seconds(11));
    let answer = App::answer(app.request(Method::GET, "/metrics")).await.ok();
    let text = answer.as_str().unwrap();
    assert!(!text.contains(CUSTOMER), "no customer is in it: {text}");
    let samples = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    samples
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

#[apply(on_both_databases)]
async fn what_is_late_and_what_fails_is_counted(database: Database) {
    let app = App::with_contacts(database, 20).await;
    app.connect(CUSTOMER, SCOPED_KEY).await;
    app.clock.advance(TimeDelta::seconds(289));
    let waiting = metrics(&app).await;
    assert_eq!(waiting["syncline_due_lag_seconds"], "300", "nobody works");
    assert_eq!(waiting["syncline_syncs_failing"], "0");

    app.work_off().await;
    let ran = metrics(&app).await;
    assert_eq!(ran["syncline_due_lag_seconds"], "0");
    assert_eq!(
        ran["syncline_syncs_failing"], "3",
        "users, mailboxes and sequences"
    );
    assert_eq!(ran["syncline_connections{status=\"limited\"}"], "1");
    assert_eq!(ran["syncline_connections{status=\"healthy\"}"], "0");
    assert_eq!(ran["syncline_syncs_behind{object=\"contact\"}"], "0");
    assert_eq!(
        ran["syncline_last_success_age_seconds{object=\"contact\"}"],
        "11"
    );

    app.clock.advance(TimeDelta::hours(3));
    let later = metrics(&app).await;
    assert_eq!(
        later["syncline_due_lag_seconds"],
        (300 + 11 + 3 * 3600 + 11 - 3600).to_string()
    );
    for (object, behind) in [("contact", "1"), ("account", "1"), ("user", "0")] {
        let name = format!("syncline_syncs_behind{{object=\"{object}\"}}");
        assert_eq!(
            later[&name], behind,
            "{object}: a paused sync is not behind"
        );
    }
}

#[apply(on_both_databases)]
async fn what_waits_for_its_limits_is_counted_and_not_late(database: Database) {
    let app = App::with_contacts(database, 250).await;
    let connection = app.connect(CUSTOMER, MASTER_KEY).await;
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo");
    app.put(&path, json!({"limits": {"records_per_hour": 300}}))
        .await
        .ok();
    assert_eq!(connection["customer_id"], CUSTOMER);
    let engine = syncline_engine::Engine::new(
        app.store.clone(),
        app.providers.clone(),
        app.clock.clone(),
        limited_to(per_hour(300)),
    );
    engine.work_off().await.unwrap();
    let metrics = metrics(&app).await;
    let waiting = "syncline_runs{state=\"waiting\",reason=\"records_per_hour\"}";
    assert_eq!(metrics[waiting], "2", "contacts and their states");
    assert_eq!(metrics["syncline_runs{state=\"queued\",reason=\"\"}"], "0");
    assert_eq!(metrics["syncline_due_lag_seconds"], "0");
    let left = |name: &str| metrics[name].parse::<f64>().unwrap();
    assert!(left("syncline_budget_left_ratio{window=\"hour\"}") < 0.34);
    assert!(left("syncline_budget_left_ratio{window=\"day\"}") > 0.9);
    assert!(left("syncline_request_limit_left_ratio") <= 1.0);
}

#[apply(on_both_databases)]
async fn what_webhooks_are_owed_is_counted(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let receiver = Receiver::start().await;
    app.post("/mgmt/v2/webhook_endpoints", json!({"url": receiver.url()}))
        .await
        .ok();
    app.connect(CUSTOMER, MASTER_KEY).await;
    let owed = metrics(&app).await;
    assert_eq!(owed["syncline_webhook_backlog"], "1", "connection.created");
    assert_eq!(owed["syncline_webhook_backlog_age_seconds"], "11");
    app.deliver().await;
    let delivered = metrics(&app).await;
    assert_eq!(delivered["syncline_webhook_backlog"], "0");
    assert_eq!(delivered["syncline_webhook_backlog_age_seconds"], "0");
}

#[apply(on_both_databases)]
async fn a_database_that_says_nothing_is_told(database: Database) {
    let app = App::with_contacts(database, 0).await;
    assert_eq!(metrics(&app).await["syncline_database_up"], "1");
    app.database
        .execute("ALTER TABLE webhook_endpoints RENAME TO gone")
        .await;
    let without = metrics(&app).await;
    assert_eq!(without["syncline_database_up"], "0");
    assert!(
        !without.contains_key("syncline_due_lag_seconds"),
        "nothing old is told as new"
    );
}

#[tokio::test]
async fn scrapes_in_a_row_look_at_the_database_once() {
    let app = App::with_contacts(crate::support::Database::sqlite(), 0).await;
    let scrape = || App::answer(app.request(Method::GET, "/metrics"));
    let first = scrape().await.ok();
    app.connect(CUSTOMER, MASTER_KEY).await;
    assert_eq!(scrape().await.ok(), first);
    app.clock.advance(TimeDelta::seconds(11));
    assert_ne!(scrape().await.ok(), first);
}
