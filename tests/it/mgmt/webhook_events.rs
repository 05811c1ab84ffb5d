//! The recorded events, compared with the `webhooks` of the management API's document.

use std::collections::BTreeSet;

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::{Action, Fault, Match};

use crate::support::{App, CUSTOMER, documents::event_verdict, on_both_databases};

#[apply(on_both_databases)]
async fn what_is_written_is_what_the_document_says(database: Database) {
    let app = App::synced(database, 3).await;
    app.post(
        "/mgmt/v2/syncs/_pause",
        json!({"object_type": "common", "object": "contact"}),
    )
    .await
    .ok();
    app.apollo
        .faults()
        .push(Fault::new(Match::path("accounts/search"), Action::unavailable()).always());
    app.trigger("account").await;
    app.work_off().await;
    app.delete(&format!("/mgmt/v2/customers/{CUSTOMER}"))
        .await
        .ok();
    let mut kinds = BTreeSet::new();
    for event in written(&app).await {
        let event_type = event["webhook_event_type"].as_str().unwrap();
        if let Err(reason) = event_verdict(event_type, &event) {
            panic!("{event}: {reason}");
        }
        kinds.insert((
            event_type.to_owned(),
            event["result"].as_str().map(str::to_owned),
        ));
    }
    let success = Some("SUCCESS".to_owned());
    let expected = [
        ("connection.created".to_owned(), success.clone()),
        ("connection.deleted".to_owned(), success.clone()),
        ("sync.complete".to_owned(), Some("ERROR".to_owned())),
        ("sync.complete".to_owned(), success),
        ("sync.paused".to_owned(), None),
    ];
    assert_eq!(kinds, BTreeSet::from(expected));
}

#[test]
fn a_payload_that_leaves_the_document_is_refused() {
    let paused = json!({
        "webhook_event_type": "sync.paused", "connection_id": "c", "customer_id": "u",
        "provider_name": "apollo", "type": "object", "object_type": "common",
        "object": "contact", "pause_reason": "by hand",
    });
    event_verdict("sync.paused", &paused).unwrap();
    let without = |field: &str| {
        let mut payload = paused.clone();
        payload.as_object_mut().unwrap().remove(field);
        payload
    };
    let reason = event_verdict("sync.paused", &without("pause_reason")).unwrap_err();
    assert!(reason.contains("pause_reason"), "{reason}");
    event_verdict("connection.created", &paused).unwrap_err();
    event_verdict("sync.started", &paused).unwrap_err();
}

async fn written(app: &App) -> Vec<Value> {
    let count = app.database.count("SELECT count(*) FROM outbox").await;
    let mut events = Vec::new();
    for at in 0..count {
        let sql =
            format!("SELECT CAST(payload AS text) FROM outbox ORDER BY id LIMIT 1 OFFSET {at}");
        let text = app.database.text(&sql).await.unwrap();
        events.push(serde_json::from_str(&text).unwrap());
    }
    events
}
