//! Many endpoints, many workers: none waits for another, and nothing is sent twice.

use std::time::Duration;

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use syncline_store::WebhookEndpointChange;
use syncline_webhooks::{Webhooks, WebhooksConfig};
use tokio::task::JoinHandle;

use super::{another_event, endpoint, endpoint_for, one_event};
use crate::support::{App, Receiver, Reply, on_both_databases};

#[apply(on_both_databases)]
async fn an_endpoint_that_hangs_delays_no_other(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let (hanging, healthy) = (Receiver::start().await, Receiver::start().await);
    endpoint(&app, &hanging).await;
    endpoint(&app, &healthy).await;
    hanging.always(Reply::Hang);
    let worker = Worker::start(&app, "one", &patient());
    one_event(&app).await;
    hanging.until(1).await;
    for count in [2, 4, 6] {
        another_event(&app).await;
        one_event(&app).await;
        healthy.until(count + 1).await;
    }
    assert_eq!(hanging.ids().len(), 1, "one attempt at a time");
    worker.abort();
}

#[apply(on_both_databases)]
async fn the_hanging_endpoints_of_one_application_delay_no_event_of_another(database: Database) {
    const PLACES: usize = 8;
    let app = App::with_contacts(database, 0).await;
    let (hanging, healthy) = (Receiver::start().await, Receiver::start().await);
    hanging.always(Reply::Hang);
    endpoint(&app, &healthy).await;
    let other = app
        .store
        .find_or_create_application("another", &crate::support::enabled())
        .await
        .unwrap();
    let other = app.store.tenant(&other.id);
    for _ in 0..2 * PLACES {
        let settings = WebhookEndpointChange::default();
        let (endpoint, _) = other
            .create_webhook_endpoint(&hanging.url(), &settings)
            .await
            .unwrap();
        other.test_webhook_endpoint(&endpoint).await.unwrap();
    }
    let worker = Worker::start(
        &app,
        "one",
        &WebhooksConfig {
            concurrency: PLACES,
            ..patient()
        },
    );
    // It gets all the attempts that it may have, and they don't end.
    hanging.until(PLACES / 2).await;
    for count in [1, 2, 3] {
        if count == 2 {
            another_event(&app).await;
        } else {
            one_event(&app).await;
        }
        healthy.until(count).await;
    }
    assert_eq!(hanging.ids().len(), PLACES / 2);
    worker.abort();
}

#[apply(on_both_databases)]
async fn an_endpoint_whose_last_attempt_failed_comes_after_those_that_answer(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let (failing, healthy) = (Receiver::start().await, Receiver::start().await);
    let first = endpoint(&app, &failing).await;
    let second = endpoint_for(&app, &healthy, &["connection.deleted"]).await;
    let due = async || {
        let due = app
            .store
            .due_endpoints(TimeDelta::minutes(1), 10)
            .await
            .unwrap();
        due.into_iter()
            .map(|endpoint| endpoint.id)
            .collect::<Vec<_>>()
    };
    one_event(&app).await;
    assert_eq!(
        due().await,
        [first["id"].as_str().unwrap()],
        "the other asks for nothing of it"
    );
    failing.always(Reply::Status(500));
    app.deliver().await;
    another_event(&app).await;
    app.clock.advance(TimeDelta::seconds(5));
    assert_eq!(
        due().await,
        [&second, &first].map(|it| it["id"].as_str().unwrap())
    );
}

#[apply(on_both_databases)]
async fn two_workers_send_each_event_once_and_in_order(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let (first, second) = (Receiver::start().await, Receiver::start().await);
    endpoint(&app, &first).await;
    endpoint(&app, &second).await;
    let workers = ["one", "two"].map(|name| Worker::start(&app, name, &WebhooksConfig::default()));
    for _ in 0..20 {
        one_event(&app).await;
        another_event(&app).await;
    }
    first.until(40).await;
    second.until(40).await;
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!(app.deliver().await, 0);
    for receiver in [first, second] {
        let ids = receiver.ids();
        assert_eq!(ids.len(), 40, "nothing is sent twice");
        assert!(ids.is_sorted(), "{ids:?}");
    }
}

struct Worker {
    webhooks: Webhooks,
    task: JoinHandle<()>,
}

impl Worker {
    fn start(app: &App, name: &str, config: &WebhooksConfig) -> Self {
        let webhooks = app.webhooks(WebhooksConfig {
            worker_name: name.to_owned(),
            tick: Duration::from_millis(10),
            ..config.clone()
        });
        let running = webhooks.clone();
        Self {
            webhooks,
            task: tokio::spawn(async move { running.run().await }),
        }
    }

    async fn stop(self) {
        self.webhooks.shutdown();
        self.task.await.unwrap();
    }

    fn abort(self) {
        self.task.abort();
    }
}

/// An attempt may take longer than a test.
fn patient() -> WebhooksConfig {
    WebhooksConfig {
        within: Duration::from_mins(10),
        ..WebhooksConfig::default()
    }
}
