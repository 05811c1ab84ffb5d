//! `/mgmt/v2/destinations`: what can be created, changed and deleted.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{DESTINATIONS, sync_into};
use crate::{
    http::refused,
    support::{App, on_both_databases},
};

fn warehouse() -> Value {
    json!({
        "name": "Warehouse",
        "type": "postgres",
        "config": {"host": "db.example.com", "port": 5432, "database": "warehouse",
            "schema": "public", "user": "syncline", "password": "a-secret-password"},
    })
}

fn lake() -> Value {
    json!({
        "name": "Lake",
        "type": "s3",
        "config": {"bucket": "s3://lake", "region": "eu-central-1", "access_key_id": "AKIA",
            "secret_access_key": "a-secret-key"},
    })
}

#[apply(on_both_databases)]
async fn a_destination_is_shown_without_its_secrets(database: Database) {
    let app = App::with_contacts(database, 0).await;
    for body in [warehouse(), lake()] {
        let answer = app.post(DESTINATIONS, body.clone()).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let created = answer.body;
        assert_eq!(created["name"], body["name"]);
        assert_eq!(created["version"], 1);
        assert!(!created.to_string().contains("a-secret"));
        let path = format!("{DESTINATIONS}/{}", created["id"].as_str().unwrap());
        assert_eq!(app.get(&path).await.ok(), created);
        let sealed = app.database.text("SELECT secrets FROM destinations").await;
        assert!(!sealed.unwrap().contains("a-secret"));
    }
    let all = app.get(DESTINATIONS).await.ok();
    let names: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].clone())
        .collect();
    assert_eq!(names, ["Syncline", "Lake", "Warehouse"]);
}

#[apply(on_both_databases)]
async fn wrong_settings_are_refused_by_field(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let refused_field = async |mut body: Value, pointer: &str, value: Value| {
        match body.pointer_mut(pointer) {
            Some(field) => *field = value,
            None => body["config"][&pointer["/config/".len()..]] = value,
        }
        let answer = app.post(DESTINATIONS, body).await;
        assert_eq!(answer.status, 400, "{pointer}: {}", answer.body);
        answer.error().2.to_owned()
    };
    for (pointer, value) in [
        ("/config/host", json!("/var/run")),
        ("/config/port", json!(0)),
        ("/config/port", json!(70_000)),
        ("/config/schema", json!("pg_catalog")),
        ("/config/schema", json!("x".repeat(64))),
        ("/config/user", json!("")),
        ("/config/password", json!(7)),
        ("/config/ssl_mode", json!("sometimes")),
        ("/config/server_name", json!("x")),
        ("/config/client_cert", json!("no certificate")),
        ("/config/invented", json!(1)),
        ("/name", json!("Syncline")),
        ("/name", json!("a\nb")),
        ("/name", json!("")),
        ("/type", json!("bigquery")),
    ] {
        let field = pointer.trim_start_matches('/').replace('/', ".");
        let named = refused_field(warehouse(), pointer, value.clone()).await;
        assert_eq!(named, field, "{value}");
    }
    for (pointer, value) in [
        ("/config/bucket", json!("La ke")),
        ("/config/prefix", json!("../up")),
        ("/config/endpoint", json!("ftp://x")),
        ("/config/region", json!("")),
    ] {
        let field = pointer.trim_start_matches('/').replace('/', ".");
        assert_eq!(refused_field(lake(), pointer, value).await, field);
    }
    for field in ["host", "password"] {
        let mut body = warehouse();
        body["config"].as_object_mut().unwrap().remove(field);
        let answer = app.post(DESTINATIONS, body).await;
        let named = format!("config.{field}");
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", named.as_str()));
    }
    assert_eq!(
        app.get(DESTINATIONS).await.ok().as_array().unwrap().len(),
        1
    );
}

#[apply(on_both_databases)]
async fn an_update_keeps_secrets_and_overwrites_nobody(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let created = app.post(DESTINATIONS, warehouse()).await.ok();
    let path = format!("{DESTINATIONS}/{}", created["id"].as_str().unwrap());
    let mut body = warehouse();
    body["config"].as_object_mut().unwrap().remove("password");
    body["config"]["host"] = json!("other.example.com");
    body["version"] = json!(1);
    let updated = app.put(&path, body.clone()).await.ok();
    assert_eq!(updated["version"], 2);
    assert_eq!(updated["config"]["host"], "other.example.com");
    let answer = app.put(&path, body.clone()).await;
    refused(&answer, 409, "CONFLICT_ERROR");
    body.as_object_mut().unwrap().remove("version");
    let answer = app.put(&path, body.clone()).await;
    assert_eq!(answer.error(), (400, "VALIDATION_ERROR", "version"));
    let mut other = lake();
    other["version"] = json!(2);
    let answer = app.put(&path, other).await;
    assert_eq!(answer.error(), (400, "VALIDATION_ERROR", "type"));
    let answer = app.post(DESTINATIONS, warehouse()).await;
    refused(&answer, 409, "CONFLICT_ERROR");
}

#[apply(on_both_databases)]
async fn a_destination_in_use_is_not_deleted(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let created = app.post(DESTINATIONS, warehouse()).await.ok();
    let path = format!("{DESTINATIONS}/{}", created["id"].as_str().unwrap());
    sync_into(&app, &created).await;
    let title = refused(&app.delete(&path).await, 400, "BAD_REQUEST");
    assert!(title.contains("apollo"), "{title}");
    // It may get another name, which its sync config follows.
    let mut body = warehouse();
    body["name"] = json!("Renamed");
    body["version"] = json!(1);
    app.put(&path, body).await.ok();
    let config = app.get("/mgmt/v2/sync_configs").await.ok()[0].clone();
    assert_eq!(config["destination_name"], "Renamed");
    let config = config["id"].as_str().unwrap();
    app.delete(&format!(
        "/mgmt/v2/sync_configs/{config}?force_delete_syncs=true"
    ))
    .await
    .ok();
    assert_eq!(app.delete(&path).await.status, 204);
    refused(&app.get(&path).await, 404, "NOT_FOUND_ERROR");
}

#[apply(on_both_databases)]
async fn a_sync_config_names_a_destination_that_is_there(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let config = app.get("/mgmt/v2/sync_configs").await.ok()[0].clone();
    let body = json!({"destination_name": "Nowhere", "provider_name": "apollo",
        "config": config["config"]});
    let answer = app.post("/mgmt/v2/sync_configs", body).await;
    assert_eq!(
        answer.error(),
        (400, "VALIDATION_ERROR", "destination_name")
    );
}
