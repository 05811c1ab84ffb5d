//! How an event is delivered, and when it is retried.

use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_webhooks::WebhooksConfig;

use super::{another_event, endpoint, endpoint_for, messages, one_event, patch, path_of};
use crate::support::{
    App, CUSTOMER, MASTER_KEY, Receiver, Reply, documents::event_verdict, on_both_databases,
};

#[apply(on_both_databases)]
async fn every_event_arrives_once_in_order_signed_under_both_names(database: Database) {
    let app = App::with_contacts(database, 3).await;
    let receiver = Receiver::start().await;
    let endpoint = endpoint(&app, &receiver).await;
    let secret = endpoint["secret"].as_str().unwrap();

    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    another_event(&app).await;
    assert_eq!(app.deliver().await, 8);
    assert_eq!(app.deliver().await, 0, "nothing is sent twice");

    let types = receiver.event_types();
    assert_eq!(types[0], "connection.created");
    assert_eq!(types[1..7], ["sync.complete"; 6]);
    assert_eq!(types[7], "connection.deleted");
    let told: Vec<Value> = messages(&app).await;
    let ids: Vec<&str> = told.iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(receiver.ids(), ids);
    for (received, message) in receiver.received().iter().zip(&told) {
        assert!(received.is_signed_by(secret));
        assert!(!received.is_signed_by("whsec_b3RoZXIgc2VjcmV0IG9mIHNvbWVib2R5IGVsc2U="));
        for name in ["id", "timestamp", "signature"] {
            let (standard, svix) = (format!("webhook-{name}"), format!("svix-{name}"));
            assert_eq!(received.header(&standard), received.header(&svix));
        }
        assert_eq!(received.header("content-type"), "application/json");
        event_verdict(&received.event_type(), &received.payload()).unwrap();
        assert_eq!(received.payload(), message["payload"]);
        assert_eq!(message["attempts"][0]["response_status"], 200);
        assert_eq!(
            message["attempts"][0]["response_body"],
            "the receiver's answer"
        );
        assert_eq!(message["attempts"][0]["error"], Value::Null);
        assert_eq!(message["deliveries"][0]["status"], "delivered");
    }
}

#[apply(on_both_databases)]
async fn an_endpoint_is_told_what_it_asks_for_from_its_creation_on(database: Database) {
    let app = App::with_contacts(database, 3).await;
    one_event(&app).await;
    let receiver = Receiver::start().await;
    let endpoint = endpoint_for(&app, &receiver, &["sync.complete", "connection.created"]).await;
    app.work_off().await;
    another_event(&app).await;
    app.deliver().await;
    assert_eq!(receiver.event_types(), ["sync.complete"; 6]);

    patch(
        &app,
        &endpoint,
        json!({"event_types": ["connection.deleted"]}),
    )
    .await;
    one_event(&app).await;
    another_event(&app).await;
    app.deliver().await;
    assert_eq!(receiver.event_types()[6..], ["connection.deleted"]);
}

#[apply(on_both_databases)]
async fn a_delivery_that_fails_is_tried_at_the_promised_times_under_its_id(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let receiver = Receiver::start().await;
    endpoint(&app, &receiver).await;
    receiver.always(Reply::Status(500));
    one_event(&app).await;
    assert_eq!(app.deliver().await, 1);

    let hours = 3600;
    for (tried, seconds) in [5, 300, 1800, 2 * hours, 5 * hours, 10 * hours, 10 * hours]
        .into_iter()
        .enumerate()
    {
        let message = messages(&app).await.remove(0);
        let due = app.now() + TimeDelta::seconds(seconds);
        assert_eq!(time(&message["deliveries"][0]["next_attempt_at"]), due);
        assert_eq!(time(&message["attempts"][tried]["next_attempt_at"]), due);
        app.clock
            .advance(TimeDelta::seconds(seconds) - TimeDelta::milliseconds(1));
        assert_eq!(app.deliver().await, 0);
        app.clock.advance(TimeDelta::milliseconds(1));
        assert_eq!(app.deliver().await, 1);
    }
    app.clock.advance(TimeDelta::days(2));
    assert_eq!(app.deliver().await, 0, "the eighth was the last");

    let message = messages(&app).await.remove(0);
    assert_eq!(message["deliveries"][0]["status"], "failed");
    assert_eq!(message["attempts"].as_array().unwrap().len(), 8);
    assert_eq!(message["attempts"][7]["error"], "it answered 500");
    assert_eq!(message["attempts"][7]["next_attempt_at"], Value::Null);
    assert_eq!(receiver.ids(), vec![message["id"].as_str().unwrap(); 8]);
}

#[apply(on_both_databases)]
async fn what_fails_waits_for_its_time_and_lets_later_events_pass(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let receiver = Receiver::start().await;
    endpoint(&app, &receiver).await;
    receiver.next([Reply::Status(503)]);
    one_event(&app).await;
    another_event(&app).await;
    one_event(&app).await;
    app.deliver().await;
    assert_eq!(
        receiver.event_types(),
        [
            "connection.created",
            "connection.deleted",
            "connection.created"
        ]
    );
    app.clock.advance(TimeDelta::seconds(5));
    assert_eq!(app.deliver().await, 1);
    let ids = receiver.ids();
    assert_eq!(ids[3], ids[0]);
    for message in messages(&app).await {
        assert_eq!(message["deliveries"][0]["status"], "delivered");
    }
}

#[apply(on_both_databases)]
async fn a_clock_that_was_ahead_holds_no_webhook_back(database: Database) {
    const AHEAD: TimeDelta = TimeDelta::days(30);
    const LEASE: TimeDelta = TimeDelta::minutes(1);
    let app = App::with_contacts(database, 0).await;
    let receiver = Receiver::start().await;
    let told = endpoint(&app, &receiver).await;
    app.clock.advance(AHEAD);
    receiver.next([Reply::Status(500)]);
    one_event(&app).await;
    assert_eq!(app.deliver().await, 1);
    another_event(&app).await;
    // A process leases the endpoint and is killed.
    let id = told["id"].as_str().unwrap();
    let leased = app
        .store
        .lease_endpoints(&[id], "gone", LEASE)
        .await
        .unwrap();
    assert_eq!(leased.len(), 1);
    assert_eq!(app.deliver().await, 0, "it is held");

    app.clock.advance(-AHEAD);
    app.post(&format!("{}/_test", path_of(&told)), json!({}))
        .await
        .ok();
    assert_eq!(app.deliver().await, 3);
    assert_eq!(
        receiver.event_types()[1..],
        ["connection.created", "connection.deleted", "webhook.test"]
    );
    // A delivery that fails now is retried on schedule again.
    receiver.always(Reply::Status(500));
    one_event(&app).await;
    assert_eq!(app.deliver().await, 1);
    app.clock.advance(TimeDelta::seconds(4));
    assert_eq!(app.deliver().await, 0);
    app.clock.advance(TimeDelta::seconds(1));
    assert_eq!(app.deliver().await, 1);
}

#[apply(on_both_databases)]
async fn an_endpoint_that_asks_for_time_gets_it(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let receiver = Receiver::start().await;
    endpoint(&app, &receiver).await;
    receiver.next([Reply::With(429, "retry-after", "3600".to_owned())]);
    one_event(&app).await;
    app.deliver().await;
    app.clock.advance(TimeDelta::minutes(59));
    assert_eq!(app.deliver().await, 0);
    app.clock.advance(TimeDelta::minutes(1));
    assert_eq!(app.deliver().await, 1);
}

#[apply(on_both_databases)]
async fn a_redirect_is_a_failure_and_not_followed(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    endpoint(&app, &receiver).await;
    receiver.next([Reply::With(307, "location", elsewhere.url())]);
    one_event(&app).await;
    app.deliver().await;
    assert!(elsewhere.received().is_empty());
    let message = messages(&app).await.remove(0);
    assert_eq!(message["attempts"][0]["response_status"], 307);
    assert_eq!(
        message["attempts"][0]["error"],
        "it answered 307: redirects are not followed"
    );
    assert_eq!(message["deliveries"][0]["status"], "pending");
}

#[apply(on_both_databases)]
async fn an_endpoint_that_hangs_costs_an_attempt(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let receiver = Receiver::start().await;
    endpoint(&app, &receiver).await;
    receiver.next([Reply::Hang]);
    one_event(&app).await;
    let impatient = app.webhooks(WebhooksConfig {
        within: Duration::from_millis(500),
        ..WebhooksConfig::default()
    });
    assert_eq!(impatient.work_off().await.unwrap(), 1);
    let message = messages(&app).await.remove(0);
    assert_eq!(message["attempts"][0]["response_status"], Value::Null);
    assert_eq!(
        message["attempts"][0]["error"],
        "no answer within 0.5 seconds"
    );
    app.clock.advance(TimeDelta::seconds(5));
    assert_eq!(app.deliver().await, 1);
    assert_eq!(receiver.ids().len(), 2);
}

#[apply(on_both_databases)]
async fn an_endpoint_that_disappears_and_comes_back_misses_nothing(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let receiver = Receiver::start().await;
    endpoint(&app, &receiver).await;
    let address = receiver.disappear().await;
    one_event(&app).await;
    another_event(&app).await;
    assert_eq!(app.deliver().await, 2);
    let message = messages(&app).await.remove(0);
    let error = message["attempts"][0]["error"].as_str().unwrap();
    assert!(error.contains("refused"), "{error}");
    assert!(!error.contains("token"), "the URL may be a secret: {error}");

    let receiver = Receiver::at(address).await;
    app.clock.advance(TimeDelta::seconds(5));
    assert_eq!(app.deliver().await, 2);
    assert_eq!(
        receiver.event_types(),
        ["connection.created", "connection.deleted"]
    );
}

fn time(text: &Value) -> DateTime<chrono::Utc> {
    text.as_str().unwrap().parse().unwrap()
}
