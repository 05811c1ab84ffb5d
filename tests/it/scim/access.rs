//! Who may read the users.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::json;
use syncline_model::Role;

use super::{add_users, get, get_as, ids, path, refused, sent};
use crate::{
    access::{key, key_of},
    agents::agent,
    support::{App, CUSTOMER, MASTER_KEY, on_both_databases},
};

#[apply(on_both_databases)]
async fn the_key_is_a_bearer_token_or_in_the_header_of_the_other_apis(database: Database) {
    let app = App::synced(database, 5).await;
    let ask = || app.request(Method::GET, &path("Users"));
    let users = get(&app, &path("Users")).await.ok();
    let own = App::answer(ask().header("x-api-key", &app.api_key)).await;
    assert_eq!(own.ok(), users);
    let lower = format!("bearer {}", app.api_key);
    assert_eq!(
        App::answer(ask().header("authorization", lower)).await.ok(),
        users
    );
}

#[apply(on_both_databases)]
async fn without_a_known_key_nothing_is_answered_and_the_scheme_is_named(database: Database) {
    let app = App::synced(database, 5).await;
    let end = Some(app.now() + TimeDelta::minutes(1));
    let (_, expired) = key_of(&app, "default", Role::Admin, None, end).await;
    app.clock.advance(TimeDelta::minutes(1));
    let key = &app.api_key;
    for value in [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "Bearer unknown".to_owned(),
        format!("Basic {key}"),
        key.clone(),
        format!("Bearer {key}x"),
        format!("Bearer {expired}"),
    ] {
        for rest in ["Users", "Users/1", "Schemas", "ResourceTypes/User"] {
            let request = app
                .request(Method::GET, &path(rest))
                .header("authorization", &value);
            let answer = request.send().await.unwrap();
            let scheme = answer.headers()["www-authenticate"].to_str().unwrap();
            assert!(scheme.starts_with("Bearer"), "{scheme}");
            refused(&App::read(&Method::GET, answer).await, 401);
        }
    }
}

#[apply(on_both_databases)]
async fn a_bearer_token_opens_no_other_api(database: Database) {
    let app = App::synced(database, 5).await;
    for path in ["/mgmt/v2/customers", "/engagement/v2/users"] {
        let answer = get(&app, path).await;
        crate::http::refused(&answer, 401, "UNAUTHORIZED_ERROR");
    }
}

#[apply(on_both_databases)]
async fn the_key_of_another_application_finds_nobody(database: Database) {
    let app = App::synced(database, 5).await;
    let (_, foreign) = key_of(&app, "another", Role::Admin, None, None).await;
    let id = ids(&get(&app, &path("Users")).await.ok())[0].clone();
    for rest in [
        "Users".to_owned(),
        format!("Users/{id}"),
        "Users?count=0".to_owned(),
    ] {
        refused(&get_as(&app, &foreign, &path(&rest)).await, 404);
    }
}

#[apply(on_both_databases)]
async fn a_customers_users_are_not_those_of_another(database: Database) {
    let app = App::synced(database, 5).await;
    app.connect("customer-2", MASTER_KEY).await;
    app.work_off().await;
    add_users(&app, "first", 1).await;
    assert_eq!(
        get(&app, &path("Users/first-1")).await.ok()["id"],
        "first-1"
    );
    let of_second = "/scim/v2/customers/customer-2/apollo/Users";
    refused(&get(&app, &format!("{of_second}/first-1")).await, 404);
    let filter = format!("{of_second}?filter=id+eq+%22first-1%22");
    assert_eq!(get(&app, &filter).await.ok()["totalResults"], 0);
}

#[apply(on_both_databases)]
async fn every_key_but_an_agents_reads_the_users(database: Database) {
    let app = App::synced(database, 5).await;
    let rules = json!({"writes": [], "passthrough": [], "credits": false});
    for reader in [
        key(&app, Role::ReadOnly, None).await,
        key(&app, Role::Passthrough, None).await,
        key(&app, Role::Admin, Some(rules)).await,
    ] {
        get_as(&app, &reader, &path("Users")).await.ok();
        get_as(&app, &reader, &path("ServiceProviderConfig"))
            .await
            .ok();
    }
    let grants = json!({"groups": {"users": "full", "records": "full"}, "customers": [CUSTOMER]});
    let agent = agent(&app, grants).await;
    for rest in ["Users", "Users/1", "Schemas", "ServiceProviderConfig"] {
        let (detail, _) = refused(&get_as(&app, &agent, &path(rest)).await, 403);
        assert!(detail.contains("is an agent's"), "{detail}");
    }
}

#[apply(on_both_databases)]
async fn a_refusal_is_in_the_audit_log_and_a_read_is_not(database: Database) {
    let app = App::synced(database, 5).await;
    let agent = agent(&app, json!({"groups": {"records": "read"}})).await;
    get(&app, &path("Users")).await.ok();
    refused(&get_as(&app, &agent, &path("Users")).await, 403);
    let log = app.get("/mgmt/v2/audit_log").await.ok();
    let entries = log["results"].as_array().unwrap();
    let of_users: Vec<_> = entries
        .iter()
        .filter(|it| it["action"] == "user.read")
        .collect();
    assert_eq!(of_users.len(), 1, "{of_users:#?}");
    assert_eq!(
        (&of_users[0]["result"], &of_users[0]["customer_id"]),
        (&json!("denied"), &json!(CUSTOMER))
    );
}

#[apply(on_both_databases)]
async fn a_head_is_answered_like_a_get(database: Database) {
    let app = App::synced(database, 5).await;
    assert_eq!(sent(&app, Method::HEAD, &path("Users")).await.status(), 200);
}
