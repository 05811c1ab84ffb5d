//! `/destinations`

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::{
    http::refused,
    support::{App, on_both_databases},
};

const DESTINATIONS: &str = "/mgmt/v2/destinations";

#[apply(on_both_databases)]
async fn the_built_in_destination_is_listed_and_stays_the_same(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let (path, destination) = built_in(&app).await;
    assert_eq!(destination["type"], "supaglue");
    assert_eq!(destination["version"], 1);
    let config = app.get("/mgmt/v2/sync_configs").await.ok()[0].clone();
    assert_eq!(destination["name"], config["destination_name"]);
    assert_eq!(destination["application_id"], config["application_id"]);
    assert_eq!(app.get(&path).await.ok(), destination);
    assert_eq!(built_in(&app).await.1, destination);
    let answer = app.get(&format!("{DESTINATIONS}/nothing")).await;
    refused(&answer, 404, "NOT_FOUND_ERROR");
}

#[apply(on_both_databases)]
async fn each_application_has_a_destination_of_its_own(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let (path, destination) = built_in(&app).await;
    let other = app
        .store
        .find_or_create_application("another", &crate::support::enabled())
        .await
        .unwrap();
    app.store
        .add_api_key(&other.id, "another", "another-api-key")
        .await
        .unwrap();
    let as_another = |path: &str| {
        App::answer(
            app.request(reqwest::Method::GET, path)
                .header("x-api-key", "another-api-key"),
        )
    };
    let theirs = as_another(DESTINATIONS).await.ok();
    assert_ne!(theirs[0]["id"], destination["id"]);
    refused(&as_another(&path).await, 404, "NOT_FOUND_ERROR");
}

#[apply(on_both_databases)]
async fn destinations_of_other_types_can_not_be_created(database: Database) {
    let app = App::with_contacts(database, 0).await;
    for kind in ["bigquery", "snowflake", "redshift", "invented"] {
        let body = json!({"name": "Ours", "type": kind, "config": {}});
        let answer = app.post(DESTINATIONS, body).await;
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", "type"));
        assert!(refused(&answer, 400, "VALIDATION_ERROR").contains(kind));
    }
    let answer = app.post(DESTINATIONS, json!({"name": "Ours"})).await;
    assert_eq!(answer.error(), (400, "VALIDATION_ERROR", "type"));
    let answer = app.post(DESTINATIONS, json!({"type": "supaglue"})).await;
    assert!(refused(&answer, 409, "CONFLICT_ERROR").contains("Syncline"));
    built_in(&app).await;
}

#[apply(on_both_databases)]
async fn the_built_in_destination_can_not_be_changed(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let (path, destination) = built_in(&app).await;
    for kind in ["postgres", "supaglue"] {
        let body = json!({"name": "Ours", "type": kind, "config": {}, "version": 1});
        let answer = app.put(&path, body.clone()).await;
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", "type"));
        let answer = app.put(&format!("{DESTINATIONS}/nothing"), body).await;
        refused(&answer, 404, "NOT_FOUND_ERROR");
    }
    assert_eq!(built_in(&app).await.1, destination);
}

/// The one destination, with its path.
async fn built_in(app: &App) -> (String, Value) {
    let listed = app.get(DESTINATIONS).await.ok();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let destination = listed[0].clone();
    let path = format!("{DESTINATIONS}/{}", destination["id"].as_str().unwrap());
    (path, destination)
}
