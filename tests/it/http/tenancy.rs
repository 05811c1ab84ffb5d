//! A key sees and changes only its own application.

use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::{Value, json};

use super::refused;
use crate::support::{Answer, App, CUSTOMER, on_both_databases};

#[apply(on_both_databases)]
#[expect(
    clippy::too_many_lines,
    reason = "one case after the other, on one application"
)]
async fn the_key_of_another_application_finds_nothing(database: Database) {
    let app = App::synced(database, 30).await;
    let other = app
        .store
        .find_or_create_application("another", &crate::support::enabled())
        .await
        .unwrap();
    app.store
        .add_api_key(&other.id, "another", "another-api-key")
        .await
        .unwrap();
    let id = |list: Value| list["id"].as_str().unwrap().to_owned();
    let provider = id(app.get("/mgmt/v2/providers").await.ok()[0].clone());
    let config = id(app.get("/mgmt/v2/sync_configs").await.ok()[0].clone());
    let run = id(app.runs("user").await.remove(0));
    let destination = id(app.get("/mgmt/v2/destinations").await.ok()[0].clone());
    let link_body = json!({"customer_id": CUSTOMER, "provider_name": "apollo",
            "return_url": "https://ours.example", "expiration_secs": 60});
    let link = id(app
        .post("/mgmt/v2/magic_links", link_body.clone())
        .await
        .ok());
    app.put("/mgmt/v2/connection_sync_configs", json!({}))
        .await
        .ok();
    let user = id(app.all_records("users").await.remove(0));
    let ours = snapshot(&app).await;
    app.apollo.ledger().reset();

    let select = json!({"object_type": "common", "object": "user"});
    let new = json!({"config": {"default_config": {"period_ms": 60_000, "strategy": "full only"}}});
    let apollo = json!({"name": "apollo", "category": "engagement", "auth_type": "api_key"});
    let connection = json!({"provider_name": "apollo", "api_key": "sim-master-key"});
    for (method, path, body) in [
        ("GET", format!("/mgmt/v2/customers/{CUSTOMER}"), None),
        ("DELETE", format!("/mgmt/v2/customers/{CUSTOMER}"), None),
        (
            "GET",
            format!("/mgmt/v2/customers/{CUSTOMER}/connections"),
            None,
        ),
        (
            "POST",
            format!("/mgmt/v2/customers/{CUSTOMER}/connections"),
            Some(connection.clone()),
        ),
        (
            "GET",
            format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo"),
            None,
        ),
        (
            "PUT",
            format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo"),
            Some(connection),
        ),
        (
            "DELETE",
            format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo"),
            None,
        ),
        ("GET", format!("/mgmt/v2/providers/{provider}"), None),
        (
            "PUT",
            format!("/mgmt/v2/providers/{provider}"),
            Some(apollo),
        ),
        ("DELETE", format!("/mgmt/v2/providers/{provider}"), None),
        ("GET", format!("/mgmt/v2/destinations/{destination}"), None),
        ("POST", "/mgmt/v2/magic_links".to_owned(), Some(link_body)),
        ("DELETE", format!("/mgmt/v2/magic_links/{link}"), None),
        ("GET", "/mgmt/v2/connection_sync_configs".to_owned(), None),
        (
            "PUT",
            "/mgmt/v2/connection_sync_configs".to_owned(),
            Some(json!({})),
        ),
        (
            "DELETE",
            "/mgmt/v2/connection_sync_configs".to_owned(),
            None,
        ),
        ("GET", format!("/mgmt/v2/sync_configs/{config}"), None),
        (
            "PUT",
            format!("/mgmt/v2/sync_configs/{config}?force_delete_syncs=true"),
            Some(new),
        ),
        (
            "DELETE",
            format!("/mgmt/v2/sync_configs/{config}?force_delete_syncs=true"),
            None,
        ),
        (
            "POST",
            "/mgmt/v2/syncs/_pause".to_owned(),
            Some(select.clone()),
        ),
        (
            "POST",
            "/mgmt/v2/syncs/_resume".to_owned(),
            Some(select.clone()),
        ),
        ("POST", "/mgmt/v2/syncs/_trigger".to_owned(), Some(select)),
        ("GET", format!("/mgmt/v2/sync-runs/{run}"), None),
        ("GET", format!("/mgmt/v2/sync_runs/{run}"), None),
        (
            "GET",
            format!("/engagement/v2/users/{user}?read_from_cache=true"),
            None,
        ),
        (
            "GET",
            "/engagement/v2/contacts?read_from_cache=true".to_owned(),
            None,
        ),
    ] {
        let answer = as_another(&app, method, &path, body).await;
        assert_eq!(answer.status, 404, "{method} {path}");
        refused(&answer, 404, "NOT_FOUND_ERROR");
    }
    for list in [
        "customers",
        "syncs",
        "sync-runs",
        "sync_runs",
        "magic_links",
    ] {
        let answer = as_another(&app, "GET", &format!("/mgmt/v2/{list}"), None)
            .await
            .ok();
        let rows = answer.get("results").unwrap_or(&answer);
        assert_eq!(*rows, json!([]), "{list}");
    }
    let filtered = format!("/mgmt/v2/syncs?customer_id={CUSTOMER}");
    assert_eq!(
        as_another(&app, "GET", &filtered, None).await.ok()["total_count"],
        0
    );
    assert_eq!(snapshot(&app).await, ours);
    assert_eq!(app.apollo.ledger().len(), 0);
}

#[apply(on_both_databases)]
async fn the_same_customer_id_in_two_applications_is_two_customers(database: Database) {
    let app = App::synced(database, 5).await;
    let other = app
        .store
        .find_or_create_application("another", &crate::support::enabled())
        .await
        .unwrap();
    app.store
        .add_api_key(&other.id, "another", "another-api-key")
        .await
        .unwrap();
    let body = json!({"customer_id": CUSTOMER, "name": "Theirs", "email": ""});
    as_another(&app, "PUT", "/mgmt/v2/customers", Some(body))
        .await
        .ok();
    let path = format!("/mgmt/v2/customers/{CUSTOMER}");
    assert_ne!(app.get(&path).await.ok()["name"], "Theirs");
    assert_eq!(as_another(&app, "DELETE", &path, None).await.status, 204);
    assert_eq!(
        app.get("/engagement/v2/contacts?read_from_cache=true")
            .await
            .ok()["pagination"]["total_count"],
        5
    );
}

async fn as_another(app: &App, method: &str, path: &str, body: Option<Value>) -> Answer {
    let mut request = app
        .request(Method::from_bytes(method.as_bytes()).unwrap(), path)
        .header("x-api-key", "another-api-key")
        .header("x-customer-id", CUSTOMER)
        .header("x-provider-name", "apollo");
    if let Some(body) = body {
        request = request.json(&body);
    }
    App::answer(request).await
}

/// Everything that the owner can see.
async fn snapshot(app: &App) -> Vec<Value> {
    let mut all = Vec::new();
    for path in [
        "/mgmt/v2/customers",
        "/mgmt/v2/customers/customer-1/connections",
        "/mgmt/v2/providers",
        "/mgmt/v2/sync_configs",
        "/mgmt/v2/magic_links",
        "/mgmt/v2/syncs",
        "/mgmt/v2/sync-runs",
    ] {
        all.push(app.get(path).await.ok());
    }
    all.push(json!(app.all_records("contacts").await));
    all
}
