//! `/providers`

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::{
    http::refused,
    support::{App, CUSTOMER, MASTER_KEY, on_both_databases},
};

const PROVIDERS: &str = "/mgmt/v2/providers";

#[apply(on_both_databases)]
async fn a_new_application_has_apollo_enabled(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let listed = app.get("/mgmt/v2/providers").await.ok();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["name"], "apollo");
    assert_eq!(listed[0]["category"], "engagement");
    assert_eq!(listed[0]["auth_type"], "api_key");
    let path = format!("/mgmt/v2/providers/{}", listed[0]["id"].as_str().unwrap());
    assert_eq!(app.get(&path).await.ok(), listed[0]);
}

#[apply(on_both_databases)]
async fn an_unknown_provider_is_a_404(database: Database) {
    let app = App::with_contacts(database, 0).await;
    refused(
        &app.get("/mgmt/v2/providers/nothing").await,
        404,
        "NOT_FOUND_ERROR",
    );
}

#[apply(on_both_databases)]
async fn a_provider_that_only_newer_processes_know_is_neither_listed_nor_deleted(
    database: Database,
) {
    let app = App::with_contacts(database, 0).await;
    let (path, _) = only(&app).await;
    app.database
        .execute("UPDATE providers SET name = 'newer'")
        .await;
    assert_eq!(app.get(PROVIDERS).await.ok(), json!([]));
    assert_eq!(app.delete(&path).await.status, 503);
    let there = "SELECT count(*) FROM providers WHERE name = 'newer'";
    assert_eq!(app.database.count(there).await, 1);
}

#[apply(on_both_databases)]
async fn a_provider_is_deleted_only_when_nothing_uses_it(database: Database) {
    let app = App::with_contacts(database, 0).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let (path, provider) = only(&app).await;

    let answer = app.delete(&path).await;
    assert!(refused(&answer, 400, "BAD_REQUEST").contains("as it has syncConfigs"));
    let config = app.get("/mgmt/v2/sync_configs").await.ok()[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    app.delete(&format!(
        "/mgmt/v2/sync_configs/{config}?force_delete_syncs=true"
    ))
    .await
    .ok();
    let answer = app.delete(&path).await;
    assert!(refused(&answer, 400, "BAD_REQUEST").contains("with active connections"));
    app.delete(&format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo"))
        .await;

    let answer = app.delete(&path).await;
    assert_eq!((answer.status.as_u16(), &answer.body), (200, &provider));
    refused(&app.get(&path).await, 404, "NOT_FOUND_ERROR");
    refused(&app.delete(&path).await, 404, "NOT_FOUND_ERROR");
    assert_eq!(app.get(PROVIDERS).await.ok(), json!([]));
}

#[apply(on_both_databases)]
async fn a_deleted_provider_is_missed_and_can_be_created_again(database: Database) {
    let app = App::with_contacts(database, 5).await;
    let config = app.get("/mgmt/v2/sync_configs").await.ok()[0].clone();
    app.delete(&format!(
        "/mgmt/v2/sync_configs/{}",
        config["id"].as_str().unwrap()
    ))
    .await
    .ok();
    app.delete(&only(&app).await.0).await.ok();
    // A restart doesn't bring it back.
    app.store
        .find_or_create_application("default", &crate::support::enabled())
        .await
        .unwrap();
    assert_eq!(app.get(PROVIDERS).await.ok(), json!([]));

    app.put_customer(CUSTOMER).await.ok();
    let answer = app.post_connection(CUSTOMER, MASTER_KEY).await;
    assert_eq!(
        refused(&answer, 404, "NOT_FOUND_ERROR"),
        "Provider not found for name: apollo"
    );
    let answer = app.post("/mgmt/v2/sync_configs", config.clone()).await;
    assert_eq!(
        refused(&answer, 404, "NOT_FOUND_ERROR"),
        "Provider not found for name: apollo"
    );

    let answer = app.post(PROVIDERS, apollo()).await;
    assert_eq!(answer.status, 201);
    assert_eq!(only(&app).await.1, answer.body);
    assert_eq!(app.post("/mgmt/v2/sync_configs", config).await.status, 201);
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(app.all_records("contacts").await.len(), 5);
}

#[apply(on_both_databases)]
async fn a_provider_that_is_there_is_a_409(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let before = only(&app).await.1;
    refused(&app.post(PROVIDERS, apollo()).await, 409, "CONFLICT_ERROR");
    assert_eq!(only(&app).await.1, before);
}

#[apply(on_both_databases)]
async fn an_update_that_fits_answers_with_the_provider(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let (path, provider) = only(&app).await;
    let mut body = apollo();
    body["objects"] = json!({"common": [], "standard": []});
    body["entity_mappings"] = json!([]);
    for body in [body, apollo(), provider.clone()] {
        let answer = app.put(&path, body).await;
        assert_eq!((answer.status.as_u16(), &answer.body), (200, &provider));
    }
    let unknown = format!("{PROVIDERS}/nothing");
    refused(&app.put(&unknown, apollo()).await, 404, "NOT_FOUND_ERROR");
}

#[apply(on_both_databases)]
async fn what_does_not_fit_a_provider_is_refused_by_field(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let (path, provider) = only(&app).await;
    let oauth = json!({"provider_app_id": "a", "oauth": {"oauth_scopes": [],
            "credentials": {"oauth_client_id": "i", "oauth_client_secret": "s"}}});
    for (change, field) in [
        (json!({"name": null}), "name"),
        (json!({"name": "hubspot"}), "name"),
        (json!({"category": "crm"}), "category"),
        (json!({"category": 7}), "category"),
        (json!({"auth_type": "basic"}), "auth_type"),
        (json!({"auth_type": "oauth2"}), "config"),
        (json!({"config": oauth}), "config"),
        (
            json!({"objects": {"common": [{"name": "contact"}]}}),
            "objects.common",
        ),
        (
            json!({"objects": {"standard": [{"name": "Contact"}]}}),
            "objects.standard",
        ),
        (
            json!({"objects": {"standard": "Contact"}}),
            "objects.standard",
        ),
        (
            json!({"entity_mappings": [{"entity_id": "e"}]}),
            "entity_mappings",
        ),
    ] {
        let mut body = apollo();
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        for answer in [
            app.post(PROVIDERS, body.clone()).await,
            app.put(&path, body.clone()).await,
        ] {
            assert_eq!(answer.error(), (400, "VALIDATION_ERROR", field), "{body}");
            refused(&answer, 400, "VALIDATION_ERROR");
        }
    }
    let outreach = json!({"name": "outreach", "category": "engagement", "auth_type": "oauth2",
        "config": oauth});
    let answer = app.put(&path, outreach).await;
    assert_eq!(answer.error(), (400, "VALIDATION_ERROR", "name"));
    let hubspot = json!({"name": "hubspot", "category": "engagement", "auth_type": "oauth2"});
    let answer = app.post(PROVIDERS, hubspot).await;
    assert!(refused(&answer, 400, "VALIDATION_ERROR").contains("one of apollo,"));
    assert_eq!(only(&app).await.1, provider);
}

/// The body that enables Apollo.
fn apollo() -> Value {
    json!({"name": "apollo", "category": "engagement", "auth_type": "api_key"})
}

/// The one provider, with its path.
async fn only(app: &App) -> (String, Value) {
    let listed = app.get(PROVIDERS).await.ok();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let provider = listed[0].clone();
    (
        format!("{PROVIDERS}/{}", provider["id"].as_str().unwrap()),
        provider,
    )
}
