//! Messages: listed, replayed, and purged in the end.

use axum::http::Method;
use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_store::Expired;

use super::{MESSAGES, another_event, endpoint, endpoint_for, messages, one_event, patch, path_of};
use crate::support::{App, Receiver, Reply, on_both_databases};

#[apply(on_both_databases)]
async fn messages_are_found_by_kind_endpoint_and_state_page_by_page(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let (all, paused) = (Receiver::start().await, Receiver::start().await);
    let all = (endpoint(&app, &all).await, all);
    let created = endpoint_for(&app, &paused, &["connection.created"]).await;
    all.1.next([Reply::Status(500)]);
    for _ in 0..3 {
        one_event(&app).await;
        another_event(&app).await;
    }
    app.deliver().await;

    let found = async |query: String| -> Vec<Value> {
        let list = app.get(&format!("{MESSAGES}?{query}")).await.ok();
        list["results"].as_array().unwrap().clone()
    };
    assert_eq!(found(String::new()).await.len(), 6);
    let deleted = found("event_type=connection.deleted".to_owned()).await;
    assert_eq!(deleted.len(), 3);
    assert!(
        deleted
            .iter()
            .all(|it| it["event_type"] == "connection.deleted")
    );
    let id = created["id"].as_str().unwrap();
    assert_eq!(found(format!("endpoint_id={id}")).await.len(), 3);
    let pending = found("status=pending".to_owned()).await;
    assert_eq!(pending.len(), 1);
    assert_eq!(pending[0]["attempts"][0]["response_status"], 500);
    let id = all.0["id"].as_str().unwrap();
    assert_eq!(
        found(format!("endpoint_id={id}&status=delivered"))
            .await
            .len(),
        5
    );

    // Page by page, the newest first, there and back.
    let whole: Vec<Value> = found(String::new()).await;
    let first = app.get(&format!("{MESSAGES}?page_size=4")).await.ok();
    let next = first["next"].as_str().unwrap();
    let second = app
        .get(&format!("{MESSAGES}?page_size=4&cursor={next}"))
        .await
        .ok();
    assert_eq!(first["results"].as_array().unwrap()[..], whole[..4]);
    assert_eq!(second["results"].as_array().unwrap()[..], whole[4..]);
    assert_eq!(second["next"], Value::Null);
    let previous = second["previous"].as_str().unwrap();
    let back = app
        .get(&format!("{MESSAGES}?page_size=4&cursor={previous}"))
        .await
        .ok();
    assert_eq!(back["results"], first["results"]);
    assert_eq!(
        app.get(&format!("{MESSAGES}?status=lost")).await.error().0,
        400
    );
    assert_eq!(app.get(&format!("{MESSAGES}/nothing")).await.status, 404);
}

#[apply(on_both_databases)]
async fn a_replayed_message_comes_again_under_its_id_and_with_a_new_schedule(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let receiver = Receiver::start().await;
    let endpoint = endpoint(&app, &receiver).await;
    one_event(&app).await;
    app.deliver().await;
    let message = messages(&app).await.remove(0);
    let replay = format!("{MESSAGES}/{}/_replay", message["id"].as_str().unwrap());
    let shown = app.send(Method::POST, &replay, None).await.ok();
    assert_eq!(shown["deliveries"][0]["status"], "pending");
    receiver.next([Reply::Status(500)]);
    assert_eq!(app.deliver().await, 1);
    app.clock.advance(TimeDelta::seconds(5));
    assert_eq!(app.deliver().await, 1, "the schedule begins anew");
    assert_eq!(receiver.ids(), vec![message["id"].as_str().unwrap(); 3]);
    let message = app
        .get(&format!("{MESSAGES}/{}", message["id"].as_str().unwrap()))
        .await
        .ok();
    assert_eq!(message["attempts"].as_array().unwrap().len(), 3);

    patch(&app, &endpoint, json!({"enabled": false})).await;
    assert_eq!(app.send(Method::POST, &replay, None).await.status, 409);
    let unknown = app
        .send(Method::POST, &format!("{MESSAGES}/nothing/_replay"), None)
        .await;
    assert_eq!(unknown.status, 404);
}

#[apply(on_both_databases)]
async fn an_endpoint_is_sent_everything_since_a_time_again_or_what_failed_only(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let receiver = Receiver::start().await;
    let events = ["connection.created", "connection.deleted"];
    let endpoint = endpoint_for(&app, &receiver, &events).await;
    one_event(&app).await;
    app.deliver().await;
    app.clock.advance(TimeDelta::hours(1));
    let since = app.now();
    receiver.next([Reply::Status(410)]);
    another_event(&app).await;
    app.deliver().await;
    patch(&app, &endpoint, json!({"enabled": true})).await;
    one_event(&app).await;
    app.deliver().await;
    let ids = receiver.ids();
    assert_eq!(ids.len(), 3);

    let path = format!("{}/_replay", path_of(&endpoint));
    let failed = app
        .post(&path, json!({"since": since, "only_failed": true}))
        .await
        .ok();
    assert_eq!(failed, json!({"messages": 1}));
    app.deliver().await;
    assert_eq!(receiver.ids()[3..], ids[1..2]);

    let all = app.post(&path, json!({"since": since})).await.ok();
    assert_eq!(all, json!({"messages": 2}));
    app.deliver().await;
    assert_eq!(receiver.ids()[4..], ids[1..]);
    let wrong = app.post(&path, json!({"since": "yesterday"})).await;
    assert_eq!(wrong.error().0, 400);
}

#[apply(on_both_databases)]
async fn messages_are_forgotten_after_90_days_with_all_that_became_of_them(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let receiver = Receiver::start().await;
    endpoint(&app, &receiver).await;
    one_event(&app).await;
    app.deliver().await;
    app.clock.advance(TimeDelta::days(89));
    another_event(&app).await;
    app.deliver().await;
    assert_eq!(app.engine.purge(Expired::Messages).await.unwrap(), 0);
    app.clock.advance(TimeDelta::days(2));
    assert_eq!(app.engine.purge(Expired::Messages).await.unwrap(), 1);
    let left = messages(&app).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["event_type"], "connection.deleted");
    for table in ["webhook_deliveries", "webhook_attempts"] {
        assert_eq!(
            app.database
                .count(&format!("SELECT count(*) FROM {table}"))
                .await,
            1
        );
    }
}
