//! What becomes due wakes the worker at once. The regular polls are an hour apart here, so a test
//! that needed one would not end.

use std::time::Duration;

use macro_rules_attribute::apply;
use serde_json::json;
use syncline_engine::Engine;
use syncline_webhooks::{Webhooks, WebhooksConfig};
use tokio::task::JoinHandle;

use crate::support::{App, CUSTOMER, MASTER_KEY, Receiver, on_both_databases};

const RUNS: &str = "SELECT count(*) FROM sync_runs WHERE state = 'succeeded'";

#[apply(on_both_databases)]
async fn a_new_connection_is_read_to_its_end_and_told_of_without_a_wait(database: Database) {
    let app = App::with_contacts(database, 150).await;
    let receiver = Receiver::start().await;
    let endpoint = json!({"url": receiver.url(), "event_types": ["sync.complete"]});
    app.post("/mgmt/v2/webhook_endpoints", endpoint).await.ok();
    let running = Running::start(&app);
    app.connect(CUSTOMER, MASTER_KEY).await;
    until(&app, RUNS, 6).await;
    within_a_minute(async {
        while receiver.received().len() < 6 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    running.stop().await;
}

#[apply(on_both_databases)]
async fn a_trigger_starts_at_once_and_so_does_one_that_has_to_follow(database: Database) {
    let app = App::synced(database, 150).await;
    let running = Running::start(&app);
    app.trigger("contact").await;
    until(&app, RUNS, 8).await;
    for object in [
        "user",
        "mailbox",
        "sequence",
        "account",
        "contact",
        "sequence_state",
    ] {
        app.trigger(object).await;
    }
    app.trigger("user").await;
    within_a_minute(async {
        while app.database.count(ACTIVE).await > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    running.stop().await;
}

#[apply(on_both_databases)]
async fn whoever_waits_for_records_is_followed_at_once_when_its_connection_goes(
    database: Database,
) {
    let app = App::with_contacts(database, 350).await;
    let running = Running::start(&app);
    connect_with_little(&app, CUSTOMER).await;
    until(&app, WAITING, 2).await;
    connect_with_little(&app, "other").await;
    assert_eq!(
        app.database.count(OF_THE_OTHER).await,
        0,
        "it waits with the first"
    );
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo");
    app.delete(&path).await.ok();
    within_a_minute(async {
        while app.database.count(OF_THE_OTHER).await == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    running.stop().await;
}

const WAITING: &str = "SELECT count(*) FROM sync_runs WHERE state = 'waiting'";
const ACTIVE: &str = "
    SELECT count(*) FROM syncs s WHERE s.triggered_at IS NOT NULL OR EXISTS (
        SELECT 1 FROM sync_runs r WHERE r.sync_id = s.id AND r.finished_at IS NULL)";
const OF_THE_OTHER: &str = "
    SELECT count(*) FROM sync_runs r JOIN connections c ON c.id = r.connection_id
    WHERE c.customer_id = 'other'";

/// A connection that may not read all of its contacts within an hour.
async fn connect_with_little(app: &App, customer: &str) {
    app.put_customer(customer).await.ok();
    let connection = json!({
        "provider_name": "apollo",
        "category": "engagement",
        "api_key": MASTER_KEY,
        "limits": {"records_per_hour": 300},
    });
    let path = format!("/mgmt/v2/customers/{customer}/connections");
    app.post(&path, connection).await.ok();
}

async fn until(app: &App, sql: &str, count: i64) {
    within_a_minute(async {
        while app.database.count(sql).await < count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn within_a_minute(done: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_mins(1), done)
        .await
        .expect("nothing waits for a look that comes by itself");
}

/// The application's engine and webhooks, running as in `serve`.
struct Running {
    engine: Engine,
    webhooks: Webhooks,
    task: JoinHandle<()>,
}

impl Running {
    fn start(app: &App) -> Self {
        let engine = app.engine.clone();
        let webhooks = app.webhooks(WebhooksConfig {
            tick: Duration::from_hours(1),
            ..WebhooksConfig::default()
        });
        let (working, telling) = (engine.clone(), webhooks.clone());
        let task = tokio::spawn(async move {
            tokio::join!(working.run(), telling.run());
        });
        Self {
            engine,
            webhooks,
            task,
        }
    }

    async fn stop(self) {
        self.engine.shutdown();
        self.webhooks.shutdown();
        self.task.await.unwrap();
    }
}
