//! `/connection_sync_configs`

use macro_rules_attribute::apply;
use serde_json::json;

use crate::{
    http::refused,
    support::{App, CUSTOMER, MASTER_KEY, on_both_databases},
};

const CONFIG: &str = "/mgmt/v2/connection_sync_configs";
const CONNECTION: &str = "/mgmt/v2/customers/customer-1/connections/apollo";

#[apply(on_both_databases)]
async fn a_config_is_stored_as_given_and_shown_on_the_connection(database: Database) {
    let app = App::with_contacts(database, 0).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    assert!(
        app.get(CONNECTION)
            .await
            .ok()
            .get("connection_sync_config")
            .is_none()
    );
    for body in [
        json!({}),
        json!({"standard_objects": []}),
        json!({"standard_objects": [], "custom_objects": []}),
        json!({"destination_config": {"type": "postgres", "schema": "theirs"}}),
    ] {
        let answer = app.put(CONFIG, body.clone()).await;
        assert_eq!((answer.status.as_u16(), &answer.body), (200, &body));
        assert_eq!(app.get(CONFIG).await.ok(), body);
        assert_eq!(
            app.get(CONNECTION).await.ok()["connection_sync_config"],
            body
        );
    }
    // A new key keeps it.
    app.put(CONNECTION, json!({"api_key": MASTER_KEY}))
        .await
        .ok();
    assert!(app.get(CONNECTION).await.ok()["connection_sync_config"].is_object());
}

#[apply(on_both_databases)]
async fn a_deleted_config_is_gone(database: Database) {
    let app = App::with_contacts(database, 0).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    refused(&app.get(CONFIG).await, 404, "NOT_FOUND_ERROR");
    refused(&app.delete(CONFIG).await, 404, "NOT_FOUND_ERROR");
    app.put(CONFIG, json!({})).await.ok();
    assert_eq!(app.delete(CONFIG).await.status, 204);
    refused(&app.get(CONFIG).await, 404, "NOT_FOUND_ERROR");
    refused(&app.delete(CONFIG).await, 404, "NOT_FOUND_ERROR");
    assert!(
        app.get(CONNECTION)
            .await
            .ok()
            .get("connection_sync_config")
            .is_none()
    );
}

#[apply(on_both_databases)]
async fn what_engagement_providers_do_not_have_is_refused_by_field(database: Database) {
    let app = App::with_contacts(database, 0).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    for (body, field) in [
        (
            json!({"destination_config": {"type": "s3", "schema": "theirs"}}),
            "destination_config.type",
        ),
        (
            json!({"destination_config": {"type": "postgres", "schema": "pg_catalog"}}),
            "destination_config.schema",
        ),
        (
            json!({"standard_objects": [{"object": "Contact"}]}),
            "standard_objects",
        ),
        (
            json!({"custom_objects": [{"object": "Thing", "table": "things"}]}),
            "custom_objects",
        ),
        (
            json!({"custom_objects": [{"table": "things"}]}),
            "custom_objects[0].object",
        ),
        (json!({"standard_objects": "Contact"}), "standard_objects"),
    ] {
        let answer = app.put(CONFIG, body).await;
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", field));
        refused(&answer, 400, "VALIDATION_ERROR");
    }
    refused(&app.get(CONFIG).await, 404, "NOT_FOUND_ERROR");
}

#[apply(on_both_databases)]
async fn the_headers_select_the_connection(database: Database) {
    let app = App::with_contacts(database, 0).await;
    refused(&app.put(CONFIG, json!({})).await, 404, "NOT_FOUND_ERROR");
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.connect("another", MASTER_KEY).await;
    app.put(CONFIG, json!({})).await.ok();
    let another = app
        .get("/mgmt/v2/customers/another/connections/apollo")
        .await
        .ok();
    assert!(another.get("connection_sync_config").is_none());
    let bare = app
        .request(reqwest::Method::GET, CONFIG)
        .header("x-api-key", &app.api_key);
    assert_eq!(
        App::answer(bare).await.error(),
        (400, "VALIDATION_ERROR", "x-customer-id")
    );
}
