//! Many endpoints, many workers: nobody waits for somebody else, and nothing is sent twice.

use std::time::Duration;

use syncline_webhooks::{Webhooks, WebhooksConfig};
use tokio::task::JoinHandle;

use super::{another_event, endpoint, one_event};
use crate::support::{App, Receiver, Reply, on_both_databases};

on_both_databases! {
    async fn an_endpoint_that_hangs_delays_no_other(database: Database) {
        let app = App::with_contacts(database, 0).await;
        let (hanging, healthy) = (Receiver::start().await, Receiver::start().await);
        endpoint(&app, &hanging).await;
        endpoint(&app, &healthy).await;
        hanging.always(Reply::Hang);
        // An attempt may take longer than this test.
        let worker = Worker::start(&app, "one", Duration::from_mins(10));
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

    async fn two_workers_send_each_event_once_and_in_order(database: Database) {
        let app = App::with_contacts(database, 0).await;
        let (first, second) = (Receiver::start().await, Receiver::start().await);
        endpoint(&app, &first).await;
        endpoint(&app, &second).await;
        let workers = ["one", "two"].map(|name| Worker::start(&app, name, Duration::from_mins(1)));
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
}

struct Worker {
    webhooks: Webhooks,
    task: JoinHandle<()>,
}

impl Worker {
    fn start(app: &App, name: &str, within: Duration) -> Self {
        let webhooks = app.webhooks(WebhooksConfig {
            worker_name: name.to_owned(),
            within,
            tick: Duration::from_millis(10),
            ..WebhooksConfig::default()
        });
        let running = webhooks.clone();
        Self {
            webhooks,
            task: tokio::spawn(async move { running.run().await }),
        }
    }

    async fn stop(self) {
        self.webhooks.stop();
        self.task.await.unwrap();
    }

    fn abort(self) {
        self.task.abort();
    }
}
