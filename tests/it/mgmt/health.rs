//! The health of customers and connections: a status, a sentence, and nothing if all is well.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::Value;
use syncline_sim::{Action, Fault, Match};

use crate::support::{App, CUSTOMER, MASTER_KEY, SCOPED_KEY, on_both_databases};

/// The health of the connection, which must be the same on its customer and in every answer that
/// shows it.
async fn health(app: &App) -> Value {
    let path = format!("/mgmt/v2/customers/{CUSTOMER}");
    let customer = app.get(&path).await.ok();
    let connections = app.get(&format!("{path}/connections")).await.ok();
    let connection = app.get(&format!("{path}/connections/apollo")).await.ok();
    let customers = app.get("/mgmt/v2/customers").await.ok();
    let listed = customers
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["customer_id"] == CUSTOMER);
    let health = connection["health"].clone();
    for shown in [&customer, &connections[0], listed.unwrap()] {
        assert_eq!(shown["health"], health, "{shown}");
    }
    health
}

fn says(health: &Value, status: &str, words: &[&str]) {
    assert_eq!(health["status"], status, "{health}");
    let reason = health["reason"].as_str().unwrap_or_default();
    assert_eq!(reason.is_empty(), words.is_empty(), "{health}");
    for word in words {
        assert!(reason.contains(word), "{word}: {health}");
    }
}

#[apply(on_both_databases)]
async fn a_connection_that_keeps_its_rhythm_is_healthy(database: Database) {
    let app = App::with_contacts(database, 5).await;
    let customer = app.put_customer(CUSTOMER).await.ok();
    assert_eq!(customer["health"], Value::Null, "nothing is connected");
    app.post_connection(CUSTOMER, MASTER_KEY).await.ok();
    says(&health(&app).await, "healthy", &[]);
    app.work_off().await;
    let healthy = health(&app).await;
    says(&healthy, "healthy", &[]);
    assert_eq!(healthy["last_synced_at"], "2026-03-01T08:00:00.000Z");
}

#[apply(on_both_databases)]
async fn what_is_late_fails_or_can_not_be_read_is_said(database: Database) {
    let app = App::with_contacts(database, 5).await;
    app.connect("another", MASTER_KEY).await;
    app.connect(CUSTOMER, SCOPED_KEY).await;
    app.work_off().await;
    says(
        &health(&app).await,
        "degraded",
        &["can't be read", "and 2 more of its objects"],
    );

    app.put(
        &format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo"),
        serde_json::json!({"api_key": MASTER_KEY}),
    )
    .await
    .ok();
    app.work_off().await;
    says(&health(&app).await, "healthy", &[]);

    app.apollo
        .faults()
        .push(Fault::new(Match::path("accounts/search"), Action::unavailable()).always());
    app.after(TimeDelta::hours(1)).await;
    says(
        &health(&app).await,
        "degraded",
        &["the newest run of accounts failed", "503"],
    );
    app.after(TimeDelta::hours(1)).await;
    says(
        &health(&app).await,
        "failing",
        &["accounts were last read at 2026-03-01T08:00:00Z"],
    );

    app.apollo.faults().clear();
    app.after(TimeDelta::hours(1)).await;
    says(&health(&app).await, "healthy", &[]);

    app.clock.advance(TimeDelta::hours(3));
    says(
        &health(&app).await,
        "degraded",
        &["twice their period", "and 5 more"],
    );
}

#[apply(on_both_databases)]
async fn a_rejected_key_is_failing_whatever_else_is(database: Database) {
    let app = App::synced(database, 5).await;
    app.apollo
        .faults()
        .push(Fault::new(Match::any(), Action::KeyRevoked).always());
    app.after(TimeDelta::hours(1)).await;
    says(
        &health(&app).await,
        "failing",
        &["rejects the key", "give the connection a key"],
    );
}
