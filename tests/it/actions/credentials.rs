//! The caller's credentials never reach the provider, and the provider's never reach the caller.

use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::{Value, json};

use super::{PASSTHROUGH, proxied};
use crate::support::{App, CUSTOMER, MASTER_KEY, Upstream, on_both_databases};

const THEIRS: [(&str, &str); 4] = [
    ("authorization", "Bearer of-the-caller"),
    ("cookie", "session=of-the-caller"),
    ("proxy-authorization", "Basic of-the-caller"),
    ("x-syncline-retry-for", "5"),
];

#[apply(on_both_databases)]
async fn the_proxy_puts_the_connections_key_in_place_of_the_callers(database: Database) {
    let upstream = Upstream::start().await;
    let app = App::at(database, &upstream.base).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let mut request = proxied(&app, Method::POST, "test/echo/x").body("x");
    for (name, value) in THEIRS {
        request = request.header(name, value);
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["x-key-was"], "[redacted]");
    assert!(!format!("{:?}", answer.headers()).contains(MASTER_KEY));
    let seen: Value = answer.json().await.unwrap();
    only_the_connections(&seen["headers"], MASTER_KEY, &app);
}

#[apply(on_both_databases)]
async fn the_envelope_does_so_too_and_takes_the_key_out_of_the_body(database: Database) {
    let upstream = Upstream::start().await;
    let app = App::at(database, &upstream.base).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let mut headers: Value = THEIRS
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    headers["X-Api-Key"] = "somebody-elses".into();
    headers["X-Customer-Id"] = "other".into();
    headers["Host"] = "evil.example".into();
    headers["Transfer-Encoding"] = "chunked".into();
    let answer = app
        .post(
            PASSTHROUGH,
            json!({
                "method": "POST", "path": "test/echo/x", "headers": headers, "body": {"a": 1},
            }),
        )
        .await
        .ok();
    assert!(!answer.to_string().contains(MASTER_KEY), "{answer}");
    assert_eq!(answer["headers"]["x-key-was"], "[redacted]");
    assert_eq!(answer["headers"].get("set-cookie"), None);
    let seen = &answer["body"]["headers"];
    only_the_connections(seen, "[redacted]", &app);
    assert_eq!(seen["host"], upstream.base.trim_start_matches("http://"));
}

#[apply(on_both_databases)]
async fn no_key_is_in_any_url(database: Database) {
    let upstream = Upstream::start().await;
    let app = App::at(database, &upstream.base).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    let envelope = json!({"method": "GET", "path": "test/echo/x", "query": {"a": "b"}});
    let answer = app.post(PASSTHROUGH, envelope).await.ok();
    assert_eq!(answer["url"], format!("{}/test/echo/x?a=b", upstream.base));
    assert_eq!(upstream.seen(), ["GET /test/echo/x?a=b"]);
}

#[track_caller]
fn only_the_connections(headers: &Value, key: &str, app: &App) {
    assert_eq!(headers["x-api-key"], key);
    for name in [
        "authorization",
        "cookie",
        "proxy-authorization",
        "x-customer-id",
        "x-provider-name",
        "x-syncline-retry-for",
    ] {
        assert_eq!(headers.get(name), None, "{name}");
    }
    let text = headers.to_string();
    assert!(
        !text.contains(&app.api_key) && !text.contains("of-the-caller"),
        "{text}"
    );
}
