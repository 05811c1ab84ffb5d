//! Whose users are meant, and whether they are known.

use macro_rules_attribute::apply;
use reqwest::{Method, header::RETRY_AFTER};
use serde_json::json;

use super::{get, ids, path, refused, sent};
use crate::support::{App, CUSTOMER, MASTER_KEY, on_both_databases};

#[apply(on_both_databases)]
async fn the_address_or_the_headers_name_the_customer(database: Database) {
    let app = App::synced(database, 5).await;
    let by_address = get(&app, &path("Users")).await.ok();
    assert_eq!(app.get("/scim/v2/Users").await.ok(), by_address);
    let id = ids(&by_address)[0].clone();
    let user = get(&app, &path(&format!("Users/{id}"))).await.ok();
    assert_eq!(app.get(&format!("/scim/v2/Users/{id}")).await.ok(), user);
}

#[apply(on_both_databases)]
async fn the_address_counts_where_headers_name_another_customer(database: Database) {
    let app = App::synced(database, 5).await;
    let request = app
        .request(Method::GET, &path("Users"))
        .bearer_auth(&app.api_key)
        .header("x-customer-id", "nobody")
        .header("x-provider-name", "outreach");
    let users = App::answer(request).await.ok();
    assert_eq!(users, get(&app, &path("Users")).await.ok());
}

#[apply(on_both_databases)]
async fn a_customer_that_is_not_named_or_not_there_is_told(database: Database) {
    let app = App::synced(database, 5).await;
    let (detail, _) = refused(&get(&app, "/scim/v2/Users").await, 400);
    assert!(
        detail.starts_with("x-customer-id: this header must be set"),
        "{detail}"
    );
    assert!(detail.contains("/scim/v2/customers/"), "{detail}");
    let half = app
        .request(Method::GET, "/scim/v2/Users")
        .bearer_auth(&app.api_key)
        .header("x-customer-id", CUSTOMER);
    let (detail, _) = refused(&App::answer(half).await, 400);
    assert!(detail.starts_with("x-provider-name: "), "{detail}");
    for base in [
        "nobody/apollo".to_owned(),
        format!("{CUSTOMER}/outreach"),
        format!("{CUSTOMER}/nothing"),
        format!("{CUSTOMER}'--/apollo"),
    ] {
        refused(
            &get(&app, &format!("/scim/v2/customers/{base}/Users")).await,
            404,
        );
    }
    let nul = get(&app, "/scim/v2/customers/a%00/apollo/Users").await;
    refused(&nul, 400);
}

#[apply(on_both_databases)]
async fn a_customer_id_may_have_any_characters(database: Database) {
    let app = App::with_contacts(database, 5).await;
    app.put_customer("a b/ü").await.ok();
    app.post_connection("a%20b%2F%C3%BC", MASTER_KEY).await.ok();
    app.work_off().await;
    let list = get(&app, "/scim/v2/customers/a%20b%2F%C3%BC/apollo/Users")
        .await
        .ok();
    let location = list["Resources"][0]["meta"]["location"].as_str().unwrap();
    let path = location.strip_prefix(crate::support::PUBLIC_URL).unwrap();
    assert_eq!(get(&app, path).await.ok(), list["Resources"][0]);
}

/// An empty or half list would look as if the others had left.
#[apply(on_both_databases)]
async fn nobody_is_listed_before_the_first_sync_has_succeeded(database: Database) {
    let app = App::with_contacts(database, 5).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    for path in [path("Users"), path("Users/anybody")] {
        let answer = sent(&app, Method::GET, &path).await;
        assert_eq!(answer.headers()[RETRY_AFTER], "1");
        let answer = App::read(&Method::GET, answer).await;
        let (detail, _) = refused(&answer, 503);
        assert!(detail.contains("has not succeeded yet"), "{detail}");
    }
    app.work_off().await;
    get(&app, &path("Users")).await.ok();
}

#[apply(on_both_databases)]
async fn users_that_are_not_synced_are_told_instead_of_an_empty_list(database: Database) {
    let app = App::synced(database, 5).await;
    let configs = app.get("/mgmt/v2/sync_configs").await.ok();
    let config = configs[0]["id"].as_str().unwrap();
    let body = json!({"config": {"default_config": {"period_ms": 60_000, "strategy": "full only"},
            "common_objects": [{"object": "contact"}]}});
    let path_of_config = format!("/mgmt/v2/sync_configs/{config}?force_delete_syncs=true");
    app.put(&path_of_config, body).await.ok();
    for path in [path("Users"), path("Users/anybody")] {
        let (detail, _) = refused(&get(&app, &path).await, 400);
        assert!(
            detail.contains("are not synced: name the object user"),
            "{detail}"
        );
    }
}
