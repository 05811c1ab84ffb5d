//! `/sync_configs`

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::{
    http::refused,
    support::{App, CUSTOMER, MASTER_KEY, on_both_databases},
};

const CONFIGS: &str = "/mgmt/v2/sync_configs";

#[apply(on_both_databases)]
async fn a_new_application_syncs_every_object_once_an_hour(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let listed = app.get(CONFIGS).await.ok();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let config = &listed[0];
    assert_eq!(config["provider_name"], "apollo");
    assert!(config["destination_name"].is_string() && config["application_id"].is_string());
    assert_eq!(
        config["config"]["default_config"],
        json!({"period_ms": 3_600_000,
            "strategy": "full only", "auto_start_on_connection": true})
    );
    assert_eq!(
        config["config"]["common_objects"].as_array().unwrap().len(),
        6
    );
    assert_eq!(app.get(&path(config)).await.ok(), *config);
    refused(
        &app.get(&format!("{CONFIGS}/nothing")).await,
        404,
        "NOT_FOUND_ERROR",
    );
}

#[apply(on_both_databases)]
async fn objects_follow_the_config_on_connections_that_are_there(database: Database) {
    let app = App::with_contacts(database, 5).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let config = path(&app.get(CONFIGS).await.ok()[0]);

    let fewer = json!({"config": config_of(&["user", "contact"])});
    for query in ["", "?force_delete_syncs=false"] {
        let answer = app.put(&format!("{config}{query}"), fewer.clone()).await;
        assert!(refused(&answer, 400, "BAD_REQUEST").contains("~4 syncs"));
        assert_eq!(objects(&app).await.len(), 6);
    }
    let forced = format!("{config}?force_delete_syncs=true");
    let updated = app.put(&forced, fewer.clone()).await.ok();
    assert_eq!(updated["config"], fewer["config"]);
    assert_eq!(app.get(&config).await.ok(), updated);
    assert_eq!(objects(&app).await, ["contact", "user"]);

    let more = json!({"config": config_of(&["user", "contact", "account"])});
    app.put(&config, more).await.ok();
    assert_eq!(objects(&app).await, ["account", "contact", "user"]);
    app.work_off().await;
    assert_eq!(app.runs("account").await.len(), 1);
}

#[apply(on_both_databases)]
async fn a_period_of_one_object_replaces_the_default(database: Database) {
    let app = App::synced(database, 5).await;
    let config = path(&app.get(CONFIGS).await.ok()[0]);
    let mut body = config_of(&["user", "account"]);
    body["common_objects"][0]["sync_strategy_override"] =
        json!({"period_ms": 60_000, "strategy": "full then incremental"});
    app.put(
        &format!("{config}?force_delete_syncs=true"),
        json!({"config": body}),
    )
    .await
    .ok();
    app.after(chrono::TimeDelta::hours(1)).await;
    app.after(chrono::TimeDelta::minutes(1)).await;
    assert_eq!(app.runs("user").await.len(), 3);
    assert_eq!(app.runs("account").await.len(), 2);
}

#[apply(on_both_databases)]
async fn syncs_of_a_config_that_does_not_start_them_are_paused(database: Database) {
    let app = App::with_contacts(database, 5).await;
    let config = path(&app.get(CONFIGS).await.ok()[0]);
    let mut body = config_of(&["user"]);
    body["default_config"]["auto_start_on_connection"] = json!(false);
    app.put(&config, json!({"config": body})).await.ok();
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(app.runs("user").await.len(), 0);
    let sync = &app.get("/mgmt/v2/syncs").await.ok()["results"][0];
    assert_eq!(
        (&sync["paused"], &sync["state"]),
        (&json!(true), &json!("paused"))
    );
    assert!(
        sync["paused_reason"]
            .as_str()
            .unwrap()
            .contains("auto_start_on_connection")
    );
}

#[apply(on_both_databases)]
async fn a_config_with_syncs_is_deleted_only_by_force(database: Database) {
    let app = App::synced(database, 5).await;
    let listed = app.get(CONFIGS).await.ok();
    let config = path(&listed[0]);
    for query in ["", "?force_delete_syncs=false"] {
        let answer = app.delete(&format!("{config}{query}")).await;
        assert!(refused(&answer, 400, "BAD_REQUEST").contains("~6 syncs"));
    }
    assert_eq!(objects(&app).await.len(), 6);
    let answer = app
        .delete(&format!("{config}?force_delete_syncs=true"))
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.body),
        (200, listed[0].clone())
    );
    assert_eq!(app.get(CONFIGS).await.ok(), json!([]));
    assert!(objects(&app).await.is_empty());
    refused(&app.delete(&config).await, 404, "NOT_FOUND_ERROR");

    let body = json!({"destination_name": "Syncline", "provider_name": "apollo",
            "config": config_of(&["user"])});
    let answer = app.post(CONFIGS, body.clone()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(objects(&app).await, ["user"]);
    refused(&app.post(CONFIGS, body).await, 409, "CONFLICT_ERROR");
}

#[apply(on_both_databases)]
async fn a_destination_that_is_not_there_is_refused_with_those_that_are(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let config = path(&app.get(CONFIGS).await.ok()[0]);
    app.delete(&config).await.ok();
    let body = |name: &str| {
        json!({"destination_name": name, "provider_name": "apollo",
            "config": config_of(&["user"])})
    };
    let answer = app.post(CONFIGS, body("my-bigquery")).await;
    assert_eq!(
        answer.error(),
        (400, "VALIDATION_ERROR", "destination_name")
    );
    assert!(refused(&answer, 400, "VALIDATION_ERROR").contains("Syncline"));
    assert_eq!(app.get(CONFIGS).await.ok(), json!([]));
    assert_eq!(
        app.post(CONFIGS, body("Supaglue Managed Destination"))
            .await
            .status,
        201
    );
}

#[apply(on_both_databases)]
async fn a_period_beyond_the_calendar_is_refused(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let config = path(&app.get(CONFIGS).await.ok()[0]);
    let mut body = config_of(&["user"]);
    body["default_config"]["period_ms"] = json!(i64::MAX);
    let answer = app.put(&config, json!({"config": body})).await;
    assert_eq!(
        answer.error(),
        (400, "VALIDATION_ERROR", "config.default_config.period_ms")
    );
}

#[apply(on_both_databases)]
#[expect(
    clippy::too_many_lines,
    reason = "one case after the other, on one application"
)]
async fn a_wrong_config_is_refused_by_field_and_changes_nothing(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let listed = app.get(CONFIGS).await.ok();
    let config = path(&listed[0]);
    let good = config_of(&["user"]);
    let with = |pointer: &str, value: Value| {
        let mut body = good.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[name] = value;
        body
    };
    for (body, field) in [
        (json!({}), "config.default_config"),
        (json!([]), "config"),
        (
            with("/default_config/period_ms", json!(59_999)),
            "config.default_config.period_ms",
        ),
        (
            with("/default_config/period_ms", json!("1h")),
            "config.default_config.period_ms",
        ),
        (
            with("/default_config/period_ms", json!(1.5)),
            "config.default_config.period_ms",
        ),
        (
            with("/default_config/strategy", json!("partial")),
            "config.default_config.strategy",
        ),
        (
            with("/default_config/auto_start_on_connection", json!("no")),
            "config.default_config.auto_start_on_connection",
        ),
        (
            with("/default_config/full_sync_every_n_incrementals", json!(0)),
            "config.default_config.full_sync_every_n_incrementals",
        ),
        (
            with("/default_config/full_sync_every_n_incrementals", json!(2)),
            "config.default_config.full_sync_every_n_incrementals",
        ),
        (
            with("/common_objects", json!([{}])),
            "config.common_objects[0].object",
        ),
        (
            with("/common_objects", json!([{"object": "deal"}])),
            "config.common_objects[0].object",
        ),
        (
            with(
                "/common_objects",
                json!([{"object": "user"}, {"object": "user"}]),
            ),
            "config.common_objects",
        ),
        (
            with(
                "/common_objects",
                json!([{"object": "user", "associations_to_fetch": ["a\0"]}]),
            ),
            "config.common_objects[0].associations_to_fetch[0]",
        ),
        (
            with(
                "/common_objects",
                json!([{"object": "user",
                "sync_strategy_override": {"period_ms": 1, "strategy": "full only"}}]),
            ),
            "config.common_objects[0].sync_strategy_override.period_ms",
        ),
        (
            with("/standard_objects", json!([{"object": "Deal"}])),
            "config.standard_objects",
        ),
        (
            with("/entities", json!([{"entity_id": "e"}])),
            "config.entities",
        ),
    ] {
        let answer = app.put(&config, json!({"config": body})).await;
        let (status, code, at) = answer.error();
        assert_eq!((status, code), (400, "VALIDATION_ERROR"), "{body}");
        assert!(at.starts_with(field), "{at} instead of {field}");
    }
    let answer = app.put(&config, json!({})).await;
    assert_eq!(answer.error(), (400, "VALIDATION_ERROR", "config"));
    let answer = app
        .put(
            &format!("{config}?force_delete_syncs=maybe"),
            json!({"config": good}),
        )
        .await;
    assert_eq!(
        answer.error(),
        (400, "VALIDATION_ERROR", "force_delete_syncs")
    );
    let body = json!({"destination_name": "Syncline", "provider_name": "hubspot", "config": good});
    let answer = app.post(CONFIGS, body).await;
    assert_eq!(answer.error(), (400, "VALIDATION_ERROR", "provider_name"));
    assert_eq!(app.get(CONFIGS).await.ok(), listed);
}

fn path(config: &Value) -> String {
    format!("{CONFIGS}/{}", config["id"].as_str().unwrap())
}

fn config_of(objects: &[&str]) -> Value {
    let objects: Vec<_> = objects
        .iter()
        .map(|object| json!({"object": object}))
        .collect();
    json!({
        "default_config": {"period_ms": 3_600_000, "strategy": "full only"},
        "common_objects": objects,
    })
}

async fn objects(app: &App) -> Vec<String> {
    let syncs = app.get("/mgmt/v2/syncs").await.ok();
    let mut objects: Vec<_> = syncs["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|sync| sync["object"].as_str().unwrap().to_owned())
        .collect();
    objects.sort();
    objects
}
