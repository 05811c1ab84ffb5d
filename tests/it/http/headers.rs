//! The headers that identify the caller and select the connection.

use macro_rules_attribute::apply;
use reqwest::{Method, header::HeaderValue};
use serde_json::json;

use super::refused;
use crate::support::{App, CUSTOMER, Database, MASTER_KEY, on_both_databases};

const USERS: &str = "/engagement/v2/users?read_from_cache=true";

#[tokio::test]
async fn no_answer_is_taken_for_another_type_or_kept() {
    let app = App::synced(Database::sqlite(), 5).await;
    for path in [
        "/mgmt/v2/customers",
        "/mgmt/v2/nothing",
        "/healthz",
        USERS,
        "/openapi/mgmt.json",
        "/actions/v2/proxy/v1/auth/health",
    ] {
        for key in [app.api_key.as_str(), "unknown"] {
            let request = app
                .request(Method::GET, path)
                .header("x-api-key", key)
                .header("x-customer-id", CUSTOMER)
                .header("x-provider-name", "apollo");
            let answer = request.send().await.unwrap();
            assert_eq!(
                answer.headers()["x-content-type-options"],
                "nosniff",
                "{path}"
            );
            let theirs = path.contains("proxy") && answer.status() == 200;
            let kept = if theirs {
                "max-age=0, private, must-revalidate"
            } else {
                "no-store"
            };
            assert_eq!(answer.headers()["cache-control"], kept, "{path}");
        }
    }
}

#[apply(on_both_databases)]
async fn nothing_is_answered_without_a_known_key(database: Database) {
    let app = App::synced(database, 5).await;
    for path in [
        "/mgmt/v2/customers",
        "/mgmt/v2/syncs",
        "/mgmt/v2/sync-runs",
        USERS,
    ] {
        let answer = App::answer(app.request(Method::GET, path)).await;
        assert_eq!(
            refused(&answer, 401, "UNAUTHORIZED_ERROR"),
            "x-api-key header must be set"
        );
        for key in [
            &b"unknown"[..],
            b"\xff\xfe",
            "clé".as_bytes(),
            &[b'k'; 5000],
        ] {
            let request = app
                .request(Method::GET, path)
                .header("x-api-key", HeaderValue::from_bytes(key).unwrap());
            let title = refused(&App::answer(request).await, 401, "UNAUTHORIZED_ERROR");
            assert_eq!(title, "Can't find application by api key");
        }
    }
    let request = app
        .request(Method::PUT, "/mgmt/v2/customers")
        .body("not even JSON");
    refused(&App::answer(request).await, 401, "UNAUTHORIZED_ERROR");
}

#[apply(on_both_databases)]
async fn the_engagement_api_wants_a_connection(database: Database) {
    let app = App::synced(database, 5).await;
    for headers in [
        vec![],
        vec![("x-customer-id", CUSTOMER)],
        vec![("x-provider-name", "apollo")],
    ] {
        let mut request = app
            .request(Method::GET, USERS)
            .header("x-api-key", &app.api_key);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        assert_eq!(
            refused(&App::answer(request).await, 401, "UNAUTHORIZED_ERROR"),
            "x-customer-id and x-provider-name headers must be set"
        );
    }
    for (customer, provider) in [
        ("nobody", "apollo"),
        (CUSTOMER, "hubspot"),
        (CUSTOMER, "salesloft"),
    ] {
        let request = app
            .request(Method::GET, USERS)
            .header("x-api-key", &app.api_key)
            .header("x-customer-id", customer)
            .header("x-provider-name", provider);
        refused(&App::answer(request).await, 404, "NOT_FOUND_ERROR");
    }
}

#[apply(on_both_databases)]
async fn odd_bytes_in_a_header_are_the_callers_mistake(database: Database) {
    let app = App::synced(database, 5).await;
    for bytes in [
        &b"\xff\xfe"[..],
        b"a\tb",
        b"\xc3\x28",
        &[b'c'; 8000],
        b"'; --",
    ] {
        for path in [USERS, "/mgmt/v2/syncs/_pause"] {
            let method = if path == USERS {
                Method::GET
            } else {
                Method::POST
            };
            let request = app
                .request(method, path)
                .header("x-api-key", &app.api_key)
                .header("x-customer-id", HeaderValue::from_bytes(bytes).unwrap())
                .header("x-provider-name", "apollo")
                .json(&json!({"object_type": "common", "object": "user"}));
            let status = App::answer(request).await.status.as_u16();
            assert!([400, 404].contains(&status), "{status} for {bytes:?}");
        }
    }
}

#[apply(on_both_databases)]
async fn a_customer_id_beyond_ascii_goes_into_the_header_as_utf_8(database: Database) {
    let app = App::with_contacts(database, 5).await;
    app.put_customer("Zoë").await.ok();
    app.post_connection("Zo%C3%AB", MASTER_KEY).await.ok();
    app.work_off().await;
    let request = app
        .request(Method::GET, USERS)
        .header("x-api-key", &app.api_key)
        .header(
            "x-customer-id",
            HeaderValue::from_bytes("Zoë".as_bytes()).unwrap(),
        )
        .header("x-provider-name", "apollo");
    App::answer(request).await.ok();
}
