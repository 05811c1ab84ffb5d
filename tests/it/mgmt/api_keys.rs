//! API keys over HTTP.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::{Value, json};
use syncline_model::Role;

use crate::{
    access::{call, is_forbidden, key},
    http::{pages, refused},
    support::{App, CUSTOMER, on_both_databases},
};

const KEYS: &str = "/mgmt/v2/api_keys";

#[apply(on_both_databases)]
async fn a_key_is_shown_once_and_works_until_it_is_revoked(database: Database) {
    let app = App::with_contacts(database, 5).await;
    let created = app
        .post(KEYS, json!({"name": "dashboard", "role": "read-only"}))
        .await;
    assert_eq!(created.status, 201);
    let created = created.ok();
    let key = created["api_key"].as_str().unwrap().to_owned();
    let id = created["id"].as_str().unwrap().to_owned();
    assert!(key.len() > 40);
    for field in ["policy", "last_used_at", "expires_at", "revoked_at"] {
        assert_eq!(created[field], Value::Null, "{field}");
    }
    app.get_as(&key, "/mgmt/v2/customers").await.ok();

    let one = app.get(&format!("{KEYS}/{id}")).await.ok();
    assert_eq!(
        (&one["name"], &one["role"]),
        (&json!("dashboard"), &json!("read-only"))
    );
    let list = app.get(KEYS).await.ok();
    assert_eq!(list["total_count"], 2);
    assert_eq!(list["results"][0]["id"], id.as_str(), "the newest first");
    assert!(!format!("{one}{list}").contains(&key));
    assert_eq!(
        app.database
            .count(&format!(
                "SELECT count(*) FROM api_keys WHERE key_hash LIKE '%{key}%'"
            ))
            .await,
        0
    );

    let path = format!("{KEYS}/{id}");
    assert_eq!(app.delete(&path).await.status, 204);
    refused(
        &app.get_as(&key, "/mgmt/v2/customers").await,
        401,
        "UNAUTHORIZED_ERROR",
    );
    let revoked_at = app.get(&path).await.ok()["revoked_at"].clone();
    assert!(revoked_at.is_string());
    app.clock.advance(TimeDelta::hours(1));
    assert_eq!(
        app.delete(&path).await.status,
        204,
        "a second time changes nothing"
    );
    assert_eq!(
        app.get(KEYS).await.ok()["results"][0]["revoked_at"],
        revoked_at
    );
    refused(
        &app.get(&format!("{KEYS}/no-such-id")).await,
        404,
        "NOT_FOUND_ERROR",
    );
    refused(
        &app.delete(&format!("{KEYS}/no-such-id")).await,
        404,
        "NOT_FOUND_ERROR",
    );
}

#[apply(on_both_databases)]
async fn a_key_expires_at_its_time(database: Database) {
    let app = App::with_contacts(database, 5).await;
    let end = app.now() + TimeDelta::days(1);
    let body = json!({"name": "a day", "role": "admin", "expires_at": end.to_rfc3339()});
    let created = app.post(KEYS, body).await.ok();
    let key = created["api_key"].as_str().unwrap();
    assert_eq!(created["expires_at"], "2026-03-02T08:00:00.000Z");
    app.clock
        .advance(TimeDelta::days(1) - TimeDelta::milliseconds(1));
    app.get_as(key, "/mgmt/v2/customers").await.ok();
    app.clock.advance(TimeDelta::milliseconds(1));
    refused(
        &app.get_as(key, "/mgmt/v2/customers").await,
        401,
        "UNAUTHORIZED_ERROR",
    );
}

#[apply(on_both_databases)]
async fn the_list_is_walked_in_pages(database: Database) {
    let app = App::with_contacts(database, 0).await;
    for number in 0..6 {
        app.post(KEYS, json!({"name": format!("n{number}"), "role": "admin"}))
            .await
            .ok();
    }
    pages(&app, KEYS, 3, 7).await;
}

#[apply(on_both_databases)]
async fn a_key_that_makes_no_sense_is_refused_by_field(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let rule = |methods: Value, path: &str| json!([{"methods": methods, "path": path}]);
    for (body, field) in [
        (json!({"role": "admin"}), "name"),
        (json!({"name": " ", "role": "admin"}), "name"),
        (json!({"name": "n".repeat(256), "role": "admin"}), "name"),
        (json!({"name": "n"}), "role"),
        (json!({"name": "n", "role": "root"}), "role"),
        (
            json!({"name": "n", "role": "admin", "expires_at": "tomorrow"}),
            "expires_at",
        ),
        (
            json!({"name": "n", "role": "admin", "expires_at": "2026-03-01T08:00:00Z"}),
            "expires_at",
        ),
        (
            json!({"name": "n", "role": "admin", "policy": {"reads": []}}),
            "policy.reads",
        ),
        (
            json!({"name": "n", "role": "admin", "policy": {"passthrough": rule(json!([]), "/a")}}),
            "policy.passthrough[0].methods",
        ),
        (
            json!({"name": "n", "role": "admin", "policy": {"passthrough": rule(json!(["SEND"]), "/a")}}),
            "policy.passthrough[0].methods",
        ),
        (
            json!({"name": "n", "role": "admin", "policy": {"passthrough": rule(json!(["GET"]), "a")}}),
            "policy.passthrough[0].path",
        ),
        (
            json!({"name": "n", "role": "admin", "policy": {"writes": rule(json!(["PUT"]), "/v1/contacts")}}),
            "policy.writes[0].path",
        ),
    ] {
        let answer = app.post(KEYS, body.clone()).await;
        assert_eq!(answer.error(), (400, "VALIDATION_ERROR", field), "{body}");
    }
    assert_eq!(app.get(KEYS).await.ok()["total_count"], 1);
}

#[apply(on_both_databases)]
async fn no_key_makes_one_that_may_more_or_for_longer(database: Database) {
    let app = App::with_contacts(database, 0).await;
    let writes = json!([{"methods": ["POST"], "path": "/mgmt/v2/api_keys"},
            {"methods": ["PUT"], "path": "/mgmt/v2/customers/**"}]);
    let end = app.now() + TimeDelta::days(1);
    let body =
        json!({"name": "narrow", "role": "admin", "expires_at": end, "policy": {"writes": writes}});
    let narrow = app.post(KEYS, body).await.ok();
    let narrow = narrow["api_key"].as_str().unwrap();
    let rules = |path: &str| json!({"writes": [{"methods": ["PUT"], "path": path}]});
    for (body, made) in [
        (
            json!({"name": "n", "role": "read-only", "expires_at": end}),
            true,
        ),
        (
            json!({"name": "n", "role": "admin", "expires_at": end,
                "policy": rules("/mgmt/v2/customers/*/connections/apollo")}),
            true,
        ),
        (
            json!({"name": "n", "role": "admin", "expires_at": end}),
            false,
        ),
        (
            json!({"name": "n", "role": "passthrough", "expires_at": end}),
            false,
        ),
        (
            json!({"name": "n", "role": "read-only", "expires_at": end,
                "policy": {"credits": true}}),
            false,
        ),
        (
            json!({"name": "n", "role": "read-only", "expires_at": end,
                "policy": rules("/mgmt/v2/providers/*")}),
            false,
        ),
        (json!({"name": "n", "role": "read-only"}), false),
        (
            json!({"name": "n", "role": "read-only", "expires_at": end + TimeDelta::seconds(1)}),
            false,
        ),
    ] {
        let answer = call(&app, narrow, &Method::POST, KEYS, Some(&body)).await;
        assert_eq!(answer.status == 201, made, "{body}: {}", answer.body);
        assert_eq!(is_forbidden(&answer), !made, "{body}: {}", answer.body);
    }
    assert_eq!(app.get(KEYS).await.ok()["total_count"], 4);
}

#[apply(on_both_databases)]
async fn a_keys_last_use_is_written_down_once_a_minute(database: Database) {
    let app = App::with_contacts(database, 5).await;
    app.connect(CUSTOMER, crate::support::MASTER_KEY).await;
    let reader = key(&app, Role::ReadOnly, None).await;
    let used = async || app.get(KEYS).await.ok()["results"][0]["last_used_at"].clone();
    assert_eq!(used().await, Value::Null);
    app.get_as(&reader, "/mgmt/v2/customers").await.ok();
    app.until_last_use_recorded(&reader).await;
    assert_eq!(used().await, "2026-03-01T08:00:00.000Z");
    app.clock.advance(TimeDelta::seconds(59));
    app.get_as(&reader, "/mgmt/v2/customers").await.ok();
    app.clock.advance(TimeDelta::seconds(1));
    // Also where the key comes with headers that select a connection.
    let cached = "/engagement/v2/contacts?read_from_cache=true";
    app.get_as(&reader, cached).await.ok();
    app.until_last_use_recorded(&reader).await;
    assert_eq!(used().await, "2026-03-01T08:01:00.000Z");
}
