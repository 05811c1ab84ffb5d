//! Endpoints: what is accepted, what is rejected, and what is never shown again.

use axum::http::Method;
use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{
    ENDPOINTS, another_event, endpoint, endpoint_for, messages, one_event, patch, path_of,
};
use crate::support::{App, Receiver, on_both_databases};

#[apply(on_both_databases)]
async fn an_endpoint_is_created_shown_changed_and_deleted(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let created = app
        .post(
            ENDPOINTS,
            json!({
                "url": "https://hooks.example/in?token=1",
                "event_types": ["sync.paused", "sync.complete", "sync.paused"],
                "description": "the warehouse",
            }),
        )
        .await;
    assert_eq!(created.status, 201);
    let mut created = created.ok();
    let secret = created.as_object_mut().unwrap().remove("secret").unwrap();
    assert!(secret.as_str().unwrap().starts_with("whsec_"));
    let expected = json!({
        "id": created["id"], "url": "https://hooks.example/in?token=1",
        "event_types": ["sync.complete", "sync.paused"], "description": "the warehouse",
        "enabled": true, "disabled_reason": null, "created_at": created["created_at"],
    });
    assert_eq!(created, expected);
    assert_eq!(app.get(&path_of(&created)).await.ok(), expected);
    let list = app.get(ENDPOINTS).await.ok();
    assert_eq!(list["results"], json!([expected]));
    assert_eq!(list["total_count"], 1);

    let changed = patch(
        &app,
        &created,
        json!({"event_types": [], "description": ""}),
    )
    .await;
    assert_eq!(changed["url"], "https://hooks.example/in?token=1");
    assert_eq!(changed["event_types"], json!([]));
    let changed = patch(&app, &created, json!({"url": "https://other.example/"})).await;
    assert_eq!(changed["url"], "https://other.example/");

    assert_eq!(app.delete(&path_of(&created)).await.status, 204);
    assert_eq!(app.get(&path_of(&created)).await.status, 404);
    assert_eq!(app.get(ENDPOINTS).await.ok()["results"], json!([]));
}

#[apply(on_both_databases)]
async fn bad_input_is_refused_by_its_field_and_nothing_is_stored(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let url = "https://hooks.example/";
    for (body, field) in [
        (json!({}), "/url"),
        (json!({"url": "no url"}), "/url"),
        (json!({"url": "ftp://hooks.example/"}), "/url"),
        (
            json!({"url": "https://user:password@hooks.example/"}),
            "/url",
        ),
        (
            json!({"url": format!("https://hooks.example/{}", "x".repeat(2048))}),
            "/url",
        ),
        (
            json!({"url": url, "event_types": ["sync.complete", "sync.started"]}),
            "/event_types[1]",
        ),
        (
            json!({"url": url, "event_types": "sync.complete"}),
            "/event_types",
        ),
        (json!({"url": url, "enabled": "yes"}), "/enabled"),
        (
            json!({"url": url, "description": "x".repeat(501)}),
            "/description",
        ),
    ] {
        let answer = app.post(ENDPOINTS, body.clone()).await;
        let (status, code, pointer) = answer.error();
        assert_eq!((status, code), (400, "VALIDATION_ERROR"), "{body}");
        assert!(
            pointer.ends_with(field.trim_start_matches('/')),
            "{body}: {pointer}"
        );
    }
    assert_eq!(app.get(ENDPOINTS).await.ok()["total_count"], 0);
}

#[apply(on_both_databases)]
async fn an_endpoint_that_is_not_there_is_404_whatever_is_asked(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let since = json!({"since": "2026-03-01T00:00:00Z"});
    for (method, action, body) in [
        (Method::GET, "", None),
        (Method::PATCH, "", Some(json!({"enabled": true}))),
        (Method::DELETE, "", None),
        (Method::POST, "/_rotate_secret", None),
        (Method::POST, "/_test", None),
        (Method::POST, "/_replay", Some(since)),
    ] {
        let path = format!("{ENDPOINTS}/nobody{action}");
        let answer = app.send(method.clone(), &path, body).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.body);
    }
}

#[apply(on_both_databases)]
async fn after_a_rotation_both_secrets_sign_for_a_day(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let receiver = Receiver::start().await;
    let endpoint = endpoint(&app, &receiver).await;
    let old = endpoint["secret"].as_str().unwrap();
    let path = format!("{}/_rotate_secret", path_of(&endpoint));
    let rotated = app.send(Method::POST, &path, None).await.ok();
    let new = rotated["secret"].as_str().unwrap();
    assert_ne!(old, new);

    one_event(&app).await;
    app.deliver().await;
    app.clock
        .advance(TimeDelta::hours(24) - TimeDelta::milliseconds(1));
    another_event(&app).await;
    app.deliver().await;
    for received in receiver.received() {
        assert!(received.is_signed_by(new) && received.is_signed_by(old));
    }
    app.clock.advance(TimeDelta::milliseconds(1));
    one_event(&app).await;
    app.deliver().await;
    let last = receiver.received().pop().unwrap();
    assert!(last.is_signed_by(new) && !last.is_signed_by(old));
}

#[apply(on_both_databases)]
async fn secrets_are_sealed_and_never_shown_again(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let receiver = Receiver::start().await;
    let endpoint = endpoint(&app, &receiver).await;
    let secret = endpoint["secret"]
        .as_str()
        .unwrap()
        .trim_start_matches("whsec_");
    for path in [ENDPOINTS.to_owned(), path_of(&endpoint)] {
        assert!(!app.get(&path).await.ok().to_string().contains(secret));
    }
    let stored = app
        .database
        .text("SELECT secret FROM webhook_secrets")
        .await
        .unwrap();
    assert!(!stored.contains(secret), "{stored}");
}

#[apply(on_both_databases)]
async fn a_test_event_goes_to_its_endpoint_alone_whatever_that_asks_for(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let (receiver, other) = (Receiver::start().await, Receiver::start().await);
    let tested = endpoint_for(&app, &receiver, &["sync.paused"]).await;
    endpoint(&app, &other).await;
    let path = format!("{}/_test", path_of(&tested));
    let message = app.send(Method::POST, &path, None).await.ok();
    assert_eq!(message["deliveries"][0]["status"], "pending");
    app.deliver().await;
    assert_eq!(receiver.ids(), [message["id"].as_str().unwrap()]);
    assert_eq!(
        receiver.received()[0].payload(),
        json!({"webhook_event_type": "webhook.test", "webhook_endpoint_id": tested["id"]})
    );
    assert!(other.ids().is_empty());

    patch(&app, &tested, json!({"enabled": false})).await;
    let refused = app.send(Method::POST, &path, None).await;
    assert_eq!(refused.status, 409, "{}", refused.body);
}

#[apply(on_both_databases)]
async fn what_waits_for_a_deleted_endpoint_is_not_sent(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let receiver = Receiver::start().await;
    let deleted = endpoint(&app, &receiver).await;
    one_event(&app).await;
    app.delete(&path_of(&deleted)).await.ok();
    assert_eq!(app.deliver().await, 0);
    assert!(receiver.ids().is_empty());
    let message = &messages(&app).await[0];
    assert_eq!(message["deliveries"], Value::Array(Vec::new()));
}
