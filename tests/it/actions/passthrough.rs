//! The envelope: request, response, and what is rejected.

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::{Action, Fault, Match, WireFault};

use super::{PASSTHROUGH, pass, pass_body};
use crate::{
    http::refused,
    support::{App, CUSTOMER, MASTER_KEY, Upstream, on_both_databases},
};

#[apply(on_both_databases)]
async fn get_post_and_patch_come_back_in_the_envelope(database: Database) {
    let app = App::with_contacts(database, 3).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let users = app.post(PASSTHROUGH, json!({
            "method": "GET", "path": "/api/v1/users/search", "query": {"page": "1", "per_page": "2"},
        })).await.ok();
    assert_eq!(users["status"], 200);
    let base = app.apollo.base_url();
    assert_eq!(
        users["url"],
        format!("{base}/api/v1/users/search?page=1&per_page=2")
    );
    assert_eq!(users["body"]["users"].as_array().unwrap().len(), 2);
    assert!(
        users["headers"]["content-type"]
            .as_str()
            .unwrap()
            .starts_with("application/json")
    );

    let search = json!({"page": 1, "per_page": 1});
    let found = pass_body(&app, "POST", "api/v1/contacts/search", search)
        .await
        .ok();
    let contact = found["body"]["contacts"][0]["id"].as_str().unwrap();
    let path = format!("/api/v1/contacts/{contact}");
    let changed = json!({"first_name": "Ottilie"});
    let patched = pass_body(&app, "PATCH", &path, changed).await.ok();
    assert_eq!(patched["status"], 200, "{patched}");
    let read = pass(&app, "GET", &path).await.ok();
    assert_eq!(read["body"]["contact"]["first_name"], "Ottilie");
}

#[apply(on_both_databases)]
async fn whatever_the_provider_answers_is_an_answer(database: Database) {
    let app = App::with_contacts(database, 3).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let missing = pass(&app, "GET", "/api/v1/contacts/000000000000000000000000")
        .await
        .ok();
    assert!(
        [404, 422].contains(&missing["status"].as_u64().unwrap()),
        "{missing}"
    );
    let nothing = pass(&app, "DELETE", "/api/v1/no_such_thing").await.ok();
    assert_eq!(nothing["status"], 404);
    app.apollo.faults().push(Fault::new(
        Match::path("users/search"),
        Action::server_error(),
    ));
    let failed = pass(&app, "GET", "/api/v1/users/search").await.ok();
    assert_eq!(failed["status"], 500);
    assert_eq!(failed["body"]["error"], "Internal Server Error");
    app.apollo.edit(0, |team| team.revoke_key(MASTER_KEY));
    assert_eq!(
        pass(&app, "GET", "/api/v1/users/search").await.ok()["status"],
        401
    );
}

#[apply(on_both_databases)]
async fn no_answer_is_an_error_of_the_table(database: Database) {
    let app = App::with_contacts(database, 3).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let breaks_off = Action::Wire(WireFault::Reset);
    app.apollo
        .faults()
        .push(Fault::new(Match::path("users/search"), breaks_off).always());
    let answer = pass(&app, "GET", "/api/v1/users/search").await;
    refused(&answer, 502, "BAD_GATEWAY_ERROR");
    assert_eq!(
        answer.body["errors"][0]["meta"]["origin"],
        "remote-provider"
    );
    let path = "/actions/v2/proxy/api/v1/users/search";
    refused(&app.get(path).await, 502, "BAD_GATEWAY_ERROR");
}

#[apply(on_both_databases)]
async fn a_body_is_sent_as_it_was_written(database: Database) {
    let upstream = Upstream::start().await;
    let app = App::at(database, &upstream.base).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let sent = async |body: &str, headers: Value| {
        let envelope = format!(
            r#"{{"method": "PUT", "path": "test/echo/x", "body": {body}, "headers": {headers}}}"#
        );
        let answer = app.post_text(PASSTHROUGH, envelope).await.ok();
        let seen = &answer["body"];
        (
            seen["body"].clone(),
            seen["headers"]["content-type"].clone(),
        )
    };
    let json = json!("application/json");
    let numbers = r#"{"z": 12345678901234567890123, "a": 1.10}"#;
    assert_eq!(
        sent(numbers, json!({})).await,
        (json!(numbers), json.clone())
    );
    assert_eq!(
        sent("[1, 2]", json!({})).await,
        (json!("[1, 2]"), json.clone())
    );
    assert_eq!(sent(r#""a=b\n""#, json!({})).await, (json!("a=b\n"), json));
    let csv = json!({"Content-Type": "text/csv", "content-length": "7"});
    assert_eq!(
        sent(r#""a;b""#, csv).await,
        (json!("a;b"), json!("text/csv"))
    );
    assert_eq!(sent("null", json!({})).await, (json!(""), Value::Null));
    assert_eq!(upstream.seen()[0], "PUT /test/echo/x");
}

#[apply(on_both_databases)]
async fn an_answer_that_is_not_json_is_a_string_and_none_is_left_out(database: Database) {
    let upstream = Upstream::start().await;
    let app = App::at(database, &upstream.base).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let text = pass(&app, "GET", "test/text").await.ok();
    assert_eq!(text["body"], "only text, key-less");
    let none = pass(&app, "GET", "test/status/204").await.ok();
    assert_eq!((&none["status"], none.get("body")), (&json!(204), None));
    let elsewhere = pass(&app, "GET", "test/status/302").await.ok();
    assert_eq!(elsewhere["status"], 302);
    assert_eq!(
        elsewhere["headers"]["location"],
        "http://elsewhere.example/"
    );
    let large = pass(&app, "GET", "test/down/26214401").await;
    let title = refused(&large, 502, "BAD_GATEWAY_ERROR");
    assert!(title.contains("/actions/v2/proxy"), "{title}");
    assert_eq!(
        pass(&app, "GET", "test/down/26214400").await.ok()["status"],
        200
    );
}

#[apply(on_both_databases)]
async fn a_wrong_envelope_is_refused_by_field(database: Database) {
    let app = App::with_contacts(database, 0).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.apollo.ledger().reset();
    for (field, envelope) in [
        ("path", json!({"method": "GET"})),
        ("path", json!({"method": "GET", "path": 1})),
        ("method", json!({"path": "a"})),
        ("method", json!({"path": "a", "method": "get"})),
        ("method", json!({"path": "a", "method": "TRACE"})),
        ("method", json!({"path": "a", "method": "CONNECT"})),
        ("body", json!({"path": "a", "method": "POST", "body": 1})),
        ("body", json!({"path": "a", "method": "POST", "body": true})),
        (
            "query.a",
            json!({"path": "a", "method": "GET", "query": {"a": 1}}),
        ),
        (
            "query",
            json!({"path": "a", "method": "GET", "query": "a=b"}),
        ),
        (
            "headers.a",
            json!({"path": "a", "method": "GET", "headers": {"a": 1}}),
        ),
        (
            "headers.a b",
            json!({"path": "a", "method": "GET", "headers": {"a b": "1"}}),
        ),
        (
            "headers.a",
            json!({"path": "a", "method": "GET", "headers": {"a": "1\r\nb: 2"}}),
        ),
    ] {
        let answer = app.post(PASSTHROUGH, envelope.clone()).await;
        assert_eq!(
            answer.error(),
            (400, "VALIDATION_ERROR", field),
            "{envelope}"
        );
    }
    assert!(app.apollo.ledger().is_empty());
}

#[apply(on_both_databases)]
async fn both_need_a_key_and_a_connection(database: Database) {
    let app = App::with_contacts(database, 0).await;
    for path in [PASSTHROUGH, "/actions/v2/proxy/api/v1/users/search"] {
        let envelope = json!({"method": "GET", "path": "/api/v1/users/search"});
        let request = app.request(reqwest::Method::POST, path).json(&envelope);
        refused(&App::answer(request).await, 401, "UNAUTHORIZED_ERROR");
        refused(&app.post(path, envelope).await, 404, "NOT_FOUND_ERROR");
    }
    assert!(app.apollo.ledger().is_empty());
}
