//! Calls every operation with the key of another application and with the ids of this application's
//! objects.

use std::collections::HashMap;

use macro_rules_attribute::apply;
use reqwest::StatusCode;
use serde_json::{Value, json};
use syncline_model::Role;

use super::{anything, call, key_of};
use crate::support::{
    App, CUSTOMER, Database, MASTER_KEY, Operation, on_both_databases, operations,
};

#[apply(on_both_databases)]
async fn a_foreign_key_sees_and_changes_nothing_through_any_operation(database: Database) {
    let app = App::synced(database, 20).await;
    let link = json!({"customer_id": CUSTOMER, "provider_name": "apollo",
            "return_url": "https://ours.example", "expiration_secs": 60});
    app.post("/mgmt/v2/magic_links", link).await.ok();
    app.put("/mgmt/v2/connection_sync_configs", json!({}))
        .await
        .ok();
    let endpoint = json!({"url": "https://ours.example/hooks?token=of-ours"});
    app.post("/mgmt/v2/webhook_endpoints", endpoint).await.ok();
    let (_, foreign) = key_of(&app, "another", Role::Admin, None, None).await;
    let ours = app
        .store
        .find_or_create_application("default", &crate::support::enabled())
        .await
        .unwrap()
        .id;
    app.until_last_use_recorded(&app.api_key).await;
    app.apollo.ledger().reset();
    let ids = ids(&app, &ours).await;
    let secrets = secrets(&app, &ours).await;
    let before = app.database.dump(Some(&ours)).await;
    for operation in operations() {
        let path = operation.path(|name| ids.get(name).cloned().unwrap_or_else(|| anything(name)));
        let body = body_of(&operation);
        let answer = call(&app, &foreign, &operation.method, &path, body.as_ref()).await;
        let what = format!(
            "{} {path}: {} {}",
            operation.method, answer.status, answer.body
        );
        assert!(!answer.status.is_server_error(), "{what}");
        if names_ours(&operation) {
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{what}");
        }
        let text = answer.body.to_string();
        for secret in &secrets {
            assert!(!text.contains(secret), "{secret} in {what}");
        }
        // The audit log shows the calls of the other application itself, and the catalogue is the same for
        // everybody.
        let shows_none = ["getAuditLog", "getActions"].contains(&operation.id.as_str());
        if answer.status.is_success() && !shows_none {
            for id in ids
                .values()
                .filter(|id| *id != "apollo" && *id != "contact")
            {
                assert!(!text.contains(id.as_str()), "{id} in {what}");
            }
        }
    }
    assert_eq!(app.database.dump(Some(&ours)).await, before);
    assert_eq!(app.apollo.ledger().len(), 0);
}

/// Whether the operation is about an object of the first application: by its path, by the headers that
/// select a connection, or by its body.
fn names_ours(operation: &Operation) -> bool {
    const BY_BODY: &[&str] = &["createMagicLink"];
    // The same for everybody.
    let describes_scim = operation.is_of("scim") && !operation.template.contains("/Users");
    if operation.id == "getActions" || describes_scim {
        return false;
    }
    let by_headers = !operation.is_of("mgmt") || operation.id.ends_with("ConnectionSyncConfig");
    operation.names_something()
        || by_headers
        || operation.id.ends_with("Sync")
        || BY_BODY.contains(&operation.id.as_str())
}

/// A body with which the call would be carried out if the object were there.
fn body_of(operation: &Operation) -> Option<Value> {
    let own = match operation.id.as_str() {
        // With the same id as ours, the call would create a customer in the other application.
        "upsertCustomer" => json!({"customer_id": "theirs", "name": "Theirs", "email": ""}),
        "createConnection" | "updateConnection" => {
            json!({"provider_name": "apollo", "api_key": MASTER_KEY})
        }
        "updateProvider" => {
            json!({"name": "apollo", "category": "engagement", "auth_type": "api_key"})
        }
        _ => return operation.body.clone(),
    };
    Some(own)
}

/// The values of the placeholders for the first application, by placeholder name: each comes from a
/// row of the table that the name refers to.
async fn ids(app: &App, application: &str) -> HashMap<String, String> {
    let tables = app.database.tables().await;
    let mut ids = HashMap::from([
        ("customer_id".to_owned(), CUSTOMER.to_owned()),
        ("provider_name".to_owned(), "apollo".to_owned()),
        ("object".to_owned(), "contact".to_owned()),
    ]);
    let named = operations().into_iter().flat_map(|operation| {
        let parts = operation.template.split('/').map(str::to_owned);
        parts.collect::<Vec<_>>()
    });
    for part in named {
        let name = part.trim_start_matches('{').trim_end_matches('}');
        if !part.starts_with('{') || ids.contains_key(name) {
            continue;
        }
        let thing = name.strip_suffix("_id").unwrap_or("contact");
        let candidates = [
            format!("{thing}s"),
            format!("sync_{thing}s"),
            format!("engagement_{thing}s"),
            format!("engagement_{thing}es"),
        ];
        if let Some(table) = candidates.iter().find(|table| tables.contains(table)) {
            let sql = format!("SELECT min(id) FROM {table} WHERE application_id = '{application}'");
            if let Some(id) = app.database.text(&sql).await {
                ids.insert(name.to_owned(), id);
            }
        }
    }
    let message = "SELECT min(id) FROM outbox WHERE application_id = ";
    if let Some(id) = app
        .database
        .text(&format!("{message}'{application}'"))
        .await
    {
        ids.insert("webhook_message_id".to_owned(), id);
    }
    let destinations = app.get("/mgmt/v2/destinations").await.ok();
    let destination = destinations[0]["id"].as_str().unwrap();
    ids.insert("destination_id".to_owned(), destination.to_owned());
    for found in [
        "api_key_id",
        "run_id",
        "sync_config_id",
        "magic_link_id",
        "contact_id",
        "webhook_endpoint_id",
        "webhook_message_id",
    ] {
        assert!(ids.contains_key(found), "{found} of {ids:?}");
    }
    ids
}

/// What no answer to another application may contain, not even an error.
async fn secrets(app: &App, application: &str) -> Vec<String> {
    let mut secrets = vec![application.to_owned(), app.api_key.clone()];
    for sql in [
        "SELECT min(id) FROM connections WHERE application_id = ",
        "SELECT min(first_name || ' ' || last_name) FROM engagement_contacts WHERE application_id = ",
        "SELECT min(token) FROM magic_links WHERE application_id = ",
        "SELECT min(url) FROM webhook_endpoints WHERE application_id = ",
    ] {
        let found = app.database.text(&format!("{sql}'{application}'")).await;
        secrets.extend(found);
    }
    secrets
}

#[tokio::test]
async fn the_dump_sees_what_changes() {
    let app = App::with_contacts(Database::sqlite(), 0).await;
    let ours = app
        .store
        .find_or_create_application("default", &crate::support::enabled())
        .await
        .unwrap()
        .id;
    let before = app.database.dump(Some(&ours)).await;
    app.put_customer(CUSTOMER).await.ok();
    assert_ne!(app.database.dump(Some(&ours)).await, before);
}
