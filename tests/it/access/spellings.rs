//! Other spellings of a path that a key may not request, and requests that a server could read as a
//! different request: none of them reaches the provider.

use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::json;
use syncline_model::Role;

use super::{call, is_forbidden, key, request};
use crate::support::{App, CUSTOMER, MASTER_KEY, Upstream, on_both_databases};

/// Paths that lead to `people/match`, or may do so on some servers.
const MATCH: [&str; 20] = [
    "api/v1/people/match",
    "v1/people/match",
    "/v1/people/match/",
    "api/v1/people/%6Datch",
    "api/v1/%70eople/match",
    "%61pi/v1/people/match",
    "API/V1/PEOPLE/MATCH",
    "api/v1/People/Match.json",
    "api/v1/people/match.xml",
    "api/v1/people/bulk_match",
    "api/v1/people/match?x=/v1/contacts",
    "api/v1/people/%256Datch",
    "api/v1/people;a=b/match",
    "api/v1/people%3Ba=b/match",
    "api/v1/people%3F/match",
    "api/v1/people/match%20",
    "api/v1/%20people/match",
    "api//v1/people/match",
    "api/v1//people/match",
    "api/v1/contacts/../people/match",
];

#[apply(on_both_databases)]
async fn no_spelling_gets_past_a_rule(database: Database) {
    let app = App::synced(database, 5).await;
    let free = key(&app, Role::Passthrough, None).await;
    let contacts =
        json!({"passthrough": [{"methods": ["GET", "POST"], "path": "/v1/contacts/**"}]});
    let ruled = key(&app, Role::Admin, Some(contacts)).await;
    app.apollo.ledger().reset();
    for key in [&free, &ruled] {
        for path in MATCH {
            for method in [Method::POST, Method::GET] {
                let envelope = json!({"method": method.as_str(), "path": path});
                let sent = call(
                    &app,
                    key,
                    &Method::POST,
                    "/actions/v2/passthrough",
                    Some(&envelope),
                );
                let sent = sent.await;
                assert!(
                    is_forbidden(&sent) || sent.status == 400,
                    "{path}: {}",
                    sent.body
                );
                let path = format!("/actions/v2/proxy/{}", path.trim_start_matches('/'));
                let sent = call(&app, key, &method, &path, None).await;
                assert!(
                    is_forbidden(&sent) || [400, 404].contains(&sent.status.as_u16()),
                    "{path}: {} {}",
                    sent.status,
                    sent.body
                );
            }
        }
    }
    assert_eq!(app.apollo.ledger().len(), 0);
    for path in ["API/v1/Contacts/%73earch.json", "v1/contacts/search/"] {
        let envelope = json!({"method": "POST", "path": path, "body": {}});
        call(
            &app,
            &ruled,
            &Method::POST,
            "/actions/v2/passthrough",
            Some(&envelope),
        )
        .await
        .ok();
    }
}

#[apply(on_both_databases)]
async fn no_header_field_or_form_makes_another_method_of_it(database: Database) {
    let app = App::synced(database, 5).await;
    let contacts = json!({"passthrough": [{"methods": ["POST"], "path": "/v1/contacts/**"}]});
    let ruled = key(&app, Role::Passthrough, Some(contacts)).await;
    app.apollo.ledger().reset();
    let path = "api/v1/contacts/search";
    let proxied = format!("/actions/v2/proxy/{path}");
    let json = || {
        request(&app, &ruled, &Method::POST, &proxied).header("content-type", "application/json")
    };
    let form = "application/x-www-form-urlencoded";
    let plain = || request(&app, &ruled, &Method::POST, &proxied).body("_method=delete");
    for (what, sent) in [
        (
            "a header",
            json().header("X-HTTP-Method-Override", "DELETE").body("{}"),
        ),
        (
            "another",
            json().header("x-method-override", "DELETE").body("{}"),
        ),
        (
            "a third",
            json().header("X_HTTP_Method", "DELETE").body("{}"),
        ),
        ("a form", plain().header("content-type", form)),
        (
            "a form in capitals",
            plain().header("content-type", form.to_uppercase()),
        ),
        (
            "parts",
            plain().header("content-type", "multipart/form-data; boundary=x"),
        ),
        ("no type", plain()),
        (
            "two types",
            json().header("content-type", form).body("_method=delete"),
        ),
        (
            "a parameter",
            request(
                &app,
                &ruled,
                &Method::POST,
                &format!("{proxied}?_method=delete"),
            ),
        ),
        (
            "an encoded one",
            request(
                &app,
                &ruled,
                &Method::POST,
                &format!("{proxied}?%5Fmethod=delete"),
            ),
        ),
    ] {
        let answer = App::answer(sent).await;
        assert!(
            is_forbidden(&answer),
            "{what}: {} {}",
            answer.status,
            answer.body
        );
    }
    for headers in [
        json!({"X-HTTP-Method-Override": "DELETE"}),
        json!({"content-type": form}),
    ] {
        let envelope =
            json!({"method": "POST", "path": path, "headers": headers, "body": "_method=delete"});
        let answer = call(
            &app,
            &ruled,
            &Method::POST,
            "/actions/v2/passthrough",
            Some(&envelope),
        )
        .await;
        assert!(is_forbidden(&answer), "{headers}: {}", answer.body);
    }
    assert_eq!(app.apollo.ledger().len(), 0);
    App::answer(json().body("{}")).await.ok();
    // A key without a policy may send anything.
    let plain = request(&app, &app.api_key, &Method::POST, &proxied);
    App::answer(plain.header("content-type", form).body("page=1")).await;
    assert_eq!(app.apollo.ledger().len(), 2);
}

#[apply(on_both_databases)]
async fn a_key_with_rules_sends_no_header_that_could_name_another_path(database: Database) {
    let upstream = Upstream::start().await;
    let app = App::at(database, &upstream.base).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let rules = json!({"passthrough": [{"methods": ["GET"], "path": "/test/echo/**"}]});
    let held = key(&app, Role::Passthrough, Some(rules)).await;
    let free = app.api_key.clone();
    let risky = [
        "x-original-url",
        "x-rewrite-url",
        "x-forwarded-host",
        "x-forwarded-path",
        "forwarded",
        "x-forwarded-prefix",
        "x-original-host",
        "x-envoy-original-path",
        "x-anything",
    ];
    for (key, passes) in [(&held, false), (&free, true)] {
        let mut sent = request(&app, key, &Method::GET, "/actions/v2/proxy/test/echo/a")
            .header("accept", "text/csv");
        for name in risky {
            sent = sent.header(name, "/test/other");
        }
        let echo = App::answer(sent).await.ok();
        let names: serde_json::Map<_, _> = risky
            .iter()
            .map(|it| ((*it).to_owned(), json!("/other")))
            .collect();
        let envelope = json!({"method": "GET", "path": "test/echo/a", "headers": names});
        let enveloped = call(
            &app,
            key,
            &Method::POST,
            "/actions/v2/passthrough",
            Some(&envelope),
        )
        .await
        .ok();
        for name in risky {
            assert_eq!(echo["headers"][name].is_string(), passes, "{name}: {echo}");
            assert_eq!(
                enveloped["body"]["headers"][name].is_string(),
                passes,
                "{name}: {enveloped}"
            );
        }
        assert_eq!(echo["headers"]["accept"], "text/csv");
    }
}
