//! Every failure below `/scim/v2` has SCIM's shape, whatever made it.

use std::num::NonZeroU32;

use macro_rules_attribute::apply;
use reqwest::{
    Method,
    header::{ALLOW, CONTENT_TYPE, RETRY_AFTER},
};
use serde_json::json;

use super::{get, is_error, path, refused, sent};
use crate::support::{App, Database, HttpLimits, on_both_databases};

#[apply(on_both_databases)]
async fn what_would_write_is_refused_and_changes_nothing(database: Database) {
    let app = App::synced(database, 5).await;
    app.until_last_use_recorded(&app.api_key).await;
    let before = app.database.dump(None).await;
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        for rest in ["Users", "Users/1", "Schemas", "ServiceProviderConfig", "Me"] {
            let request = app
                .request(method.clone(), &path(rest))
                .bearer_auth(&app.api_key)
                .json(&json!({"userName": "a"}));
            let answer = request.send().await.unwrap();
            assert_eq!(answer.headers()[ALLOW], "GET,HEAD");
            let (detail, _) = refused(&App::read(&method, answer).await, 405);
            assert!(detail.contains("only read"), "{detail}");
        }
    }
    assert_eq!(app.database.dump(None).await, before);
}

#[tokio::test]
async fn what_is_not_there_is_refused_in_the_shape_of_scim() {
    let app = App::synced(Database::sqlite(), 5).await;
    for rest in [
        "Groups",
        "Bulk",
        ".search",
        "users",
        "Users/",
        "Users/1/2",
        "",
    ] {
        refused(&get(&app, &path(rest)).await, 404);
        refused(&get(&app, &format!("/scim/v2/{rest}")).await, 404);
    }
    refused(&get(&app, "/scim/v1/Users").await, 404);
    let (detail, _) = refused(&get(&app, &path("Me")).await, 501);
    assert!(detail.contains("no user"), "{detail}");
    let elsewhere = get(&app, "/scimitar").await;
    assert!(!is_error(&elsewhere.body), "{}", elsewhere.body);
}

#[tokio::test]
async fn every_answer_has_the_media_type_of_scim() {
    let app = App::synced(Database::sqlite(), 5).await;
    for rest in [
        "Users",
        "Users/1",
        "Users?count=x",
        "Schemas",
        "Groups",
        "Me",
    ] {
        let answer = sent(&app, Method::GET, &path(rest)).await;
        assert_eq!(
            answer.headers()[CONTENT_TYPE],
            "application/scim+json",
            "{rest}"
        );
    }
}

#[tokio::test]
async fn limits_are_told_in_the_shape_of_scim_with_when_to_come_back() {
    let mut http = HttpLimits::default();
    http.requests.requests_per_minute = NonZeroU32::new(1);
    let app = App::with_limits(Database::sqlite(), None, http).await;
    get(&app, "/scim/v2/Schemas").await.ok();
    let answer = sent(&app, Method::GET, "/scim/v2/Schemas").await;
    assert!(answer.headers().contains_key(RETRY_AFTER));
    refused(&App::read(&Method::GET, answer).await, 429);

    http.requests.requests_per_minute = None;
    http.requests.concurrent_requests = 0;
    let app = App::with_limits(Database::sqlite(), None, http).await;
    let answer = sent(&app, Method::GET, "/scim/v2/Schemas").await;
    assert!(answer.headers().contains_key(RETRY_AFTER));
    refused(&App::read(&Method::GET, answer).await, 503);
}
