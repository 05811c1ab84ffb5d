//! When an endpoint is disabled, and which other endpoints are notified.

use axum::http::Method;
use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{another_event, endpoint, endpoint_for, messages, one_event, patch, path_of};
use crate::support::{App, Receiver, Reply, on_both_databases};

#[apply(on_both_databases)]
async fn an_endpoint_that_answers_410_is_disabled_and_the_others_are_told(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let (gone, other) = (Receiver::start().await, Receiver::start().await);
    let disabled = endpoint(&app, &gone).await;
    endpoint_for(&app, &other, &["webhook_endpoint.disabled"]).await;
    gone.always(Reply::Status(410));
    one_event(&app).await;
    another_event(&app).await;
    app.deliver().await;
    app.deliver().await;
    assert_eq!(gone.ids().len(), 1, "nothing is sent after the 410");

    let shown = app.get(&path_of(&disabled)).await.ok();
    assert_eq!(shown["enabled"], false);
    assert_eq!(shown["disabled_reason"], "it answered 410 Gone");
    let told = other.received().remove(0).payload();
    assert_eq!(told["webhook_endpoint_id"], disabled["id"]);
    assert_eq!(told["disabled_reason"], "it answered 410 Gone");
}

#[apply(on_both_databases)]
async fn an_endpoint_where_nothing_arrives_for_five_days_is_disabled(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let (dead, other) = (Receiver::start().await, Receiver::start().await);
    let disabled = endpoint_for(&app, &dead, &["connection.created", "connection.deleted"]).await;
    endpoint_for(&app, &other, &["webhook_endpoint.disabled"]).await;
    dead.always(Reply::Status(502));
    one_event(&app).await;
    for day in 0..5 {
        app.deliver().await;
        assert_eq!(
            app.get(&path_of(&disabled)).await.ok()["enabled"],
            true,
            "day {day}"
        );
        app.clock.advance(TimeDelta::days(1));
    }
    another_event(&app).await;
    app.deliver().await;
    let shown = app.get(&path_of(&disabled)).await.ok();
    assert_eq!(shown["enabled"], false);
    assert_eq!(
        shown["disabled_reason"],
        "every attempt has failed for 5 days; the last one: it answered 502"
    );
    assert_eq!(other.event_types(), ["webhook_endpoint.disabled"]);

    // Waiting messages are sent once the endpoint is fixed and enabled.
    dead.always(Reply::Status(200));
    let before = dead.ids().len();
    let shown = patch(&app, &disabled, json!({"enabled": true})).await;
    assert_eq!(shown["disabled_reason"], Value::Null);
    app.clock.advance(TimeDelta::hours(10));
    assert!(app.deliver().await > 0);
    assert!(dead.ids().len() > before);
    assert_eq!(app.get(&path_of(&disabled)).await.ok()["enabled"], true);
}

#[apply(on_both_databases)]
async fn one_success_in_five_days_keeps_an_endpoint(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let receiver = Receiver::start().await;
    let endpoint = endpoint(&app, &receiver).await;
    for day in 0..12 {
        receiver.always(Reply::Status(if day % 4 == 0 { 204 } else { 500 }));
        if day % 2 == 0 {
            one_event(&app).await;
        } else {
            another_event(&app).await;
        }
        app.deliver().await;
        app.clock.advance(TimeDelta::days(1));
    }
    assert_eq!(app.get(&path_of(&endpoint)).await.ok()["enabled"], true);
}

#[apply(on_both_databases)]
async fn a_disabled_endpoint_is_told_nothing_until_it_is_enabled(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let receiver = Receiver::start().await;
    let endpoint = endpoint(&app, &receiver).await;
    one_event(&app).await;
    patch(&app, &endpoint, json!({"enabled": false})).await;
    another_event(&app).await;
    assert_eq!(app.deliver().await, 0);
    patch(&app, &endpoint, json!({"enabled": true})).await;
    app.deliver().await;
    assert_eq!(
        receiver.event_types(),
        ["connection.created"],
        "what was written before"
    );
    // A replay delivers what was written meanwhile.
    let since = messages(&app).await[0]["created_at"].clone();
    let path = format!("{}/_replay", path_of(&endpoint));
    app.send(Method::POST, &path, Some(json!({"since": since})))
        .await
        .ok();
    app.deliver().await;
    assert_eq!(
        receiver.event_types()[1..],
        ["connection.created", "connection.deleted"]
    );
}
